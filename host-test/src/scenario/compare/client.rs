//! The client of one stream, over a connection of its own.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::super::format::{Bytes, ClientRequest, MoreBody};
use super::host_side::StepSeen;
use crate::envoy::http2::{Head, Http2};
use crate::envoy::message::{Message, Reader};
use crate::headers::HeaderMap;

/// How long an answer that came in this host may take to come from Envoy.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long more of an answer is waited for that had no end in this host.
const ENDLESS: Duration = Duration::from_secs(1);
/// How long parts of a request are sent apart, so that they arrive apart.
const APART: Duration = Duration::from_millis(30);

/// A client.
pub(super) enum Client {
    Http1(Http1),
    Http2(Http2),
}

/// A client that speaks HTTP/1.1.
pub(super) struct Http1 {
    stream: TcpStream,
    reader: Reader<TcpStream>,
    /// A response to HEAD has no body.
    head: bool,
    /// More of the body is sent in chunks.
    chunked: bool,
}

impl Client {
    pub(super) fn send(address: SocketAddr, request: &ClientRequest) -> io::Result<Self> {
        Ok(if request.http2 {
            Self::Http2(send_http2(address, request)?)
        } else {
            Self::Http1(Http1::send(address, request)?)
        })
    }

    pub(super) fn send_body(&mut self, body: &MoreBody) -> io::Result<()> {
        match self {
            Self::Http1(client) => client.send_body(body),
            Self::Http2(client) => send_http2_body(client, body),
        }
    }

    /// Reads the response; `None` if there is none. How it went in this host says what is to be waited for.
    pub(super) fn answer(&mut self, seen: &StepSeen) -> io::Result<Option<Message>> {
        match self {
            Self::Http1(client) => client.answer(seen),
            Self::Http2(client) => Ok(client.answer(PATIENCE)),
        }
    }
}

fn send_http2(address: SocketAddr, request: &ClientRequest) -> io::Result<Http2> {
    let or = |given: &Option<Bytes>, default: &'static [u8]| {
        given.as_ref().map_or(default, Bytes::as_slice).to_vec()
    };
    let (method, path) = (or(&request.method, b"GET"), or(&request.path, b"/"));
    let (scheme, authority) = (
        or(&request.scheme, b"http"),
        or(&request.authority, b"localhost"),
    );
    let mut headers = HeaderMap::new();
    for (name, value) in request.headers.iter() {
        headers.append(name, value);
    }
    let whole = request.body.as_ref().map(Bytes::as_slice);
    if let Some(body) = whole
        && !headers.contains("content-length")
    {
        headers.append("content-length", body.len().to_string());
    }
    let head = Head {
        method: &method,
        scheme: &scheme,
        authority: (!request.without_authority).then_some(&authority),
        path: (!request.without_path).then_some(&path),
        headers,
    };
    let rest = MoreBody {
        chunks: request
            .body
            .iter()
            .chain(&request.chunks)
            .cloned()
            .collect(),
        end: request.end,
        trailers: request.trailers.clone(),
    };
    let bodyless = rest.chunks.is_empty() && rest.trailers.is_empty() && rest.end;
    let mut client = Http2::send(address, &head, bodyless)?;
    if !bodyless {
        send_http2_body(&mut client, &rest)?;
    }
    Ok(client)
}

fn send_http2_body(client: &mut Http2, body: &MoreBody) -> io::Result<()> {
    let ends = body.end && body.trailers.is_empty();
    let last = body.chunks.len().saturating_sub(1);
    for (index, chunk) in body.chunks.iter().enumerate() {
        if index > 0 {
            std::thread::sleep(APART);
        }
        client.send_data(chunk.as_slice(), ends && index == last);
    }
    if body.chunks.is_empty() && ends {
        client.send_data(b"", true);
    }
    if !body.trailers.is_empty() {
        std::thread::sleep(APART);
        let mut trailers = HeaderMap::new();
        for (name, value) in body.trailers.iter() {
            trailers.append(name, value);
        }
        client.send_trailers(&trailers)?;
    }
    Ok(())
}

