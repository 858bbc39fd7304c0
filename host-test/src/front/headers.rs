//! Which headers of a request are let in, which are taken away, and which Envoy adds.

use crate::headers::HeaderMap;
use crate::names::Names;
use crate::request::Request;

use super::{FrontSettings, Refusal, target};

/// Headers that tell Envoy's router what to do; a client from outside is not to send them.
static REMOVED_FROM_CLIENTS: Names = Names::new(&[
    "keep-alive",
    "x-envoy-ip-tags",
    "proxy-connection",
    "x-envoy-internal",
    "x-envoy-retry-on",
    "transfer-encoding",
    "x-envoy-force-trace",
    "x-envoy-max-retries",
    "x-envoy-original-url",
    "x-envoy-retry-grpc-on",
    "x-forwarded-client-cert",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-retriable-header-names",
    "x-envoy-retriable-status-codes",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-upstream-stream-duration-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
]);

/// Whether the headers ask for an upgrade, or grant one (Envoy `Http::Utility::isUpgrade`).
pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.get("upgrade").is_some_and(|kind| !kind.is_empty())
        && tokens(headers.get("connection"))
            .iter()
            .any(|token| token == "upgrade")
}

/// Whether Envoy answers this request in gRPC's way.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get("content-type")
        .and_then(|value| value.strip_prefix(b"application/grpc"))
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// Reads the headers of a request as Envoy lets them in.
pub(super) fn read(
    request: &Request,
    settings: &FrontSettings,
    request_id: &str,
    headers: &mut HeaderMap,
) -> Result<(), Refusal> {
    if let Some(refusal) = request.refusal {
        return Err(refusal);
    }
    target::check_sizes(request)?;
    target::check_length(request)?;
    target::start_line(request, headers)?;
    let mut crumbs = Vec::new();
    for (name, value) in &request.headers {
        target::check_header(name, value)?;
        let value = if request.http2 { value } else { trimmed(value) };
        if request.http2 && name.eq_ignore_ascii_case(b"cookie") {
            crumbs.push(value);
        } else if !name.eq_ignore_ascii_case(b"host") {
            headers.append(name, value);
        } else if !request.http2 || !headers.contains(":authority") {
            headers.append(":authority", value);
        }
    }
    if !crumbs.is_empty() {
        // RFC 9113, section 8.2.3; behind all others, as Envoy's codec has it.
        headers.append("cookie", crumbs.join(&b"; "[..]));
    }
    if request.http2 && !headers.contains(":authority") {
        return Err(Refusal::RESET);
    }
    if let Err(refusal) = target::check(headers) {
        headers.remove(":scheme");
        return Err(refusal);
    }
    let upgrade = strip_connection_headers(headers, settings);
    headers.retain(|name| !REMOVED_FROM_CLIENTS.contains(name));
    if headers
        .get("expect")
        .is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"))
    {
        headers.remove("expect");
    }
    if settings.envoy_headers {
        add_envoy_headers(headers, request_id);
    }
    upgrade
}

/// `connection` and what it names go, but for an upgrade that is allowed.
fn strip_connection_headers(
    headers: &mut HeaderMap,
    settings: &FrontSettings,
) -> Result<(), Refusal> {
    let nominated = tokens(headers.get("connection"));
    let upgrades = nominated.iter().any(|token| token == "upgrade");
    let kind = headers
        .text("upgrade")
        .filter(|kind| !kind.is_empty())
        .map(|kind| kind.to_ascii_lowercase());
    match kind {
        Some(kind) if upgrades && kind != "h2c" => {
            if !settings
                .upgrade_types
                .iter()
                .any(|allowed| allowed.eq_ignore_ascii_case(&kind))
            {
                return Err(Refusal::plain(403, "upgrade_failed"));
            }
        }
        _ => {
            for name in nominated.iter().filter(|name| *name != "te") {
                if name.starts_with(':') || name.starts_with("x-forwarded-") {
                    return Err(Refusal::malformed("http1.connection_header_rejected"));
                }
                headers.remove(name);
            }
            headers.remove("connection");
            headers.remove("upgrade");
        }
    }
    if headers.contains("te") {
        if tokens(headers.get("te"))
            .iter()
            .any(|token| token == "trailers")
        {
            headers.set("te", "trailers");
        } else {
            headers.remove("te");
        }
    }
    Ok(())
}

fn add_envoy_headers(headers: &mut HeaderMap, request_id: &str) {
    if !headers.contains("x-forwarded-proto") {
        // That of the connection, whatever `:scheme` says.
        headers.append("x-forwarded-proto", "http");
    }
    if !headers.contains("x-request-id") {
        headers.append("x-request-id", request_id);
    }
}

/// A value of HTTP/1.1 without the white space around it (RFC 9110, section 5.6.3).
fn trimmed(value: &[u8]) -> &[u8] {
    let outside = |byte: &u8| !matches!(byte, b' ' | b'\t');
    let start = value.iter().position(outside).unwrap_or(value.len());
    let end = value.iter().rposition(outside).map_or(start, |at| at + 1);
    &value[start..end]
}

/// Whether the client closes its connection behind this request (Envoy `HeaderUtility::shouldCloseConnection`).
pub(super) fn says_close(request: &Request) -> bool {
    let of_connection = |name: &[u8]| {
        name.eq_ignore_ascii_case(b"connection") || name.eq_ignore_ascii_case(b"proxy-connection")
    };
    let mut headers = request.headers.iter();
    !request.http2
        && headers.any(|(name, value)| {
            of_connection(name) && tokens(Some(value)).iter().any(|token| token == "close")
        })
}

fn tokens(value: Option<&[u8]>) -> Vec<String> {
    String::from_utf8_lossy(value.unwrap_or_default())
        .split(',')
        .map(|token| token.trim().to_ascii_lowercase())
        .filter(|token| !token.is_empty())
        .collect()
}
