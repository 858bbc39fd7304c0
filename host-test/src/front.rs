//! What Envoy does with a request before any filter sees it, and with a response after.
//!
//! Every rule and every answer here was probed in Envoy 1.40 with its default settings and `upgrade_configs`.

mod response;
mod target;

use std::collections::VecDeque;

pub(crate) use response::{ends_handshake, reply, send, to_client};
pub(crate) use target::check_header;

use crate::headers::{HeaderMap, Joining};
use crate::names::Names;
use crate::request::Request;

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
    "x-envoy-attempt-count",
    "x-envoy-retry-grpc-on",
    "x-forwarded-client-cert",
    "x-envoy-external-address",
    "x-envoy-is-timeout-retry",
    "x-envoy-decorator-operation",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-retriable-header-names",
    "x-envoy-retriable-status-codes",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-downstream-service-node",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-downstream-service-cluster",
    "x-envoy-upstream-stream-duration-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
]);
/// How Envoy calls a path that does not begin with a slash.
const NOT_RELATIVE: &str = "absolute_path_rejected";

/// What the front is set up to do.
#[derive(Clone, Debug)]
pub(crate) struct FrontSettings {
    pub(crate) trailers: bool,
    pub(crate) upgrade_types: Vec<String>,
    pub(crate) envoy_headers: bool,
}

/// Whether the headers ask for an upgrade, or grant one (Envoy `Http::Utility::isUpgrade`).
pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.get("upgrade").is_some_and(|kind| !kind.is_empty())
        && tokens(headers.get("connection"))
            .iter()
            .any(|token| token == "upgrade")
}

/// A part of a message on its way to a filter; the flag is `end_of_stream`.
#[derive(Debug)]
pub(crate) enum Part {
    Headers(bool),
    Body(Vec<u8>, bool),
    Trailers(HeaderMap),
}

impl Part {
    /// The bytes of body in it.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Body(bytes, _) => bytes.len(),
            Self::Headers(_) | Self::Trailers(_) => 0,
        }
    }
}

/// A request as the filter gets it.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) headers: HeaderMap,
    pub(crate) parts: VecDeque<Part>,
}

/// An answer that Envoy gives before the filter chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) body: &'static str,
    pub(crate) details: &'static str,
    /// Whether the parser gave up, so that not even an access log has the request's headers.
    malformed: bool,
}

impl Refusal {
    pub(crate) const CODEC_ERROR: Self = Self::malformed("http1.codec_error");
    pub(crate) const INVALID_CHARACTERS: Self = Self::malformed("http1.invalid_characters");
    pub(crate) const TWO_FRAMINGS: Self =
        Self::malformed("http1.content_length_and_chunked_not_allowed");
    pub(crate) const UNKNOWN_ENCODING: Self = Self {
        status: 501,
        body: "Not Implemented",
        ..Self::malformed("http1.invalid_transfer_encoding")
    };
    pub(crate) const LOW_VERSION: Self = Self {
        status: 426,
        body: "Upgrade Required",
        ..Self::malformed("low_version")
    };
    pub(crate) const TOO_LONG: Self = Self::too_large("http1.headers_too_large");
    pub(crate) const TOO_MANY: Self = Self::too_large("http1.too_many_headers");

    /// The answer to something that is no HTTP.
    const fn malformed(details: &'static str) -> Self {
        Self {
            status: 400,
            body: "Bad Request",
            details,
            malformed: true,
        }
    }

    const fn plain(status: u16, details: &'static str) -> Self {
        Self {
            status,
            body: "",
            details,
            malformed: false,
        }
    }

    const fn too_large(details: &'static str) -> Self {
        Self {
            status: 431,
            body: "Request Header Fields Too Large",
            details,
            malformed: true,
        }
    }

    /// Whether Envoy closes the connection with this answer.
    pub(crate) fn closes(&self) -> bool {
        self.details != NOT_RELATIVE
    }
}

