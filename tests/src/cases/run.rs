//! Runs rows in both gateways and over both protocols, and compares.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::expected::indistinguishable;
use super::{Case, Expected};
use crate::client::Protocol;
use crate::envoy::Logged;
use crate::fixture::World;
use crate::gateway::{Answer, DEFAULT, Gateway, Kind, Setup};
use crate::message::Headers;
use crate::upstream::MARKER;
use crate::{Error, Result};

/// Everything that is wrong, in words; a test asserts that there is nothing.
#[derive(Debug, Default)]
pub struct Findings(Vec<String>);

impl Findings {
    /// Fails the test with everything that is wrong.
    ///
    /// # Panics
    ///
    /// When anything is.
    pub fn assert_none(&self) {
        assert!(
            self.0.is_empty(),
            "{} findings:\n{}",
            self.0.len(),
            self.0.join("\n")
        );
    }

    fn add(&mut self, place: &str, finding: impl std::fmt::Display) {
        self.0.push(format!("- {place}: {finding}"));
    }
}

/// Runs every row everywhere. Beside the rows' own expectations it checks that both gateways agree, that one answer
/// serves for every bad token, that nothing trapped, and that no secret stands in any record or reaches the upstream.
///
/// # Errors
///
/// When a gateway does not start.
pub async fn run(world: &World, cases: &[Case]) -> Result<Findings> {
    run_in(&Setup::of(world)?, world, cases).await
}

/// The same in gateways of another set-up.
///
/// # Errors
///
/// When a gateway does not start.
pub async fn run_in(setup: &Setup, world: &World, cases: &[Case]) -> Result<Findings> {
    let mut run = Run::default();
    run.names_are_unique(cases);
    for kind in Kind::ALL {
        let mut gateway = Gateway::start(kind, setup).await?;
        let mut forwarded = 0;
        for case in cases {
            for &protocol in case.protocols {
                forwarded += run.row(&mut gateway, case, protocol).await;
            }
        }
        run.settle(&gateway, world, cases, forwarded).await?;
    }
    if run.refusals.len() > 1 {
        let different = format!("can be told apart: {:#?}", run.refusals);
        run.findings.add("bad tokens", different);
    }
    Ok(run.findings)
}

#[derive(Default)]
struct Run {
    findings: Findings,
    /// By row and protocol, what the first gateway did.
    outcomes: BTreeMap<(String, &'static str), Seen>,
    /// The different answers to bad tokens.
    refusals: BTreeSet<String>,
}

impl Run {
    fn names_are_unique(&mut self, cases: &[Case]) {
        let mut names = BTreeSet::new();
        for case in cases {
            if !names.insert(&case.name) {
                self.findings.add(&case.name, "two rows have this name");
            }
        }
    }

    /// Runs one row; how many requests have reached the upstream by it.
    async fn row(&mut self, gateway: &mut Gateway, case: &Case, protocol: Protocol) -> usize {
        let place = format!("{} ({:?}, {protocol:?})", case.name, gateway.kind());
        let answer = match gateway.send_to(DEFAULT, protocol, &case.request).await {
            Ok(answer) => answer,
            Err(Error::Hyper(_)) if matches!(case.expected, Expected::ClosedByCodec(_)) => {
                return 0;
            }
            Err(error) => {
                self.findings.add(&place, error);
                return 0;
            }
        };
        let by_host = matches!(case.expected, Expected::ByHost { .. });
        // Envoy does not log what it could not read as a request.
        let logged = if by_host {
            Ok(Logged::default())
        } else {
            gateway.logged(&answer).await
        };
        match logged {
            Ok(logged) => {
                for fault in case.expected.check(&answer, &logged) {
                    self.findings.add(&place, fault);
                }
                let seen = if by_host {
                    Seen::by_host(&answer)
                } else {
                    Seen::of(&answer, &logged)
                };
                self.compare(&place, case, protocol, seen);
            }
            Err(error) => self
                .findings
                .add(&place, format!("{error}; {:?}", answer.response)),
        }
        if matches!(&case.expected, Expected::Refused(refusal) if refusal.code() == "invalid_token")
        {
            self.refusals.insert(indistinguishable(&answer));
        }
        answer.upstream.len()
    }

    fn compare(&mut self, place: &str, case: &Case, protocol: Protocol, seen: Seen) {
        let protocol = match protocol {
            Protocol::Http1 => "HTTP/1.1",
            Protocol::Http2 => "HTTP/2",
        };
        let key = (case.name.clone(), protocol);
        let Some(first) = self.outcomes.get(&key) else {
            self.outcomes.insert(key, seen);
            return;
        };
        for difference in first.differences(&seen) {
            self.findings
                .add(place, format!("differs from the test host: {difference}"));
        }
    }

