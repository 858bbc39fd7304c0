//! A connection that stays open between requests.

use std::net::SocketAddr;

use super::{Protocol, http1, http2};
use crate::Result;
use crate::message::{Request, Response};

/// One open connection of either protocol.
#[derive(Debug)]
pub enum Kept {
    /// HTTP/1.1, kept alive.
    Http1(http1::Connection),
    /// HTTP/2.
    Http2(http2::Connection),
}

impl Kept {
    /// Opens a connection.
    ///
    /// # Errors
    ///
    /// When nobody takes it.
    pub async fn open(address: SocketAddr, protocol: Protocol) -> Result<Self> {
        Ok(match protocol {
            Protocol::Http1 => Self::Http1(http1::Connection::open(address).await?),
            Protocol::Http2 => Self::Http2(http2::Connection::open(address).await?),
        })
    }

    /// Sends one request on it and reads the whole answer.
    ///
    /// # Errors
    ///
    /// When the other side has closed the connection, or no whole answer comes.
    pub async fn send(&mut self, request: &Request) -> Result<Response> {
        match self {
            Self::Http1(connection) => {
                let request = request.clone().header("connection", "keep-alive");
                let bytes = http1::encode(&request)?;
                connection.send(&bytes, request.method == b"HEAD").await
            }
            Self::Http2(connection) => connection.send(request).await,
        }
    }
}
