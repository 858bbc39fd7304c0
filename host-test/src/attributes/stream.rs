//! The attributes of a stream.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{Found, PropertyValue, metadata};
use crate::grpc::status_of_http;
use crate::headers::HeaderMap;
use crate::state::{StreamContext, ToUpstream, VmState};

/// Where this host listens, as far as guests are told.
const LISTENER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 10_000);
/// Where its upstream is, and from where it connects there.
const UPSTREAM: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8_080);
const UPSTREAM_LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 40_000);
/// `envoy.config.core.v3.TrafficDirection.UNSPECIFIED`.
const DIRECTION_UNSPECIFIED: i64 = 0;
/// What an access log says of a reply that came from the upstream.
const VIA_UPSTREAM: &str = "via_upstream";
/// Why Envoy could not connect, where the upstream refuses.
const REFUSED: &str = "delayed connect error: Connection refused";
/// The bits of `response.flags` (Envoy `stream_info.h`, `CoreResponseFlag`), by the beginning of the details.
const FLAGS: &[(&str, i64)] = &[
    ("upstream_response_timeout", 1 << 2),
    ("response_timeout", 1 << 2),
    (
        "upstream_reset_before_response_started{remote_reset",
        1 << 4,
    ),
    ("upstream_reset_after_response_started{remote_reset", 1 << 4),
    (
        "upstream_reset_before_response_started{remote_connection_failure",
        1 << 5,
    ),
    (
        "upstream_reset_before_response_started{connection_termination",
        1 << 6,
    ),
    (
        "upstream_reset_after_response_started{connection_termination",
        1 << 6,
    ),
    ("route_not_found", 1 << 8),
    ("downstream_remote_disconnect", 1 << 14),
];

/// A map of attributes that Envoy computes entry by entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Group {
    Connection,
    Destination,
    FilterState,
    Request,
    Response,
    Source,
    Upstream,
    UpstreamFilterState,
    Xds,
}

impl Group {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "connection" => Self::Connection,
            "destination" => Self::Destination,
            "filter_state" => Self::FilterState,
            "request" => Self::Request,
            "response" => Self::Response,
            "source" => Self::Source,
            "upstream" => Self::Upstream,
            "upstream_filter_state" => Self::UpstreamFilterState,
            "xds" => Self::Xds,
            _ => return None,
        })
    }

    /// Filter state of the upstream's connection is there once there is one.
    pub(super) fn exists(self, stream: &StreamContext) -> bool {
        self != Self::UpstreamFilterState || reached_upstream(stream)
    }

    /// The names of what this group may hold; those of filter state are its own.
    pub(crate) fn names(self) -> &'static [&'static str] {
        match self {
            Self::Connection => &["id", "mtls", "requested_server_name"],
            Self::Destination | Self::Source => &["address", "port"],
            Self::FilterState | Self::UpstreamFilterState => &[],
            Self::Request => &[
                "headers",
                "time",
                "protocol",
                "size",
                "total_size",
                "duration",
                "path",
                "url_path",
                "query",
                "host",
                "scheme",
                "method",
                "referer",
                "useragent",
                "id",
            ],
            Self::Response => &[
                "code",
                "code_details",
                "flags",
                "grpc_status",
                "headers",
                "trailers",
                "size",
                "total_size",
                "backend_latency",
            ],
            Self::Upstream => &[
                "address",
                "port",
                "local_address",
                "locality",
                "transport_failure_reason",
                "request_attempt_count",
                "cx_pool_ready_duration",
            ],
            Self::Xds => &[
                "node",
                "cluster_name",
                "cluster_metadata",
                "route_name",
                "route_metadata",
                "virtual_host_name",
                "virtual_host_metadata",
                "filter_chain_name",
                "listener_metadata",
                "listener_direction",
                "upstream_host_metadata",
                "upstream_host_locality_metadata",
            ],
        }
    }

    pub(crate) fn attribute(self, state: &VmState, context: u32, name: &str) -> Option<Found> {
        let Some(stream) = state.streams.get(&context) else {
            return (self == Self::Xds && name == "node").then(|| node().into());
        };
        match self {
            Self::Connection => connection(stream, name),
            Self::Destination => address(LISTENER, name),
            Self::Source => address(stream.source, name),
            Self::FilterState => stream
                .common
                .lock()
                .filter_state
                .get(name.as_bytes())
                .and_then(|state| state.readable()),
            Self::UpstreamFilterState => None,
            Self::Request => request(stream, state.clock.wall(), name),
            Self::Response => response(stream, name),
            Self::Upstream => upstream(stream, name),
            Self::Xds => xds(stream, name),
        }
        .map(Found::Value)
    }
}

