//! What the client and the upstream send.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Deserialize;

use super::bytes::{Bytes, Headers};
use super::offered::Property;
use super::union::True;

/// A request as the client puts it on the wire.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ClientRequest {
    /// The method; GET without this.
    pub method: Option<Bytes>,
    /// The target: a path with its query, or an absolute `http://host/path`; `/` without this.
    pub path: Option<Bytes>,
    /// The authority; `localhost` without this.
    pub authority: Option<Bytes>,
    /// There is no authority.
    #[serde(default)]
    pub without_authority: bool,
    /// There is no path, as with CONNECT.
    #[serde(default)]
    pub without_path: bool,
    /// The scheme; `http` without this.
    pub scheme: Option<Bytes>,
    /// The headers, in order.
    #[serde(default)]
    pub headers: Headers,
    /// The whole body, with its `content-length`.
    pub body: Option<Bytes>,
    /// A body in parts, without a `content-length`. The filter is called once for each.
    #[serde(default)]
    pub chunks: Vec<Bytes>,
    /// The trailers.
    #[serde(default)]
    pub trailers: Headers,
    /// Whether the request ends here; it does without this. The rest comes with `body` steps.
    #[serde(default = "yes")]
    pub end: bool,
    /// Whether the step waits for the response, with time moving on; it does without this. A request that does not `end` is
    /// not waited for.
    #[serde(default = "yes")]
    pub wait: bool,
    /// Over HTTP/2 instead of HTTP/1.1.
    #[serde(default)]
    pub http2: bool,
    /// The plugins that it passes, by name and in this order; all of them without this.
    pub plugins: Option<Vec<String>>,
    /// Properties that guests read on this request's stream, before those of `host`, by their paths with dots.
    #[serde(default)]
    pub properties: BTreeMap<String, Property>,
    /// On this worker (0, 1, …) instead of the next in turn.
    pub worker: Option<usize>,
    /// The client's address and port; 127.0.0.1:40000 without this.
    #[schemars(with = "Option<String>")]
    pub source: Option<SocketAddr>,
}

fn yes() -> bool {
    true
}

/// More of a request that was not finished.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MoreBody {
    /// Parts of the body.
    #[serde(default)]
    pub chunks: Vec<Bytes>,
    /// Whether the request ends behind them; it does without this. Then the step waits for the response.
    #[serde(default = "yes")]
    pub end: bool,
    /// The trailers, which end the request.
    #[serde(default)]
    pub trailers: Headers,
}

/// More of a reply that was not finished.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MoreReply {
    /// Parts of the body.
    #[serde(default)]
    pub chunks: Vec<Bytes>,
    /// Whether the reply ends behind them; it does without this.
    #[serde(default = "yes")]
    pub end: bool,
    /// The trailers, which end the reply.
    #[serde(default)]
    pub trailers: Headers,
    /// The connection breaks behind the parts.
    #[serde(default)]
    reset: Option<True>,
}

impl MoreReply {
    /// Whether the connection breaks behind the parts.
    pub fn resets(&self) -> bool {
        self.reset.is_some()
    }
}
