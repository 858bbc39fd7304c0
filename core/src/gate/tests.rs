//! The decision, seen from outside: a request's headers in, an outcome out.

use super::{Action, Forward, Gate, Outcome, Terms};
use crate::access_token::{NewClaims, mint};
use crate::api_token::{ApiToken, TokenHash};
use crate::config::ConfigFault;
use crate::decision_id::DecisionIds;
use crate::headers::encode;
use crate::random::fakes::{Failing, Sequence};
use crate::reason::Reason;
use crate::roots::RootKey;
use crate::time::Timestamp;

mod calls;
mod configuration;
mod exchange;
mod migration;
mod oauth;
mod remembered;
mod revocation;
mod services;
#[cfg(feature = "sync")]
mod synced;

const NOW: &str = "2026-11-24T12:00:00Z";
/// The time at which everything is decided unless a test says otherwise.
fn now() -> Option<Timestamp> {
    Timestamp::parse(NOW).ok()
}

const EXCHANGE: &str = crate::config::DEFAULT_EXCHANGE_PATH;

/// A gate, the secrets that belong to it, and the time.
struct Fixture {
    gate: Gate,
    /// The same, and remembers nothing.
    forgetful: Gate,
    api_token: ApiToken,
    now: Timestamp,
}

/// What came out, in a form that survives the request.
#[derive(Debug)]
struct Seen {
    reason: Reason,
    status: Option<u16>,
    headers: Vec<(String, String)>,
    body: String,
    removed: Vec<String>,
    set: Vec<(String, String)>,
    token: Option<String>,
    person: Option<String>,
    method: Option<String>,
    awaits_form: bool,
    shadow: bool,
}

fn root_key() -> String {
    RootKey::generate("r1", &mut Sequence::from_seed(1))
        .unwrap()
        .expose()
        .to_owned()
}

fn api_token(seed: u64) -> ApiToken {
    ApiToken::generate(&mut Sequence::from_seed(seed)).unwrap()
}

/// A configuration around a policy; `change` edits it as text, so that a test shows what it is about.
fn configuration(hash: &TokenHash, change: impl FnOnce(String) -> String) -> String {
    let json = format!(
        r#"{{
        "gateway_id": "edge-1", "hosts": ["api.example.com", "127.0.0.1"], "issuer": "https://api.example.com",
        "token_audience": "edge", "root_key_env": "ROOT",
        "identity": ["person", "token", "service", "method", "decision"],
        "policy": {{"inline": {{
            "format": 1,
            "keys": [{{"kid": "k1", "root": "r1", "active_from": "2026-11-01T00:00:00Z"}}],
            "roles": ["operators", "auditors"],
            "persons": [{{"id": "p-7", "roles": ["operators"], "active": true}},
                        {{"id": "p-8", "active": true}}],
            "tokens": [{{"id": "t-9", "person": "p-7", "hash": "{hash}", "expires_at": "never", "active": true}}],
            "services": [{{"name": "orders", "hosts": ["api.example.com"], "base_path": "/orders",
                "audience": {{"mode": "restricted", "roles": ["operators"]}},
                "methods": [
                    {{"name": "list", "http": ["GET"], "path": "/"}},
                    {{"name": "read", "http": ["GET"], "path": "/{{id}}"}},
                    {{"name": "export", "http": ["POST"], "path": "/export",
                      "audience": {{"mode": "restricted", "persons": ["p-8"]}}}},
                    {{"name": "watch", "http": ["GET"], "path": "/watch/live", "upgrade": ["websocket"]}},
                    {{"name": "tunnel", "http": ["POST"], "path": "/tunnel/x", "allow_headers": ["x-http-method-override"]}}
                ]}}],
            "public": [{{"http": ["GET"], "path": "/healthz"}},
                       {{"http": ["GET"], "path": "/login", "authorization": "pass"}}]
        }}}}
    }}"#
    );
    change(json)
}

impl Fixture {
    fn new() -> Self {
        Self::with(|json| json)
    }

    fn with(change: impl FnOnce(String) -> String) -> Self {
        let api_token = api_token(7);
        let json = configuration(&api_token.hash(), change);
        let gate = || Gate::from_json(json.as_bytes(), now(), |_| Some(root_key())).unwrap();
        Self {
            gate: gate().remembering(&mut Sequence::from_seed(5)).unwrap(),
            forgetful: gate(),
            api_token,
            now: Timestamp::parse(NOW).unwrap(),
        }
    }

    /// A request with the given headers beside its pseudo-headers, decided now.
    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Seen {
        self.send_to("api.example.com", method, path, headers)
    }

