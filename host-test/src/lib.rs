//! A [Proxy-Wasm](https://github.com/proxy-wasm/spec) host that behaves as Envoy 1.40 does, for tests of filters and for
//! trying them out.
//!
//! It runs any module that speaks ABI 0.1.0, 0.2.0 or 0.2.1, on [wasmtime], with limits on fuel and memory, virtual clocks and
//! repeatable randomness. A test makes a [`Host`], sends [`Request`]s through a plugin, and looks at what came of them:
//! what the client got, what the upstream got, what was logged, what each callback cost.
//!
//! ```
//! use postern_host::{Host, Module, Reply, Request};
//!
//! // A filter that removes `x-secret` from requests, in the WebAssembly text format.
//! let module = Module::compile(
//!     r#"(module
//!         (import "env" "proxy_remove_header_map_value" (func $remove (param i32 i32 i32) (result i32)))
//!         (memory (export "memory") 1)
//!         (data (i32.const 16) "x-secret")
//!         (func (export "proxy_abi_version_0_2_1"))
//!         (func (export "malloc") (param i32) (result i32) (i32.const 1024))
//!         (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
//!             (call $remove (i32.const 0) (i32.const 16) (i32.const 8))))"#,
//! )?;
//! let mut host = Host::builder(&module).upstream(|_request| Reply::ok().body("hello")).build();
//! let plugin = host.add_plugin("the plugin configuration")?;
//!
//! let exchange = host.request(plugin, Request::get("/").header("x-secret", "1").header("x-other", "2"));
//!
//! assert_eq!(exchange.status(), 200);
//! let upstream = exchange.upstream.expect("the filter let it through");
//! assert!(!upstream.headers.contains("x-secret"));
//! assert_eq!(upstream.headers.text("x-other").as_deref(), Some("2"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`serve`] puts the same host behind a real HTTP front; `postern-host serve` is the command for it.
//!
//! # How it is known to behave as Envoy does
//!
//! A test of this crate sends requests through a guest that calls nearly every function, and compares the trace of all calls with the
//! one that Envoy 1.40 printed for the same guest and requests: they are equal, line by line. The front's own answers and the
//! headers that Envoy joins, adds and removes were probed there too.
//!
//! # Host functions
//!
//! All 39 functions of ABI 0.2.1:
//!
//! | topic | functions |
//! | --- | --- |
//! | logging | `proxy_log`, `proxy_get_log_level` |
//! | time | `proxy_get_current_time_nanoseconds`, `proxy_set_tick_period_milliseconds` |
//! | headers | `proxy_get_header_map_size`, `…_pairs`, `…_value`, `proxy_set_header_map_pairs`, `proxy_add_…`, `proxy_replace_…`, `proxy_remove_header_map_value` |
//! | buffers | `proxy_get_buffer_bytes`, `proxy_set_buffer_bytes`, `proxy_get_buffer_status` |
//! | streams | `proxy_continue_stream`, `proxy_close_stream`, `proxy_send_local_response`, `proxy_set_effective_context`, `proxy_done` |
//! | calls | `proxy_http_call` to scripted clusters, `proxy_get_status` |
//! | gRPC | `proxy_grpc_call`, `proxy_grpc_stream`, `proxy_grpc_send`, `proxy_grpc_cancel`, `proxy_grpc_close` against scripted peers ([`HostBuilder::grpc_service`]) |
//! | shared data | `proxy_get_shared_data`, `proxy_set_shared_data` |
//! | queues | `proxy_register_…`, `proxy_resolve_…`, `proxy_enqueue_…`, `proxy_dequeue_shared_queue` |
//! | metrics | `proxy_define_metric`, `proxy_record_metric`, `proxy_increment_metric`, `proxy_get_metric` |
//! | properties | `proxy_get_property` of Envoy's attributes and of what the test sets ([`HostBuilder::property`]), `proxy_set_property` |
//! | foreign functions | `proxy_call_foreign_function`: those of the test ([`HostBuilder::foreign_function`]), and of Envoy's `clear_route_cache`, `compress`, `declare_property`, `expr_create`, `expr_delete`, `expr_evaluate`, `set_envoy_filter_state`, `sign`, `uncompress`, `verify_signature` |
//! | of Envoy's own | `envoy_resolve_dns` against scripted names ([`HostBuilder::dns`]) |
//! | WASI | the 45 functions that Envoy has, with its errnos |
//!
//! Modules of ABI 0.1.0 have `proxy_get_configuration`, `proxy_continue_request`, `proxy_continue_response` and
//! `proxy_clear_route_cache` as well. Anything else that a module imports is an error when it is loaded, by name. [`LoadOptions`] choose another host to behave as, and take extended ABI versions;
//! `docs/host/abi.md` has the table of functions and hosts.
//!
//! # Where it is not Envoy
//!
//! - What base and canary log is kept only if the configuration was refused. What they do to shared data and metrics stays, as in
//!   Envoy.
//! - CONNECT matches no route: it gets a 404.
//! - `proxy_on_http_call_response` comes right after the callback that made the call if the reply has no delay.
//! - A queue's consumer in another host is told when something happens there.
//! - Envoy has no limits but that on memory.
//! - Workers and the main thread take turns.

#![warn(missing_docs)]

/// The introduction for newcomers, so that its example is compiled.
#[cfg(doctest)]
#[doc = include_str!("../../docs/host/README.md")]
struct Introduction;

mod abi;
mod attributes;
pub mod bench;
mod builder;
mod callout;
mod capabilities;
mod client;
mod clock;
mod code;
mod codec;
mod connection;
mod diagnostics;
mod dns;
mod entropy;
pub mod envoy;
mod events;
mod exchange;
mod fault;
mod filter_state;
mod foreign;
mod front;
mod functions;
mod grpc;
mod headers;
mod host;
mod journal;
mod limits;
pub mod lint;
mod local_reply;
mod module;
mod names;
mod pairs;
mod plugin;
mod plugins;
mod profile;
mod protobuf;
mod request;
mod routes;
pub mod scenario;
pub mod serve;
mod shared;
mod state;
mod stats;
mod status;
mod stream;
pub mod trace;
mod version;
mod vm;

pub use attributes::PropertyValue;
pub use builder::{FailurePolicy, HostBuilder, UnknownFailurePolicy};
pub use callout::{CallId, Callout, CalloutReply, PendingCall};
pub use client::ClientConnection;
pub use connection::{ClosedBy, ConnectOptions, Connection, ConnectionId};
pub use diagnostics::{Allowance, Code, Diagnostic, Severity, UnknownAllowance, UnknownCode};
pub use dns::DnsAnswer;
pub use exchange::{
    AnsweredBy, Callback, Copied, Exchange, LocalResponse, LogLine, Response, StreamId,
    UpstreamRequest,
};
pub use fault::{Fault, UnknownHostFunction};
pub use grpc::{GrpcCall, GrpcEvent, GrpcReply};
pub use headers::HeaderMap;
pub use host::{Host, StreamState};
pub use module::{LoadError, LoadOptions, Module};
pub use plugin::Plugin;
pub use plugins::{ConfigRefused, PluginId, RefusalReason};
pub use profile::{Profile, UnknownProfile};
pub use request::{Reply, Request};
pub use routes::Route;
pub use shared::{Metric, SharedState};
pub use status::{LogLevel, UnknownLogLevel};
pub use version::AbiVersion;
