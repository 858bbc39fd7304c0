//! What Envoy reads of a reply over HTTP/1.1.

use super::{Reading, has_control, is_token};

/// More lines than this are no head (Envoy `max_headers_count`).
const MAX_HEADERS: usize = 100;

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// A reply as it was read.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Judged {
    /// It is no HTTP.
    Refused,
    /// It is no final response, and none follows.
    Interim,
    /// The headers of a response, bytes of its body that stood in its head, and how much of the body is read.
    Response(Pairs, Vec<u8>, Reading),
}

/// Reads the head of a reply (Envoy `ClientConnectionImpl::onHeadersCompleteBase`). `head`: the request was a HEAD.
pub(crate) fn judge_reply<'a>(
    status: u16,
    headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    head: bool,
) -> Judged {
    let Some((mut headers, spilled)) = lines(headers) else {
        return Judged::Refused;
    };
    let all = |name: &[u8]| -> Vec<&[u8]> {
        let named = headers
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_slice()).collect()
    };
    let (lengths, encodings) = (all(b"content-length"), all(b"transfer-encoding"));
    let length = match lengths.as_slice() {
        [] => None,
        [one] => match number(one) {
            Some(length) if encodings.is_empty() => Some(length),
            _ => return Judged::Refused,
        },
        _ => return Judged::Refused,
    };
    let chunked = |value: &&[u8]| value.eq_ignore_ascii_case(b"chunked");
    if headers.len() > MAX_HEADERS || !encodings.iter().all(chunked) {
        return Judged::Refused;
    }
    if status < 200 || status == 204 {
        if !encodings.is_empty() || length.is_some_and(|length| length > 0) {
            return Judged::Refused;
        }
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case(b"content-length"));
    }
    if status < 200 && status != 101 {
        return Judged::Interim;
    }
    let reading = match length {
        _ if head || matches!(status, 204 | 304) => Reading::Nothing,
        Some(length) => Reading::Length(length),
        None => Reading::All,
    };
    Judged::Response(headers, spilled, reading)
}

/// The headers that are read of these lines, and what is behind the first empty line. A line break in a value begins another
/// header; a carriage return alone is passed over.
fn lines<'a>(headers: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Option<(Pairs, Vec<u8>)> {
    let mut bytes = Vec::new();
    for (name, value) in headers {
        bytes.extend([name, b": ", value, b"\r\n"].concat());
    }
    bytes.extend(b"\r\n");
    let mut read = Pairs::new();
    let mut rest = bytes.as_slice();
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line: Vec<u8> = rest[..end]
            .iter()
            .copied()
            .filter(|byte| *byte != b'\r')
            .collect();
        rest = &rest[end + 1..];
        if line.is_empty() {
            break;
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if !is_token(name) || has_control(value) {
            return None;
        }
        read.push((name.to_vec(), value.to_vec()));
    }
    Some((read, rest.to_vec()))
}

/// Digits and nothing else.
fn number(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = str::from_utf8(text).ok().filter(|_| digits)?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(status: u16, headers: &[(&str, &str)]) -> Judged {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        judge_reply(status, headers, false)
    }

    fn pairs(headers: &[(&str, &str)]) -> Pairs {
        let bytes = |text: &str| text.as_bytes().to_vec();
        let pairs = headers
            .iter()
            .map(|(name, value)| (bytes(name), bytes(value)));
        pairs.collect()
    }

    #[test]
    fn a_reply_that_is_no_http_is_refused() {
        for header in [
            ("a b", "c"),
            ("", "c"),
            ("ä", "c"),
            ("x", "\0"),
            ("x", "a\nno colon"),
            ("content-length", "abc"),
            ("content-length", "+5"),
            ("content-length", ""),
            ("transfer-encoding", "gzip"),
        ] {
            assert_eq!(judge(200, &[header]), Judged::Refused, "{header:?}");
        }
        let length = ("content-length", "5");
        assert_eq!(judge(200, &[length, length]), Judged::Refused);
        let chunks = ("transfer-encoding", "chunked");
        assert_eq!(judge(200, &[length, chunks]), Judged::Refused);
        assert_eq!(judge(204, &[length]), Judged::Refused);
        assert_eq!(judge(204, &[chunks]), Judged::Refused);
        assert_eq!(judge(200, &[("x", "1"); 101]), Judged::Refused);
    }

    #[test]
    fn a_length_says_what_is_read() {
        let length = [("Content-Length", "5")];
        let response = |reading| Judged::Response(pairs(&length), Vec::new(), reading);
        assert_eq!(judge(200, &length), response(Reading::Length(5)));
        assert_eq!(judge(304, &length), response(Reading::Nothing));
        let none = Judged::Response(Pairs::new(), Vec::new(), Reading::Nothing);
        assert_eq!(judge(204, &[("content-length", "0")]), none);
    }

    #[test]
    fn a_line_break_in_a_value_begins_another_header_of_a_reply() {
        let read = judge(200, &[("x", " a\r\nb: c"), ("y", "1\r2")]);
        let headers = pairs(&[("x", "a"), ("b", "c"), ("y", "12")]);
        assert_eq!(read, Judged::Response(headers, Vec::new(), Reading::All));
    }

    #[test]
    fn an_interim_response_is_none() {
        assert_eq!(judge(100, &[]), Judged::Interim);
        assert_eq!(judge(103, &[("link", "x")]), Judged::Interim);
        assert_ne!(judge(101, &[]), Judged::Interim);
    }
}
