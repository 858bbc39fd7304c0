//! A policy made ready to be tried: with root keys and API tokens of its own, thrown away afterwards.
//!
//! A policy holds hashes, so nobody who reads it can make a request that it accepts. Here each token's hash is replaced
//! by that of a new token, and root keys are made for every root that the policy's keys name; all else stays as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use postern_core::api_token::ApiToken;
use postern_core::config::{ConfigFault, DEFAULT_EXCHANGE_PATH, Mode};
use postern_core::decision_id::{DecisionId, DecisionIds};
use postern_core::explain::{NoAccessToken, access_token_of};
use postern_core::gate::{Gate, Outcome};
use postern_core::headers::encode;
use postern_core::policy::document::Document;
use postern_core::random::{Random, RandomFailed};
use postern_core::roots::{NewRootKeyError, RootKey};
use postern_core::time::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use thiserror::Error;
use zeroize::Zeroizing;

/// A gate, and everything that is secret to it: whoever holds this can make every request that the policy knows.
pub struct Prepared {
    gate: Gate,
    /// The same gate, where the configuration says shadow mode, as it decides when that is over.
    enforcing: Option<Gate>,
    config_json: String,
    root_keys: Zeroizing<String>,
    tokens: BTreeMap<String, ApiToken>,
    ids: DecisionIds,
}

impl Prepared {
    /// Prepares `policy` for a gateway. `gateway` is a plugin configuration; its `policy` or `sync`, if it has one, is replaced.
    ///
    /// # Errors
    /// [`PrepareError::Refused`] with every fault for which a gateway would refuse the two.
    pub fn new(
        gateway: &Map<String, Value>,
        policy: &Document,
        random: &mut dyn Random,
    ) -> Result<Self, PrepareError> {
        let mut policy = policy.clone();
        let mut tokens = BTreeMap::new();
        for token in &mut policy.tokens {
            let new = ApiToken::generate(random)?;
            token.hash = new.hash();
            tokens.insert(token.id.clone(), new);
        }
        let root_keys = root_keys(&policy, random)?;
        let mut config = gateway.clone();
        config.remove("sync");
        config.insert("policy".to_owned(), json!({ "inline": policy }));
        let gate_of = |json: &str| {
            Gate::from_json(json.as_bytes(), Some(crate::clock::now()), |_| {
                Some(root_keys.to_string())
            })
            .map_err(PrepareError::Refused)
        };
        let config_json = Value::Object(config.clone()).to_string();
        let gate = gate_of(&config_json)?;
        let enforcing = match gate.config().mode {
            Mode::Enforce => None,
            Mode::ShadowUntil(_) => {
                config.remove("mode");
                config.remove("shadow_until");
                Some(gate_of(&Value::Object(config).to_string())?)
            }
        };
        Ok(Self {
            gate,
            enforcing,
            config_json,
            root_keys,
            tokens,
            ids: DecisionIds::seeded(random)?,
        })
    }

    /// The gate.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The whole plugin configuration, for a gateway of its own. It holds no secret.
    #[must_use]
    pub fn config_json(&self) -> &str {
        &self.config_json
    }

    /// The name of the environment variable in which that gateway expects its root keys.
    #[must_use]
    pub fn root_key_env(&self) -> &str {
        &self.gate.config().root_key_env
    }

    /// The value of that variable; a secret.
    #[must_use]
    pub fn root_keys(&self) -> &str {
        &self.root_keys
    }

    /// The raw API token that stands for the policy's token of that id; a secret.
    #[must_use]
    pub fn api_token(&self, id: &str) -> Option<&str> {
        self.tokens.get(id).map(ApiToken::expose)
    }

    /// Every raw API token, by id; secrets.
    pub fn api_tokens(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tokens
            .iter()
            .map(|(id, token)| (id.as_str(), token.expose()))
    }

    /// An access token of an API token, issued at `now` for the gateway's `exchange.ttl`.
    ///
    /// It is not exchanged but signed directly, so there is one also for an API token that no exchange accepts any more:
    /// it stands for an access token made before that.
    ///
    /// # Errors
    /// [`CallerError`], if the policy has no such token, or no key that signs at `now`.
    pub fn access_token(&self, id: &str, now: Timestamp) -> Result<Zeroizing<String>, CallerError> {
        let random = &mut crate::entropy::Entropy;
        let token = access_token_of(&self.gate, id, now, random).map_err(|error| match error {
            NoAccessToken::UnknownToken => CallerError::UnknownToken(id.to_owned()),
            NoAccessToken::Random(failed) => failed.into(),
            _ => CallerError::NoKey,
        })?;
        Ok(Zeroizing::new(token.expose().to_owned()))
    }

