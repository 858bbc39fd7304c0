//! HTTP/2 with prior knowledge. What the `http` crate's types refuse (`#` in a path, say) cannot be sent and is reported
//! as such; those inputs are HTTP/1.1 cases.

use std::convert::Infallible;
use std::net::SocketAddr;

use http_body_util::{BodyExt, Either, Empty, Full};
use hyper::body::Bytes;
use hyper::client::conn::http2::SendRequest;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::http::uri::{Authority, PathAndQuery, Scheme};
use hyper::{Method, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::within_deadline;
use crate::message::{Headers, Request, Response};
use crate::{Error, Result};

/// Sends one request on a new connection.
pub(super) async fn send(address: SocketAddr, request: &Request) -> Result<Response> {
    // What cannot be said is no reason to connect.
    message(request)?;
    let mut connection = within_deadline("a connection", Connection::open(address)).await?;
    connection.send(request).await
}

/// One open connection.
#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<Body>,
    driver: JoinHandle<hyper::Result<()>>,
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await?;
        let driver = tokio::spawn(connection);
        Ok(Self { sender, driver })
    }

    pub(super) async fn send(&mut self, request: &Request) -> Result<Response> {
        let message = message(request)?;
        within_deadline("an HTTP/2 answer", async {
            let response = self.sender.send_request(message).await?;
            let (head, body) = response.into_parts();
            let body = body.collect().await?;
            let trailers = body.trailers().map(owned).unwrap_or_default();
            Ok(Response {
                status: head.status.as_u16(),
                headers: owned(&head.headers),
                body: body.to_bytes().to_vec(),
                trailers,
            })
        })
        .await
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

type Body = Either<Empty<Bytes>, http_body_util::combinators::BoxBody<Bytes, Infallible>>;

fn message(request: &Request) -> Result<hyper::Request<Body>> {
    // RFC 9113, section 8.5: CONNECT has an authority and nothing else.
    let (authority, target) = if request.method == b"CONNECT" {
        (&request.target, &None)
    } else {
        (&request.authority, &request.target)
    };
    let mut message = hyper::Request::builder()
        .method(Method::from_bytes(&request.method).map_err(inexpressible("the method"))?)
        .uri(uri(authority.as_deref(), target.as_deref())?);
    if let Some(headers) = message.headers_mut() {
        *headers = map(&request.headers)?;
    }
    let body = match &request.body {
        None => Either::Left(Empty::new()),
        Some(bytes) => {
            let trailers = (!request.trailers.is_empty())
                .then(|| map(&request.trailers))
                .transpose()?
                .map(Ok);
            Either::Right(
                Full::new(Bytes::from(bytes.clone()))
                    .with_trailers(std::future::ready(trailers))
                    .boxed(),
            )
        }
    };
    message.body(body).map_err(inexpressible("the request"))
}

/// A target, of which nothing may be lost on the way.
pub(super) fn uri(authority: Option<&[u8]>, target: Option<&[u8]>) -> Result<Uri> {
    let mut uri = Uri::builder();
    if let Some(authority) = authority {
        uri =
            uri.authority(Authority::try_from(authority).map_err(inexpressible("the authority"))?);
    }
    if let Some(target) = target {
        let path = PathAndQuery::try_from(target).map_err(inexpressible("the path"))?;
        if path.as_str().as_bytes() != target {
            return Err(inexpressible("the path")("it would be changed"));
        }
        uri = uri.scheme(Scheme::HTTP).path_and_query(path);
    }
    uri.build().map_err(inexpressible("the target"))
}

pub(super) fn map(fields: &Headers) -> Result<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in fields.iter() {
        let name = HeaderName::from_bytes(name).map_err(inexpressible("a header name"))?;
        let value = HeaderValue::from_bytes(value).map_err(inexpressible("a header value"))?;
        map.append(name, value);
    }
    Ok(map)
}

fn owned(map: &HeaderMap) -> Headers {
    map.iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect()
}

pub(super) fn inexpressible<E: std::fmt::Display>(part: &'static str) -> impl Fn(E) -> Error {
    move |reason| Error::Inexpressible {
        protocol: "HTTP/2",
        reason: format!("{part}: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_in_the_path_is_not_silently_dropped() {
        assert!(matches!(
            message(&Request::get("/a#b")),
            Err(Error::Inexpressible { .. })
        ));
    }

    #[test]
    fn two_values_of_one_name_stay_two_fields() {
        let message =
            message(&Request::get("/").header("a", "1").header("a", "2")).expect("it can be sent");

        assert_eq!(message.headers().get_all("a").iter().count(), 2);
    }
}
