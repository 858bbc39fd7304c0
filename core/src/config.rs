//! The plugin's configuration: what is particular to one gateway.

use std::fmt;

use serde::Deserialize;
use thiserror::Error;

use crate::canonical::{CanonicalPath, HostFault, PathFault, validate_host};
use crate::id::is_id;
use crate::json::{self, strictly_read};
use crate::order;
use crate::policy::document::Document;
use crate::policy::{MAX_ACCESS_TOKEN_LIFE, Policy, PolicyRule};
use crate::roots::RootKeyError;
use crate::time::Seconds;

/// Where the exchange of the system that this project follows is found, and clients written for it look for it.
pub const DEFAULT_EXCHANGE_PATH: &str = "/m42Services/api/ApiToken/GenerateAccessTokenFromApiToken";

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
    /// The path of the exchange, in canonical form.
    pub exchange_path: String,
    /// The identity headers to set.
    pub identity: Vec<Identity>,
}

/// An identity header that the upstream may be given. Each costs a call to the host.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "lowercase", remote = "Self")]
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

/// A fault of a configuration. A configuration with a fault is refused as a whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigFault {
    /// Where: a path into the JSON document, such as `policy.inline.tokens[3].hash`.
    pub path: String,
    /// Which rule is broken.
    pub rule: ConfigRule,
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return self.rule.fmt(formatter);
        }
        write!(formatter, "{}: {}", self.path, self.rule)
    }
}

impl std::error::Error for ConfigFault {}

/// A rule that a configuration must keep.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ConfigRule {
    /// The text is no JSON, or not of the configuration's shape.
    #[error("{0}")]
    Shape(String),
    /// Ids go into logs and headers.
    #[error("{0:?} is no id: use 1 to 64 of the characters A-Z a-z 0-9 . _ -")]
    Id(String),
    /// A gateway without hosts answers nothing.
    #[error("the list is empty")]
    EmptyList,
    /// Something is there twice.
    #[error("{0:?} is there twice")]
    Duplicate(String),
    /// A host that no request could have.
    #[error(transparent)]
    Host(HostFault),
    /// The issuer goes into tokens and is compared byte by byte.
    #[error("use 1 to 256 printable ASCII characters without space, quote and backslash")]
    Issuer,
    /// The token audience goes into tokens and challenges; `/` separates it from a service's name.
    #[error("use 1 to 128 of the characters A-Z a-z 0-9 . _ : -")]
    TokenAudience,
    /// No environment has a variable of this name.
    #[error("{0:?} is no name of an environment variable")]
    EnvironmentName(String),
    /// An access token is good for an hour at most.
    #[error("must be between 1 s and {max}", max = MAX_ACCESS_TOKEN_LIFE)]
    Ttl,
    /// A path that no request could have.
    #[error("{0}")]
    ExchangePath(PathFault),
    /// The path is written in another way than requests are matched.
    #[error("must be a path without query, as in {0:?}")]
    ExchangePathForm(String),
    /// Which of the two answers would be chance.
    #[error("lies under a service or a public route of the policy, on host {0:?}")]
    ExchangeOverlaps(String),
    /// This version has no such thing.
    #[error("this version does not offer the form-encoded exchange")]
    FormUnsupported,
    /// The variable is not in the VM's environment.
    #[error(
        "the environment variable {0:?} is not set for this VM; list it in host_env_keys or key_values of the VM's environment_variables"
    )]
    RootKeysMissing(String),
    /// What the variable holds is no set of root keys.
    #[error("the root keys in the environment variable are refused: {0}")]
    RootKeys(RootKeyError),
    /// A rule of the policy.
    #[error(transparent)]
    Policy(PolicyRule),
}

/// The configuration as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct Written {
    gateway_id: String,
    hosts: Vec<String>,
    issuer: String,
    token_audience: String,
    root_key_env: String,
    pub(crate) policy: WrittenPolicy,
    #[serde(default)]
    exchange: WrittenExchange,
    #[serde(default = "default_identity")]
    identity: Vec<Identity>,
    /// Enforcing is the only mode of this version; naming any other is refused by the shape.
    #[serde(default)]
    mode: Mode,
}

/// Where the policy comes from.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub(crate) struct WrittenPolicy {
    pub(crate) inline: Document,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
struct WrittenExchange {
    #[serde(default = "default_ttl")]
    ttl: Seconds,
    #[serde(default = "default_exchange_path")]
    path: String,
    #[serde(default)]
    form: bool,
}

