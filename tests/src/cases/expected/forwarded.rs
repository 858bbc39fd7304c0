//! Requests that go on: what the upstream sees of who calls, and what it does not see.

use super::equal;
use crate::envoy::Logged;
use crate::gateway::Answer;
use crate::message::Headers;

/// What the upstream must get.
#[derive(Clone, Debug)]
pub struct Forwarded {
    identity: Vec<(&'static str, String)>,
    present: Vec<(&'static str, String)>,
    absent: Vec<&'static str>,
    target: Option<&'static str>,
    status: u16,
    reason: &'static str,
}

impl Forwarded {
    /// A call that is allowed for a person and an API token.
    pub fn call(person: &str, token: &str, service: &str, method: &str) -> Self {
        Self {
            identity: vec![
                ("x-postern-method", method.to_owned()),
                ("x-postern-person", person.to_owned()),
                ("x-postern-service", service.to_owned()),
                ("x-postern-token", token.to_owned()),
            ],
            reason: "allowed",
            ..Self::public()
        }
    }

    /// A request to a public route: the gateway says nothing about who calls.
    pub fn public() -> Self {
        Self {
            identity: Vec::new(),
            present: Vec::new(),
            absent: vec!["authorization"],
            target: None,
            status: 200,
            reason: "public",
        }
    }

    /// A preflight that a service answers: likewise.
    pub fn preflight() -> Self {
        Self {
            reason: "preflight",
            ..Self::public()
        }
    }

    /// The upstream gets this header field, once.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.absent.retain(|&other| other != name);
        self.present.push((name, value.into()));
        self
    }

    /// The upstream does not get this header, in headers and trailers.
    #[must_use]
    pub fn without(mut self, name: &'static str) -> Self {
        self.absent.push(name);
        self
    }

    /// The upstream gets this target.
    #[must_use]
    pub const fn target(mut self, target: &'static str) -> Self {
        self.target = Some(target);
        self
    }

    /// The upstream answers with this status.
    #[must_use]
    pub const fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(super) fn check(&self, answer: &Answer, logged: &Logged) -> Vec<String> {
        let mut faults = Vec::new();
        equal(&mut faults, "status", &answer.response.status, &self.status);
        self.check_logged(&mut faults, logged);
        let [received] = answer.upstream.as_slice() else {
            let (count, body) = (answer.upstream.len(), answer.response.text());
            faults.push(format!(
                "the upstream got {count} requests; the body is {body}"
            ));
            return faults;
        };
        let mut identity: Vec<(String, String)> = reserved(&received.headers);
        let decision = identity
            .iter()
            .position(|(name, _)| name == "x-postern-decision");
        if let Some(place) = decision {
            let (_, id) = identity.remove(place);
            equal(
                &mut faults,
                "decision in filter state",
                &logged.state.get("postern.decision"),
                &Some(&id),
            );
        }
        let expected: Vec<(String, String)> = self
            .identity
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        equal(
            &mut faults,
            "identity at the upstream",
            &identity,
            &expected,
        );
        equal(
            &mut faults,
            "a decision id for the upstream",
            &decision.is_some(),
            &!expected.is_empty(),
        );
        equal(
            &mut faults,
            "reserved trailers",
            &reserved(&received.trailers),
            &Vec::new(),
        );
        for name in &self.absent {
            if received.headers.has(name) || received.trailers.has(name) {
                faults.push(format!("the upstream got {name}"));
            }
        }
        for (name, value) in &self.present {
            equal(
                &mut faults,
                name,
                &received.headers.text(name).as_ref(),
                &Some(value),
            );
        }
        if let Some(target) = self.target {
            equal(
                &mut faults,
                "the upstream's target",
                &received.target.as_str(),
                &target,
            );
        }
        faults
    }
}

impl Forwarded {
    /// The access log says why the request went on, and of a call what the upstream is told.
    fn check_logged(&self, faults: &mut Vec<String>, logged: &Logged) {
        let state = |key: &str| logged.state.get(key).map(String::as_str);
        equal(
            faults,
            "reason",
            &state("postern.reason"),
            &Some(self.reason),
        );
        for what in ["person", "token", "service", "method"] {
            let mut identity = self.identity.iter();
            let told = identity.find(|(name, _)| name.strip_prefix("x-postern-") == Some(what));
            equal(
                faults,
                what,
                &state(&format!("postern.{what}")),
                &told.map(|(_, value)| value.as_str()),
            );
        }
    }
}

/// Fields that speak for the gateway, under every spelling, sorted; decision ids stay as they are.
fn reserved(headers: &Headers) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = headers
        .iter()
        .map(|(name, value)| {
            (
                String::from_utf8_lossy(name),
                String::from_utf8_lossy(value),
            )
        })
        .filter(|(name, _)| {
            name.to_ascii_lowercase()
                .replace('_', "-")
                .starts_with("x-postern-")
        })
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    found.sort();
    found
}
