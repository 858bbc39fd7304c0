//! Messages of HTTP/1.1 in bytes, read from a connection.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::headers::HeaderMap;

/// The longest head or body that is read.
const MOST: usize = 64 * 1024 * 1024;

/// What came on a connection.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Message {
    /// The request line or the status line.
    pub(crate) start: Vec<u8>,
    /// The headers in order, their names in lower case.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: HeaderMap,
    /// Whether it came to its end.
    pub(crate) complete: bool,
}

/// Reads messages from a connection, one after another.
#[derive(Debug)]
pub(crate) struct Reader<R> {
    inner: R,
    received: Vec<u8>,
    ended: bool,
}

impl Message {
    /// The status of a response.
    pub(crate) fn status(&self) -> u16 {
        let status = self.start.split(|byte| *byte == b' ').nth(1);
        status
            .and_then(|status| str::from_utf8(status).ok()?.parse().ok())
            .unwrap_or(0)
    }
}

impl<R: Read> Reader<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self {
            inner,
            received: Vec::new(),
            ended: false,
        }
    }

    /// The head of the next message; `None` at the end of the connection.
    pub(crate) fn head(&mut self) -> io::Result<Option<Message>> {
        loop {
            if let Some(at) = find(&self.received, b"\r\n\r\n") {
                let head: Vec<u8> = self.received.drain(..at + 4).collect();
                let mut lines = head[..at].split(|byte| *byte == b'\n');
                let start = lines.next().unwrap_or_default().trim_ascii_end().to_vec();
                return Ok(Some(Message {
                    start,
                    headers: lines.filter_map(header).collect(),
                    ..Message::default()
                }));
            }
            if !self.more()? {
                return Ok(None);
            }
        }
    }

    /// The rest of a message. `bodyless`: there is none, whatever the headers say. A response without any framing goes on to
    /// the end of the connection.
    pub(crate) fn body(
        &mut self,
        message: &mut Message,
        bodyless: bool,
        response: bool,
    ) -> io::Result<()> {
        let length = message.headers.text("content-length");
        let length = length.and_then(|length| length.parse().ok());
        if bodyless {
            message.complete = true;
        } else if message.headers.contains("transfer-encoding") {
            message.complete = self.chunks(message)?;
        } else if let Some(length) = length {
            let read = self.read_up_to(length);
            message.complete = self.received.len() >= length;
            let length = length.min(self.received.len());
            message.body = self.received.drain(..length).collect();
            read?;
        } else if response {
            let read = self.read_up_to(MOST);
            message.body = std::mem::take(&mut self.received);
            read?;
            message.complete = true;
        } else {
            message.complete = true;
        }
        Ok(())
    }

    /// Reads so many bytes, if there are that many.
    fn read_up_to(&mut self, length: usize) -> io::Result<()> {
        while self.received.len() < length && self.more()? {}
        Ok(())
    }

    fn chunks(&mut self, message: &mut Message) -> io::Result<bool> {
        loop {
            let Some(line) = self.line()? else {
                return Ok(false);
            };
            let size = str::from_utf8(&line).ok();
            let size = size.and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
            match size {
                Some(0) => break,
                Some(size) => {
                    while self.received.len() < size + 2 && self.more()? {}
                    let there = size.min(self.received.len());
                    message.body.extend(self.received.drain(..there));
                    if there < size || self.received.len() < 2 {
                        return Ok(false);
                    }
                    self.received.drain(..2);
                }
                None => return Ok(false),
            }
        }
        loop {
            match self.line()? {
                None => return Ok(false),
                Some(line) if line.is_empty() => return Ok(true),
                Some(line) => {
                    if let Some((name, value)) = header(&line) {
                        message.trailers.append(name, value);
                    }
                }
            }
        }
    }

    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(at) = find(&self.received, b"\n") {
                let line: Vec<u8> = self.received.drain(..=at).collect();
                return Ok(Some(line.trim_ascii_end().to_vec()));
            }
            if !self.more()? {
                return Ok(None);
            }
        }
    }

    /// Reads more; false at the end of the connection, which a reset is, too.
    fn more(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 16 * 1024];
        if self.ended || self.received.len() > MOST {
            return Ok(false);
        }
        match self.inner.read(&mut buffer) {
            Ok(0) => self.ended = true,
            Ok(length) => self.received.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => self.ended = true,
            Err(error) => return Err(error),
        }
        Ok(!self.ended)
    }
}

fn header(line: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let at = line.iter().position(|byte| *byte == b':')?;
    let name = line[..at].to_ascii_lowercase();
    Some((name, line[at + 1..].trim_ascii().to_vec()))
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// Asks a server that closes the connection behind its answer: status and body.
pub(super) fn get(address: SocketAddr, path: &str) -> io::Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut reader = Reader::new(stream);
    let Some(mut message) = reader.head()? else {
        return Ok((0, Vec::new()));
    };
    reader.body(&mut message, false, true)?;
    Ok((message.status(), message.body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], response: bool) -> Vec<(String, String, bool)> {
        let mut reader = Reader::new(bytes);
        let mut messages = Vec::new();
        while let Some(mut message) = reader.head().expect("readable") {
            reader
                .body(&mut message, false, response)
                .expect("readable");
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let trailers = message.trailers.len();
            let body = format!("{}+{trailers}", text(&message.body));
            messages.push((text(&message.start), body, message.complete));
        }
        messages
    }

    fn expected(start: &str, body: &str, complete: bool) -> (String, String, bool) {
        (start.to_owned(), body.to_owned(), complete)
    }

    #[test]
    fn messages_follow_each_other() {
        let bytes = b"POST /1 HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc\
            POST /2 HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n0\r\nx: 1\r\n\r\n\
            GET /3 HTTP/1.1\r\n\r\n";
        assert_eq!(
            read(bytes, false),
            [
                expected("POST /1 HTTP/1.1", "abc+0", true),
                expected("POST /2 HTTP/1.1", "def+1", true),
                expected("GET /3 HTTP/1.1", "+0", true),
            ]
        );
    }

    #[test]
    fn what_breaks_off_is_not_complete() {
        for (bytes, body) in [
            (
                &b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab"[..],
                "ab+0",
            ),
            (
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nab",
                "ab+0",
            ),
            (
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n",
                "ab+0",
            ),
        ] {
            assert_eq!(
                read(bytes, true),
                [expected("HTTP/1.1 200 OK", body, false)]
            );
        }
        let to_the_end = read(b"HTTP/1.1 200 OK\r\n\r\nabc", true);
        assert_eq!(to_the_end, [expected("HTTP/1.1 200 OK", "abc+0", true)]);
    }
}
