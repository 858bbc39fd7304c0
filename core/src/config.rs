//! The plugin's configuration: what is particular to one gateway.

mod fault;
#[cfg(feature = "sync")]
mod sync;
mod written;

use crate::canonical::CanonicalPath;
#[cfg(feature = "sync")]
use crate::feed::Source;
use crate::json::words;
use crate::policy::Policy;
use crate::time::{Seconds, Timestamp};

pub use fault::{ConfigFault, ConfigRule};
pub(crate) use written::Written;
pub use written::gateway_id_of;

/// Where the exchange of the system that this project follows is found, and clients written for it look for it.
pub const DEFAULT_EXCHANGE_PATH: &str = "/m42Services/api/ApiToken/GenerateAccessTokenFromApiToken";

/// Where OAuth clients find the exchange.
pub const DEFAULT_OAUTH_PATH: &str = "/oauth/token";

/// Where upstreams find the public keys of service tokens.
pub const DEFAULT_KEY_SET_PATH: &str = "/.well-known/jwks.json";

/// A plugin configuration that has no fault, its policy aside.
#[derive(Debug)]
pub struct Config {
    /// The gateway's name, for logs and status reports.
    pub gateway_id: String,
    /// The authorities that the gateway answers for, in canonical form, ascending.
    pub hosts: Vec<String>,
    /// `iss` of the access tokens.
    pub issuer: String,
    /// `aud` of the access tokens, and the realm of challenges.
    pub token_audience: String,
    /// The environment variable that holds the root keys.
    pub root_key_env: String,
    /// The life of an access token, unless its API token ends earlier.
    pub ttl: Seconds,
    /// Whether the exchange reads forms (RFC 8693).
    pub form: bool,
    /// The identity headers to set.
    pub identity: Vec<Identity>,
    /// What to leave in the request's filter state.
    pub filter_state: Vec<FilterState>,
    /// Whether the filter enforces what it decides.
    pub mode: Mode,
    /// The paths that the filter answers itself, in canonical form.
    pub paths: Vec<(OwnPath, String)>,
    /// Where the policy is read from, unless it stands in the configuration.
    #[cfg(feature = "sync")]
    pub sync: Option<SyncConfig>,
}

/// Where a gateway reads its policy from.
#[cfg(feature = "sync")]
#[derive(Clone, Debug)]
pub struct SyncConfig {
    /// The feed, and whom to believe about it.
    pub source: Source,
    /// The host's name for where the admin service is.
    pub cluster: String,
    /// The authority of the admin service in requests.
    pub authority: String,
    /// The environment variable that holds the gateway's credential.
    pub credential_env: String,
}

/// Whether the filter enforces what it decides.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// It does.
    Enforce,
    /// It only counts, until this instant; from then on it enforces.
    ShadowUntil(Timestamp),
}

/// A path that the filter answers itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OwnPath {
    /// The exchange in the form of the original system.
    Exchange,
    /// The exchange in the terms of OAuth.
    OAuth,
    /// The public keys of service tokens.
    KeySet,
    /// Whether the gateway can decide on requests.
    Ready,
}

impl OwnPath {
    /// The configuration's member.
    pub const fn member(self) -> &'static str {
        match self {
            Self::Exchange => "exchange.path",
            Self::OAuth => "exchange.oauth_path",
            Self::KeySet => "jwks_path",
            Self::Ready => "ready_path",
        }
    }
}

/// An identity header that the upstream may be given. Each costs a call to the host.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Identity {
    /// `x-postern-person`: the person's id.
    Person,
    /// `x-postern-token`: the API token's id.
    Token,
    /// `x-postern-service`: the service's name.
    Service,
    /// `x-postern-method`: the method's name.
    Method,
    /// `x-postern-decision`: the id of the decision, as in logs.
    Decision,
}

