//! gRPC peers: what they are asked and what they answer.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::bytes::{Bytes, Headers};
use super::matcher::Text;
use super::time::Span;
use super::union::True;

/// A rule of a gRPC peer. The first rule that fits what reaches the peer answers it; what none fits stays without an answer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GrpcRule {
    /// What it answers: a `call` with its one message, the `open` of a stream, a `message` on one, or its `close` by the guest.
    pub on: GrpcMoment,
    /// The service with its package, such as `helloworld.Greeter`; any without this.
    pub service: Option<Text>,
    /// The method; any without this.
    pub method: Option<Text>,
    /// The message; any without this.
    pub message: Option<Text>,
    /// The replies in turn, one at least; the last one is given again and again.
    pub replies: Vec<GrpcPeerReply>,
}

/// What reaches a gRPC peer.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum GrpcMoment {
    /// A unary call.
    Call,
    /// A stream is opened.
    Open,
    /// A message on a stream.
    Message,
    /// The guest sends no more on a stream.
    Close,
}

/// What a gRPC peer answers: all of it in this order. Without anything, it waits.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GrpcPeerReply {
    /// How long it takes to come; no time without this.
    pub delay: Option<Span>,
    /// Initial metadata.
    #[serde(default)]
    pub initial_metadata: Headers,
    /// Messages.
    #[serde(default)]
    pub messages: Vec<Bytes>,
    /// Trailing metadata; it needs a `status`.
    #[serde(default)]
    pub trailers: Headers,
    /// The status that ends the call or stream, such as 0 for OK and 5 for NOT_FOUND.
    pub status: Option<u32>,
    /// The message of the status.
    pub status_message: Option<String>,
    /// The stream breaks, behind the messages.
    #[serde(default)]
    reset: Option<True>,
    /// The connection is refused, in place of everything else.
    #[serde(default)]
    refused: Option<True>,
}

impl GrpcPeerReply {
    /// How long it takes to come.
    pub fn delay(&self) -> Duration {
        self.delay.map_or(Duration::ZERO, |delay| delay.0)
    }

    /// Whether the stream breaks behind the messages.
    pub fn resets(&self) -> bool {
        self.reset.is_some()
    }

    /// Whether the connection is refused.
    pub fn refuses(&self) -> bool {
        self.refused.is_some()
    }
}
