//! What a client reads of the head of a response.

use crate::headers::HeaderMap;

use super::{has_control, header_lines, is_token};

/// The head of a response as its client reads it.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) headers: HeaderMap,
    /// What the client takes for the beginning of the body: the filter ended the head early.
    pub(crate) spilled: Vec<u8>,
}

/// Reads what Envoy writes. Over HTTP/1.1 it writes whatever a filter left, so that a line break in a value begins another
/// header. HTTP/2 has no lines.
pub(crate) fn received(headers: &HeaderMap, http2: bool) -> Received {
    let clean = |(name, value): (&[u8], &[u8])| {
        name.starts_with(b":") && !becomes_host(name) || is_clean(name, value)
    };
    if http2 || headers.iter().all(clean) {
        return Received {
            headers: headers.filtered(|name| !name.starts_with(b":")),
            spilled: Vec::new(),
        };
    }
    let (headers, spilled) = read(header_lines(headers));
    Received { headers, spilled }
}

/// The same for the trailers of a message over HTTP/1.1, which Envoy does not look at in either direction. What follows an
/// empty line belongs to no message.
pub(crate) fn received_trailers(trailers: HeaderMap, http2: bool) -> HeaderMap {
    if http2 || trailers.iter().all(|(name, value)| is_clean(name, value)) {
        return trailers;
    }
    read(trailers.iter()).0
}

/// Whether this arrives as the one header that it is.
fn is_clean(name: &[u8], value: &[u8]) -> bool {
    is_token(name) && !has_control(value) && value.trim_ascii().len() == value.len()
}

/// Reads lines up to the first empty one, and tells what is behind that.
fn read<'a>(lines: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> (HeaderMap, Vec<u8>) {
    // The end of the line in front.
    let mut bytes = b"\r\n".to_vec();
    for (name, value) in lines {
        bytes.extend([name, b": ", value, b"\r\n"].concat());
    }
    bytes.extend(b"\r\n");
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let spilled = bytes.split_off(end.map_or(bytes.len(), |end| end + 4));
    let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        Some((&line[..colon], line[colon + 1..].trim_ascii()))
    });
    (lines.collect(), spilled)
}

/// Envoy takes every name that begins like `:authority` for it (Envoy `StreamEncoderImpl::encodeHeadersBase`).
pub(super) fn becomes_host(name: &[u8]) -> bool {
    name.starts_with(b":a")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&str, &str)]) -> (Vec<(String, String)>, String) {
        let start = [(":status", "200")];
        let received = received(&start.iter().chain(headers).copied().collect(), false);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let pairs = received.headers.iter();
        (
            pairs
                .map(|(name, value)| (text(name), text(value)))
                .collect(),
            text(&received.spilled),
        )
    }

    #[test]
    fn a_line_break_in_a_value_begins_another_header_of_the_response() {
        let (headers, spilled) = read(&[("x", "a\r\nb: c"), ("y", "1\nno colon"), ("z", "\0")]);
        let pairs = [("x", "a"), ("b", "c"), ("y", "1"), ("z", "\0")];
        let expected = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(headers, expected);
        assert_eq!(spilled, "");
    }

    #[test]
    fn an_empty_line_in_a_value_ends_the_head() {
        let (headers, spilled) = read(&[("x", "a\r\n\r\nbody"), ("y", "1")]);
        assert_eq!(headers, [("x".to_owned(), "a".to_owned())]);
        assert_eq!(spilled, "body\r\ny: 1\r\n\r\n");
    }

    #[test]
    fn names_that_are_no_tokens_arrive_and_pseudo_headers_do_not() {
        let (headers, _) = read(&[("a b", "1"), (":foo", "2"), (":abc", "3"), ("ä", "4")]);
        let pairs = [("host", "3"), ("a b", "1"), ("ä", "4")];
        let expected = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(headers, expected);
    }

    #[test]
    fn over_http2_values_keep_the_space_around_them() {
        let headers: HeaderMap = [(":status", "200"), ("x", " a ")].into_iter().collect();
        let received = received(&headers, true);
        assert_eq!(received.headers.get("x"), Some(&b" a "[..]));
        assert_eq!(received.headers.len(), 1);
    }
}