    fn send_to(&self, authority: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> Seen {
        let mut pairs = vec![
            (":authority", authority),
            (":path", path),
            (":method", method),
        ];
        pairs.extend(headers);
        self.decide(&encode(&pairs), Some(self.now))
    }

    /// Sends a form to the exchange for OAuth clients: the headers first, and the body if it is awaited.
    fn send_form(&self, form: &str) -> Seen {
        let encoded = encode(&[
            (":authority", "api.example.com"),
            (":path", crate::config::DEFAULT_OAUTH_PATH),
            (":method", "POST"),
            ("content-type", "application/x-www-form-urlencoded"),
        ]);
        let ids = DecisionIds::seeded(&mut Sequence::from_seed(3)).unwrap();
        let mut random = Sequence::from_seed(4);
        let id = ids.next_id();
        let seen = Seen::from(
            self.gate
                .decide(&encoded, false, Some(self.now), id, &mut random),
        );
        if !seen.awaits_form {
            return seen;
        }
        let (form, now) = (form.as_bytes(), Some(self.now));
        Seen::from(self.gate.decide_form(form, now, ids.next_id(), &mut random))
    }

    fn decide(&self, encoded: &[u8], now: Option<Timestamp>) -> Seen {
        let forgetful = self.decide_by(&self.forgetful, encoded, now);
        for _ in 0..2 {
            let seen = self.decide_by(&self.gate, encoded, now);
            assert_eq!(format!("{seen:?}"), format!("{forgetful:?}"));
        }
        forgetful
    }

    fn decide_by(&self, gate: &Gate, encoded: &[u8], now: Option<Timestamp>) -> Seen {
        let ids = DecisionIds::seeded(&mut Sequence::from_seed(3)).unwrap();
        Seen::from(gate.decide(
            encoded,
            true,
            now,
            ids.next_id(),
            &mut Sequence::from_seed(4),
        ))
    }

    /// Calls with `Authorization: Bearer` and the given token.
    fn call(&self, token: &str, method: &str, path: &str) -> Seen {
        self.send(
            method,
            path,
            &[("authorization", &format!("Bearer {token}"))],
        )
    }

    fn exchange(&self, token: &str) -> Seen {
        self.call(token, "POST", EXCHANGE)
    }

    /// An access token, by way of the exchange.
    fn access_token(&self) -> String {
        let seen = self.exchange(self.api_token.expose());
        let answer: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
        answer["RawToken"].as_str().unwrap().to_owned()
    }

    /// An access token signed with this gate's own key, with claims that an exchange would not make.
    fn forge(&self, change: impl FnOnce(&mut NewClaims<'_>)) -> String {
        let mut claims = NewClaims {
            iss: "https://api.example.com",
            sub: "p-7",
            aud: "edge",
            client_id: "t-9",
            iat: self.now,
            exp: Timestamp::from_secs(self.now.as_secs() + 300),
            jti: [0; 16],
        };
        change(&mut claims);
        mint(&self.gate.keys().signer(self.now).unwrap(), &claims)
            .unwrap()
            .expose()
            .to_owned()
    }
}

impl From<Outcome<'_>> for Seen {
    fn from(outcome: Outcome<'_>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (mut answer, mut forward) = (None, Forward::default());
        let mut awaits_form = false;
        match outcome.action {
            Action::Answer(given) => answer = Some(given),
            Action::Forward(given) => forward = given,
            Action::AwaitForm => awaits_form = true,
        }
        let record = outcome.record;
        let headers = answer.iter().flat_map(|answer| answer.headers.clone());
        Self {
            reason: record.reason,
            status: answer.as_ref().map(|answer| answer.status),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            body: answer.map(|answer| answer.body).unwrap_or_default(),
            removed: forward.remove.iter().map(|name| text(name)).collect(),
            set: forward
                .set
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.as_str().to_owned()))
                .collect(),
            token: record.token.map(|id| id.to_string()),
            person: record.person.map(|id| id.to_string()),
            method: record.method.map(str::to_owned),
            awaits_form,
            shadow: record.shadow,
        }
    }
}

impl Seen {
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(candidate, _)| candidate == name)
            .map(|(_, value)| value.as_str())
    }
}

fn faults(json: &str) -> Vec<String> {
    match Gate::from_json(json.as_bytes(), now(), |_| Some(root_key())) {
        Ok(_) => panic!("the configuration was accepted"),
        Err(faults) => faults.iter().map(ConfigFault::to_string).collect(),
    }
}

#[test]
fn a_clock_that_is_not_trusted_decides_nothing() {
    let fixture = Fixture::new();
    let encoded = encode(&[
        (":authority", "api.example.com"),
        (":path", "/healthz"),
        (":method", "GET"),
    ]);
    assert_eq!(
        fixture.decide(&encoded, Some(fixture.now)).reason,
        Reason::Public
    );
    let seen = fixture.decide(&encoded, None);
    assert_eq!((seen.reason, seen.status), (Reason::Clock, Some(503)));
}

#[test]
fn headers_that_cannot_be_read_are_never_no_headers() {
    let fixture = Fixture::new();
    for encoded in [&b""[..], b"\0\0\0\0", b"\xff\xff\xff\xff", b"junk"] {
        let seen = fixture.decide(encoded, Some(fixture.now));
        assert_eq!(
            (seen.reason, seen.status),
            (Reason::HeadersUnreadable, Some(503))
        );
    }
}

#[test]
fn without_randomness_there_is_no_access_token() {
    let fixture = Fixture::new();
    let bearer = format!("Bearer {}", fixture.api_token.expose());
    let encoded = encode(&[
        (":authority", "api.example.com"),
        (":path", EXCHANGE),
        (":method", "POST"),
        ("authorization", bearer.as_str()),
    ]);
    let id = DecisionIds::seeded(&mut Sequence::from_seed(3))
        .unwrap()
        .next_id();
    let seen = Seen::from(
        fixture
            .gate
            .decide(&encoded, true, Some(fixture.now), id, &mut Failing),
    );
    assert_eq!((seen.reason, seen.status), (Reason::Randomness, Some(503)));
}

#[test]
fn a_failed_host_call_ends_in_an_answer_that_names_it() {
    let fixture = Fixture::new();
    let id = DecisionIds::seeded(&mut Sequence::from_seed(3))
        .unwrap()
        .next_id();
    let seen = Seen::from(fixture.gate.give_up(Reason::HostCall, id, Terms::Problem));
    assert_eq!((seen.reason, seen.status), (Reason::HostCall, Some(503)));
}
