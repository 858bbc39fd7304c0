//! HTTP/1.1 by hand: a library's client would refuse to send most of what these tests are about.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::within_deadline;
use crate::message::{Headers, Request, Response};
use crate::{Error, Result};

/// The request as bytes. Framing (`content-length`, or chunks when there are trailers) is added unless the test's own
/// headers have it; so is `connection: close`.
pub(super) fn encode(request: &Request) -> Result<Vec<u8>> {
    let target = request
        .target
        .as_deref()
        .ok_or_else(|| Error::Inexpressible {
            protocol: "HTTP/1.1",
            reason: "a request line has a target".to_owned(),
        })?;
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&request.method);
    bytes.push(b' ');
    bytes.extend_from_slice(target);
    bytes.extend_from_slice(b" HTTP/1.1\r\n");
    if let Some(authority) = &request.authority {
        field(&mut bytes, b"host", authority);
    }
    for (name, value) in request.headers.iter() {
        field(&mut bytes, name, value);
    }
    if !request.headers.has("connection") {
        field(&mut bytes, b"connection", b"close");
    }
    let framed = request.headers.has("content-length") || request.headers.has("transfer-encoding");
    match &request.body {
        Some(body) if request.trailers.is_empty() => {
            if !framed {
                field(
                    &mut bytes,
                    b"content-length",
                    body.len().to_string().as_bytes(),
                );
            }
            bytes.extend_from_slice(b"\r\n");
            bytes.extend_from_slice(body);
        }
        Some(body) => {
            field(&mut bytes, b"transfer-encoding", b"chunked");
            bytes.extend_from_slice(b"\r\n");
            if !body.is_empty() {
                bytes.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
                bytes.extend_from_slice(body);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(b"0\r\n");
            for (name, value) in request.trailers.iter() {
                field(&mut bytes, name, value);
            }
            bytes.extend_from_slice(b"\r\n");
        }
        None => bytes.extend_from_slice(b"\r\n"),
    }
    Ok(bytes)
}

fn field(bytes: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for part in [name, b": ", value, b"\r\n"] {
        bytes.extend_from_slice(part);
    }
}

/// Sends any bytes on a new connection and reads one answer; informational answers other than 101 are skipped.
///
/// # Errors
///
/// When the answer is not HTTP/1.1, is cut short or does not come.
pub async fn exchange(address: SocketAddr, request: &[u8], to_head: bool) -> Result<Response> {
    let mut connection = within_deadline("a connection", Connection::open(address)).await?;
    connection.send(request, to_head).await
}

/// One open connection.
#[derive(Debug)]
pub struct Connection(Reader);

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self(Reader::new(stream)))
    }

    pub(super) async fn send(&mut self, request: &[u8], to_head: bool) -> Result<Response> {
        within_deadline("an HTTP/1.1 answer", async {
            // A gateway that answers at headers may close before it has read the body. What it wrote is still to be read.
            if let Err(error) = self.0.stream.write_all(request).await
                && !is_reset(&error)
            {
                return Err(error.into());
            }
            loop {
                let response = self.0.response(to_head).await?;
                if response.status >= 200 || response.status == 101 {
                    return Ok(response);
                }
            }
        })
        .await
    }
}

fn is_reset(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset};
    matches!(error.kind(), BrokenPipe | ConnectionReset)
}

/// What arrived and is not read yet.
#[derive(Debug)]
struct Reader {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Reader {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    async fn response(&mut self, to_head: bool) -> Result<Response> {
        let (status, headers) = self.head().await?;
        let mut trailers = Headers::default();
        let body = if to_head || status < 200 || status == 204 || status == 304 {
            Vec::new()
        } else if headers.text("transfer-encoding").as_deref() == Some("chunked") {
            let body = self.chunks().await?;
            trailers = self.trailers().await?;
            body
        } else if let Some(length) = headers.text("content-length") {
            let length = length
                .parse()
                .map_err(|_| Error::Malformed(format!("content-length {length}")))?;
            self.take(length).await?
        } else {
            while self.fill().await? {}
            std::mem::take(&mut self.buffer)
        };
        Ok(Response {
            status,
            headers,
            body,
            trailers,
        })
    }

    async fn head(&mut self) -> Result<(u16, Headers)> {
        loop {
            let mut fields = [httparse::EMPTY_HEADER; 128];
            let mut head = httparse::Response::new(&mut fields);
            match head.parse(&self.buffer).map_err(malformed)? {
                httparse::Status::Complete(length) => {
                    let status = head.code.unwrap_or_default();
                    let headers = owned(head.headers);
                    self.buffer.drain(..length);
                    return Ok((status, headers));
                }
                httparse::Status::Partial => self.need_more().await?,
            }
        }
    }

    async fn chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            match httparse::parse_chunk_size(&self.buffer) {
                Ok(httparse::Status::Complete((line, size))) => {
                    self.buffer.drain(..line);
                    let size = usize::try_from(size).map_err(malformed)?;
                    if size == 0 {
                        return Ok(body);
                    }
                    body.extend(self.take(size).await?);
                    self.take(2).await?;
                }
                Ok(httparse::Status::Partial) => self.need_more().await?,
                Err(_) => return Err(Error::Malformed("a chunk's size".to_owned())),
            }
        }
    }

    async fn trailers(&mut self) -> Result<Headers> {
        loop {
            let mut fields = [httparse::EMPTY_HEADER; 32];
            match httparse::parse_headers(&self.buffer, &mut fields).map_err(malformed)? {
                httparse::Status::Complete((length, fields)) => {
                    let trailers = owned(fields);
                    self.buffer.drain(..length);
                    return Ok(trailers);
                }
                httparse::Status::Partial => self.need_more().await?,
            }
        }
    }

    async fn take(&mut self, length: usize) -> Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.need_more().await?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    async fn need_more(&mut self) -> Result<()> {
        if self.fill().await? {
            Ok(())
        } else {
            Err(Error::Closed(self.buffer.len()))
        }
    }

    /// Whether anything more came before the end.
    async fn fill(&mut self) -> Result<bool> {
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(count) => Ok(count > 0),
            Err(error) if is_reset(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn owned(fields: &[httparse::Header<'_>]) -> Headers {
    fields
        .iter()
        .map(|field| (field.name.to_ascii_lowercase(), field.value))
        .collect()
}

fn malformed(error: impl std::fmt::Display) -> Error {
    Error::Malformed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(request: &Request) -> String {
        String::from_utf8(encode(request).expect("it has a target")).expect("it is text")
    }

    #[test]
    fn a_request_is_written_as_it_was_given() {
        let request = Request::get("*")
            .header("A", "1\t2")
            .header("A", "3")
            .authority("h");

        assert_eq!(
            text(&request),
            "GET * HTTP/1.1\r\nhost: h\r\nA: 1\t2\r\nA: 3\r\nconnection: close\r\n\r\n"
        );
    }

    #[test]
    fn a_body_with_trailers_is_chunked() {
        let request = Request::post("/")
            .authority("h")
            .body("abc")
            .trailer("x-t", "1");

        assert!(text(&request).ends_with(
            "connection: close\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n"
        ));
    }

    #[test]
    fn an_upgrade_keeps_its_own_connection_header() {
        let request = Request::get("/")
            .header("connection", "upgrade")
            .header("upgrade", "websocket");

        assert!(!text(&request).contains("close"));
    }
}
