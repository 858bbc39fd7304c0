//! A client that speaks HTTP/2 without an upgrade, one request on a connection.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use h2::client::ResponseFuture;
use h2::{RecvStream, SendStream};
use hyper::body::Bytes;
use hyper::http::{self, HeaderMap as HttpHeaders, HeaderName, HeaderValue, Version};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use super::message::Message;
use crate::headers::HeaderMap;

/// What a request begins with.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    pub(crate) method: &'a [u8],
    pub(crate) scheme: &'a [u8],
    pub(crate) authority: Option<&'a [u8]>,
    pub(crate) path: Option<&'a [u8]>,
    pub(crate) headers: HeaderMap,
}

/// A client with one request. When it goes away before the response has ended, the stream is reset with CANCEL.
#[derive(Debug)]
pub(crate) struct Http2 {
    // Declared in this order: streams end before the connection does.
    sent: SendStream<Bytes>,
    response: Option<ResponseFuture>,
    runtime: Runtime,
}

impl Http2 {
    /// Connects and sends the head. `end`: that is all.
    pub(crate) fn send(address: SocketAddr, head: &Head<'_>, end: bool) -> io::Result<Self> {
        let request = request(head)?;
        // One thread of its own moves the connection while nobody waits for it.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let (response, sent) = runtime.block_on(async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let (client, connection) = h2::client::handshake(stream)
                .await
                .map_err(io::Error::other)?;
            // How a connection ends is seen in its streams.
            tokio::spawn(async move { connection.await.is_ok() });
            let mut client = client.ready().await.map_err(io::Error::other)?;
            client.send_request(request, end).map_err(io::Error::other)
        })?;
        Ok(Self {
            sent,
            response: Some(response),
            runtime,
        })
    }

    /// Sends a part of the body. The stream may have been reset already.
    pub(crate) fn send_data(&mut self, bytes: &[u8], end: bool) {
        let _reset = self.sent.send_data(Bytes::copy_from_slice(bytes), end);
    }

    /// Sends trailers, which end the request.
    pub(crate) fn send_trailers(&mut self, trailers: &HeaderMap) -> io::Result<()> {
        let _reset = self.sent.send_trailers(headers(trailers)?);
        Ok(())
    }

    /// The response; `None` if the stream is reset before one, or nothing comes in this time.
    pub(crate) fn answer(&mut self, patience: Duration) -> Option<Message> {
        let response = self.response.take()?;
        self.runtime.block_on(async {
            let (head, mut body) = tokio::time::timeout(patience, response)
                .await
                .ok()?
                .ok()?
                .into_parts();
            let mut message = Message {
                start: format!("HTTP/2 {}", head.status.as_u16()).into_bytes(),
                headers: of_http(&head.headers),
                ..Message::default()
            };
            let rest = read(&mut body, &mut message);
            let whole = tokio::time::timeout(patience, rest).await;
            message.complete = matches!(whole, Ok(Ok(())));
            Some(message)
        })
    }
}

async fn read(body: &mut RecvStream, to: &mut Message) -> Result<(), h2::Error> {
    while let Some(bytes) = body.data().await {
        let bytes = bytes?;
        body.flow_control().release_capacity(bytes.len())?;
        to.body.extend(bytes);
    }
    if let Some(trailers) = body.trailers().await? {
        to.trailers = of_http(&trailers);
    }
    Ok(())
}

fn request(head: &Head<'_>) -> io::Result<http::Request<()>> {
    let text = |bytes| str::from_utf8(bytes).map_err(invalid);
    let path = head.path.map(text).transpose()?.unwrap_or_default();
    let target = match head.authority {
        Some(authority) if head.path.is_none() => text(authority)?.to_owned(),
        Some(authority) => format!("{}://{}{path}", text(head.scheme)?, text(authority)?),
        None => path.to_owned(),
    };
    let mut request = http::Request::new(());
    *request.method_mut() = http::Method::from_bytes(head.method).map_err(invalid)?;
    *request.uri_mut() = target.parse().map_err(invalid)?;
    // Only so does the library send a request without an authority.
    *request.version_mut() = if head.authority.is_some() {
        Version::HTTP_2
    } else {
        Version::HTTP_11
    };
    *request.headers_mut() = headers(&head.headers)?;
    Ok(request)
}

fn headers(headers: &HeaderMap) -> io::Result<HttpHeaders> {
    let mut sent = HttpHeaders::new();
    for (name, value) in headers.iter() {
        let name = HeaderName::from_bytes(name).map_err(invalid)?;
        sent.append(name, HeaderValue::from_bytes(value).map_err(invalid)?);
    }
    Ok(sent)
}

fn of_http(headers: &HttpHeaders) -> HeaderMap {
    headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect()
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}
