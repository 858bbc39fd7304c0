//! Refusals: problem documents, their status and the headers that belong to them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{equal, nothing_forwarded};
use crate::envoy::Logged;
use crate::fixture::TOKEN_AUDIENCE;
use crate::gateway::Answer;
use crate::message::Headers;

/// A problem document and the headers that belong to it.
#[derive(Clone, Copy, Debug)]
pub struct Refusal {
    status: u16,
    code: &'static str,
    challenge: Challenge,
    allow: Option<&'static str>,
    reason: Option<&'static str>,
}

#[derive(Clone, Copy, Debug)]
enum Challenge {
    /// No `WWW-Authenticate`.
    None,
    /// `Bearer` and the realm, without an error code.
    Plain,
    /// With this error code.
    Error(&'static str),
}

impl Refusal {
    const fn new(status: u16, code: &'static str, challenge: Challenge) -> Self {
        Self {
            status,
            code,
            challenge,
            allow: None,
            reason: None,
        }
    }

    /// 401 for a request without usable credential.
    pub const fn unauthenticated() -> Self {
        Self::new(401, "unauthenticated", Challenge::Plain)
    }

    /// 401 for a token that is not good, whatever the cause.
    pub const fn invalid_token() -> Self {
        Self::new(401, "invalid_token", Challenge::Error("invalid_token"))
    }

    /// 400 for a malformed request.
    pub const fn invalid_request() -> Self {
        Self::new(400, "invalid_request", Challenge::Error("invalid_request"))
    }

    /// 400 for a path that is a literal one but for the case of letters.
    pub const fn ambiguous_path() -> Self {
        Self::new(400, "ambiguous_path", Challenge::Error("invalid_request"))
    }

    /// 403 outside the audience.
    pub const fn insufficient_scope() -> Self {
        Self::new(
            403,
            "insufficient_scope",
            Challenge::Error("insufficient_scope"),
        )
    }

    /// 403 where there is no such method.
    pub const fn no_rule() -> Self {
        Self::new(403, "no_rule", Challenge::None)
    }

    /// 403 for an upgrade that the method does not list.
    pub const fn upgrade() -> Self {
        Self::new(403, "upgrade", Challenge::None)
    }

    /// 421 for an authority that is none of the gateway's.
    pub const fn misdirected() -> Self {
        Self::new(421, "misdirected", Challenge::None)
    }

    /// 405 at the exchange.
    pub const fn method_not_allowed() -> Self {
        Self {
            allow: Some("POST"),
            ..Self::new(405, "method_not_allowed", Challenge::None)
        }
    }

    /// 503: the gateway cannot decide.
    pub const fn unavailable() -> Self {
        Self::new(503, "unavailable", Challenge::None)
    }

    /// The reason in logs.
    #[must_use]
    pub const fn because(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// The code in the problem's `type`.
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// What is wrong with an answer.
    pub fn check(&self, answer: &Answer, logged: &Logged) -> Vec<String> {
        let mut faults = Vec::new();
        let response = &answer.response;
        equal(&mut faults, "status", &response.status, &self.status);
        let content_type = response.headers.text("content-type");
        equal(
            &mut faults,
            "content-type",
            &content_type.as_deref(),
            &Some("application/problem+json"),
        );
        equal(
            &mut faults,
            "allow",
            &response.headers.text("allow").as_deref(),
            &self.allow,
        );
        self.check_challenge(&mut faults, &response.headers);
        self.check_document(&mut faults, answer, logged);
        nothing_forwarded(&mut faults, answer);
        if let Some(reason) = self.reason {
            let details = format!("postern.{reason}");
            equal(
                &mut faults,
                "response code details",
                &logged.details.as_deref(),
                &Some(details.as_str()),
            );
            let state = logged.state.get("postern.reason").map(String::as_str);
            equal(&mut faults, "reason in filter state", &state, &Some(reason));
        }
        faults
    }

    fn check_challenge(&self, faults: &mut Vec<String>, headers: &Headers) {
        let challenge = headers.text("www-authenticate");
        let plain = format!("Bearer realm=\"{TOKEN_AUDIENCE}\"");
        match self.challenge {
            Challenge::None => equal(faults, "www-authenticate", &challenge, &None),
            Challenge::Plain => equal(faults, "www-authenticate", &challenge, &Some(plain)),
            Challenge::Error(error) => {
                let start = format!("{plain}, error=\"{error}\", error_description=\"");
                if !challenge
                    .as_ref()
                    .is_some_and(|value| value.starts_with(&start))
                {
                    faults.push(format!("www-authenticate is {challenge:?}, not {start}…"));
                }
            }
        }
    }

    fn check_document(&self, faults: &mut Vec<String>, answer: &Answer, logged: &Logged) {
        let document: BTreeMap<String, Value> = match serde_json::from_slice(&answer.response.body)
        {
            Ok(document) => document,
            Err(error) => {
                faults.push(format!("the body is no problem document: {error}"));
                return;
            }
        };
        let members: Vec<&str> = document.keys().map(String::as_str).collect();
        equal(
            faults,
            "members",
            &members.as_slice(),
            &["detail", "instance", "status", "title", "type"].as_slice(),
        );
        let text = |name: &str| {
            document
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        equal(
            faults,
            "type",
            &text("type"),
            &format!("urn:postern:problem:{}", self.code).as_str(),
        );
        equal(
            faults,
            "status in the body",
            &document.get("status"),
            &Some(&Value::from(self.status)),
        );
        for name in ["title", "detail"] {
            if text(name).is_empty() {
                faults.push(format!("{name} is empty"));
            }
        }
        match text("instance").strip_prefix("urn:postern:decision:") {
            None | Some("") => faults.push(format!("instance is {:?}", text("instance"))),
            Some(id) => {
                let state = logged.state.get("postern.decision").map(String::as_str);
                equal(faults, "decision in filter state", &state, &Some(id));
            }
        }
    }
}
