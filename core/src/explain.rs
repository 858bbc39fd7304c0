//! Why a request is allowed or refused, for people: what in a policy a decision rests on, and what would have to change.
//!
//! The gate decides; here its words are set beside the policy as it is written. All paths lead into that document.

mod advice;
mod audience;
mod caller;
mod place;

pub use advice::Refused;
pub use audience::{AudienceView, PersonView, RoleView};
pub use caller::{NoAccessToken, access_token_of};
pub use place::Place;

use crate::canonical::{CanonicalPath, Host};
use crate::config::OwnPath;
use crate::few::Few;
use crate::gate::Gate;
use crate::policy::document::{Document, PublicRoute};
use crate::reason::Reason;
use crate::routes::Miss;

/// A request as somebody has asked about it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// `Host` or `:authority`.
    pub authority: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// Other headers; none of them is repeated in an explanation.
    pub headers: &'a [(String, String)],
}

impl<'a> Asked<'a> {
    /// The host and the path that a gate looks the request up by, if both can be read.
    pub fn canonical(self) -> Option<(Host<'a>, CanonicalPath<'a>)> {
        let host = Host::canonicalise(self.authority.as_bytes()).ok()?;
        let path = CanonicalPath::parse(self.path.as_bytes()).ok()?;
        Some((host, path))
    }

    /// The path of the filter's own that the request is for.
    pub fn own_path(self, gate: &Gate) -> Option<OwnPath> {
        let (host, path) = self.canonical()?;
        let config = gate.config();
        config
            .own_path(&path)
            .filter(|_| config.serves(host.as_str()))
    }

    /// The place of the service that a preflight is for, whatever its methods.
    pub fn preflight_service(self, gate: &Gate) -> Option<usize> {
        let (host, path) = self.canonical()?;
        match gate.policy().routes().find(host.as_str(), &path, "OPTIONS") {
            Ok(found) => Some(found.service),
            Err(Miss::NoPath { service } | Miss::NoHttpMethod { service }) => Some(service),
            Err(_) => None,
        }
    }

    /// The path of the public route that the request is for.
    pub fn public_route(self, policy: &Document) -> Option<String> {
        let (host, path) = self.canonical()?;
        let matches = |route: &PublicRoute| {
            route.http.iter().any(|http| http == self.method)
                && (route.hosts.is_empty() || route.hosts.iter().any(|name| name == host.as_str()))
                && route.path.trim_end_matches('/') == path.as_str().trim_end_matches('/')
        };
        let at = policy.public.iter().position(matches)?;
        Some(format!("public[{at}]"))
    }

    /// The reason's sentence; for a path, with the rule that it breaks.
    pub fn sentence(self, reason: Reason) -> String {
        match (reason, CanonicalPath::parse(self.path.as_bytes())) {
            (Reason::PathMalformed, Err(fault)) => format!("The path is refused: {fault}."),
            _ => reason.sentence().to_owned(),
        }
    }
}

/// Names of headers, as they came, each once.
pub fn header_names(names: &Few<&[u8]>) -> Vec<String> {
    let mut names: Vec<_> = names
        .iter()
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}
