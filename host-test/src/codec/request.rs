//! Requests of HTTP/1.1 in bytes, as Envoy writes and frames them.

use crate::front;
use crate::headers::HeaderMap;

use super::received::becomes_host;

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
    /// Of a request with these headers: in chunks if it has a body and no length.
    pub(crate) fn of(headers: &HeaderMap, bodyless: bool) -> Self {
        if front::is_upgrade(headers) {
            Self::Upgrade
        } else if headers.contains("content-length") || bodyless {
            Self::Length
        } else {
            Self::Chunked
        }
    }

    /// A part of the body.
    pub(crate) fn data(self, bytes: Vec<u8>) -> Vec<u8> {
        match self {
            // An empty chunk would be the last one.
            Self::Chunked if bytes.is_empty() => bytes,
            Self::Chunked => {
                [format!("{:x}\r\n", bytes.len()).as_bytes(), &bytes, b"\r\n"].concat()
            }
            Self::Length | Self::Upgrade => bytes,
        }
    }

    /// The end of the body. Trailers need chunks; without these they are dropped.
    pub(crate) fn end(self, trailers: &HeaderMap) -> Vec<u8> {
        if self != Self::Chunked {
            return Vec::new();
        }
        let mut bytes = b"0\r\n".to_vec();
        for (name, value) in trailers.iter() {
            write_header(&mut bytes, name, value);
        }
        bytes.extend(b"\r\n");
        bytes
    }
}

/// The headers that Envoy writes into a head, in its order: all but pseudo headers, with a host line for the authority.
pub(crate) fn header_lines(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    headers.iter().filter_map(|(name, value)| match name {
        name if becomes_host(name) => Some((&b"host"[..], value)),
        [b':', _, ..] => None,
        _ => Some((name, value)),
    })
}

/// The head of a request that [`check_request`](super::check_request) has let pass.
pub(crate) fn request_head(headers: &HeaderMap, bodyless: bool) -> (Vec<u8>, Framing) {
    let part = |name: &str| headers.get(name).unwrap_or_default();
    let method = part(":method");
    let mut bytes = [method, b" ", part(":path"), b" HTTP/1.1\r\n"].concat();
    for (name, value) in header_lines(headers) {
        write_header(&mut bytes, name, value);
    }
    let framing = Framing::of(headers, bodyless);
    let has_length = headers.contains("content-length");
    match framing {
        Framing::Chunked => write_header(&mut bytes, b"transfer-encoding", b"chunked"),
        Framing::Length if !has_length && !NO_LENGTH.contains(&method) => {
            write_header(&mut bytes, b"content-length", b"0");
        }
        Framing::Length | Framing::Upgrade => {}
    }
    bytes.extend(b"\r\n");
    (bytes, framing)
}

fn write_header(bytes: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    bytes.extend([name, b": ", value, b"\r\n"].concat());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(method: &str, headers: &[(&str, &str)], bodyless: bool) -> (String, Framing) {
        let start = [
            (":authority", "h"),
            (":path", "/a<\u{fc}"),
            (":method", method),
        ];
        let headers = start.iter().chain(headers).copied().collect();
        let (bytes, framing) = request_head(&headers, bodyless);
        (String::from_utf8(bytes).expect("text"), framing)
    }

    #[test]
    fn a_request_keeps_its_bytes_and_gets_a_framing() {
        let (plain, _) = encoded("GET", &[("x-a", "1")], true);
        assert_eq!(plain, "GET /a<\u{fc} HTTP/1.1\r\nhost: h\r\nx-a: 1\r\n\r\n");
        let (empty, _) = encoded("POST", &[], true);
        assert!(empty.ends_with("host: h\r\ncontent-length: 0\r\n\r\n"));
        let (sized, framing) = encoded("POST", &[("content-length", "3")], false);
        assert!(sized.ends_with("content-length: 3\r\n\r\n"));
        assert_eq!(framing.data(b"abc".to_vec()), b"abc");
        let (chunked, framing) = encoded("POST", &[], false);
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
    fn what_a_filter_left_is_written_as_it_is() {
        let odd = [(":abc", "x"), (":foo", "y"), ("", "z"), ("x", " 1 ")];
        let (head, _) = encoded("G T", &odd, true);
        let lines = "host: h\r\nhost: x\r\n: z\r\nx:  1 \r\ncontent-length: 0\r\n\r\n";
        assert_eq!(head, format!("G T /a<\u{fc} HTTP/1.1\r\n{lines}"));
        let (both, framing) = encoded("POST", &[("transfer-encoding", "chunked")], false);
        assert_eq!(both.matches("transfer-encoding: chunked").count(), 2);
        assert_eq!(framing, Framing::Chunked);
    }
}
