//! The head of an HTTP/1 request as the client wrote it.
//!
//! The HTTP library drops a fragment, joins headers of one name, and refuses bytes that Envoy hands to the filter. So the head
//! is read here, and the library gets a stand-in: a request that has the same framing and nothing else.

use hyper::StatusCode;

/// Longer heads are refused; Envoy's limit, which the front checks by its own count, is a bit lower.
pub(super) const MAX_HEAD: usize = 64 * 1024;
/// More headers than the front lets in, so that it is the front that refuses them.
const MAX_HEADERS: usize = 128;

/// What a client asked for.
#[derive(Debug)]
pub(super) enum Head {
    Request(RawRequest),
    /// No request that could be shown to a filter. Envoy's parser gives this answer.
    Refused(StatusCode),
}

/// A request line and headers in the bytes and the order of the client.
#[derive(Debug)]
pub(super) struct RawRequest {
    pub(super) method: Vec<u8>,
    pub(super) target: Vec<u8>,
    pub(super) http10: bool,
    pub(super) headers: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What follows a head on the connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Framing {
    /// The next head, behind so many bytes of a body.
    Length(u64),
    /// A body in chunks, and then the next head.
    Chunked,
    /// Another protocol if the upgrade is granted, the next head otherwise.
    Upgrade,
    /// Nothing that will be looked at.
    Nothing,
}

/// A head, what follows it, and what the library is given in its place.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) head: Head,
    pub(super) framing: Framing,
    pub(super) stand_in: Vec<u8>,
}

/// The length of the head that the bytes begin with, once its end is there.
pub(super) fn end(bytes: &[u8]) -> Option<usize> {
    let mut line_starts = bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .map(|(at, _)| at + 1);
    line_starts.find_map(|at| match &bytes[at..] {
        [b'\n', ..] => Some(at + 1),
        [b'\r', b'\n', ..] => Some(at + 2),
        _ => None,
    })
}

/// Reads one whole head, or refuses it.
pub(super) fn read(bytes: &[u8]) -> Parsed {
    let request = match parse(bytes) {
        Ok(request) => request,
        Err(status) => return refused(status),
    };
    match request.framing() {
        Ok(framing) => Parsed {
            stand_in: request.stand_in(framing),
            head: Head::Request(request),
            framing,
        },
        Err(status) => refused(status),
    }
}

/// The parse result of something that is refused here.
pub(super) fn refused(status: StatusCode) -> Parsed {
    Parsed {
        head: Head::Refused(status),
        framing: Framing::Nothing,
        stand_in: b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n".to_vec(),
    }
}

impl RawRequest {
    /// Whether the client asks for another protocol on this connection (Envoy `Http::Utility::isUpgrade`).
    pub(super) fn is_upgrade(&self) -> bool {
        let mut kinds = self.all("upgrade").filter(|kind| !kind.is_empty());
        kinds.any(|kind| !kind.eq_ignore_ascii_case(b"h2c")) && self.connection_has("upgrade")
    }

    /// Two lengths, or one that is no number, are for the front to refuse; a body that is both chunked and of a length, or in an
    /// unknown encoding, for the parser.
    fn framing(&self) -> Result<Framing, StatusCode> {
        let mut lengths = self.all("content-length");
        let mut encodings = self.all("transfer-encoding");
        match (encodings.next(), encodings.next(), lengths.next()) {
            (None, _, None) if self.method == b"CONNECT" => Ok(Framing::Nothing),
            (None, _, None) if self.is_upgrade() && !self.http10 => Ok(Framing::Upgrade),
            (None, _, None) => Ok(Framing::Length(0)),
            (None, _, Some(length)) => {
                let digits = !length.is_empty() && length.iter().all(u8::is_ascii_digit);
                let number = str::from_utf8(length)
                    .ok()
                    .and_then(|text| text.parse().ok());
                Ok(match (number, lengths.next()) {
                    (Some(number), None) if digits => Framing::Length(number),
                    _ => Framing::Nothing,
                })
            }
            (Some(encoding), None, None) if encoding.eq_ignore_ascii_case(b"chunked") => {
                Ok(Framing::Chunked)
            }
            (Some(_), _, Some(_)) => Err(StatusCode::BAD_REQUEST),
            (Some(_), _, None) => Err(StatusCode::NOT_IMPLEMENTED),
        }
    }

