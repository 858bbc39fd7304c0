//! Requests of HTTP/1.1 in bytes, framed as Envoy frames them.

use crate::exchange::UpstreamRequest;
use crate::front;
use crate::headers::HeaderMap;
use crate::serve::convert::Unsendable;

/// Methods of requests that have no length if they have no body.
const NO_LENGTH: &[&[u8]] = &[b"GET", b"HEAD", b"DELETE", b"TRACE"];

/// How a receiver tells where a body ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Framing {
    /// By its length, or there is none.
    Length,
    Chunked,
    /// It does not end: another protocol follows.
    Upgrade,
}

impl Framing {
    /// A part of the body.
    pub(super) fn data(self, bytes: Vec<u8>) -> Vec<u8> {
        match self {
            // An empty chunk would be the last one.
            Self::Chunked if bytes.is_empty() => bytes,
            Self::Chunked => {
                [format!("{:x}\r\n", bytes.len()).as_bytes(), &bytes, b"\r\n"].concat()
            }
            Self::Length | Self::Upgrade => bytes,
        }
    }

    /// The end of the body. Trailers need chunks; without these they are dropped, as are those that are no HTTP.
    pub(super) fn end(self, trailers: &HeaderMap) -> Vec<u8> {
        if self != Self::Chunked {
            return Vec::new();
        }
        let mut bytes = b"0\r\n".to_vec();
        for (name, value) in trailers.iter() {
            if write_header(&mut bytes, name, value).is_err() {
                eprintln!(
                    "[error] the trailer `{}` is not allowed in HTTP",
                    name.escape_ascii()
                );
            }
        }
        bytes.extend(b"\r\n");
        bytes
    }
}

/// The head of a request, and how the body is framed: in chunks if it has one and no length.
pub(crate) fn encode_head(request: &UpstreamRequest) -> Result<(Vec<u8>, Framing), Unsendable> {
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
    let framing = if front::is_upgrade(&request.headers) {
        Framing::Upgrade
    } else if has_length || request.bodyless {
        Framing::Length
    } else {
        Framing::Chunked
    };
    for (name, value) in request.headers.iter() {
        let left_out: &[&[u8]] = &[b"host", b"transfer-encoding"];
        if !name.starts_with(b":") && !left_out.contains(&name) {
            write_header(&mut bytes, name, value)?;
        }
    }
    match framing {
        Framing::Chunked => write_header(&mut bytes, b"transfer-encoding", b"chunked")?,
        Framing::Length if !has_length && !NO_LENGTH.contains(&method) => {
            write_header(&mut bytes, b"content-length", b"0")?;
        }
        Framing::Length | Framing::Upgrade => {}
    }
    bytes.extend(b"\r\n");
    Ok((bytes, framing))
}

fn write_header(bytes: &mut Vec<u8>, name: &[u8], value: &[u8]) -> Result<(), Unsendable> {
    if front::check_header(name, value).is_err() {
        return Err(Unsendable::header(name));
    }
    bytes.extend([name, b": ", value, b"\r\n"].concat());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, headers: &[(&str, &str)], bodyless: bool) -> UpstreamRequest {
        let start = [
            (":authority", "h"),
            (":path", "/a<\u{fc}"),
            (":method", method),
        ];
        UpstreamRequest {
            headers: start.iter().chain(headers).copied().collect(),
            bodyless,
            ..UpstreamRequest::default()
        }
    }

    fn encoded(request: &UpstreamRequest) -> (String, Framing) {
        let (bytes, framing) = encode_head(request).expect("sendable");
        (String::from_utf8(bytes).expect("text"), framing)
    }

    #[test]
    fn a_request_keeps_its_bytes_and_gets_a_framing() {
        let (plain, _) = encoded(&request("GET", &[("x-a", "1")], true));
        assert_eq!(plain, "GET /a<\u{fc} HTTP/1.1\r\nhost: h\r\nx-a: 1\r\n\r\n");
        let (empty, _) = encoded(&request("POST", &[], true));
        assert!(empty.ends_with("host: h\r\ncontent-length: 0\r\n\r\n"));
        let (sized, framing) = encoded(&request("POST", &[("content-length", "3")], false));
        assert!(sized.ends_with("content-length: 3\r\n\r\n"));
        assert_eq!(framing.data(b"abc".to_vec()), b"abc");
        let (chunked, framing) = encoded(&request("POST", &[], false));
        assert!(chunked.ends_with("transfer-encoding: chunked\r\n\r\n"));
        assert_eq!(framing.data(b"abc".to_vec()), b"3\r\nabc\r\n");
        assert_eq!(framing.data(Vec::new()), b"", "that would be the end");
        assert_eq!(framing.end(&HeaderMap::new()), b"0\r\n\r\n");
    }

    #[test]
    fn trailers_go_out_behind_chunks_whatever_their_names() {
        let trailers = [("authorization", "x")].into_iter().collect();
        assert_eq!(
            Framing::Chunked.end(&trailers),
            b"0\r\nauthorization: x\r\n\r\n"
        );
        assert_eq!(Framing::Length.end(&trailers), b"");
    }

    #[test]
    fn what_would_become_another_request_is_not_sent() {
        let smuggled = [("x", "1\r\nGET / HTTP/1.1")];
        assert!(encode_head(&request("GET", &smuggled, true)).is_err());
        assert!(encode_head(&request("GET /x", &[], true)).is_err());
        let smuggled = [("x", "1\r\n\r\nGET / HTTP/1.1")].into_iter().collect();
        assert_eq!(Framing::Chunked.end(&smuggled), b"0\r\n\r\n");
    }
}
