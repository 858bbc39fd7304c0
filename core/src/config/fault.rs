//! What can be wrong with a plugin configuration.

use std::fmt;

use thiserror::Error;

use crate::canonical::{HostFault, PathFault};
#[cfg(feature = "sync")]
use crate::feed::PublicKeyError;
use crate::id::Shown;
use crate::policy::{MAX_ACCESS_TOKEN_LIFE, PolicyRule};
use crate::roots::RootKeyError;

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
    #[error("{} is no id: use 1 to 64 of the characters A-Z a-z 0-9 . _ -", Shown(.0))]
    Id(String),
    /// Names go into logs, tokens and challenges, so none may begin as a secret does.
    #[error("it begins as a token does; it goes into logs and tokens, so choose another")]
    LooksSecret,
    /// A gateway without hosts answers nothing.
    #[error("the list is empty")]
    EmptyList,
    /// Something is there twice.
    #[error("{} is there twice", Shown(.0))]
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
    #[error("{} is no name of an environment variable: use capital letters, digits and _, not a digit first", Shown(.0))]
    EnvironmentName(String),
    /// An access token is good for an hour at most.
    #[error("must be between 1 s and {max}", max = MAX_ACCESS_TOKEN_LIFE)]
    Ttl,
    /// A path that no request could have.
    #[error("{0}")]
    Path(PathFault),
    /// The path is written in another way than requests are matched.
    #[error("must be a path other than the root, without query and trailing slash")]
    PathForm,
    /// Two of the filter's own paths are the same.
    #[error("is the same path as {0}")]
    SamePath(&'static str),
    /// Which of the two answers would be chance.
    #[error("lies under a service or a public route of the policy, on host {0:?}")]
    PathOverlaps(String),
    /// Shadow mode lets everything pass, so it must end.
    #[error("shadow mode needs shadow_until, the instant from which on the filter enforces")]
    ShadowWithoutEnd,
    /// A gateway in shadow mode protects nothing.
    #[error("must be at most 90 days ahead")]
    ShadowTooLong,
    /// Whether `shadow_until` is near cannot be told by a clock that is not to be trusted.
    #[error("the gateway's clock cannot be trusted, so shadow mode is refused")]
    ShadowWithoutClock,
    /// `shadow_until` is for shadow mode.
    #[error("has a meaning in shadow mode only")]
    ShadowUntilAlone,
    /// The variable is not in the VM's environment.
    #[error(
        "the environment variable {} is not set for this VM; list it in host_env_keys or key_values of the VM's environment_variables",
        Shown(.0)
    )]
    RootKeysMissing(String),
    /// What the variable holds is no set of root keys.
    #[error("the root keys in the environment variable are refused: {0}")]
    RootKeys(RootKeyError),
    /// The policy stands in the configuration or comes from a feed.
    #[cfg(feature = "sync")]
    #[error("the policy comes from policy.inline or from sync, not from both")]
    TwoSources,
    /// Without a policy nothing is decided.
    #[cfg(feature = "sync")]
    #[error("there is no policy: say policy.inline, or sync")]
    NoSource,
    /// The host knows where the admin service is by this name.
    #[cfg(feature = "sync")]
    #[error(
        "is no name of a cluster: it is empty, or has a space or a character that is not ASCII"
    )]
    Cluster,
    /// A key that signs what the feed says.
    #[cfg(feature = "sync")]
    #[error(transparent)]
    PublicKey(PublicKeyError),
    /// The alarm must come first.
    #[cfg(feature = "sync")]
    #[error("must be less than deny_after")]
    WarnAfterDeny,
    /// A request to the feed may take longer.
    #[cfg(feature = "sync")]
    #[error("must be at least 45 s, since a request that waits for news may take that long")]
    WarnTooSoon,
    /// The variable is not in the VM's environment.
    #[cfg(feature = "sync")]
    #[error(
        "the environment variable {} is not set for this VM; list it in host_env_keys or key_values of the VM's environment_variables",
        Shown(.0)
    )]
    CredentialMissing(String),
    /// What the variable holds is no credential of a gateway.
    #[cfg(feature = "sync")]
    #[error("the environment variable {} holds no credential of a gateway, which begins with psg_", Shown(.0))]
    Credential(String),
    /// A rule of the policy.
    #[error(transparent)]
    Policy(PolicyRule),
}
