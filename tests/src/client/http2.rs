//! HTTP/2 with prior knowledge. What the `http` crate's types refuse (`#` in a path, say) cannot be sent and is reported
//! as such; those inputs are HTTP/1.1 cases.

use std::convert::Infallible;
use std::net::SocketAddr;

use http_body_util::{BodyExt, Either, Empty, Full};
use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::http::uri::{Authority, PathAndQuery, Scheme};
use hyper::{Method, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::within_deadline;
use crate::message::{Headers, Request, Response};
use crate::{Error, Result};

/// Sends one request on a new connection.
pub(super) async fn send(address: SocketAddr, request: &Request) -> Result<Response> {
    let message = message(request)?;
    within_deadline("an HTTP/2 answer", async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await?;
        let driver = tokio::spawn(connection);
        let response = sender.send_request(message).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await?;
        let trailers = body.trailers().map(owned).unwrap_or_default();
        driver.abort();
        Ok(Response {
            status: head.status.as_u16(),
            headers: owned(&head.headers),
            body: body.to_bytes().to_vec(),
            trailers,
        })
    })
    .await
}

type Body = Either<Empty<Bytes>, http_body_util::combinators::BoxBody<Bytes, Infallible>>;

fn message(request: &Request) -> Result<hyper::Request<Body>> {
    let mut uri = Uri::builder();
    // RFC 9113, section 8.5: CONNECT has an authority and nothing else.
    let (authority, target) = if request.method == b"CONNECT" {
        (&request.target, &None)
    } else {
        (&request.authority, &request.target)
    };
    if let Some(authority) = authority {
        uri = uri.authority(
            Authority::try_from(authority.as_slice()).map_err(inexpressible("the authority"))?,
        );
    }
    if let Some(target) = target {
        let path = PathAndQuery::try_from(target.as_slice()).map_err(inexpressible("the path"))?;
        if path.as_str().as_bytes() != target.as_slice() {
            return Err(inexpressible("the path")("it would be changed"));
        }
        uri = uri.scheme(Scheme::HTTP).path_and_query(path);
    }
    let mut message = hyper::Request::builder()
        .method(Method::from_bytes(&request.method).map_err(inexpressible("the method"))?)
        .uri(uri.build().map_err(inexpressible("the target"))?);
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

fn map(fields: &Headers) -> Result<HeaderMap> {
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

fn inexpressible<E: std::fmt::Display>(part: &'static str) -> impl Fn(E) -> Error {
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