pub(super) fn connection_id(stream: &StreamContext) -> PropertyValue {
    PropertyValue::Uint(stream.connection)
}

fn connection(stream: &StreamContext, name: &str) -> Option<PropertyValue> {
    Some(match name {
        "id" => connection_id(stream),
        "mtls" => false.into(),
        "requested_server_name" => "".into(),
        _ => return None,
    })
}

fn request(stream: &StreamContext, now: u64, name: &str) -> Option<PropertyValue> {
    let visible = stream.request.headers_visible || stream.logging;
    let headers = visible.then_some(&stream.request.headers);
    let text = |name: &str| headers.and_then(|headers| headers.get(name)).map(utf8);
    let received = count(stream.common.lock().received);
    let path = || headers.and_then(|headers| headers.text(":path"));
    Some(match name {
        "headers" => map(headers),
        "time" => PropertyValue::Timestamp(signed(stream.started)),
        "protocol" if stream.tcp.is_none() => stream.protocol.into(),
        "size" => {
            let declared = headers.and_then(|headers| headers.text("content-length"));
            match declared {
                Some(length) => length.parse::<i64>().ok()?.into(),
                None => received.into(),
            }
        }
        "total_size" => (received + headers.map_or(0, size_of)).into(),
        "duration" if stream.logging => {
            PropertyValue::Duration(signed(now.saturating_sub(stream.started)))
        }
        "path" => text(":path")?,
        "url_path" => path()?.split('?').next().unwrap_or_default().into(),
        "query" => path()?
            .split_once('?')
            .map_or("", |(_, query)| query)
            .into(),
        "host" => text(":authority")?,
        "scheme" => text(":scheme")?,
        "method" => text(":method")?,
        "referer" => text("referer")?,
        "useragent" => text("user-agent")?,
        "id" => text("x-request-id")?,
        _ => return None,
    })
}

fn response(stream: &StreamContext, name: &str) -> Option<PropertyValue> {
    let headers = &stream.response.headers;
    let (code, details, sent, complete, flags) = {
        let facts = stream.common.lock();
        let code = facts.code.map(i64::from);
        (
            code,
            facts.details.clone(),
            count(facts.sent),
            facts.response_complete,
            facts.flags,
        )
    };
    let visible = stream.response.headers_visible || stream.logging;
    let shown = visible.then_some(headers);
    let trailers =
        (stream.response.trailers_visible || stream.logging).then_some(&stream.response.trailers);
    Some(match name {
        "code" => code?.into(),
        "code_details" if !details.is_empty() => details.into(),
        "flags" => FLAGS
            .iter()
            .find(|(begin, _)| details.starts_with(begin))
            .map_or(flags, |(_, bit)| *bit)
            .into(),
        "grpc_status" => {
            let told = [trailers, shown]
                .into_iter()
                .flatten()
                .find_map(|map| map.text("grpc-status"));
            match told {
                Some(status) => status.parse::<i64>().ok()?.into(),
                None => i64::from(status_of_http(code?)).into(),
            }
        }
        "headers" => map(shown),
        "trailers" => map(trailers),
        "size" => sent.into(),
        "total_size" => (sent + shown.map_or(0, size_of) + trailers.map_or(0, size_of)).into(),
        "backend_latency" if complete && reached_upstream(stream) => PropertyValue::Duration(0),
        _ => return None,
    })
}

