//! What stands in a JWT (RFC 7519), read and not verified.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use postern_core::time::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

/// A JWT in its compact form (RFC 7515, section 7.1).
#[derive(Serialize)]
pub(super) struct Jwt {
    r#use: Use,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    unsigned: bool,
}

/// What a token says that it is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Use {
    /// `at+jwt` (RFC 9068, section 2.1).
    AccessToken,
    /// What a gateway puts on a request for its upstream.
    ServiceToken,
    /// Anything else.
    Other,
}

/// A time among the claims.
#[derive(Serialize)]
pub(super) struct Time {
    claim: &'static str,
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    past: Option<bool>,
}

impl Jwt {
    /// Takes a token apart; `None` if it is not two objects and a signature.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut segments = text.split('.');
        let (header, claims) = (object(segments.next()?)?, object(segments.next()?)?);
        let signature = segments.next()?;
        if segments.next().is_some() || !(signature.is_empty() || decode(signature).is_some()) {
            return None;
        }
        let typ = header
            .get("typ")
            .and_then(Value::as_str)
            .unwrap_or_default();
        // RFC 7515, section 4.1.9: a media type, whose "application/" may be left out and whose case does not count.
        let typ = typ.to_ascii_lowercase();
        let r#use = match typ.strip_prefix("application/").unwrap_or(&typ) {
            "at+jwt" => Use::AccessToken,
            "postern-service+jwt" => Use::ServiceToken,
            _ => Use::Other,
        };
        Some(Self {
            r#use,
            header,
            claims,
            unsigned: signature.is_empty(),
        })
    }

    /// What it says that it is for.
    pub(super) fn purpose(&self) -> Use {
        self.r#use
    }

    /// Its times (RFC 7519, sections 4.1.4 to 4.1.6), as far as they are whole seconds since 1970.
    pub(super) fn times(&self, now: Option<Timestamp>) -> Vec<Time> {
        let claims = ["iat", "nbf", "exp"].into_iter();
        claims
            .filter_map(|claim| {
                let at = Timestamp::from_secs(self.claims.get(claim)?.as_u64()?);
                Some(Time {
                    claim,
                    at,
                    past: now.map(|now| now >= at),
                })
            })
            .collect()
    }
}

fn object(segment: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&decode(segment)?).ok()
}

fn decode(segment: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(segment).ok()
}
