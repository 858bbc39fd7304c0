//! Why services and public routes make no table.

use std::fmt;

use crate::canonical::{CanonicalPath, HostFault, MethodFault, PathFault};

/// A fault and the place of the policy that it is in.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{path}: {rule}")]
pub struct RouteFault {
    /// The place, such as `services[2].methods[0].path`.
    pub path: String,
    /// The rule that is broken there.
    pub rule: RouteRule,
}

impl RouteFault {
    pub(super) fn new(path: String, rule: impl Into<RouteRule>) -> Self {
        Self {
            path,
            rule: rule.into(),
        }
    }
}

/// A rule of the policy about services, methods and public routes.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RouteRule {
    /// Names are what audiences, logs and metrics go by.
    #[error("the same name as {first}")]
    DuplicateName {
        /// Where the name stands first.
        first: String,
    },
    /// A service without a host answers nowhere.
    #[error("at least one host is needed")]
    NoHosts,
    /// A host that no request can have.
    #[error(transparent)]
    Host(#[from] HostFault),
    /// A host twice in one list.
    #[error("this host stands in the list already")]
    DuplicateHost,
    /// A path that no request can have.
    #[error(transparent)]
    Path(#[from] PathFault),
    /// Hexadecimal digits in lower case, in which paths are not compared.
    #[error("write it as {canonical:?}: percent-encodings in upper case")]
    NotCanonical {
        /// The spelling that is wanted.
        canonical: String,
    },
    /// Routes are chosen by the path alone.
    #[error("a path without \"?\" is needed; a query plays no part in routing")]
    Query,
    /// A parameter where only literal segments may stand.
    #[error("only literal segments may stand here, no \"{{\" and \"}}\"")]
    NotLiteral,
    /// A brace inside a segment.
    #[error("a parameter must be a whole segment: \"/{{name}}\"")]
    PartialParameter,
    /// A parameter without a proper name.
    #[error("a parameter is named with a letter or \"_\", then letters, digits and \"_\"")]
    ParameterName,
    /// A parameter's name twice in one pattern.
    #[error("the parameter {name:?} stands in this pattern already")]
    DuplicateParameter {
        /// The name.
        name: String,
    },
    /// Something after `{*name}`, which takes the whole rest.
    #[error("\"{{*{name}}}\" takes the rest of the path and must be the last segment")]
    RestNotLast {
        /// The parameter's name.
        name: String,
    },
    /// Base path and pattern together are longer than a path may be.
    #[error(
        "with its service's base path it is longer than {} bytes",
        CanonicalPath::MAX_BYTES
    )]
    TooLong,
    /// Base path and pattern together have more segments than a path may have.
    #[error(
        "with its service's base path it has more than {} segments",
        CanonicalPath::MAX_SEGMENTS
    )]
    TooManySegments,
    /// A route for no HTTP method applies to nothing.
    #[error("at least one HTTP method is needed")]
    NoHttpMethod,
    /// An HTTP method that no request can have.
    #[error(transparent)]
    HttpMethod(#[from] MethodFault),
    /// An HTTP method twice in one list.
    #[error("this HTTP method stands in the list already")]
    DuplicateHttpMethod,
    /// CONNECT has no path (RFC 9110, section 9.3.6); an extended CONNECT is an upgrade.
    #[error("CONNECT cannot be routed by path; list the protocol in \"upgrade\"")]
    Connect,
    /// An upgrade's name that no request is compared with.
    #[error("a protocol's name is a token in lower case, such as \"websocket\"")]
    Upgrade,
    /// An upgrade twice in one list.
    #[error("this protocol stands in the list already")]
    DuplicateUpgrade,
    /// Two services that the same requests would belong to.
    #[error(
        "the same base path as {other} at the host {host}; letter case makes no difference if either service is \"case\": \"insensitive\""
    )]
    SameBase {
        /// The base path that was there first.
        other: String,
        /// The host that both answer at.
        host: String,
    },
    /// Two methods that the same requests would belong to.
    #[error(
        "{http} on the same paths as {other}; letter case makes no difference if the service is \"case\": \"insensitive\""
    )]
    SamePaths {
        /// The pattern that was there first.
        other: String,
        /// The HTTP method that both list.
        http: String,
    },
    /// A public route that would take a method's credential check away.
    #[error(
        "{http} on this path is the method {method} of a service; what needs a credential cannot be public"
    )]
    PublicIsMethod {
        /// The method's place.
        method: String,
        /// The HTTP method that both list.
        http: String,
    },
    /// Two public routes for the same requests.
    #[error("{http} on this path is the public route {other} already")]
    SamePublic {
        /// The route that was there first.
        other: String,
        /// The HTTP method that both list.
        http: String,
    },
}

/// A place in a policy, by its indices.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// A service.
    Service(usize),
    /// A method of a service.
    Method(usize, usize),
    /// A public route.
    Public(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(service) => write!(f, "services[{service}]"),
            Self::Method(service, method) => write!(f, "services[{service}].methods[{method}]"),
            Self::Public(route) => write!(f, "public[{route}]"),
        }
    }
}
