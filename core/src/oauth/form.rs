//! The form of a token exchange (RFC 8693, section 2.1).

use std::borrow::Cow;

use super::{ACCESS_TOKEN_TYPE, API_TOKEN_TYPE, TOKEN_EXCHANGE};
use crate::reason::Reason;

/// A token exchange that asks for what there is.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct TokenExchange<'a> {
    /// The API token.
    pub(crate) subject_token: Cow<'a, str>,
    /// The service that the access token is to be narrowed to.
    pub(crate) audience: Option<Cow<'a, str>>,
}

impl<'a> TokenExchange<'a> {
    /// Reads a form. Parameters that this exchange does not know are ignored (RFC 6749, section 3.2); those that it knows
    /// and cannot honour are refused.
    pub(crate) fn read(form: &'a [u8]) -> Result<Self, Reason> {
        let mut parameters = Parameters::default();
        for (name, value) in form_urlencoded::parse(form) {
            let Some(place) = Parameters::NAMES.iter().position(|known| *known == name) else {
                continue;
            };
            let slot = parameters.0.get_mut(place).ok_or(Reason::FormMalformed)?;
            if slot.replace(value).is_some() {
                return Err(Reason::FormRepeats);
            }
        }
        let [
            grant,
            subject,
            subject_type,
            audience,
            requested,
            scope,
            resource,
            actor,
            actor_type,
        ] = parameters.0;
        match grant {
            None => return Err(Reason::FormMalformed),
            Some(grant) if grant != TOKEN_EXCHANGE => return Err(Reason::GrantTypeUnsupported),
            Some(_) => {}
        }
        if actor.is_some() || actor_type.is_some() {
            return Err(Reason::ActorUnsupported);
        }
        if scope.is_some_and(|scope| !scope.is_empty()) {
            return Err(Reason::ScopeUnsupported);
        }
        if resource.is_some() {
            return Err(Reason::ResourceUnsupported);
        }
        if subject_type.as_deref() != Some(API_TOKEN_TYPE)
            || requested.is_some_and(|requested| requested != ACCESS_TOKEN_TYPE)
        {
            return Err(Reason::TokenTypeUnsupported);
        }
        let subject_token = subject
            .filter(|token| !token.is_empty())
            .ok_or(Reason::FormMalformed)?;
        Ok(Self {
            subject_token,
            audience,
        })
    }
}

/// The values of the parameters that an exchange knows.
#[derive(Default)]
struct Parameters<'a>([Option<Cow<'a, str>>; 9]);

impl Parameters<'_> {
    const NAMES: [&'static str; 9] = [
        "grant_type",
        "subject_token",
        "subject_token_type",
        "audience",
        "requested_token_type",
        "scope",
        "resource",
        "actor_token",
        "actor_token_type",
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(more: &str) -> Result<(String, Option<String>), Reason> {
        let form = format!(
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token=pst_x&subject_token_type={}{more}",
            "urn:postern:token-type:api-token"
        );
        let read = TokenExchange::read(form.as_bytes())?;
        Ok((
            read.subject_token.into_owned(),
            read.audience.map(Cow::into_owned),
        ))
    }

    #[test]
    fn a_form_gives_its_subject_token_and_audience() {
        assert_eq!(read(""), Ok(("pst_x".to_owned(), None)));
        assert_eq!(
            read("&audience=orders&foo=bar&foo=baz"),
            Ok(("pst_x".to_owned(), Some("orders".to_owned())))
        );
        assert_eq!(
            read(&format!("&requested_token_type={ACCESS_TOKEN_TYPE}&scope=")).map(|read| read.0),
            Ok("pst_x".to_owned())
        );
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_by_its_name() {
        for (more, reason) in [
            ("&audience=a&audience=a", Reason::FormRepeats),
            ("&subject_token=pst_x", Reason::FormRepeats),
            ("&scope=read", Reason::ScopeUnsupported),
            ("&resource=https%3A%2F%2Fa", Reason::ResourceUnsupported),
            ("&actor_token=x", Reason::ActorUnsupported),
            ("&actor_token_type=x", Reason::ActorUnsupported),
            (
                "&requested_token_type=urn:ietf:params:oauth:token-type:jwt",
                Reason::TokenTypeUnsupported,
            ),
        ] {
            assert_eq!(read(more), Err(reason), "{more}");
        }
    }

    #[test]
    fn a_form_without_what_it_must_have_is_refused() {
        for (form, reason) in [
            ("", Reason::FormMalformed),
            (
                "grant_type=client_credentials",
                Reason::GrantTypeUnsupported,
            ),
            (
                "grant_type=urn:ietf:params:oauth:grant-type:token-exchange",
                Reason::TokenTypeUnsupported,
            ),
            (
                "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token_type=urn:postern:token-type:api-token",
                Reason::FormMalformed,
            ),
            (
                "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token_type=urn:postern:token-type:api-token&subject_token=",
                Reason::FormMalformed,
            ),
        ] {
            assert_eq!(TokenExchange::read(form.as_bytes()), Err(reason), "{form}");
        }
    }
}
