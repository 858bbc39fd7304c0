//! What must come of a request, and whether it did.

mod forwarded;
mod oauth;
mod refusal;

use std::collections::BTreeMap;

pub use forwarded::Forwarded;
pub use oauth::OAuthRefusal;
pub use refusal::Refusal;

use super::run::mask_decision;
use crate::envoy::Logged;
use crate::fixture::TOKEN_AUDIENCE;
use crate::gateway::Answer;

/// What must come of a request.
#[derive(Clone, Debug)]
pub enum Expected {
    /// Nobody has said; such a row fails.
    Unsaid,
    /// The filter refuses it with a problem document.
    Refused(Refusal),
    /// The filter refuses a gRPC call with this `grpc-status`.
    RefusedGrpc(u32),
    /// The filter answers with an access token of this API token.
    Exchanged {
        /// The API token's id.
        token: &'static str,
        /// The person's id.
        person: &'static str,
    },
    /// The filter answers an OAuth client with an access token of this API token.
    ExchangedByOAuth {
        /// The API token's id.
        token: &'static str,
        /// The person's id.
        person: &'static str,
        /// `aud` of the access token.
        audience: &'static str,
        /// Whether it was asked for with a form (RFC 8693).
        form: bool,
    },
    /// The filter refuses it in the terms of OAuth.
    RefusedByOAuth(OAuthRefusal),
    /// The upstream gets it.
    Forwarded(Forwarded),
    /// Envoy itself answers.
    ByHost {
        /// With this status.
        status: u16,
    },
    /// Envoy's codec ends the connection, without an answer. The test host is given whole requests and has no codec:
    /// there the filter refuses it.
    ClosedByCodec(Refusal),
}

impl From<Refusal> for Expected {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<OAuthRefusal> for Expected {
    fn from(refusal: OAuthRefusal) -> Self {
        Self::RefusedByOAuth(refusal)
    }
}

impl From<Forwarded> for Expected {
    fn from(forwarded: Forwarded) -> Self {
        Self::Forwarded(forwarded)
    }
}

impl Expected {
    /// What is wrong with an answer; nothing when it is as expected.
    pub fn check(&self, answer: &Answer, logged: &Logged) -> Vec<String> {
        let mut faults = Vec::new();
        match self {
            Self::Unsaid => faults.push("the row does not say what must come of it".to_owned()),
            Self::Refused(refusal) | Self::ClosedByCodec(refusal) => {
                return refusal.check(answer, logged);
            }
            Self::Forwarded(forwarded) => return forwarded.check(answer, logged),
            Self::Exchanged { token, person } => {
                nothing_forwarded(&mut faults, answer);
                check_exchanged(&mut faults, answer, token, person);
            }
            Self::ExchangedByOAuth {
                token,
                person,
                audience,
                form,
            } => {
                nothing_forwarded(&mut faults, answer);
                oauth::check_exchanged(&mut faults, answer, [token, person, audience], *form);
            }
            Self::RefusedByOAuth(refusal) => {
                nothing_forwarded(&mut faults, answer);
                refusal.check(&mut faults, answer, logged);
            }
            Self::RefusedGrpc(status) => {
                nothing_forwarded(&mut faults, answer);
                equal(&mut faults, "status", &answer.response.status, &200);
                let grpc = answer.response.headers.text("grpc-status");
                equal(&mut faults, "grpc-status", &grpc, &Some(status.to_string()));
                let message = answer
                    .response
                    .headers
                    .text("grpc-message")
                    .unwrap_or_default();
                if message.is_empty() || message.contains('{') {
                    faults.push(format!("grpc-message is {message:?}, not a plain sentence"));
                }
            }
            Self::ByHost { status } => {
                nothing_forwarded(&mut faults, answer);
                equal(&mut faults, "status", &answer.response.status, status);
                if answer.response.text().contains("urn:postern") {
                    faults.push("the filter answered, not the host".to_owned());
                }
            }
        }
        faults
    }
}

fn check_exchanged(faults: &mut Vec<String>, answer: &Answer, token: &str, person: &str) {
    let response = &answer.response;
    equal(faults, "status", &response.status, &200);
    for (name, value) in [
        ("content-type", "application/json"),
        ("cache-control", "no-store"),
        ("pragma", "no-cache"),
    ] {
        equal(
            faults,
            name,
            &response.headers.text(name).as_deref(),
            &Some(value),
        );
    }
    let body: BTreeMap<String, String> = match serde_json::from_slice(&response.body) {
        Ok(body) => body,
        Err(error) => {
            faults.push(format!("the body is no exchange: {error}"));
            return;
        }
    };
    let members: Vec<&str> = body.keys().map(String::as_str).collect();
    equal(
        faults,
        "members",
        &members.as_slice(),
        &["LifeTime", "RawToken"].as_slice(),
    );
    let raw = body.get("RawToken").map(String::as_str).unwrap_or_default();
    let Ok(claims) = crate::fixture::claims(raw) else {
        faults.push("RawToken is no JWT".to_owned());
        return;
    };
    equal(faults, "sub", &claims["sub"].as_str(), &Some(person));
    equal(
        faults,
        "client_id",
        &claims["client_id"].as_str(),
        &Some(token),
    );
    equal(
        faults,
        "aud",
        &claims["aud"].as_str(),
        &Some(TOKEN_AUDIENCE),
    );
}

fn nothing_forwarded(faults: &mut Vec<String>, answer: &Answer) {
    if !answer.upstream.is_empty() {
        faults.push(format!("the upstream got {:?}", answer.upstream));
    }
}

fn equal<T: PartialEq + std::fmt::Debug>(
    faults: &mut Vec<String>,
    what: &str,
    actual: &T,
    expected: &T,
) {
    if actual != expected {
        faults.push(format!("{what} is {actual:?}, not {expected:?}"));
    }
}

/// The part of a refusal that must be the same for every bad token: body and headers but for the decision id.
pub(super) fn indistinguishable(answer: &Answer) -> String {
    let headers: Vec<String> = super::run::comparable_headers(&answer.response.headers);
    format!(
        "{} {headers:?} {}",
        answer.response.status,
        mask_decision(&answer.response.text())
    )
}
