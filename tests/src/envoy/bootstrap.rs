//! Envoy's configuration as JSON: bootstrap, listeners, the filter.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use tempfile::NamedTempFile;

use super::access_log;
use crate::{Result, abi};

/// One listener with the filter in front of a route that takes everything.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Its name, by which its port is found.
    pub name: String,
    /// The filter in it. `None`: no filter, for what Envoy does by itself.
    pub plugin: Option<Plugin>,
    /// Envoy's own path handling: `normalize_path`, `merge_slashes` and refusal of escaped slashes. Off by default, so
    /// that the filter sees what the client sent.
    pub normalize: bool,
    /// What Envoy upgrades to.
    pub upgrade: Upgrade,
    /// Whether Envoy follows the upstream's redirects itself (`internal_redirect_policy`).
    pub follow_redirects: bool,
}

/// What Envoy upgrades to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Upgrade {
    /// WebSocket, and CONNECT, so that the filter sees both; any other `Upgrade` is refused by Envoy itself.
    WebSocketAndConnect,
    /// Every `Upgrade` is refused by Envoy itself.
    Nothing,
}

/// The Wasm filter's part of a listener.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// The module.
    pub wasm: PathBuf,
    /// The plugin configuration, as it will be read by `on_configure`.
    pub configuration: String,
    /// Plugins with one id, code and environment share a VM.
    pub vm_id: String,
    /// Environment variables of the Envoy process that the VM may read.
    pub host_env_keys: Vec<String>,
    /// What Envoy does when the VM has failed.
    pub failure_policy: FailurePolicy,
    /// Whether the filter may hold a request at its headers and see its body.
    pub allow_on_headers_stop_iteration: bool,
    /// Host calls that Envoy denies to the filter (`capability_restriction_config`): each answers `INTERNAL_FAILURE`, or
    /// in WASI `ENOTCAPABLE`.
    pub denied_host_calls: Vec<String>,
}

/// What Envoy does with requests once the VM has trapped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FailurePolicy {
    /// 503 for that request, a new VM for the next.
    Reload,
    /// 503 for that request and all later ones.
    Closed,
}

/// The `Server` header of everything that a listener of this revision answers: how a test knows that it is in force.
pub(super) fn server_name(revision: u32) -> String {
    format!("envoy-revision-{revision}")
}

/// The whole bootstrap.
pub(super) fn bootstrap(
    upstream: SocketAddr,
    clusters: &BTreeMap<String, SocketAddr>,
    fixed: &[Value],
    watched: Option<&Path>,
) -> Value {
    let mut config = json!({
        "node": { "id": "postern-tests", "cluster": "postern-tests" },
        "admin": { "address": address(0) },
        "static_resources": {
            "listeners": fixed,
            "clusters": [{
                "name": "upstream",
                "type": "STATIC",
                "connect_timeout": "5s",
                "load_assignment": {
                    "cluster_name": "upstream",
                    "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address(upstream.port()) } }] }],
                },
                // The protocol that the client spoke, so that trailers arrive as they were sent.
                "typed_extension_protocol_options": {
                    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                        "use_downstream_protocol_config": {
                            "http_protocol_options": { "enable_trailers": true },
                            "http2_protocol_options": { "allow_connect": true },
                        },
                    },
                },
            }],
        },
    });
    if let Some(list) = config["static_resources"]["clusters"].as_array_mut() {
        list.extend(clusters.iter().map(|(name, peer)| {
            json!({
                "name": name,
                "type": "STATIC",
                "connect_timeout": "1s",
                "load_assignment": {
                    "cluster_name": name,
                    "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address(peer.port()) } }] }],
                },
            })
        }));
    }
    if let Some(path) = watched {
        config["dynamic_resources"] = json!({
            "lds_config": { "resource_api_version": "V3", "path_config_source": { "path": path } },
        });
    }
    config
}

fn address(port: u16) -> Value {
    json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } })
}

/// One listener of one revision.
pub(super) fn listener(listener: &Listener, revision: u32, access_log: &Path) -> Value {
    let mut filters: Vec<Value> = listener.plugin.iter().map(wasm_filter).collect();
    filters.push(json!({
        "name": "envoy.filters.http.router",
        "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
    }));
    let mut manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": listener.name,
        "codec_type": "AUTO",
        "server_name": server_name(revision),
        "http_protocol_options": { "enable_trailers": true },
        // So that the filter sees WebSocket over HTTP/2 too (RFC 8441).
        "http2_protocol_options": { "allow_connect": true },
        "access_log": [{
            "name": "envoy.access_loggers.file",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                "path": access_log,
                "log_format": { "json_format": access_log::format() },
            },
        }],
        "route_config": {
            "virtual_hosts": [{
                "name": "all",
                "domains": ["*"],
                "routes": [
                    { "match": { "prefix": "/" }, "route": { "cluster": "upstream" } },
                    { "match": { "connect_matcher": {} }, "route": { "cluster": "upstream" } },
                ],
            }],
        },
        "http_filters": filters,
    });
    if listener.upgrade == Upgrade::WebSocketAndConnect {
        manager["upgrade_configs"] =
            json!([{ "upgrade_type": "websocket" }, { "upgrade_type": "CONNECT" }]);
    }
    if listener.follow_redirects {
        manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"]["internal_redirect_policy"] =
            json!({ "max_internal_redirects": 3 });
    }
    if listener.normalize {
        manager["normalize_path"] = json!(true);
        manager["merge_slashes"] = json!(true);
        manager["path_with_escaped_slashes_action"] = json!("REJECT_REQUEST");
    }
    json!({
        "name": listener.name,
        "address": address(0),
        "filter_chains": [{
            "filters": [{ "name": "envoy.filters.network.http_connection_manager", "typed_config": manager }],
        }],
    })
}

fn wasm_filter(plugin: &Plugin) -> Value {
    let mut filter = json!({
        "name": "postern",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": "postern",
                "allow_on_headers_stop_iteration": plugin.allow_on_headers_stop_iteration,
                "failure_policy": match plugin.failure_policy {
                    FailurePolicy::Reload => "FAIL_RELOAD",
                    FailurePolicy::Closed => "FAIL_CLOSED",
                },
                "vm_config": {
                    "vm_id": plugin.vm_id,
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "local": { "filename": plugin.wasm } },
                    "environment_variables": { "host_env_keys": plugin.host_env_keys },
                },
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": plugin.configuration,
                },
            },
        },
    });
    if !plugin.denied_host_calls.is_empty() {
        filter["typed_config"]["config"]["capability_restriction_config"] =
            json!({ "allowed_capabilities": allowed(&plugin.denied_host_calls) });
    }
    filter
}

/// Every function that the filter imports or exports, but for those that are denied: Envoy's restriction names what is
/// allowed, and counts callbacks too.
fn allowed(denied: &[String]) -> Map<String, Value> {
    let [imports, exports] = abi::lists();
    let names = imports
        .into_iter()
        .map(|import| import.rsplit_once('.').map_or(import, |(_, name)| name))
        .chain(exports);
    names
        .filter(|name| !denied.iter().any(|denied| denied == name))
        .map(|name| (name.to_owned(), json!({})))
        .collect()
}

/// Writes the watched file: first beside it, then renamed over it. Envoy's watcher sees only such moves.
pub(super) fn publish(path: &Path, revision: u32, listeners: &[Value]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(folder)?;
    let mut resources = listeners.to_vec();
    for resource in &mut resources {
        resource["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
    }
    let body = json!({ "version_info": revision.to_string(), "resources": resources });
    file.write_all(&serde_json::to_vec(&body)?)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
