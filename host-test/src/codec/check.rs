//! What Envoy refuses to send.

use crate::headers::HeaderMap;

/// A message that Envoy does not send; it answers in its place with this text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Unsendable {
    /// A header is missing that every message of its kind has.
    Missing(&'static str),
    /// The name of a header is no token (RFC 9110, section 5.6.2).
    Name(Vec<u8>),
    /// The value of this header has a control character in it.
    Value(Vec<u8>),
}

impl Unsendable {
    /// The body of Envoy's answer.
    pub(crate) fn text(&self) -> Vec<u8> {
        match self {
            Self::Missing(name) => [b"missing required header: ", name.as_bytes()].concat(),
            Self::Name(name) => [&b"invalid header name: "[..], &escaped(name)].concat(),
            Self::Value(name) => [&b"invalid header value for: "[..], name].concat(),
        }
    }

    /// The response code details of Envoy's answer, behind what they begin with.
    pub(crate) fn details(&self, beginning: &str) -> String {
        let text = String::from_utf8_lossy(&self.text()).into_owned();
        let text = text.replace(|letter: char| letter.is_ascii_whitespace(), "_");
        format!("{beginning}{{{text}}}")
    }
}

/// Whether the headers of a request can leave (Envoy `HeaderUtility::checkRequiredRequestHeaders` and
/// `checkValidRequestHeaders`). The scheme is the router's own.
pub(crate) fn check_request(headers: &HeaderMap) -> Result<(), Unsendable> {
    let has = |name: &str| headers.contains(name);
    let missing = match headers.get(":method") {
        None => Some(":method"),
        Some(b"CONNECT") => {
            let (path, protocol) = (has(":path"), has(":protocol"));
            (!has(":authority"))
                .then_some(":authority")
                .or((path && !protocol).then_some(":protocol"))
                .or((!path && protocol).then_some(":path"))
        }
        Some(_) => (!has(":path")).then_some(":path"),
    };
    if let Some(name) = missing {
        return Err(Unsendable::Missing(name));
    }
    for (name, value) in headers.iter() {
        if !is_name(name) {
            return Err(Unsendable::Name(name.to_vec()));
        }
        if has_control(value) && name != b":scheme" {
            return Err(Unsendable::Value(name.to_vec()));
        }
    }
    Ok(())
}

/// The status of a response, as Envoy reads it (Envoy `Http::Utility::getResponseStatusOrNullopt`): a number of 64 bits, with
/// white space around it and a plus sign in front of it if need be.
pub(crate) fn status(headers: &HeaderMap) -> Option<u64> {
    let text = str::from_utf8(headers.get(":status")?).ok()?;
    // Rust's own parser takes a plus sign, too.
    let white = |letter: char| letter.is_ascii_whitespace() || letter == '\x0b';
    text.trim_matches(white).parse().ok()
}

/// Whether a response can leave over HTTP/2. Envoy resets the stream of any other (`ServerStreamImpl::encodeHeaders`, and what
/// its library for HTTP/2 refuses to frame).
pub(crate) fn leaves_over_http2(headers: &HeaderMap) -> bool {
    let is_final = status(headers).is_some_and(|status| (200..1000).contains(&status));
    is_final
        && headers
            .iter()
            .all(|(name, value)| (name == b":status" || is_token(name)) && !has_control(value))
}

/// Whether Envoy takes this for the name of a header: a token, behind a colon if need be. No bytes at all pass.
pub(crate) fn is_name(name: &[u8]) -> bool {
    let name = name.strip_prefix(b":").unwrap_or(name);
    name.is_empty() || is_token(name)
}

/// Whether this is a token (RFC 9110, section 5.6.2).
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    let in_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !bytes.is_empty() && bytes.iter().all(in_token)
}

/// Whether there is a control character in this that no header's value may have; a tab may be there.
pub(crate) fn has_control(value: &[u8]) -> bool {
    value
        .iter()
        .any(|byte| byte.is_ascii_control() && *byte != b'\t')
}