impl Identity {
    /// The header's name.
    pub const fn header(self) -> &'static str {
        match self {
            Self::Person => "x-postern-person",
            Self::Token => "x-postern-token",
            Self::Service => "x-postern-service",
            Self::Method => "x-postern-method",
            Self::Decision => "x-postern-decision",
        }
    }
}

/// What the request's filter state may be given, for access logs. Each costs a call to the host.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum FilterState {
    /// All of the others in one line.
    Record,
    /// Why the request was answered as it was.
    Reason,
    /// The decision's id.
    Decision,
    /// The person's id.
    Person,
    /// The API token's id.
    Token,
    /// The service's name.
    Service,
    /// The method's name.
    Method,
    /// `shadow`, where the decision was only counted.
    Mode,
}

impl FilterState {
    /// All of them but [`FilterState::Record`], in the order in which that has them, and how it has them.
    pub const PARTS: [(Self, &[u8]); 7] = [
        (Self::Reason, b" reason="),
        (Self::Decision, b" decision="),
        (Self::Person, b" person="),
        (Self::Token, b" token="),
        (Self::Service, b" service="),
        (Self::Method, b" method="),
        (Self::Mode, b" mode="),
    ];

    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Reason => "reason",
            Self::Decision => "decision",
            Self::Person => "person",
            Self::Token => "token",
            Self::Service => "service",
            Self::Method => "method",
            Self::Mode => "mode",
        }
    }

    /// The key. Envoy puts `wasm.` before it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Record => "postern.record",
            Self::Reason => "postern.reason",
            Self::Decision => "postern.decision",
            Self::Person => "postern.person",
            Self::Token => "postern.token",
            Self::Service => "postern.service",
            Self::Method => "postern.method",
            Self::Mode => "postern.mode",
        }
    }
}

words!(Identity {
    Person = "person",
    Token = "token",
    Service = "service",
    Method = "method",
    Decision = "decision",
});
words!(FilterState {
    Record = "record",
    Reason = "reason",
    Decision = "decision",
    Person = "person",
    Token = "token",
    Service = "service",
    Method = "method",
    Mode = "mode",
});

impl Config {
    /// Whether the gateway answers for this host.
    pub fn serves(&self, host: &str) -> bool {
        self.hosts
            .binary_search_by(|candidate| candidate.as_str().cmp(host))
            .is_ok()
    }

    /// Which of the filter's own paths a path is. Letters of either case are the same in that of the exchange, as they
    /// are in the system that it follows.
    pub fn own_path(&self, path: &CanonicalPath<'_>) -> Option<OwnPath> {
        let path = path.as_str();
        let own = self.paths.iter().find(|(own, candidate)| match own {
            OwnPath::Exchange => candidate.eq_ignore_ascii_case(path),
            _ => candidate == path,
        });
        own.map(|&(own, _)| own)
    }

    /// The path of the exchange in the form of the original system.
    pub fn exchange_path(&self) -> &str {
        let exchange = self.paths.iter().find(|(own, _)| *own == OwnPath::Exchange);
        exchange.map_or(DEFAULT_EXCHANGE_PATH, |(_, path)| path)
    }

    /// Whether decisions are only counted at this instant.
    pub fn is_shadow(&self, now: Timestamp) -> bool {
        matches!(self.mode, Mode::ShadowUntil(until) if now < until)
    }

    /// The filter's own paths must not hide a method, nor a method them.
    pub(crate) fn check_own_paths(&self, policy: &Policy) -> Result<(), Vec<ConfigFault>> {
        let routes = policy.routes();
        let overlap = |(own, path): &(OwnPath, String)| {
            let path = CanonicalPath::parse(path.as_bytes()).ok()?;
            let host = self.hosts.iter().find(|host| {
                routes.is_under_service(host, &path) || routes.is_public(host, &path)
            })?;
            Some(ConfigFault {
                path: own.member().to_owned(),
                rule: ConfigRule::PathOverlaps(host.clone()),
            })
        };
        let faults: Vec<_> = self.paths.iter().filter_map(overlap).collect();
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults)
        }
    }
}