    fn stand_in(&self, framing: Framing) -> Vec<u8> {
        let mut lines = vec![format!(
            "{} / HTTP/1.{}",
            if self.method == b"HEAD" {
                "HEAD"
            } else {
                "GET"
            },
            u8::from(!self.http10)
        )];
        match framing {
            Framing::Length(0) | Framing::Nothing => {}
            Framing::Length(length) => lines.push(format!("content-length: {length}")),
            Framing::Chunked => lines.push("transfer-encoding: chunked".to_owned()),
            Framing::Upgrade => lines.push("upgrade: any".to_owned()),
        }
        if framing == Framing::Nothing || self.connection_has("close") {
            lines.push("connection: close".to_owned());
        } else if framing == Framing::Upgrade {
            lines.push("connection: upgrade".to_owned());
        }
        let mut expectations = self.all("expect");
        if expectations.any(|value| value.eq_ignore_ascii_case(b"100-continue")) {
            lines.push("expect: 100-continue".to_owned());
        }
        // Without this the library drops the trailers of the response.
        lines.push("te: trailers".to_owned());
        lines.push("\r\n".to_owned());
        lines.join("\r\n").into_bytes()
    }

    fn connection_has(&self, token: &str) -> bool {
        self.all("connection").any(|value| {
            value
                .split(|byte| *byte == b',')
                .any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
        })
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.headers
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value.as_slice())
    }
}

/// The request line is split at its first and last space, so that the front sees whatever stands between.
fn parse(bytes: &[u8]) -> Result<RawRequest, StatusCode> {
    let malformed = StatusCode::BAD_REQUEST;
    let line_end = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .ok_or(malformed)?;
    let line = &bytes[..line_end];
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let first = line
        .iter()
        .position(|byte| *byte == b' ')
        .ok_or(malformed)?;
    let last = line
        .iter()
        .rposition(|byte| *byte == b' ')
        .ok_or(malformed)?;
    if first == last {
        return Err(malformed);
    }
    let http10 = match &line[last + 1..] {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        _ => return Err(malformed),
    };
    let mut slots = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let headers = match httparse::parse_headers(&bytes[line_end + 1..], &mut slots) {
        Ok(httparse::Status::Complete((_, headers))) => headers,
        Err(httparse::Error::TooManyHeaders) => {
            return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        }
        Ok(httparse::Status::Partial) | Err(_) => return Err(malformed),
    };
    Ok(RawRequest {
        method: line[..first].to_vec(),
        target: line[first + 1..last].to_vec(),
        http10,
        headers: headers
            .iter()
            .map(|header| (header.name.as_bytes().to_vec(), header.value.to_vec()))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(headers: &str) -> (Framing, String) {
        let parsed = read(format!("POST /p HTTP/1.1\r\n{headers}\r\n").as_bytes());
        let stand_in = String::from_utf8(parsed.stand_in).expect("text");
        (parsed.framing, stand_in)
    }

    fn status(head: &[u8]) -> Option<u16> {
        match read(head).head {
            Head::Request(_) => None,
            Head::Refused(status) => Some(status.as_u16()),
        }
    }

    #[test]
    fn a_target_keeps_its_fragment_and_its_raw_bytes() {
        for target in [&b"/a#b"[..], b"/a<b>", b"/\xfc", b"/a b"] {
            let bytes = [b"GET ", target, b" HTTP/1.1\r\nHost: h\r\n\r\n"].concat();
            let Head::Request(request) = read(&bytes).head else {
                panic!("{} is for the front to judge", target.escape_ascii());
            };
            assert_eq!(request.target, target);
        }
    }

    #[test]
    fn the_end_is_an_empty_line() {
        assert_eq!(end(b"GET / HTTP/1.1\r\nHost: h\r\n\r\nbody"), Some(27));
        assert_eq!(end(b"GET / HTTP/1.1\r\nHost: h\r\n\r"), None);
    }

    #[test]
    fn the_stand_in_has_the_framing_alone() {
        let (length, stand_in) = framing("Content-Length: 3\r\nX-A: b\r\nConnection: close\r\n");
        assert_eq!(length, Framing::Length(3));
        let expected =
            "GET / HTTP/1.1\r\ncontent-length: 3\r\nconnection: close\r\nte: trailers\r\n\r\n";
        assert_eq!(stand_in, expected);
        assert_eq!(
            framing("Transfer-Encoding: Chunked\r\n").0,
            Framing::Chunked
        );
        let upgrade = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n";
        assert_eq!(framing(upgrade).0, Framing::Upgrade);
        assert_eq!(framing("Upgrade: websocket\r\n").0, Framing::Length(0));
        let twice = "Content-Length: 3\r\nContent-Length: 4\r\n";
        assert_eq!(
            framing(twice).0,
            Framing::Nothing,
            "nobody knows what follows"
        );
    }

    #[test]
    fn a_body_with_two_framings_or_an_unknown_one_is_refused() {
        let head = |headers: &str| format!("POST / HTTP/1.1\r\n{headers}\r\n").into_bytes();
        let both = head("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n");
        assert_eq!(status(&both), Some(400));
        assert_eq!(status(&head("Transfer-Encoding: gzip\r\n")), Some(501));
        assert_eq!(status(b"GET /\r\n\r\n"), Some(400));
        assert_eq!(status(b"GET / HTTP/1.1\r\nno colon\r\n\r\n"), Some(400));
    }
}
