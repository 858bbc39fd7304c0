//! Between the HTTP library's messages and the host's.

use std::net::SocketAddr;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{HeaderMap as HttpHeaders, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode, Uri, Version};

use crate::exchange::{Exchange, UpstreamRequest};
use crate::headers::HeaderMap;
use crate::request::{Reply, Request};

/// The body of every response.
pub(super) type Body = BoxBody<Bytes, std::convert::Infallible>;

/// A message that cannot be put on the wire, because the filter wrote something into it that HTTP does not allow.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unsendable {
    #[error("the header `{0}` or its value is not allowed in HTTP")]
    Header(String),
    #[error("the method, path or status is not allowed in HTTP")]
    StartLine,
    #[error("there is no whole response")]
    NoResponse,
}

/// A client's request as the host takes it.
pub(super) fn request(
    parts: &Parts,
    body: &Bytes,
    trailers: Option<&HttpHeaders>,
    peer: SocketAddr,
) -> Request {
    let http2 = parts.version == Version::HTTP_2;
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let mut request = if parts.method == Method::CONNECT && parts.uri.path_and_query().is_none() {
        Request::new("CONNECT", "").without_path()
    } else if let (false, Some(_), Some(_)) = (http2, parts.uri.scheme(), parts.uri.authority()) {
        Request::new(parts.method.as_str(), parts.uri.to_string())
    } else {
        Request::new(parts.method.as_str(), path)
    };
    request = request.without_authority().from_address(peer);
    if let (true, Some(authority)) = (http2, parts.uri.authority()) {
        request = request.authority(authority.as_str());
    }
    for (name, value) in &parts.headers {
        // The first host header is the authority, and Envoy has that in front of everything.
        request = if name == "host" && request.authority.is_none() {
            request.authority(value.as_bytes())
        } else {
            request.header(name.as_str(), value.as_bytes())
        };
    }
    if !body.is_empty() {
        request = request.chunk(body);
    }
    for (name, value) in trailers.into_iter().flatten() {
        request = request.trailer(name.as_str(), value.as_bytes());
    }
    if http2 { request.http2() } else { request }
}

/// What the filter let through, addressed to the upstream.
pub(super) fn upstream_request(
    request: &UpstreamRequest,
    upstream: &Uri,
) -> Result<hyper::Request<Body>, Unsendable> {
    let path = request.headers.get(":path").unwrap_or(b"/").to_vec();
    let uri = Uri::builder()
        .scheme("http")
        .authority(
            upstream
                .authority()
                .map_or("", |authority| authority.as_str()),
        )
        .path_and_query(path)
        .build()
        .map_err(|_| Unsendable::StartLine)?;
    let method = Method::from_bytes(request.headers.get(":method").unwrap_or_default());
    let mut outgoing = hyper::Request::builder()
        .method(method.map_err(|_| Unsendable::StartLine)?)
        .uri(uri)
        .body(body(&request.body, &request.trailers)?)
        .map_err(|_| Unsendable::StartLine)?;
    *outgoing.headers_mut() = headers(&request.headers)?;
    if let Some(authority) = request.headers.get(":authority") {
        let value = HeaderValue::from_bytes(authority)
            .map_err(|_| Unsendable::Header(":authority".to_owned()))?;
        outgoing.headers_mut().insert("host", value);
    }
    Ok(outgoing)
}

/// The upstream's response as the host takes it.
pub(super) fn reply(
    status: StatusCode,
    headers: &HttpHeaders,
    body: &Bytes,
    trailers: Option<&HttpHeaders>,
) -> Reply {
    let mut reply = Reply::new(status.as_u16());
    for (name, value) in headers {
        reply = reply.header(name.as_str(), value.as_bytes());
    }
    if !body.is_empty() {
        reply = reply.chunk(body);
    }
    for (name, value) in trailers.into_iter().flatten() {
        reply = reply.trailer(name.as_str(), value.as_bytes());
    }
    reply
}

/// What the client gets in the end.
pub(super) fn response(exchange: &Exchange) -> Result<Response<Body>, Unsendable> {
    let sent = exchange
        .response
        .as_ref()
        .filter(|response| response.complete)
        .ok_or(Unsendable::NoResponse)?;
    let mut response = Response::new(body(&sent.body, &sent.trailers)?);
    *response.status_mut() =
        StatusCode::from_u16(sent.status).map_err(|_| Unsendable::StartLine)?;
    *response.headers_mut() = headers(&sent.headers)?;
    Ok(response)
}

/// A response of the front's own, in plain text.
pub(super) fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())).boxed());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert("content-type", HeaderValue::from_static("text/plain"));
    response
}

fn body(bytes: &[u8], trailers: &HeaderMap) -> Result<Body, Unsendable> {
    let body = Full::new(Bytes::copy_from_slice(bytes));
    if trailers.is_empty() {
        return Ok(body.boxed());
    }
    let trailers = headers(trailers)?;
    Ok(body
        .with_trailers(std::future::ready(Some(Ok(trailers))))
        .boxed())
}

fn headers(map: &HeaderMap) -> Result<HttpHeaders, Unsendable> {
    let mut headers = HttpHeaders::new();
    for (name, value) in map.iter().filter(|(name, _)| !name.starts_with(b":")) {
        let unsendable = || Unsendable::Header(String::from_utf8_lossy(name).into_owned());
        let name = HeaderName::from_bytes(name).map_err(|_| unsendable())?;
        headers.append(
            name,
            HeaderValue::from_bytes(value).map_err(|_| unsendable())?,
        );
    }
    Ok(headers)
}