/// Lets a request in as Envoy would. Of one that is not let in, the access log sees the headers that are returned.
pub(crate) fn admit(
    request: Request,
    settings: &FrontSettings,
    request_id: &str,
) -> Result<Admitted, (Refusal, HeaderMap)> {
    let mut headers = HeaderMap::with_room(Joining::Request);
    if let Err(refusal) = read_headers(&request, settings, request_id, &mut headers) {
        return Err((
            refusal,
            if refusal.malformed {
                HeaderMap::new()
            } else {
                headers
            },
        ));
    }
    let parts = parts(request, settings, &headers);
    Ok(Admitted { headers, parts })
}

fn read_headers(
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
    for (name, value) in &request.headers {
        target::check_header(name, value)?;
        let name: &[u8] = if name.eq_ignore_ascii_case(b"host") {
            b":authority"
        } else {
            name
        };
        headers.append(name, value);
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

/// Whether Envoy answers this request in gRPC's way.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get("content-type")
        .and_then(|value| value.strip_prefix(b"application/grpc"))
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
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
            headers.replace("te", "trailers");
        } else {
            headers.remove("te");
        }
    }
    Ok(())
}

fn add_envoy_headers(headers: &mut HeaderMap, request_id: &str) {
    if !headers.contains("x-forwarded-proto") {
        let scheme = headers.get(":scheme").unwrap_or_default().to_vec();
        headers.append("x-forwarded-proto", scheme);
    }
    if !headers.contains("x-request-id") {
        headers.append("x-request-id", request_id);
    }
}

/// HTTP/1 tells the end of a body in a part of its own; HTTP/2 with the last bytes.
fn parts(request: Request, settings: &FrontSettings, headers: &HeaderMap) -> VecDeque<Part> {
    let trailers = if settings.trailers || request.http2 {
        request.trailers
    } else {
        HeaderMap::new()
    };
    if headers.get(":method") == Some(b"CONNECT") {
        // What follows is not a body, and has no end that could be told.
        return VecDeque::from([Part::Headers(false)]);
    }
    if !request.http2 && is_upgrade(headers) {
        // The bytes that follow are the new protocol's. Envoy passes on those that are there, be it none.
        return VecDeque::from([Part::Headers(false), Part::Body(Vec::new(), false)]);
    }
    if request.unfinished {
        let sent = request.body.into_iter().filter(|part| !part.is_empty());
        let mut parts = VecDeque::from([Part::Headers(false)]);
        parts.extend(sent.map(|part| Part::Body(part, false)));
        return parts;
    }
    let declared_empty = headers.get("content-length") == Some(b"0");
    let bodyless = trailers.is_empty() && (request.body.is_empty() || declared_empty);
    let mut parts = VecDeque::from([Part::Headers(bodyless)]);
    if bodyless {
        return parts;
    }
    let last = request.body.len().saturating_sub(1);
    for (index, part) in request.body.into_iter().enumerate() {
        let end = request.http2 && trailers.is_empty() && index == last;
        if !part.is_empty() || end {
            parts.push_back(Part::Body(part, end));
        }
    }
    if !trailers.is_empty() {
        parts.push_back(Part::Trailers(trailers));
    } else if !request.http2 {
        parts.push_back(Part::Body(Vec::new(), true));
    }
    parts
}

