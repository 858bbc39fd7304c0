//! gRPC calls and streams that a guest opens, and the scripted peers that answer them.

mod delivery;
mod events;
mod handles;
mod reply;
mod service;

use std::time::Duration;

pub(crate) use delivery::{Exchanges, Incoming};
pub(crate) use handles::{Command, Handles};
pub use reply::GrpcReply;
pub(crate) use reply::Step;
pub(crate) use service::{Service, read_service};

use crate::headers::HeaderMap;

/// Answers as a gRPC server does, each time that something reaches it.
pub(crate) type GrpcPeer = Box<dyn FnMut(&GrpcEvent<'_>) -> GrpcReply + Send>;

/// A gRPC status code (gRPC, "Status codes and their use in gRPC").
pub(crate) mod code {
    pub(crate) const OK: u32 = 0;
    pub(crate) const UNIMPLEMENTED: u32 = 12;
    pub(crate) const INTERNAL: u32 = 13;
    pub(crate) const UNAVAILABLE: u32 = 14;
}

/// The status that gRPC's mapping gives to an HTTP status (gRPC, "HTTP to gRPC Status Code Mapping").
pub(crate) fn status_of_http(status: i64) -> u32 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => code::UNAVAILABLE,
        _ => 2,
    }
}

/// A call or stream that a guest opened with `proxy_grpc_call` or `proxy_grpc_stream`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct GrpcCall {
    /// The cluster: named by the guest, or by the serialized `GrpcService` that it passed.
    pub cluster: String,
    /// The service with its package, such as `helloworld.Greeter`.
    pub service: String,
    /// The method, without the service.
    pub method: String,
    /// What the guest passed as initial metadata.
    pub initial_metadata: HeaderMap,
    /// The timeout of a call; zero for none. A stream has none.
    pub timeout: Duration,
    /// Whether this is a stream, on which any number of messages go both ways.
    pub is_stream: bool,
}

/// What reaches a gRPC peer.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum GrpcEvent<'a> {
    /// A unary call, with its one message.
    Call(&'a GrpcCall, &'a [u8]),
    /// A stream was opened.
    Opened(&'a GrpcCall),
    /// One message on an open stream.
    Message(&'a GrpcCall, &'a [u8]),
    /// The guest will send no more on this stream (`proxy_grpc_close`, or `proxy_grpc_send` with `end_stream`).
    HalfClosed(&'a GrpcCall),
    /// The guest gave the call or stream up (`proxy_grpc_cancel`). No answer reaches it any more.
    Cancelled(&'a GrpcCall),
}

impl<'a> GrpcEvent<'a> {
    /// The call or stream that this is about.
    pub fn call(&self) -> &'a GrpcCall {
        match self {
            Self::Call(call, _)
            | Self::Opened(call)
            | Self::Message(call, _)
            | Self::HalfClosed(call)
            | Self::Cancelled(call) => call,
        }
    }

    /// The message, if one came.
    pub fn message(&self) -> Option<&'a [u8]> {
        match self {
            Self::Call(_, message) | Self::Message(_, message) => Some(message),
            Self::Opened(_) | Self::HalfClosed(_) | Self::Cancelled(_) => None,
        }
    }
}
