//! Where a request goes: what Envoy's parser and connection manager accept.

use crate::codec;
use crate::headers::HeaderMap;
use crate::request::Request;

use super::Refusal;
use super::refusal::NOT_RELATIVE;

/// Envoy's default `max_request_headers_kb`.
const MAX_HEADER_BYTES: usize = 60 * 1024;
/// Envoy's default `max_headers_count`.
const MAX_HEADER_COUNT: usize = 100;
/// The methods that Envoy's HTTP/1 parser knows.
const HTTP1_METHODS: &[&str] = &[
    "ACL",
    "BIND",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LINK",
    "LOCK",
    "M-SEARCH",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MOVE",
    "NOTIFY",
    "OPTIONS",
    "PATCH",
    "POST",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "PUT",
    "REBIND",
    "REPORT",
    "SEARCH",
    "SOURCE",
    "SUBSCRIBE",
    "TRACE",
    "UNBIND",
    "UNLINK",
    "UNLOCK",
    "UNSUBSCRIBE",
];

pub(super) fn check_sizes(request: &Request) -> Result<(), Refusal> {
    let host = request
        .authority
        .as_ref()
        .map(|authority| authority.len() + 4);
    let bytes: usize = request
        .headers
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    let target = request.target.as_ref().map_or(0, Vec::len);
    if bytes + target + host.unwrap_or(0) > MAX_HEADER_BYTES {
        return Err(Refusal::TOO_LONG);
    }
    if request.headers.len() + usize::from(host.is_some()) > MAX_HEADER_COUNT {
        return Err(Refusal::TOO_MANY);
    }
    Ok(())
}

/// Writes the pseudo headers, in the order in which Envoy has them.
pub(super) fn start_line(request: &Request, headers: &mut HeaderMap) -> Result<(), Refusal> {
    let known = if request.http2 {
        codec::is_token(&request.method)
    } else {
        HTTP1_METHODS
            .iter()
            .any(|method| method.as_bytes() == request.method)
    };
    let scheme = request.scheme.as_deref().unwrap_or(b"http");
    let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    if !known || !scheme.iter().all(is_scheme) {
        return Err(Refusal::CODEC_ERROR);
    }
    let mut set = |name: &str, value: &[u8]| headers.append(name, value);
    let Some(target) = request.target.as_deref() else {
        request
            .authority
            .iter()
            .for_each(|authority| set(":authority", authority));
        set(":method", &request.method);
        set(":scheme", scheme);
        return Ok(());
    };
    check_path_bytes(target, request.http2)?;
    if request.http2 {
        // In the order in which the client sends them, which is up to it: this is that of the crate `h2`.
        set(":method", &request.method);
        set(":scheme", scheme);
        request
            .authority
            .iter()
            .for_each(|authority| set(":authority", authority));
        set(":path", target);
    } else if target.starts_with(b"/") || (target == b"*" && request.method == b"OPTIONS") {
        request
            .authority
            .iter()
            .for_each(|authority| set(":authority", authority));
        set(":path", target);
        set(":method", &request.method);
        set(":scheme", scheme);
    } else {
        let Absolute {
            scheme,
            authority,
            path,
        } = absolute(target)?;
        set(":authority", &authority);
        set(":scheme", &scheme);
        set(":path", &path);
        set(":method", &request.method);
    }
    Ok(())
}

struct Absolute {
    scheme: Vec<u8>,
    authority: Vec<u8>,
    path: Vec<u8>,
}

/// Splits `http://user@host/path` into scheme, `host` and `/path`; the user is dropped.
fn absolute(target: &[u8]) -> Result<Absolute, Refusal> {
    let at = target
        .windows(3)
        .position(|part| part == b"://")
        .ok_or(Refusal::malformed("http1.invalid_url"))?;
    let scheme = target[..at].to_ascii_lowercase();
    if scheme != b"http" && scheme != b"https" {
        return Err(Refusal::malformed("http1.invalid_scheme"));
    }
    let rest = &target[at + 3..];
    let end = rest
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?'))
        .unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority
        .rsplit(|byte| *byte == b'@')
        .next()
        .unwrap_or(authority);
    if host.is_empty() {
        return Err(Refusal::malformed("http1.invalid_url"));
    }
    // A query without a path stays one, and is refused.
    let path = if path.is_empty() { b"/" } else { path }.to_vec();
    Ok(Absolute {
        scheme,
        authority: host.to_vec(),
        path,
    })
}

/// Envoy's HTTP/1.1 parser takes printable ASCII only; its HTTP/2 codec hands bytes above ASCII on to the filters.
fn check_path_bytes(target: &[u8], http2: bool) -> Result<(), Refusal> {
    let passes = |byte: &u8| byte.is_ascii_graphic() || (http2 && !byte.is_ascii());
    if target.is_empty() || !target.iter().all(passes) {
        return Err(Refusal::CODEC_ERROR);
    }
    Ok(())
}

/// One length in digits, or none; in HTTP/1 none beside chunks, and no encoding but those.
pub(super) fn check_length(request: &Request) -> Result<(), Refusal> {
    let mut lengths = request
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case(b"content-length"))
        .map(|(_, value)| value);
    let encoding = request
        .headers
        .iter()
        .find(|(name, _)| !request.http2 && name.eq_ignore_ascii_case(b"transfer-encoding"))
        .map(|(_, value)| value);
    if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"chunked")) {
        return Err(Refusal::UNKNOWN_ENCODING);
    }
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(()),
        (Some(_), _) if encoding.is_some() => Err(Refusal::TWO_FRAMINGS),
        (Some(length), None) if !length.is_empty() && length.iter().all(u8::is_ascii_digit) => {
            Ok(())
        }
        _ => Err(Refusal::CODEC_ERROR),
    }
}

pub(crate) fn check_header(name: &[u8], value: &[u8]) -> Result<(), Refusal> {
    if !codec::is_token(name) {
        return Err(Refusal::CODEC_ERROR);
    }
    if value.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
        return Err(Refusal::INVALID_CHARACTERS);
    }
    Ok(())
}

pub(super) fn check(headers: &HeaderMap) -> Result<(), Refusal> {
    let connect = headers.get(":method") == Some(b"CONNECT");
    let Some(authority) = headers.get(":authority") else {
        return Err(Refusal::plain(400, "missing_host_header"));
    };
    let allowed =
        |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:%@[]".contains(byte);
    if !authority.iter().all(allowed) {
        return Err(Refusal::malformed("http.invalid_authority"));
    }
    match headers.get(":path") {
        None if connect => Ok(()),
        None => Err(Refusal::plain(404, "missing_path_rejected")),
        Some(path) if !path.starts_with(b"/") => Err(Refusal::plain(404, NOT_RELATIVE)),
        Some(path) if path.contains(&b'#') => Err(Refusal::plain(400, "path_normalization_failed")),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_byte_above_ascii_passes_over_http2_alone() {
        assert!(check_path_bytes(b"/\xfc", false).is_err());
        assert!(check_path_bytes(b"/\xfc", true).is_ok());
        for target in [&b""[..], b"/a b", b"/\x7f", b"/\t"] {
            assert!(
                check_path_bytes(target, true).is_err(),
                "{}",
                target.escape_ascii()
            );
        }
    }
}
