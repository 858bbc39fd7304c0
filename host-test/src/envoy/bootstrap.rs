//! Envoy's configuration, as JSON.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use crate::scenario::format::{FailurePolicyName, Setup};

/// The route timeout that Envoy has without one in its configuration.
const UPSTREAM: &str = "upstream";

/// The cluster of the TCP proxy, and one that refuses connections.
pub(crate) const TCP: &str = "tcp-upstream";
pub(crate) const TCP_REFUSED: &str = "tcp-refused";

/// What is before a TCP proxy.
pub(crate) struct Tcp {
    /// The set-ups of the filters.
    pub(crate) filters: Vec<Setup>,
    pub(crate) refused: bool,
}

/// One listener with the filter in it.
pub(crate) struct Listener<'a> {
    pub(crate) name: String,
    pub(crate) setup: &'a Setup,
    pub(crate) vm_id: String,
    pub(crate) module: &'a Path,
    /// It is for TCP connections, through these filters.
    pub(crate) tcp: Option<Tcp>,
}

/// The whole configuration: listeners whose routes all lead to one upstream, and clusters that filters can call.
pub(crate) fn bootstrap(
    listeners: &[Listener<'_>],
    upstream: SocketAddr,
    clusters: &BTreeMap<String, SocketAddr>,
) -> Value {
    let peers = clusters
        .iter()
        .map(|(name, address)| cluster(name, *address));
    let clusters: Vec<Value> = peers.chain([cluster(UPSTREAM, upstream)]).collect();
    let listeners: Vec<Value> = listeners.iter().map(listener).collect();
    json!({
        "admin": { "address": address(SocketAddr::from(([127, 0, 0, 1], 0))) },
        "static_resources": { "listeners": listeners, "clusters": clusters },
    })
}

fn cluster(name: &str, peer: SocketAddr) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address(peer) } }] }],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": { "http_protocol_options": { "enable_trailers": true } },
            },
        },
    })
}

fn address(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}

fn listener(listener: &Listener<'_>) -> Value {
    let setup = listener.setup;
    let upgrades = setup.upgrade_types.clone();
    let upgrades = upgrades.unwrap_or_else(|| vec!["websocket".to_owned()]);
    let upgrades: Vec<Value> = upgrades
        .iter()
        .map(|kind| json!({ "upgrade_type": kind }))
        .collect();
    if let Some(tcp) = &listener.tcp {
        let cluster = if tcp.refused { TCP_REFUSED } else { TCP };
        let filters = tcp.filters.iter();
        let mut filters: Vec<Value> = filters
            .map(|setup| filter(listener, setup, "network"))
            .collect();
        filters.push(json!({
            "name": "envoy.filters.network.tcp_proxy",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                "stat_prefix": "front",
                "cluster": cluster,
            },
        }));
        return json!({
            "name": listener.name,
            "address": address(SocketAddr::from(([127, 0, 0, 1], 0))),
            "filter_chains": [{ "filters": filters }],
        });
    }
    let mut value = json!({
        "name": listener.name,
        "address": address(SocketAddr::from(([127, 0, 0, 1], 0))),
        "filter_chains": [{ "filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": "front",
                "codec_type": "AUTO",
                "http_protocol_options": { "enable_trailers": setup.trailers.unwrap_or(false) },
                "upgrade_configs": upgrades,
                "route_config": { "virtual_hosts": [{
                    "name": "default",
                    "domains": ["*"],
                    "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": UPSTREAM } }],
                }] },
                "http_filters": [filter(listener, setup, "http"), {
                    "name": "envoy.filters.http.router",
                    "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
                }],
            },
        }] }],
    });
    if let Some(limit) = setup.buffer_limit {
        value["per_connection_buffer_limit_bytes"] = json!(limit);
    }
    value
}

fn filter(listener: &Listener<'_>, setup: &Setup, kind: &str) -> Value {
    let policy = match setup.failure_policy {
        None | Some(FailurePolicyName::FailClosed) => "FAIL_CLOSED",
        Some(FailurePolicyName::FailOpen) => "FAIL_OPEN",
        Some(FailurePolicyName::FailReload) => "FAIL_RELOAD",
    };
    let text = |bytes: &[u8]| {
        json!({
            "@type": "type.googleapis.com/google.protobuf.StringValue",
            "value": String::from_utf8_lossy(bytes),
        })
    };
    let mut config = json!({
        "name": setup.plugin_name.as_deref().unwrap_or("plugin"),
        "root_id": setup.root_id.as_deref().unwrap_or_default(),
        "failure_policy": policy,
        "allow_on_headers_stop_iteration": setup.allow_on_headers_stop_iteration.unwrap_or(false),
        "vm_config": {
            "vm_id": listener.vm_id,
            "runtime": "envoy.wasm.runtime.v8",
            "code": { "local": { "filename": listener.module } },
            "environment_variables": { "key_values": setup.environment },
        },
    });
    if let Some(configuration) = &setup.configuration {
        config["configuration"] = text(configuration.as_slice());
    }
    if let Some(configuration) = &setup.vm_configuration {
        config["vm_config"]["configuration"] = text(configuration.as_slice());
    }
    json!({
        "name": "filter",
        "typed_config": {
            "@type": format!("type.googleapis.com/envoy.extensions.filters.{kind}.wasm.v3.Wasm"),
            "config": config,
        },
    })
}