    /// The value of the `Authorization` header that a caller sends, if it sends one.
    ///
    /// # Errors
    /// As [`Prepared::access_token`].
    pub fn authorization(
        &self,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Option<Zeroizing<String>>, CallerError> {
        let bearer = |token: &str| Some(Zeroizing::new(format!("Bearer {token}")));
        match caller {
            Caller::None => Ok(None),
            Caller::Raw(value) => Ok(Some(Zeroizing::new(value.clone()))),
            Caller::Api(id) => self
                .api_token(id)
                .map(bearer)
                .ok_or_else(|| CallerError::UnknownToken(id.clone())),
            Caller::Access(id) => Ok(bearer(&self.access_token(id, now)?)),
        }
    }

    /// Asks the gate about a request without a body, and hands its outcome to `look` with the encoded headers that it
    /// borrows from.
    pub fn decide<T>(
        &self,
        pairs: &[(String, String)],
        now: Timestamp,
        look: impl FnOnce(Outcome<'_>) -> T,
    ) -> T {
        self.ask(&self.gate, pairs, now, look)
    }

    /// As [`Prepared::decide`], but for shadow mode: what the gate would do if it enforced.
    pub fn decide_enforcing<T>(
        &self,
        pairs: &[(String, String)],
        now: Timestamp,
        look: impl FnOnce(Outcome<'_>) -> T,
    ) -> T {
        let gate = self.enforcing.as_ref().unwrap_or(&self.gate);
        self.ask(gate, pairs, now, look)
    }

    fn ask<T>(
        &self,
        gate: &Gate,
        pairs: &[(String, String)],
        now: Timestamp,
        look: impl FnOnce(Outcome<'_>) -> T,
    ) -> T {
        let headers = encode(pairs);
        let id: DecisionId = self.ids.next_id();
        look(gate.decide(&headers, true, Some(now), id, &mut crate::entropy::Entropy))
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("config", self.gate.config())
            .field("tokens", &self.tokens.keys())
            .finish_non_exhaustive()
    }
}

/// Who makes a request.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Caller {
    /// Somebody with an access token of the API token with this id.
    Access(String),
    /// Somebody who sends the API token with this id itself.
    Api(String),
    /// Somebody who sends no credential.
    None,
    /// Somebody who sends just this `Authorization` header.
    Raw(String),
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Access(id) => write!(f, "an access token of {id}"),
            Self::Api(id) => write!(f, "the API token {id} itself"),
            Self::None => f.write_str("no credential"),
            Self::Raw(value) => write!(f, "\"Authorization: {value}\""),
        }
    }
}

/// Why a policy cannot be tried.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum PrepareError {
    /// A gateway would refuse it.
    #[error("a gateway would refuse this: {}", list(.0))]
    Refused(Vec<ConfigFault>),
    /// No keys or tokens could be made.
    #[error(transparent)]
    Random(#[from] RandomFailed),
}

/// Why a caller has no credential to send.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum CallerError {
    /// The policy has no such API token.
    #[error("there is no token {0:?} in the policy")]
    UnknownToken(String),
    /// No access token can be signed.
    #[error("no key of the policy can sign at that instant, so there are no access tokens")]
    NoKey,
    /// No access token can be made.
    #[error(transparent)]
    Random(#[from] RandomFailed),
}

/// A configuration for a policy that comes without one: a gateway for all hosts that the policy names.
#[must_use]
pub fn gateway_for(policy: &Document) -> Map<String, Value> {
    let of_services = policy.services.iter().flat_map(|service| &service.hosts);
    let of_routes = policy.public.iter().flat_map(|route| &route.hosts);
    let mut hosts: BTreeSet<&str> = of_services.chain(of_routes).map(String::as_str).collect();
    if hosts.is_empty() {
        hosts.insert("gateway.invalid");
    }
    let config = json!({
        "gateway_id": "example",
        "hosts": hosts,
        "issuer": "https://gateway.invalid",
        "token_audience": "example",
        "root_key_env": "POSTERN_ROOT_KEY",
        "exchange": { "path": DEFAULT_EXCHANGE_PATH },
    });
    match config {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// One root key for each root that the policy's keys name; one anyway, since no gateway starts without.
fn root_keys(
    policy: &Document,
    random: &mut dyn Random,
) -> Result<Zeroizing<String>, RandomFailed> {
    let mut ids: BTreeSet<&str> = policy.keys.iter().map(|key| key.root.as_str()).collect();
    ids.insert("postern-throw-away");
    let mut text = Zeroizing::new(String::new());
    for id in ids {
        match RootKey::generate(id, random) {
            Ok(key) => {
                let comma = if text.is_empty() { "" } else { "," };
                text.push_str(comma);
                text.push_str(key.expose());
            }
            // The policy is refused for it, with a path.
            Err(NewRootKeyError::Id) => {}
            Err(_) => return Err(RandomFailed),
        }
    }
    Ok(text)
}

fn list(faults: &[ConfigFault]) -> String {
    let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
    faults.join("; ")
}

#[cfg(test)]
mod tests {
    use postern_core::gate::Action;

    use super::*;
    use crate::entropy::Entropy;
    use crate::request::Request;

    fn policy() -> Document {
        serde_json::from_value(json!({
            "format": 1,
            "keys": [
                {"kid": "k1", "root": "r1", "active_from": "2026-11-01T00:00:00Z"},
                {"kid": "k2", "root": "r2", "active_from": "2027-11-01T00:00:00Z"},
            ],
            "persons": [{"id": "p", "active": true}],
            "tokens": [{
                "id": "t", "person": "p", "expires_at": "never", "active": true,
                "hash": "sha256:4f0c2d1b8e6a97350f1d2c3b4a5968778695a4b3c2d1e0f00112233445566778",
            }],
        }))
        .unwrap()
    }

    fn prepared() -> Prepared {
        let policy = policy();
        Prepared::new(&gateway_for(&policy), &policy, &mut Entropy).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn the_tokens_that_stand_in_are_exchanged_under_every_key() {
        let prepared = prepared();
        let request = Request::new("POST", DEFAULT_EXCHANGE_PATH, Some("gateway.invalid")).unwrap();
        for now in ["2026-12-01T00:00:00Z", "2027-12-01T00:00:00Z"].map(at) {
            let caller = Caller::Api("t".to_owned());
            let credential = prepared.authorization(&caller, now).unwrap().unwrap();
            let pairs = request.header_pairs(Some(&credential));
            let status = prepared.decide(&pairs, now, |outcome| match outcome.action {
                Action::Answer(answer) => answer.status,
                _ => 0,
            });
            assert_eq!(status, 200);
        }
    }

    #[test]
    fn what_is_not_said_to_be_secret_holds_no_secret() {
        let prepared = prepared();
        let (_, secret) = prepared.root_keys().split_once(':').unwrap();
        let token = prepared.api_token("t").unwrap();
        for text in [prepared.config_json().to_owned(), format!("{prepared:?}")] {
            assert!(!text.contains(token) && !text.contains(secret), "{text}");
        }
    }

    #[test]
    fn nothing_of_one_preparation_is_good_in_another() {
        let (one, two) = (prepared(), prepared());
        assert_ne!(one.root_keys(), two.root_keys());
        assert_ne!(one.api_token("t"), two.api_token("t"));
    }

    #[test]
    fn a_token_that_is_not_there_and_a_time_without_key_have_no_access_token() {
        let prepared = prepared();
        let now = at("2026-12-01T00:00:00Z");
        let unknown = CallerError::UnknownToken("x".to_owned());
        assert_eq!(prepared.access_token("x", now).unwrap_err(), unknown);
        let early = at("2026-10-01T00:00:00Z");
        assert_eq!(
            prepared.access_token("t", early).unwrap_err(),
            CallerError::NoKey
        );
    }

    #[test]
    fn what_a_gateway_would_refuse_is_refused_with_its_faults() {
        let mut policy = policy();
        policy.tokens[0].person = "nobody".to_owned();
        let error = Prepared::new(&gateway_for(&policy), &policy, &mut Entropy).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a gateway would refuse this: policy.inline.tokens[0].person: \
             there is no person \"nobody\" in the policy"
        );
    }
}