fn upstream(stream: &StreamContext, name: &str) -> Option<PropertyValue> {
    let reached = reached_upstream(stream);
    let to_upstream = stream.common.lock().to_upstream;
    let refused = to_upstream == Some(ToUpstream::Refused);
    Some(match name {
        "request_attempt_count" => i64::from(reached).into(),
        "transport_failure_reason" if refused => REFUSED.into(),
        "transport_failure_reason" if to_upstream.is_some() => "".into(),
        _ if !reached || (refused && name == "local_address") => return None,
        "address" | "port" => address(UPSTREAM, name)?,
        "local_address" => UPSTREAM_LOCAL.to_string().into(),
        "locality" | "transport_failure_reason" => "".into(),
        "cx_pool_ready_duration" => PropertyValue::Duration(0),
        _ => return None,
    })
}

/// This host has one route, to one cluster. Their names are what a configuration without names of its own has.
fn xds(stream: &StreamContext, name: &str) -> Option<PropertyValue> {
    let is_connection = stream.tcp.is_some();
    Some(match name {
        "node" => node(),
        // A TCP proxy has no routes, and a cluster when it connects.
        "route_name" | "route_metadata" | "virtual_host_name" | "virtual_host_metadata"
            if is_connection =>
        {
            return None;
        }
        "cluster_name" | "cluster_metadata" if is_connection && !reached_upstream(stream) => {
            return None;
        }
        "cluster_name" => "upstream".into(),
        "virtual_host_name" => "default".into(),
        "route_name" | "filter_chain_name" => "".into(),
        "cluster_metadata" | "route_metadata" | "virtual_host_metadata" | "listener_metadata" => {
            metadata::empty_message()
        }
        "listener_direction" => DIRECTION_UNSPECIFIED.into(),
        // An upstream host without metadata has nothing that could be serialized.
        "upstream_host_metadata" | "upstream_host_locality_metadata"
            if reached_upstream(stream) =>
        {
            PropertyValue::Null
        }
        _ => return None,
    })
}

fn node() -> PropertyValue {
    let text = |name: &str, value: &str| (name.to_owned(), value.into());
    let empty = |name: &str| (name.to_owned(), PropertyValue::Map(Vec::new()));
    PropertyValue::Message(vec![
        text("id", ""),
        text("cluster", ""),
        empty("metadata"),
        (
            "locality".to_owned(),
            PropertyValue::Message(vec![
                text("region", ""),
                text("zone", ""),
                text("sub_zone", ""),
            ]),
        ),
        text("user_agent_name", "envoy"),
    ])
}

fn address(address: SocketAddr, name: &str) -> Option<PropertyValue> {
    match name {
        "address" => Some(address.to_string().into()),
        "port" => Some(i64::from(address.port()).into()),
        _ => None,
    }
}

/// Whether the response is the upstream's, or a connection there was tried.
pub(super) fn reached_upstream(stream: &StreamContext) -> bool {
    let facts = stream.common.lock();
    let tried = [Some(ToUpstream::Connected), Some(ToUpstream::Refused)];
    tried.contains(&facts.to_upstream)
        || facts.details == VIA_UPSTREAM
        || facts.details.starts_with("upstream_reset_after")
}

/// Each name once, with all its values; no headers are an empty map.
fn map(headers: Option<&HeaderMap>) -> PropertyValue {
    let mut entries: Vec<(String, PropertyValue)> = Vec::new();
    for (name, _) in headers.into_iter().flat_map(HeaderMap::iter) {
        let text = String::from_utf8_lossy(name).into_owned();
        if let Some(headers) = headers
            && entries.iter().all(|(known, _)| *known != text)
        {
            let joined = headers.all(name).join(&b","[..]);
            entries.push((text, utf8(&joined)));
        }
    }
    PropertyValue::Map(entries)
}

/// Text if it is text. Guests get the same bytes either way.
fn utf8(bytes: &[u8]) -> PropertyValue {
    match str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => bytes.into(),
    }
}

fn size_of(headers: &HeaderMap) -> i64 {
    i64::try_from(headers.byte_size()).unwrap_or(i64::MAX)
}

fn count(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn signed(nanoseconds: u64) -> i64 {
    i64::try_from(nanoseconds).unwrap_or(i64::MAX)
}
