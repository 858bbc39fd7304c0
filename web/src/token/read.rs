//! `readToken`: what a text looks like.

use postern_core::api_token::{PREFIX, TokenHash, VetFault, inspect, vet};
use postern_core::id::is_id;
use postern_core::roots::RootKeys;
use serde::Serialize;

use super::jwt::{Jwt, Time, Use};
use crate::instant::Instant;

/// What a text looks like. Nothing of it is verified.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenView {
    verified: bool,
    sentence: String,
    length: usize,
    left_out: bool,
    #[serde(flatten)]
    kind: Kind,
}

#[derive(Serialize)]
#[serde(
    tag = "kind",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
enum Kind {
    Empty,
    ApiToken {
        well_formed: bool,
        well_known: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        fault: Option<String>,
    },
    GatewayCredential,
    OperatorCredential,
    TokenHash,
    RootKey,
    Jwt {
        #[serde(flatten)]
        jwt: Jwt,
        times: Vec<Time>,
    },
    Other {
        usable: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        fault: Option<String>,
    },
}

/// Looks at a text. `now` is for the times of a JWT.
pub(crate) fn read(text: &str, now: Option<Instant>) -> TokenView {
    let token = bare(text);
    let kind = Kind::of(token, now);
    TokenView {
        verified: false,
        sentence: kind.sentence(),
        length: token.len(),
        left_out: token.len() != text.len(),
        kind,
    }
}

/// The token without what is copied along with it: white space, the header's name, the scheme.
fn bare(text: &str) -> &str {
    let text = text.trim();
    let text = after(text, "authorization:").map_or(text, str::trim_start);
    match after(text, "bearer") {
        Some(rest) if rest.starts_with(char::is_whitespace) => rest.trim_start(),
        _ => text,
    }
}

/// What follows `start`, whose case does not count.
fn after<'t>(text: &'t str, start: &str) -> Option<&'t str> {
    let (first, rest) = text.split_at_checked(start.len())?;
    first.eq_ignore_ascii_case(start).then_some(rest)
}

impl Kind {
    fn of(token: &str, now: Option<Instant>) -> Self {
        if token.is_empty() {
            return Self::Empty;
        }
        if token.starts_with(PREFIX) {
            let hash = inspect(token.as_bytes());
            return Self::ApiToken {
                well_formed: hash.is_ok(),
                well_known: hash.is_ok_and(|hash| hash.is_well_known()),
                fault: hash.err().map(|fault| fault.to_string()),
            };
        }
        if token.starts_with("psg_") {
            return Self::GatewayCredential;
        }
        if token.starts_with("pso_") {
            return Self::OperatorCredential;
        }
        if TokenHash::parse(token).is_ok() {
            return Self::TokenHash;
        }
        if let Some(jwt) = Jwt::read(token) {
            let times = jwt.times(now.map(|Instant(now)| now));
            return Self::Jwt { jwt, times };
        }
        if token.split_once(':').is_some_and(|(id, _)| is_id(id)) && RootKeys::parse(token).is_ok()
        {
            return Self::RootKey;
        }
        let fault = vet(token.as_bytes()).err();
        Self::Other {
            usable: fault.is_none(),
            fault: fault.as_ref().map(VetFault::to_string),
        }
    }

    fn sentence(&self) -> String {
        let text = match self {
            Self::Empty => "There is nothing.",
            Self::ApiToken {
                well_known: true, ..
            } => "It is the API token of this project's documentation, which no policy takes.",
            Self::ApiToken { fault: None, .. } => {
                "It has the form of a Postern API token, and its checksum is right. Whether a gateway knows it, only its \
                 policy tells."
            }
            Self::ApiToken {
                fault: Some(fault), ..
            } => return format!("It is no Postern API token: it {fault}."),
            Self::GatewayCredential => {
                "It begins as the credential of a gateway, which is good at the admin service only."
            }
            Self::OperatorCredential => {
                "It begins as the credential of an operator, which is good at the admin service only."
            }
            Self::TokenHash => {
                "It is the hash of a token, as a policy holds it. Nobody can call with it."
            }
            Self::RootKey => {
                "It has the form of a root key, from which access tokens for every gateway that has it can be made. If it is \
                 in use, it should not be here."
            }
            Self::Jwt { jwt, .. } => match jwt.purpose() {
                Use::AccessToken => {
                    "It has the form of an access token. Its signature was not checked: anybody can write what stands in it."
                }
                Use::ServiceToken => {
                    "It has the form of a service token, which is good at its upstream alone. Its signature was not checked: \
                     anybody can write what stands in it."
                }
                Use::Other => {
                    "It is a JWT. Its signature was not checked: anybody can write what stands in it."
                }
            },
            Self::Other { fault: None, .. } => {
                "It is no token of this system. A policy can know it by its hash, if another system made it at random."
            }
            Self::Other {
                fault: Some(fault), ..
            } => return format!("It is no token that a gateway would take: {fault}."),
        };
        text.to_owned()
    }
}
