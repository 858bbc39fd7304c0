//! Running a case over the rules themselves, without a gateway.

use postern_core::gate::{Action, Forward, Outcome};
use postern_core::time::Timestamp;

use super::{Case, Observed};
use crate::prepared::{CallerError, Prepared};

impl Prepared {
    /// Decides on a case's request at `now`.
    ///
    /// # Errors
    /// [`CallerError`], if the caller of the case can have no such credential.
    pub fn run_case(&self, case: &Case, now: Timestamp) -> Result<Observed, CallerError> {
        let authorization = self.authorization(&case.caller, now)?;
        let pairs = case
            .request
            .header_pairs(authorization.as_ref().map(|value| value.as_str()));
        Ok(self.decide(&pairs, now, |outcome| observe(&outcome, &pairs)))
    }
}

/// The headers of a request after a gate has changed them: removals first, then each header that is set takes the place
/// of all that have its name.
fn forwarded(pairs: &[(String, String)], forward: &Forward<'_>) -> Vec<(String, String)> {
    let gone = |name: &str| {
        forward.remove.iter().any(|gone| *gone == name.as_bytes())
            || forward
                .set
                .iter()
                .any(|(set, _)| set.eq_ignore_ascii_case(name))
    };
    let kept = pairs.iter().filter(|(name, _)| !gone(name)).cloned();
    let set = forward.set.iter();
    kept.chain(set.map(|(name, value)| ((*name).to_owned(), value.as_str().to_owned())))
        .collect()
}

fn observe(outcome: &Outcome<'_>, pairs: &[(String, String)]) -> Observed {
    let (status, upstream) = match &outcome.action {
        Action::Forward(forward) => (200, Some(forwarded(pairs, forward))),
        Action::Answer(answer) => (answer.status, None),
        // There is no other action in this version, and an unknown one lets nothing through.
        _ => (503, None),
    };
    Observed {
        status,
        reason: Some(outcome.record.reason.as_str().to_owned()),
        upstream,
    }
}
