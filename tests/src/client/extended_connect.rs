//! Extended CONNECT (RFC 8441): how a browser opens a WebSocket over HTTP/2. hyper's client says nothing about whether
//! the server's settings allow it yet, so this one is h2's.

use std::future::poll_fn;
use std::net::SocketAddr;

use h2::ext::Protocol;
use h2::{RecvStream, SendStream};
use hyper::Method;
use hyper::body::Bytes;
use hyper::header::HeaderMap;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::http2::{inexpressible, map, uri};
use super::within_deadline;
use crate::message::Request;
use crate::{Error, Result};

/// The answer to an extended CONNECT, and the tunnel if it was accepted.
#[derive(Debug)]
pub struct Tunnel {
    /// The status: 200 if it was accepted.
    pub status: u16,
    /// The answer's header fields.
    pub headers: HeaderMap,
    send: SendStream<Bytes>,
    receive: RecvStream,
    driver: JoinHandle<()>,
}

impl Tunnel {
    /// Opens a connection and asks for a tunnel of this protocol, at the request's authority and target.
    ///
    /// # Errors
    ///
    /// When the server does not offer extended CONNECT or does not answer.
    pub async fn open(address: SocketAddr, protocol: &str, request: &Request) -> Result<Self> {
        let mut message = hyper::Request::new(());
        *message.method_mut() = Method::CONNECT;
        *message.uri_mut() = uri(request.authority.as_deref(), request.target.as_deref())?;
        *message.headers_mut() = map(&request.headers)?;
        message.extensions_mut().insert(Protocol::from(protocol));
        within_deadline("an answer to an extended CONNECT", async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let (sender, connection) = h2::client::handshake(stream).await.map_err(failed)?;
            let driver = tokio::spawn(async move {
                // The stream's own error says as much.
                let _ = connection.await;
            });
            let mut sender = sender.ready().await.map_err(failed)?;
            while !sender.is_extended_connect_protocol_enabled() {
                // The server's settings are its first frame.
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            let (response, send) = sender
                .send_request(message, false)
                .map_err(inexpressible("the request"))?;
            let (head, receive) = response.await.map_err(failed)?.into_parts();
            Ok(Self {
                status: head.status.as_u16(),
                headers: head.headers,
                send,
                receive,
                driver,
            })
        })
        .await
    }

    /// Sends bytes through the tunnel.
    ///
    /// # Errors
    ///
    /// When it is closed.
    pub fn send(&mut self, bytes: &'static [u8]) -> Result<()> {
        let sent = self.send.send_data(Bytes::from_static(bytes), false);
        sent.map_err(failed)
    }

    /// The next bytes that come through it; `None` at its end.
    ///
    /// # Errors
    ///
    /// When it is reset.
    pub async fn receive(&mut self) -> Result<Option<Bytes>> {
        within_deadline("bytes through the tunnel", async {
            match poll_fn(|context| self.receive.poll_data(context)).await {
                None => Ok(None),
                Some(bytes) => {
                    let bytes = bytes.map_err(failed)?;
                    let flow = self.receive.flow_control();
                    flow.release_capacity(bytes.len()).map_err(failed)?;
                    Ok(Some(bytes))
                }
            }
        })
        .await
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

fn failed(error: h2::Error) -> Error {
    Error::Io(std::io::Error::other(error))
}