/// Escaped as in a string of JSON (RFC 8259, section 7), bytes above ASCII excepted.
fn escaped(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'\n' => text.extend(b"\\n"),
            b'\r' => text.extend(b"\\r"),
            b'\t' => text.extend(b"\\t"),
            0x08 => text.extend(b"\\b"),
            0x0c => text.extend(b"\\f"),
            b'"' | b'\\' => text.extend([b'\\', *byte]),
            0..0x20 => text.extend(format!("\\u{byte:04x}").into_bytes()),
            _ => text.push(*byte),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(more: &[(&[u8], &[u8])]) -> HeaderMap {
        let start: [(&[u8], &[u8]); 3] = [
            (b":method", b"GET"),
            (b":path", b"/"),
            (b":authority", b"h"),
        ];
        start.iter().chain(more).copied().collect()
    }

    fn answer(headers: &HeaderMap) -> Option<String> {
        let refused = check_request(headers).err()?;
        Some(String::from_utf8_lossy(&refused.text()).into_owned())
    }

    #[test]
    fn a_request_with_a_control_character_or_a_name_that_is_no_token_does_not_leave() {
        let value = |value: &[u8]| answer(&request(&[(b"x", value)]));
        for bad in [&b"a\nb"[..], b"a\r\nb: c", b"\0", b"\x01", b"\x7f"] {
            let expected = "invalid header value for: x";
            assert_eq!(value(bad).as_deref(), Some(expected));
        }
        for good in [&b""[..], b"a\tb", b" a ", b"\xff"] {
            assert_eq!(value(good), None);
        }
        let name = |name: &[u8]| answer(&request(&[(name, b"c")]));
        for (bad, shown) in [
            ("a b", "a b"),
            ("a\nb", "a\\nb"),
            ("ä", "ä"),
            ("a:b", "a:b"),
            (":f o", ":f o"),
            ("a\u{1}\"'\\\t", "a\\u0001\\\"'\\\\\\t"),
        ] {
            let expected = format!("invalid header name: {shown}");
            assert_eq!(name(bad.as_bytes()), Some(expected));
        }
        for good in [&b""[..], b":foo", b"x-a", b"a|b"] {
            assert_eq!(name(good), None);
        }
        assert_eq!(answer(&request(&[(b":scheme", b"x\n")])), None);
    }

    #[test]
    fn a_request_without_a_method_or_a_path_does_not_leave() {
        let without = |name: &str| {
            let mut headers = request(&[]);
            headers.remove(name);
            answer(&headers)
        };
        let missing = |name: &str| Some(format!("missing required header: {name}"));
        assert_eq!(without(":method"), missing(":method"));
        assert_eq!(without(":path"), missing(":path"));
        assert_eq!(without(":authority"), None);
        let mut connect = request(&[]);
        connect.replace(":method", "CONNECT");
        assert_eq!(answer(&connect), missing(":protocol"));
        connect.append(":protocol", "websocket");
        assert_eq!(answer(&connect), None);
    }

    #[test]
    fn a_status_is_a_number_with_space_or_a_plus_sign_around_it() {
        let status = |text: &str| status(&[(":status", text)].into_iter().collect());
        for (text, expected) in [
            ("204", Some(204)),
            (" 200", Some(200)),
            ("+201", Some(201)),
            ("0200", Some(200)),
            ("70000", Some(70_000)),
            ("", None),
            ("abc", None),
            ("200x", None),
            ("200,201", None),
            ("-1", None),
            ("99999999999999999999999", None),
        ] {
            assert_eq!(status(text), expected, "{text}");
        }
        assert_eq!(super::status(&HeaderMap::new()), None);
    }

    #[test]
    fn a_response_that_is_no_http_does_not_leave_over_http2() {
        let leaves = |status: &str, name: &str, value: &str| {
            let headers = [(":status", status), (name, value)];
            leaves_over_http2(&headers.into_iter().collect())
        };
        for status in ["200", "204", "999"] {
            assert!(leaves(status, "x", "a\tb"), "{status}");
        }
        for status in ["0", "99", "100", "1000", "x"] {
            assert!(!leaves(status, "x", "a"), "{status}");
        }
        for (name, value) in [("a b", "c"), (":foo", "x"), ("x", "a\r\nb: c"), ("x", "\0")] {
            assert!(!leaves("200", name, value), "{name}: {value:?}");
        }
    }

    #[test]
    fn details_have_no_white_space() {
        let details = Unsendable::Name(b"a b".to_vec()).details("x");
        assert_eq!(details, "x{invalid_header_name:_a_b}");
    }
}
