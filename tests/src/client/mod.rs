//! Two HTTP clients that send what a test says, byte for byte, on a connection of its own for each request.
//!
//! A connection of its own, since a gateway's new configuration holds for new connections: an old one drains first. What
//! becomes of those that stay open is tested with [`Kept`].

mod extended_connect;
mod http1;
mod http2;
mod kept;

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

pub use extended_connect::Tunnel;
pub use http1::exchange as raw_http1;
pub use kept::Kept;

use crate::message::{Request, Response};
use crate::{Error, Result};

/// How long an answer may take before the client gives up. A bound for hangs, not an expectation.
const DEADLINE: Duration = Duration::from_secs(20);

/// The protocol that a request is sent with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// HTTP/1.1 over TCP.
    Http1,
    /// HTTP/2 over TCP with prior knowledge (RFC 9113, section 3.3).
    Http2,
}

impl Protocol {
    /// Both, in the order in which cases run.
    pub const ALL: [Self; 2] = [Self::Http1, Self::Http2];
}

/// Sends one request and reads the whole answer.
///
/// # Errors
///
/// [`Error::Inexpressible`] when the protocol cannot carry the request; otherwise when no whole answer comes.
pub async fn send(address: SocketAddr, protocol: Protocol, request: &Request) -> Result<Response> {
    match protocol {
        Protocol::Http1 => {
            raw_http1(address, &http1::encode(request)?, request.method == b"HEAD").await
        }
        Protocol::Http2 => http2::send(address, request).await,
    }
}

async fn within_deadline<T>(what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(DEADLINE, work)
        .await
        .unwrap_or_else(|_| {
            Err(Error::Late {
                what: what.to_owned(),
                seconds: DEADLINE.as_secs(),
            })
        })
}
