//! The test host from outside: small guests in the WebAssembly text format, run through the library and the command.

mod bench;
mod bodies;
mod contexts;
mod diagnostics;
mod envoy;
mod events;
mod failures;
mod faults;
mod grpc;
mod guests;
mod headers;
mod limits;
mod loading;
mod local_responses;
mod recorded;
mod serve;
mod serve_calls;
mod serve_streaming;
mod serve_workers;
mod served;
mod shared;
mod sockets;
mod streaming;
mod upgrades;
mod wasi;
mod wire;
