//! What is wrong with what a guest wrote, in words for its author.

use crate::headers::HeaderMap;

use super::{Reading, has_control, is_token};

/// The longest part of a name that is shown.
const SHOWN: usize = 60;

/// Where a header goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Carrier {
    Request,
    Response,
    LocalResponse,
    Trailers,
}

/// What is wrong with one header, whatever stands beside it.
pub(crate) fn header_fault(carrier: Carrier, name: &[u8], value: &[u8]) -> Option<String> {
    let known: &[&[u8]] = match carrier {
        Carrier::Request => &[
            b":method",
            b":path",
            b":authority",
            b":scheme",
            b":protocol",
        ],
        Carrier::Response => &[b":status"],
        Carrier::LocalResponse | Carrier::Trailers => &[],
    };
    let fault = if name.is_empty() {
        return Some("a header without a name".to_owned());
    } else if name.starts_with(b":") && !known.iter().any(|known| known.eq_ignore_ascii_case(name))
    {
        "is a pseudo header that has no place here"
    } else if !name.starts_with(b":") && !is_token(name) {
        "is no token, and so no name of a header"
    } else if value.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
        "has a line break in its value"
    } else if has_control(value) {
        "has a control character in its value"
    } else {
        return None;
    };
    let name = name[..name.len().min(SHOWN)].escape_ascii();
    Some(format!("`{name}` {fault}"))
}

/// What is wrong with the headers of a request that leaves. Envoy sends all of this but a request without a method, and finds no
/// route without a path.
pub(crate) fn request_fault(headers: &HeaderMap) -> Option<&'static str> {
    let white = |bytes: &[u8]| bytes.iter().any(u8::is_ascii_whitespace);
    match (headers.get(":method"), headers.get(":path")) {
        (None, _) => return Some("`:method` is missing"),
        (Some(method), _) if !is_token(method) => return Some("`:method` is no token"),
        (Some(b"CONNECT"), None) => {}
        (Some(b"CONNECT"), Some(_)) => return Some("`:method` is CONNECT, and there is a `:path`"),
        (_, None) => return Some("`:path` is missing"),
        (_, Some(path)) if !path.starts_with(b"/") => return Some("`:path` begins with no slash"),
        (_, Some(path)) if white(path) => return Some("`:path` has white space in it"),
        _ => {}
    }
    match headers.get(":authority") {
        None | Some(b"") => return Some("`:authority` is missing"),
        Some(authority)
            if white(authority) || authority.iter().any(|byte| b"/?#".contains(byte)) =>
        {
            return Some("`:authority` is no host");
        }
        Some(_) => {}
    }
    if headers.contains("transfer-encoding") {
        return Some("`transfer-encoding` is for the host to write");
    }
    let length = headers.text("content-length");
    length
        .is_some_and(|length| length.parse::<u64>().is_err())
        .then_some("`content-length` is no number")
}

/// What is wrong with a response of this status, of whose body this is read at its end.
pub(crate) fn response_fault(
    status: u64,
    reading: Reading,
    has_body: bool,
) -> Option<&'static str> {
    match reading {
        _ if !(200..1000).contains(&status) => Some("`:status` is that of no final response"),
        Reading::Nothing if has_body => Some("a response of this `:status` has no body"),
        reading => reading.fault(),
    }
}

impl Reading {
    /// What is wrong with the framing of a message at its end.
    pub(crate) fn fault(self) -> Option<&'static str> {
        match self {
            Self::Endless => Some("`content-length` is no number"),
            Self::Length(1..) => Some("the body is shorter than `content-length` says"),
            Self::Exceeded => Some("the body is longer than `content-length` says"),
            Self::Starved => Some("`transfer-encoding` promises chunks that do not come"),
            Self::All | Self::Nothing | Self::Length(0) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_faulty_where_it_is_written() {
        let request = |name: &str, value: &str| {
            header_fault(Carrier::Request, name.as_bytes(), value.as_bytes())
        };
        for (name, value) in [
            ("a b", "c"),
            ("", "c"),
            ("x", "a\nb"),
            ("x", "\0"),
            (":foo", "c"),
        ] {
            assert!(request(name, value).is_some(), "{name}: {value}");
        }
        for (name, value) in [("X-A", "a\tb"), (":Path", "/"), ("x", ""), ("x", "\u{fc}")] {
            assert_eq!(request(name, value), None);
        }
        let status = |carrier| header_fault(carrier, b":status", b"200");
        assert_eq!(status(Carrier::Response), None);
        assert!(status(Carrier::LocalResponse).is_some());
        assert!(status(Carrier::Trailers).is_some());
        let long = request(&"a ".repeat(1_000), "c").expect("a fault");
        assert!(long.len() < 200, "{long}");
    }

    #[test]
    fn a_request_is_faulty_as_a_whole() {
        let fault = |name: &str, value: Option<&str>| {
            let plain = [(":method", "GET"), (":path", "/"), (":authority", "h")];
            let mut headers: HeaderMap = plain.into_iter().collect();
            headers.remove(name);
            if let Some(value) = value {
                headers.append(name, value);
            }
            request_fault(&headers)
        };
        assert_eq!(fault("x", Some("y")), None);
        for (name, value) in [
            (":method", None),
            (":method", Some("")),
            (":method", Some("G T")),
            (":method", Some("CONNECT")),
            (":path", None),
            (":path", Some("")),
            (":path", Some("/a b")),
            (":authority", None),
            (":authority", Some("a/b")),
            ("transfer-encoding", Some("chunked")),
            ("content-length", Some("5,9")),
        ] {
            assert!(fault(name, value).is_some(), "{name}: {value:?}");
        }
    }

    #[test]
    fn a_response_is_faulty_at_its_end() {
        assert_eq!(response_fault(200, Reading::Length(0), true), None);
        assert_eq!(response_fault(304, Reading::Nothing, false), None);
        for (status, reading) in [
            (99, Reading::All),
            (1000, Reading::All),
            (204, Reading::Nothing),
            (200, Reading::Length(1)),
            (200, Reading::Exceeded),
            (200, Reading::Endless),
        ] {
            let fault = response_fault(status, reading, true);
            assert!(fault.is_some(), "{status} {reading:?}");
        }
    }
}
