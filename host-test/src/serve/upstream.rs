//! Requests on their way to the upstream.
//!
//! Each goes out on a connection of its own, in exactly the bytes that the filter left: the HTTP library would refuse some of
//! them, and drop most trailers. The library still reads the response. It believes that it sent a request of its own, and
//! [`UpstreamStream`] puts ours in the place of that.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::exchange::UpstreamRequest;
use crate::front;
use crate::headers::HeaderMap;
use crate::request::Reply;

use super::MAX_BODY;
use super::convert::{self, Unsendable};

/// Methods of requests that have no length if they have no body.
const NO_LENGTH: &[&[u8]] = &[b"GET", b"HEAD", b"DELETE", b"TRACE"];
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// Sends a request; gives the reply, and the connection if the upstream granted an upgrade.
pub(super) async fn forward(
    request: &UpstreamRequest,
    upstream: &Uri,
) -> (Reply, Option<Upgraded>) {
    let bytes = match encode(request) {
        Ok(bytes) => bytes,
        Err(unsendable) => {
            eprintln!("[error] {unsendable}");
            return (Reply::reset(), None);
        }
    };
    let to_head = request.headers.get(":method") == Some(b"HEAD");
    let mut response = match send(bytes, to_head, upstream).await {
        Ok(response) => response,
        Err(error) => {
            eprintln!("[warning] the upstream did not answer: {error}");
            return (Reply::reset(), None);
        }
    };
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return match hyper::upgrade::on(&mut response).await {
            Ok(upgraded) if front::is_upgrade(&request.headers) => {
                let reply = convert::reply(response.status(), response.headers(), &[], None);
                (reply, Some(upgraded))
            }
            // Nobody asked it to.
            _ => (Reply::reset(), None),
        };
    }
    let (head, body) = response.into_parts();
    let reply = match Limited::new(body, MAX_BODY).collect().await {
        Ok(collected) => {
            let trailers = collected.trailers().cloned();
            let body = collected.to_bytes();
            convert::reply(head.status, &head.headers, &body, trailers.as_ref())
        }
        Err(_) => Reply::new(502).body("the upstream's response is broken or too large"),
    };
    (reply, None)
}

async fn send(
    bytes: Vec<u8>,
    to_head: bool,
    upstream: &Uri,
) -> Result<Response<Incoming>, Box<dyn std::error::Error + Send + Sync>> {
    let host = upstream.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, upstream.port_u16().unwrap_or(80))).await?;
    let stream = UpstreamStream {
        inner: stream,
        outgoing: bytes,
        sent: 0,
        matched: 0,
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        // What goes wrong is told to whoever waits for the response.
        let _ended = connection.with_upgrades().await;
    });
    let mut stand_in = Request::new(Empty::<Bytes>::new());
    if to_head {
        *stand_in.method_mut() = Method::HEAD;
    }
    Ok(sender.send_request(stand_in).await?)
}

/// A request of HTTP/1.1 in bytes, framed as Envoy frames it: in chunks if there are trailers, or a body without a length.
fn encode(request: &UpstreamRequest) -> Result<Vec<u8>, Unsendable> {
    let visible = |bytes: &&[u8]| {
        !bytes.is_empty() && !bytes.iter().any(|byte| *byte <= b' ' || *byte == 0x7f)
    };
    let start = |name| {
        let value = request.headers.get(name).filter(visible);
        value.ok_or(Unsendable::StartLine)
    };
    let (method, path) = (start(":method")?, start(":path")?);
    let mut bytes = [method, b" ", path, b" HTTP/1.1\r\n"].concat();
    if let Some(authority) = request.headers.get(":authority") {
        write_header(&mut bytes, b"host", authority)?;
    }
    let has_length = request.headers.contains("content-length");
    let upgrade = front::is_upgrade(&request.headers);
    let chunked = !request.trailers.is_empty() || !(has_length || request.bodyless || upgrade);
    let left_out: &[&[u8]] = if chunked {
        &[b"host", b"transfer-encoding", b"content-length"]
    } else {
        &[b"host", b"transfer-encoding"]
    };
    for (name, value) in request.headers.iter() {
        if !name.starts_with(b":") && !left_out.contains(&name) {
            write_header(&mut bytes, name, value)?;
        }
    }
    if chunked {
        write_header(&mut bytes, b"transfer-encoding", b"chunked")?;
    } else if !has_length && !upgrade && !NO_LENGTH.contains(&method) {
        write_header(&mut bytes, b"content-length", b"0")?;
    }
    bytes.extend(b"\r\n");
    if chunked {
        write_chunks(&mut bytes, &request.body, &request.trailers)?;
    } else {
        bytes.extend(&request.body);
    }
    Ok(bytes)
}