impl Default for WrittenExchange {
    fn default() -> Self {
        Self {
            ttl: default_ttl(),
            path: default_exchange_path(),
            form: false,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase", remote = "Self")]
enum Mode {
    #[default]
    Enforce,
}

strictly_read!(Identity, Written, WrittenPolicy, WrittenExchange, Mode);

fn default_identity() -> Vec<Identity> {
    vec![Identity::Person, Identity::Token]
}

fn default_ttl() -> Seconds {
    Seconds::new(300)
}

fn default_exchange_path() -> String {
    DEFAULT_EXCHANGE_PATH.to_owned()
}

impl Written {
    /// Reads the JSON; its shape is checked, its content is not.
    pub(crate) fn from_json(json: &[u8]) -> Result<Self, ConfigFault> {
        json::read(json).map_err(|fault| ConfigFault {
            path: fault.path,
            rule: ConfigRule::Shape(fault.text),
        })
    }

    /// Checks everything but the policy.
    pub(crate) fn check(self) -> Result<(Config, Document), Vec<ConfigFault>> {
        let mut faults = Vec::new();
        let mut fault = |path: &str, rule| {
            faults.push(ConfigFault {
                path: path.to_owned(),
                rule,
            });
        };
        if !is_id(&self.gateway_id) {
            fault("gateway_id", ConfigRule::Id(self.gateway_id.clone()));
        }
        if self.hosts.is_empty() {
            fault("hosts", ConfigRule::EmptyList);
        }
        for (at, host) in self.hosts.iter().enumerate() {
            if let Err(rule) = validate_host(host) {
                fault(&format!("hosts[{at}]"), ConfigRule::Host(rule));
            } else if self.hosts.iter().take(at).any(|earlier| earlier == host) {
                fault(&format!("hosts[{at}]"), ConfigRule::Duplicate(host.clone()));
            }
        }
        let quotable = |byte: u8| matches!(byte, b'!'..=b'~') && byte != b'"' && byte != b'\\';
        if !(1..=256).contains(&self.issuer.len()) || !self.issuer.bytes().all(quotable) {
            fault("issuer", ConfigRule::Issuer);
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        if !(1..=128).contains(&self.token_audience.len())
            || !self.token_audience.bytes().all(plain)
        {
            fault("token_audience", ConfigRule::TokenAudience);
        }
        let name = &self.root_key_env;
        if name.is_empty()
            || name
                .bytes()
                .any(|byte| byte == b'=' || !byte.is_ascii_graphic())
        {
            fault("root_key_env", ConfigRule::EnvironmentName(name.clone()));
        }
        if self.exchange.ttl.as_secs() == 0 || self.exchange.ttl > MAX_ACCESS_TOKEN_LIFE {
            fault("exchange.ttl", ConfigRule::Ttl);
        }
        if self.exchange.form {
            fault("exchange.form", ConfigRule::FormUnsupported);
        }
        match CanonicalPath::parse(self.exchange.path.as_bytes()) {
            Err(rule) => fault("exchange.path", ConfigRule::ExchangePath(rule)),
            Ok(path) if path.as_str() != self.exchange.path || path.as_str() == "/" => {
                fault(
                    "exchange.path",
                    ConfigRule::ExchangePathForm(DEFAULT_EXCHANGE_PATH.to_owned()),
                );
            }
            Ok(_) => {}
        }
        for (at, header) in self.identity.iter().enumerate() {
            if self
                .identity
                .iter()
                .take(at)
                .any(|earlier| earlier == header)
            {
                fault(
                    &format!("identity[{at}]"),
                    ConfigRule::Duplicate(header.header().to_owned()),
                );
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut hosts = Vec::with_capacity(self.hosts.len());
        for host in self.hosts {
            order::insert(&mut hosts, host);
        }
        let config = Config {
            gateway_id: self.gateway_id,
            hosts,
            issuer: self.issuer,
            token_audience: self.token_audience,
            root_key_env: self.root_key_env,
            ttl: self.exchange.ttl,
            exchange_path: self.exchange.path,
            identity: self.identity,
        };
        Ok((config, self.policy.inline))
    }
}

impl Config {
    /// Whether the gateway answers for this host.
    pub fn serves(&self, host: &str) -> bool {
        self.hosts
            .binary_search_by(|candidate| candidate.as_str().cmp(host))
            .is_ok()
    }

    /// Whether a path is the exchange's. Letters of either case are the same there, as in the system that this follows.
    pub fn is_exchange(&self, path: &CanonicalPath<'_>) -> bool {
        path.as_str().eq_ignore_ascii_case(&self.exchange_path)
    }

    /// The exchange must not hide a method, nor a method the exchange.
    pub(crate) fn check_exchange(&self, policy: &Policy) -> Result<(), ConfigFault> {
        let Ok(path) = CanonicalPath::parse(self.exchange_path.as_bytes()) else {
            return Ok(());
        };
        let routes = policy.routes();
        match self
            .hosts
            .iter()
            .find(|host| routes.is_under_service(host, &path) || routes.is_public(host, &path))
        {
            None => Ok(()),
            Some(host) => {
                let rule = ConfigRule::ExchangeOverlaps(host.clone());
                Err(ConfigFault {
                    path: "exchange.path".to_owned(),
                    rule,
                })
            }
        }
    }
}