impl Http1 {
    fn send(address: SocketAddr, request: &ClientRequest) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let method = request.method.as_ref().map_or(&b"GET"[..], Bytes::as_slice);
        let mut client = Self {
            reader: Reader::new(stream.try_clone()?),
            stream,
            head: method == b"HEAD",
            chunked: false,
        };
        let target = request.path.as_ref().map_or(&b"/"[..], Bytes::as_slice);
        let authority = request
            .authority
            .as_ref()
            .map_or(&b"localhost"[..], Bytes::as_slice);
        let target = if request.without_path {
            authority
        } else {
            target
        };
        let mut head = [method, b" ", target, b" HTTP/1.1\r\n"].concat();
        let mut header = |name: &[u8], value: &[u8]| {
            head.extend([name, b": ", value, b"\r\n"].concat());
        };
        if !request.without_authority {
            header(b"host", authority);
        }
        let has = |name: &str| {
            let mut headers = request.headers.iter();
            headers.any(|(other, _)| other.eq_ignore_ascii_case(name))
        };
        for (name, value) in request.headers.iter() {
            header(name.as_bytes(), value);
        }
        let whole = request.body.as_ref().map(Bytes::as_slice);
        if let (Some(body), false) = (whole, has("content-length")) {
            header(b"content-length", body.len().to_string().as_bytes());
        }
        let streamed = !request.chunks.is_empty() || !request.trailers.is_empty() || !request.end;
        if streamed && !has("content-length") && !has("transfer-encoding") {
            client.chunked = true;
            header(b"transfer-encoding", b"chunked");
        }
        head.extend(b"\r\n");
        head.extend(whole.unwrap_or_default());
        client.write(&head)?;
        let rest = MoreBody {
            chunks: request.chunks.clone(),
            end: request.end,
            trailers: request.trailers.clone(),
        };
        if streamed {
            client.send_body(&rest)?;
        }
        Ok(client)
    }

    fn send_body(&mut self, body: &MoreBody) -> io::Result<()> {
        for chunk in &body.chunks {
            std::thread::sleep(APART);
            let bytes = chunk.as_slice();
            if self.chunked && !bytes.is_empty() {
                let size = format!("{:x}\r\n", bytes.len());
                self.write(&[size.as_bytes(), bytes, b"\r\n"].concat())?;
            } else {
                self.write(bytes)?;
            }
        }
        if self.chunked && (body.end || !body.trailers.is_empty()) {
            std::thread::sleep(APART);
            let mut end = b"0\r\n".to_vec();
            for (name, value) in body.trailers.iter() {
                end.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
            }
            end.extend(b"\r\n");
            self.write(&end)?;
        }
        Ok(())
    }

    /// Envoy may have closed the connection behind an answer that did not wait for all of this.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.stream.write_all(bytes) {
            Err(error)
                if !matches!(
                    error.kind(),
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
                ) =>
            {
                Err(error)
            }
            _ => Ok(()),
        }
    }

    /// The head behind those that say that more is to come, unless a filter made one of them the last.
    fn final_head(&mut self, seen: &StepSeen) -> io::Result<Option<Message>> {
        loop {
            let head = self.reader.head()?;
            let more = |head: &Message| {
                matches!(head.status(), 100 | 102..200) && head.status() != seen.status
            };
            if !head.as_ref().is_some_and(more) {
                return Ok(head);
            }
        }
    }

    /// Reads the response; `None` if the connection ends without one.
    fn answer(&mut self, seen: &StepSeen) -> io::Result<Option<Message>> {
        let late = |error: &io::Error| {
            matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
            )
        };
        let mut message = match self.final_head(seen) {
            Ok(Some(message)) => message,
            Ok(None) => return Ok(None),
            // No answer is an answer, too: one that differs.
            Err(error) if late(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let status = message.status();
        if seen.endless {
            self.stream.set_read_timeout(Some(ENDLESS))?;
        }
        let bodyless = self.head || matches!(status, 100..200 | 204 | 304);
        match self.reader.body(&mut message, bodyless, true) {
            Err(error) if !late(&error) => Err(error),
            _ => Ok(Some(message)),
        }
    }
}

impl Drop for Http1 {
    fn drop(&mut self) {
        // It may be closed already.
        let _closed = self.stream.shutdown(Shutdown::Both);
    }
}
