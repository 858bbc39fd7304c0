//! The head of an HTTP/1 request as the client wrote it.
//!
//! The HTTP library drops a fragment, joins headers of one name, and refuses bytes that Envoy hands to the filter. So the head
//! is read here, and the library gets a stand-in: a request that has the same framing and nothing else.

use crate::front::Refusal;

/// Longer heads are refused; Envoy's limit, which the front checks by its own count, is a bit lower.
pub(super) const MAX_HEAD: usize = 64 * 1024;
/// More headers than the front lets in, so that it is the front that refuses them.
const MAX_HEADERS: usize = 128;

/// What a client asked for.
#[derive(Debug)]
pub(super) enum Head {
    Request(RawRequest),
    /// No request that could be shown to a filter: the answer that Envoy's parser gives.
    Refused(Refusal),
}

/// A request line and headers in the bytes and the order of the client.
#[derive(Debug)]
pub(super) struct RawRequest {
    pub(super) method: Vec<u8>,
    pub(super) target: Vec<u8>,
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
        Err(refusal) => return refused(refusal),
    };
    match request.framing() {
        Ok(framing) => Parsed {
            stand_in: request.stand_in(framing),
            head: Head::Request(request),
            framing,
        },
        Err(refusal) => refused(refusal),
    }
}

/// The parse result of something that is refused here.
pub(super) fn refused(refusal: Refusal) -> Parsed {
    Parsed {
        head: Head::Refused(refusal),
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
    fn framing(&self) -> Result<Framing, Refusal> {
        let mut lengths = self.all("content-length");
        let mut encodings = self.all("transfer-encoding");
        match (encodings.next(), encodings.next(), lengths.next()) {
            (None, _, None) if self.method == b"CONNECT" => Ok(Framing::Nothing),
            (None, _, None) if self.is_upgrade() => Ok(Framing::Upgrade),
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
            (Some(_), _, Some(_)) => Err(Refusal::TWO_FRAMINGS),
            (Some(_), _, None) => Err(Refusal::UNKNOWN_ENCODING),
        }
    }

    fn stand_in(&self, framing: Framing) -> Vec<u8> {
        let mut lines = vec![format!(
            "{} / HTTP/1.1",
            if self.method == b"HEAD" {
                "HEAD"
            } else {
                "GET"
            }
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

/// The request line is split at its first and last white space, so that the front sees whatever stands between.
fn parse(bytes: &[u8]) -> Result<RawRequest, Refusal> {
    let malformed = Refusal::CODEC_ERROR;
    let line_end = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .ok_or(malformed)?;
    let line = bytes[..line_end].trim_ascii_end();
    let space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let first = line.iter().position(space).ok_or(malformed)?;
    let last = line.iter().rposition(space).ok_or(malformed)?;
    let target = line.get(first + 1..last).unwrap_or_default().trim_ascii();
    let http10 = match &line[last + 1..] {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        // No version at all was the way of HTTP/0.9.
        version if version.starts_with(b"HTTP/") || first == last => {
            return Err(Refusal::LOW_VERSION);
        }
        _ => return Err(malformed),
    };
    let mut slots = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let lines = unfolded(&bytes[line_end + 1..]);
    let headers = match httparse::parse_headers(&lines, &mut slots) {
        Ok(httparse::Status::Complete((_, headers))) => headers,
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::TOO_MANY),
        Err(httparse::Error::HeaderValue) => return Err(Refusal::INVALID_CHARACTERS),
        Ok(httparse::Status::Partial) | Err(_) => return Err(malformed),
    };
    if http10 {
        return Err(Refusal::LOW_VERSION);
    }
    Ok(RawRequest {
        method: line[..first].to_vec(),
        target: target.to_vec(),
        headers: headers
            .iter()
            .map(|header| (header.name.as_bytes().to_vec(), header.value.to_vec()))
            .collect(),
    })
}

/// Joins lines that begin with white space to those before them (RFC 9112, section 5.2), and leaves out each CR that ends no
/// line, as Envoy's parser does.
fn unfolded(lines: &[u8]) -> Vec<u8> {
    let mut joined: Vec<u8> = Vec::with_capacity(lines.len());
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let text = match line {
            [b' ' | b'\t', ..] if !joined.is_empty() => {
                let before = joined.trim_ascii_end().len();
                joined.truncate(before);
                joined.push(b' ');
                line.trim_ascii_start()
            }
            _ => line,
        };
        let ends = text.strip_suffix(b"\r\n").map_or(text.len(), <[u8]>::len);
        joined.extend(text[..ends].iter().filter(|byte| **byte != b'\r'));
        joined.extend(&text[ends..]);
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(headers: &str) -> (Framing, String) {
        let parsed = read(format!("POST /p HTTP/1.1\r\n{headers}\r\n").as_bytes());
        let stand_in = String::from_utf8(parsed.stand_in).expect("text");
        (parsed.framing, stand_in)
    }

    fn refusal(head: &[u8]) -> Option<(u16, &'static str)> {
        match read(head).head {
            Head::Request(_) => None,
            Head::Refused(refusal) => Some((refusal.status, refusal.details)),
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
        assert_eq!(
            refusal(&both),
            Some((400, "http1.content_length_and_chunked_not_allowed"))
        );
        let unknown = refusal(&head("Transfer-Encoding: gzip\r\n"));
        assert_eq!(unknown, Some((501, "http1.invalid_transfer_encoding")));
    }

    #[test]
    fn other_versions_and_broken_lines_are_refused() {
        for version in ["GET /", "GET / HTTP/1.0", "GET / HTTP/1.2"] {
            let head = format!("{version}\r\n\r\n");
            assert_eq!(
                refusal(head.as_bytes()),
                Some((426, "low_version")),
                "{version}"
            );
        }
        for line in ["no colon", "a : b", ": x"] {
            let head = format!("GET / HTTP/1.1\r\n{line}\r\n\r\n");
            assert_eq!(
                refusal(head.as_bytes()),
                Some((400, "http1.codec_error")),
                "{line}"
            );
        }
        let control = refusal(b"GET / HTTP/1.1\r\na: \x01\r\n\r\n");
        assert_eq!(control, Some((400, "http1.invalid_characters")));
    }

    #[test]
    fn a_folded_line_is_one_line_and_a_stray_cr_is_none() {
        let Head::Request(request) = read(b"GET / HTTP/1.1\r\na: b\r\n \tc\r\nd: \re\r\n\r\n").head
        else {
            panic!("it is a request");
        };
        let expected = [
            (b"a".to_vec(), b"b c".to_vec()),
            (b"d".to_vec(), b"e".to_vec()),
        ];
        assert_eq!(request.headers, expected);
    }
}