fn write_chunks(bytes: &mut Vec<u8>, body: &[u8], trailers: &HeaderMap) -> Result<(), Unsendable> {
    if !body.is_empty() {
        bytes.extend(format!("{:x}\r\n", body.len()).bytes());
        bytes.extend(body);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n");
    for (name, value) in trailers.iter() {
        write_header(bytes, name, value)?;
    }
    bytes.extend(b"\r\n");
    Ok(())
}

fn write_header(bytes: &mut Vec<u8>, name: &[u8], value: &[u8]) -> Result<(), Unsendable> {
    if front::check_header(name, value).is_err() {
        return Err(Unsendable::header(name));
    }
    bytes.extend([name, b": ", value, b"\r\n"].concat());
    Ok(())
}

/// A connection on which the first head that is written is not sent: the bytes of a request are sent instead.
#[derive(Debug)]
struct UpstreamStream {
    inner: TcpStream,
    outgoing: Vec<u8>,
    sent: usize,
    /// How much of the end of the head to drop was seen.
    matched: usize,
}

impl UpstreamStream {
    fn poll_outgoing(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.sent < self.outgoing.len() {
            let rest = &self.outgoing[self.sent..];
            match ready!(Pin::new(&mut self.inner).poll_write(cx, rest)) {
                Ok(written @ 1..) => self.sent += written,
                // An upstream that does not want the rest may have answered all the same.
                Ok(0) | Err(_) => self.sent = self.outgoing.len(),
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for UpstreamStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl AsyncWrite for UpstreamStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut dropped = 0;
        while self.matched < END_OF_HEAD.len()
            && let Some(byte) = bytes.get(dropped)
        {
            dropped += 1;
            self.matched = match (*byte == END_OF_HEAD[self.matched], *byte) {
                (true, _) => self.matched + 1,
                (false, b'\r') => 1,
                (false, _) => 0,
            };
        }
        if dropped > 0 {
            return Poll::Ready(Ok(dropped));
        }
        ready!(self.poll_outgoing(cx));
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_outgoing(cx));
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, headers: &[(&str, &str)], body: &str) -> UpstreamRequest {
        let start = [
            (":authority", "h"),
            (":path", "/a<\u{fc}"),
            (":method", method),
        ];
        UpstreamRequest {
            headers: start.iter().chain(headers).copied().collect(),
            body: body.as_bytes().to_vec(),
            bodyless: body.is_empty(),
            complete: true,
            ..UpstreamRequest::default()
        }
    }

    fn encoded(request: &UpstreamRequest) -> String {
        String::from_utf8(encode(request).expect("sendable")).expect("text")
    }

    #[test]
    fn a_request_keeps_its_bytes_and_gets_a_framing() {
        let plain = encoded(&request("GET", &[("x-a", "1")], ""));
        assert_eq!(plain, "GET /a<\u{fc} HTTP/1.1\r\nhost: h\r\nx-a: 1\r\n\r\n");
        let empty = encoded(&request("POST", &[], ""));
        assert!(empty.ends_with("host: h\r\ncontent-length: 0\r\n\r\n"));
        let sized = encoded(&request("POST", &[("content-length", "3")], "abc"));
        assert!(sized.ends_with("content-length: 3\r\n\r\nabc"));
        let mut chunked_and_empty = request("POST", &[], "");
        chunked_and_empty.bodyless = false;
        let chunked_and_empty = encoded(&chunked_and_empty);
        assert!(chunked_and_empty.ends_with("transfer-encoding: chunked\r\n\r\n0\r\n\r\n"));
        let unsized_body = encoded(&request("POST", &[], "abc"));
        assert!(unsized_body.ends_with("transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"));
    }

    #[test]
    fn trailers_go_out_behind_chunks_whatever_their_names() {
        let mut request = request("POST", &[("content-length", "3")], "abc");
        request.trailers = [("authorization", "x")].into_iter().collect();
        let expected = "host: h\r\ntransfer-encoding: chunked\r\n\r\n\
            3\r\nabc\r\n0\r\nauthorization: x\r\n\r\n";
        assert!(encoded(&request).ends_with(expected));
    }

    #[test]
    fn what_would_become_another_request_is_not_sent() {
        let smuggled = [("x", "1\r\nGET / HTTP/1.1")];
        assert!(encode(&request("GET", &smuggled, "")).is_err());
        assert!(encode(&request("GET /x", &[], "")).is_err());
    }
}
