//! Between the HTTP library's messages and the host's.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Frame};
use hyper::header::{HeaderMap as HttpHeaders, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use tokio::sync::mpsc::Receiver;

use crate::exchange;
use crate::headers::HeaderMap;
use crate::request::{Reply, Request};

use super::head::RawRequest;

/// The body of every response.
pub(super) type Body = BoxBody<Bytes, Broken>;
/// A part of that body, or its early end.
pub(super) type Frames = Result<Frame<Bytes>, Broken>;

/// A body that ends early.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the stream was reset")]
pub(super) struct Broken;

/// A message that cannot be put on the wire, because the filter wrote something into it that HTTP does not allow.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unsendable {
    #[error("the header `{0}` or its value is not allowed in HTTP")]
    Header(String),
    #[error("the method, path or status is not allowed in HTTP")]
    StartLine,
    #[error("there is no whole response")]
    NoResponse,
}

impl Unsendable {
    pub(super) fn header(name: &[u8]) -> Self {
        Self::Header(String::from_utf8_lossy(name).into_owned())
    }
}

/// The head of an HTTP/1 request as the host takes it.
pub(super) fn http1_request(head: &RawRequest, peer: SocketAddr) -> Request {
    let connect = head.method == b"CONNECT";
    let mut request = if connect {
        // The target is the authority, whatever the host header says.
        Request::connect(&head.target)
    } else {
        Request::new(&head.method, &head.target).without_authority()
    };
    for (name, value) in &head.headers {
        let host = name.eq_ignore_ascii_case(b"host");
        // The first host header is the authority, and Envoy has that in front of everything.
        request = if host && request.authority.is_none() {
            request.authority(value)
        } else if host && connect {
            request
        } else {
            request.header(name, value)
        };
    }
    request.from_address(peer)
}

/// The head of an HTTP/2 request as the host takes it.
pub(super) fn http2_request(parts: &Parts, peer: SocketAddr) -> Request {
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let mut request = if parts.method == Method::CONNECT && path.is_empty() {
        Request::new("CONNECT", "").without_path()
    } else {
        Request::new(parts.method.as_str(), path)
    };
    request = request.without_authority().from_address(peer).http2();
    if let Some(authority) = parts.uri.authority() {
        request = request.authority(authority.as_str());
    }
    for (name, value) in &parts.headers {
        request = if name == "host" && request.authority.is_none() {
            request.authority(value.as_bytes())
        } else {
            request.header(name.as_str(), value.as_bytes())
        };
    }
    request
}

/// Trailers as the host takes them.
pub(super) fn trailers(trailers: &HttpHeaders) -> HeaderMap {
    trailers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect()
}

/// The head of the upstream's response as the host takes it.
pub(super) fn reply(status: StatusCode, headers: &HttpHeaders, ends: bool) -> Reply {
    let mut reply = Reply::new(status.as_u16());
    reply.as_received = true;
    for (name, value) in headers {
        reply = reply.header(name.as_str(), value.as_bytes());
    }
    if ends { reply } else { reply.unfinished() }
}

/// What the client gets.
pub(super) fn response(
    sent: &exchange::Response,
    body: Body,
    http2: bool,
) -> Result<Response<Body>, Unsendable> {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(sent.status).map_err(|_| Unsendable::StartLine)?;
    *response.headers_mut() = headers(&sent.headers)?;
    if sent.closes && !http2 {
        close(&mut response);
    }
    Ok(response)
}

/// A body that comes out of a channel.
pub(super) fn streamed(frames: Receiver<Frames>) -> Body {
    BodyExt::boxed(Streamed(frames))
}

/// No body.
pub(super) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed()
}

/// The response that grants an upgrade. What follows it is not HTTP.
pub(super) fn switching(granted: &exchange::Response) -> Result<Response<Body>, Unsendable> {
    let mut response = response(granted, empty(), false)?;
    let upgrade = HeaderValue::from_static("upgrade");
    response.headers_mut().insert("connection", upgrade);
    Ok(response)
}

/// The answer in place of one that cannot be sent. The connection ends with it.
pub(super) fn bad_gateway(http2: bool) -> Response<Body> {
    let text = "Bad Gateway";
    let body = Full::new(Bytes::from_static(text.as_bytes()));
    let mut response = Response::new(body.map_err(|never| match never {}).boxed());
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
        .headers_mut()
        .insert("content-type", HeaderValue::from_static("text/plain"));
    if !http2 {
        close(&mut response);
    }
    response
}

struct Streamed(Receiver<Frames>);

impl hyper::body::Body for Streamed {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Frames>> {
        self.0.poll_recv(cx)
    }
}

fn close(response: &mut Response<Body>) {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert("connection", close);
}

pub(super) fn headers(map: &HeaderMap) -> Result<HttpHeaders, Unsendable> {
    let mut headers = HttpHeaders::new();
    for (name, value) in map.iter().filter(|(name, _)| !name.starts_with(b":")) {
        let unsendable = || Unsendable::header(name);
        let name = HeaderName::from_bytes(name).map_err(|_| unsendable())?;
        headers.append(
            name,
            HeaderValue::from_bytes(value).map_err(|_| unsendable())?,
        );
    }
    Ok(headers)
}