    /// What is to be seen once all rows have run.
    async fn settle(
        &mut self,
        gateway: &Gateway,
        world: &World,
        cases: &[Case],
        forwarded: usize,
    ) -> Result<()> {
        let place = format!("{:?}", gateway.kind());
        let findings = &mut self.findings;
        let traps = gateway.traps()?;
        if traps > 0 {
            findings.add(&place, format!("the filter trapped {traps} times"));
        }
        // What went on behind an answer would have arrived by now.
        let arrived = gateway.upstream();
        if arrived.len() != forwarded {
            let count = arrived.len();
            findings.add(
                &place,
                format!("the upstream got {count} requests, of which {forwarded} are known"),
            );
        }
        for unreadable in gateway.unreadable() {
            findings.add(
                &place,
                format!("the upstream got what is not HTTP: {unreadable}"),
            );
        }
        let mut secrets = world.secrets()?;
        for case in cases {
            secrets.extend(
                case.request
                    .headers
                    .all("authorization")
                    .filter_map(bearer_of),
            );
        }
        let seen_upstream: String = arrived
            .iter()
            .map(|received| format!("upstream: {received:?}\n"))
            .collect();
        for record in [gateway.records().await?, seen_upstream] {
            for found in find_secrets(&record, &secrets) {
                findings.add(&place, found);
            }
        }
        Ok(())
    }
}

fn bearer_of(value: &[u8]) -> Option<String> {
    let token = value.strip_prefix(b"Bearer ")?;
    // Shorter ones are no secrets, and would be found everywhere.
    (token.len() >= 16).then(|| String::from_utf8_lossy(token).into_owned())
}

/// Where secrets stand in a record. Says which one by its number and its line with the secret cut out.
pub fn find_secrets(record: &str, secrets: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for (number, secret) in secrets.iter().enumerate() {
        if secret.is_empty() {
            continue;
        }
        // The whole first: there are many lines, and nearly never one with a secret.
        if record.contains(secret.as_str()) {
            let line = record
                .lines()
                .find(|line| line.contains(secret.as_str()))
                .unwrap_or(record);
            let start: String = line
                .replace(secret.as_str(), "(secret)")
                .chars()
                .take(300)
                .collect();
            found.push(format!("secret {number} stands in a record: {start}"));
        }
    }
    found
}

/// What two gateways must have in common.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Seen(BTreeMap<&'static str, String>);

impl Seen {
    /// The words of Envoy's own refusals are nobody's contract.
    fn by_host(answer: &Answer) -> Self {
        Self(BTreeMap::from([(
            "status",
            answer.response.status.to_string(),
        )]))
    }

    fn of(answer: &Answer, logged: &Logged) -> Self {
        let mut seen = BTreeMap::new();
        seen.insert("status", answer.response.status.to_string());
        seen.insert(
            "response headers",
            format!("{:?}", comparable_headers(&answer.response.headers)),
        );
        seen.insert("body", comparable_body(answer));
        // How an upgraded connection ended, which is not the filter's doing.
        if answer.response.status != 101 {
            seen.insert("details", logged.details.clone().unwrap_or_default());
        }
        let mut state = logged.state.clone();
        state
            .entry("postern.decision".to_owned())
            .and_modify(|id| "*".clone_into(id));
        seen.insert("filter state", format!("{state:?}"));
        let mut upstream = String::new();
        for received in &answer.upstream {
            let _ = write!(
                upstream,
                "{} {} {:?} {:?} body {:?} trailers {:?}; ",
                received.method,
                received.target,
                received.authority,
                comparable_headers(&received.headers),
                received
                    .body
                    .as_deref()
                    .unwrap_or_default()
                    .escape_ascii()
                    .to_string(),
                comparable_headers(&received.trailers),
            );
        }
        seen.insert("upstream", upstream);
        Self(seen)
    }

    fn differences(&self, other: &Self) -> Vec<String> {
        let both = self.0.iter().zip(other.0.values());
        both.filter(|((_, ours), theirs)| ours != theirs)
            .map(|((what, ours), theirs)| format!("{what}: {ours} there, {theirs} here"))
            .collect()
    }
}

/// Fields that a gateway adds by itself, that belong to one connection, or that name the attempt.
const NOT_COMPARED: [&str; 12] = [
    "connection",
    "content-length",
    "date",
    "host",
    "keep-alive",
    "server",
    "te",
    "transfer-encoding",
    "x-forwarded-proto",
    "x-request-id",
    "vary",
    MARKER,
];

/// Header fields in comparable form: sorted, decision ids masked, without what differs from run to run.
pub(super) fn comparable_headers(headers: &Headers) -> Vec<String> {
    let mut lines: Vec<String> = headers
        .iter()
        .map(|(name, value)| {
            (
                name.escape_ascii().to_string(),
                value.escape_ascii().to_string(),
            )
        })
        .filter(|(name, _)| !NOT_COMPARED.contains(&name.as_str()) && !name.starts_with("x-envoy-"))
        .map(|(name, value)| {
            // A service token is a new one at each gateway; `reissue` checks what it says.
            let differs =
                name == "x-postern-decision" || (name == "authorization" && value.contains('.'));
            format!("{name}: {}", if differs { "*" } else { &value })
        })
        .collect();
    lines.sort();
    lines
}

fn comparable_body(answer: &Answer) -> String {
    let mut body = answer.response.json().unwrap_or_default();
    for member in ["RawToken", "LifeTime", "access_token"] {
        if let Some(value) = body.get_mut(member) {
            *value = "*".into();
        }
    }
    if let Some(value) = body.pointer_mut("/identity/x-postern-decision") {
        *value = "*".into();
    }
    if body.is_null() {
        answer.response.text()
    } else {
        mask_decision(&body.to_string())
    }
}

/// Replaces every decision id in a text.
pub(super) fn mask_decision(text: &str) -> String {
    const PREFIX: &str = "urn:postern:decision:";
    let mut parts = text.split(PREFIX);
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '-');
        let _ = write!(masked, "{PREFIX}*{rest}");
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decision_ids_are_masked_wherever_they_stand() {
        assert_eq!(
            mask_decision(r#"{"a":"urn:postern:decision:0a-9","b":"urn:postern:decision:z"}"#),
            r#"{"a":"urn:postern:decision:*","b":"urn:postern:decision:*"}"#
        );
    }

    #[test]
    fn a_secret_in_a_record_is_reported_without_repeating_it() {
        let found = find_secrets(
            "line one\nauthorization: Bearer hunter2\n",
            &["hunter2".to_owned()],
        );

        assert_eq!(
            found,
            ["secret 0 stands in a record: authorization: Bearer (secret)"]
        );
    }
}
