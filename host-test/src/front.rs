//! What Envoy does with a request before any filter sees it, and with a response after.
//!
//! Every rule and every answer here was probed in Envoy 1.40 with its default settings and `upgrade_configs`.

mod headers;
mod refusal;
mod response;
mod target;

use std::collections::{BTreeMap, VecDeque};

pub(crate) use headers::{is_grpc, is_upgrade};
pub(crate) use refusal::Refusal;
pub(crate) use response::{Asked, ends_handshake, reply, send, shown_to_tests};
pub(crate) use target::check_header;

use crate::headers::{HeaderMap, Joining};
use crate::request::Request;

/// What the front is set up to do.
#[derive(Clone, Debug)]
pub(crate) struct FrontSettings {
    pub(crate) trailers: bool,
    pub(crate) upgrade_types: Vec<String>,
    pub(crate) envoy_headers: bool,
}

/// A part of a message on its way to a filter; the flag is `end_of_stream`.
#[derive(Debug)]
pub(crate) enum Part {
    Headers(bool),
    Body(Vec<u8>, bool),
    Trailers(HeaderMap),
    /// A METADATA frame of HTTP/2.
    Metadata(Metadata),
}

/// The entries of a METADATA frame. Of equal names the first counts.
pub(crate) type Metadata = BTreeMap<Vec<u8>, Vec<u8>>;

impl Part {
    /// The bytes of body in it.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Body(bytes, _) => bytes.len(),
            Self::Headers(_) | Self::Trailers(_) | Self::Metadata(_) => 0,
        }
    }
}

/// A request as the filter gets it.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) headers: HeaderMap,
    pub(crate) parts: VecDeque<Part>,
    /// The client wants its connection closed behind the answer.
    pub(crate) closes: bool,
}

/// Lets a request in as Envoy would. Of one that is not let in, the access log sees the headers that are returned.
pub(crate) fn admit(
    request: Request,
    settings: &FrontSettings,
    request_id: &str,
) -> Result<Admitted, (Refusal, HeaderMap)> {
    let mut headers = HeaderMap::with_room(Joining::Request);
    if let Err(refusal) = headers::read(&request, settings, request_id, &mut headers) {
        return Err((
            refusal,
            if refusal.malformed_request() {
                HeaderMap::new()
            } else {
                headers
            },
        ));
    }
    let closes = headers::says_close(&request);
    let parts = parts(request, settings, &headers);
    Ok(Admitted {
        headers,
        parts,
        closes,
    })
}

/// HTTP/1 tells the end of a body in a part of its own; HTTP/2 with the last bytes.
fn parts(request: Request, settings: &FrontSettings, headers: &HeaderMap) -> VecDeque<Part> {
    let trailers = if settings.trailers || request.http2 {
        request.trailers
    } else {
        HeaderMap::new()
    };
    if !request.http2 && headers.get(":method") == Some(b"CONNECT") {
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
    let declared_empty = !request.http2 && headers.get("content-length") == Some(b"0");
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
        let headers = admitted(Request::get("http://u:p@h.example:81/?q").authority("other"));
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
    fn what_cannot_stand_on_the_wire_is_answered_by_the_codec() {
        for request in [
            Request::new("G ET\r\nx", "/"),
            Request::new("G ET\r\nx", "/").http2(),
            Request::new("", "/").http2(),
            Request::get("/").http2().scheme("h t\n"),
            Request::get("/").header("a b", "1"),
            Request::get("/").http2().header("a b", "1"),
        ] {
            assert_eq!(refused(request), (400, "http1.codec_error"));
        }
        assert_eq!(
            refused(Request::get("/").header("a", "x\r\ny")),
            (400, "http1.invalid_characters")
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