fn tokens(value: Option<&[u8]>) -> Vec<String> {
    String::from_utf8_lossy(value.unwrap_or_default())
        .split(',')
        .map(|token| token.trim().to_ascii_lowercase())
        .filter(|token| !token.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> FrontSettings {
        FrontSettings {
            trailers: false,
            upgrade_types: vec!["websocket".to_owned()],
            envoy_headers: true,
        }
    }

    fn admitted(request: Request) -> HeaderMap {
        admit(request, &settings(), "id").expect("admitted").headers
    }

    fn refused(request: Request) -> (u16, &'static str) {
        let (refusal, _headers) = admit(request, &settings(), "id").expect_err("refused");
        (refusal.status, refusal.details)
    }

    #[test]
    fn a_plain_request_has_the_headers_of_envoy_in_its_order() {
        let headers = admitted(
            Request::get("/a?b=1")
                .authority("Ex.com:80")
                .header("User-Agent", "x"),
        );
        let expected = [
            (":authority", "Ex.com:80"),
            (":path", "/a?b=1"),
            (":method", "GET"),
            (":scheme", "http"),
            ("user-agent", "x"),
            ("x-forwarded-proto", "http"),
            ("x-request-id", "id"),
        ];
        assert_eq!(headers, expected.into_iter().collect());
    }

    #[test]
    fn an_absolute_target_replaces_the_authority_and_loses_its_user() {
        let headers = admitted(Request::get("http://u:p@h.example:81?q").authority("other"));
        assert_eq!(headers.text(":authority").as_deref(), Some("h.example:81"));
        assert_eq!(headers.text(":path").as_deref(), Some("/?q"));
    }

    #[test]
    fn two_host_headers_are_joined() {
        assert_eq!(
            admitted(Request::get("/").authority("a").header("host", "b"))
                .text(":authority")
                .as_deref(),
            Some("a,b")
        );
    }

    #[test]
    fn envoy_answers_malformed_targets_itself() {
        assert_eq!(
            refused(Request::get("/a#b")),
            (400, "path_normalization_failed")
        );
        assert_eq!(refused(Request::get("*")), (400, "http1.invalid_url"));
        assert_eq!(
            refused(Request::options("*")),
            (404, "absolute_path_rejected")
        );
        assert_eq!(refused(Request::get("foo")), (400, "http1.invalid_url"));
        assert_eq!(
            refused(Request::get("ftp://h/p")),
            (400, "http1.invalid_scheme")
        );
        assert_eq!(refused(Request::get(b"/\xff")), (400, "http1.codec_error"));
        assert_eq!(
            refused(Request::get("/").without_authority()),
            (400, "missing_host_header")
        );
        assert_eq!(
            refused(Request::get("/").authority("a/b")),
            (400, "http.invalid_authority")
        );
        assert_eq!(
            refused(Request::new("get", "/")),
            (400, "http1.codec_error")
        );
    }

    #[test]
    fn a_body_has_one_length_in_digits() {
        let twice = Request::post("/")
            .header("content-length", "3")
            .header("Content-Length", "3");
        assert_eq!(refused(twice), (400, "http1.codec_error"));
        assert_eq!(
            refused(Request::post("/").header("content-length", "x")),
            (400, "http1.codec_error")
        );
    }

    #[test]
    fn too_many_or_too_long_headers_are_refused() {
        let many = |count| {
            (0..count).fold(Request::get("/"), |request, n| {
                request.header(format!("h{n}"), "1")
            })
        };
        assert_eq!(admitted(many(99)).len(), 105);
        assert_eq!(refused(many(100)), (431, "http1.too_many_headers"));
        assert_eq!(
            refused(Request::get("/").header("x", vec![b'a'; 61_500])),
            (431, "http1.headers_too_large")
        );
    }

    #[test]
    fn an_upgrade_passes_only_if_it_is_allowed() {
        let upgrade = |kind: &str| {
            Request::get("/")
                .header("connection", "Upgrade")
                .header("upgrade", kind)
        };
        assert_eq!(
            admitted(upgrade("WebSocket")).text("upgrade").as_deref(),
            Some("WebSocket")
        );
        assert_eq!(refused(upgrade("foo")), (403, "upgrade_failed"));
        let h2c = Request::get("/")
            .header("connection", "Upgrade, HTTP2-Settings")
            .header("upgrade", "h2c")
            .header("http2-settings", "AAMAAABkAAQAAP__");
        assert_eq!(admitted(h2c).len(), 6);
        assert!(!admitted(Request::get("/").header("upgrade", "foo")).contains("upgrade"));
    }

    #[test]
    fn headers_of_the_connection_and_of_the_router_do_not_arrive() {
        let headers = admitted(
            Request::get("/")
                .header("TE", "trailers, gzip")
                .header("Keep-Alive", "5")
                .header("Connection", "close, x-foo")
                .header("x-foo", "1")
                .header("x-envoy-retry-on", "5xx"),
        );
        assert_eq!(headers.len(), 7);
        assert_eq!(headers.text("te").as_deref(), Some("trailers"));
    }

    #[test]
    fn grpc_is_told_by_its_content_type() {
        let is = |value: &str| is_grpc(&[("content-type", value)].into_iter().collect());
        assert!(is("application/grpc") && is("application/grpc+proto") && is("application/grpc;x"));
        assert!(!is("application/grpc-web") && !is("application/json"));
    }
}
