//! Findings that a run accepts.

use std::fmt;
use std::str::FromStr;

use super::{Code, Diagnostic};

/// A finding that is accepted: a code, anywhere or in one callback or host function only. In text `PH014`, a name such as
/// `call-then-continue`, or `PH014@proxy_on_request_headers`.
///
/// ```
/// use postern_host::{Allowance, Code};
/// let everywhere: Allowance = Code::CallThenContinue.into();
/// let there: Allowance = "PH014@proxy_on_request_headers".parse()?;
/// assert_ne!(everywhere, there);
/// assert!("PH999".parse::<Allowance>().is_err());
/// # Ok::<(), postern_host::UnknownAllowance>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Allowance {
    code: Code,
    place: Option<String>,
}

/// A text that is no allowance.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UnknownAllowance {
    /// The code does not exist.
    #[error(transparent)]
    Code(#[from] super::UnknownCode),
    /// What follows the `@` is neither a callback nor a host function.
    #[error("`{0}` is neither a callback nor a host function")]
    Place(String),
}

impl Allowance {
    pub(super) fn covers(&self, finding: &Diagnostic) -> bool {
        self.code == finding.code
            && self
                .place
                .as_deref()
                .is_none_or(|place| finding.callback == Some(place) || finding.call == Some(place))
    }
}

impl From<Code> for Allowance {
    fn from(code: Code) -> Self {
        Self { code, place: None }
    }
}

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            None => write!(f, "{}", self.code),
            Some(place) => write!(f, "{}@{place}", self.code),
        }
    }
}

impl FromStr for Allowance {
    type Err = UnknownAllowance;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((code, place)) = text.split_once('@') else {
            return Ok(Self::from(text.parse::<Code>()?));
        };
        let known = crate::functions::Function::named(place).is_some()
            || crate::functions::Export::ALL
                .iter()
                .any(|export| export.name() == place);
        if !known {
            return Err(UnknownAllowance::Place(place.to_owned()));
        }
        Ok(Self {
            code: code.parse()?,
            place: Some(place.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_place_is_refused_because_it_would_allow_nothing() {
        assert_eq!(
            "PH001@proxy_on_logs".parse::<Allowance>(),
            Err(UnknownAllowance::Place("proxy_on_logs".into()))
        );
        let allowance: Allowance = "unavailable-map@proxy_on_log".parse().expect("both exist");
        assert_eq!(allowance.to_string(), "PH001@proxy_on_log");
    }
}
