//! Where requests lead that the filter lets through.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::union::True;

/// A route. The first one that fits a request leads it on; one that none fits gets a 404. Without any routes, everything leads to
/// the upstream.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "RouteTable")]
#[schemars(with = "RouteTable")]
#[non_exhaustive]
pub struct RouteSpec {
    /// Which paths it is for.
    pub path: RoutePath,
    /// Headers that have to have these values; several values of one name count as one with commas.
    pub headers: BTreeMap<String, String>,
    /// Headers that have to be there.
    pub headers_present: Vec<String>,
    /// Where it leads.
    pub target: RouteTarget,
    /// How many redirects of the upstream the host follows itself.
    pub follow_redirects: Option<u32>,
    /// Whether it follows redirects to another scheme too.
    pub follow_to_other_schemes: bool,
}

/// The paths of a route; the query does not count.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RoutePath {
    /// Exactly this one.
    Exact(String),
    /// All that begin with this.
    Prefix(String),
}

/// Where a route leads.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RouteTarget {
    /// To the upstream.
    Upstream,
    /// To this cluster.
    Cluster(String),
    /// Nowhere: the host answers.
    Direct(DirectResponse),
}

/// An answer of the host.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct DirectResponse {
    /// The status.
    #[schemars(range(min = 100, max = 599))]
    pub status: u16,
    /// The body; empty without this.
    #[serde(default)]
    pub body: String,
}

/// A route: the first one that fits a request leads it on.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Route")]
struct RouteTable {
    /// Only for this path; its query does not count.
    path: Option<String>,
    /// Only for paths that begin with this; `/` without this and without `path`.
    prefix: Option<String>,
    /// Only for requests with these headers; several values of one name count as one with commas.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Only for requests that have these headers, whatever their values.
    #[serde(default)]
    headers_present: Vec<String>,
    /// The cluster that it leads to, one of those under `cluster`; the upstream without this. One that is not there gets a 503.
    cluster: Option<String>,
    /// The host answers itself, when the request has passed the filters.
    direct_response: Option<DirectResponse>,
    /// How many redirects (302) of the upstream the host follows itself, as with Envoy's `internal_redirect_policy`: the request
    /// passes all filters again. None without this.
    follow_redirects: Option<u32>,
    /// Redirects to another scheme are followed too.
    follow_to_other_schemes: Option<True>,
}

impl TryFrom<RouteTable> for RouteSpec {
    type Error = String;

    fn try_from(table: RouteTable) -> Result<Self, Self::Error> {
        let path = match (table.path, table.prefix) {
            (Some(path), None) => RoutePath::Exact(path),
            (None, prefix) => RoutePath::Prefix(prefix.unwrap_or_else(|| "/".to_owned())),
            (Some(_), Some(_)) => {
                return Err("a route has either a `path` or a `prefix`".to_owned());
            }
        };
        let target = match (table.cluster, table.direct_response) {
            (None, None) => RouteTarget::Upstream,
            (Some(cluster), None) => RouteTarget::Cluster(cluster),
            (None, Some(direct)) if (100..=599).contains(&direct.status) => {
                RouteTarget::Direct(direct)
            }
            (None, Some(direct)) => {
                return Err(format!("{} is no status of a response", direct.status));
            }
            (Some(_), Some(_)) => {
                return Err("a route has either a `cluster` or a `direct_response`".to_owned());
            }
        };
        if table.follow_to_other_schemes.is_some() && table.follow_redirects.is_none() {
            return Err("`follow_to_other_schemes` needs `follow_redirects`".to_owned());
        }
        Ok(Self {
            path,
            headers: table.headers,
            headers_present: table.headers_present,
            target,
            follow_redirects: table.follow_redirects,
            follow_to_other_schemes: table.follow_to_other_schemes.is_some(),
        })
    }
}
