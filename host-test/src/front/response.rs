//! Responses on their way from the upstream to the client.

use std::collections::VecDeque;
use std::time::{Duration, UNIX_EPOCH};

use crate::headers::{HeaderMap, Joining};
use crate::names::Names;
use crate::request::Reply;

use super::{FrontSettings, Part};

/// Headers of the upstream's connection.
static CONNECTION_HEADERS: Names = Names::new(&[
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
]);
/// Headers that Envoy writes anew into every response; they say nothing about a filter.
static HIDDEN_FROM_TESTS: Names = Names::new(&["date", "server", "connection"]);

/// What a reply is to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// The method is HEAD.
    pub(crate) head: bool,
    pub(crate) upgrades: bool,
    pub(crate) http2: bool,
    /// How long the upstream had the whole request, in ns, if it had all of it.
    pub(crate) took: Option<u64>,
}

/// An upstream's reply as the filter gets it.
pub(crate) fn reply(
    reply: Reply,
    settings: &FrontSettings,
    asked: Asked,
) -> (HeaderMap, VecDeque<Part>) {
    let mut headers = HeaderMap::with_room(Joining::Response);
    headers.append(":status", reply.status.to_string());
    for (name, value) in &reply.headers {
        headers.append(name, value);
    }
    if !asked.http2 {
        headers.remove("keep-alive");
    }
    let has_body = reply.unfinished
        || !reply.trailers.is_empty()
        || reply.body.iter().any(|part| !part.is_empty());
    let framed = headers.contains("content-length") || headers.contains("transfer-encoding");
    if has_body && !framed && !reply.as_received && reply.status != 101 {
        // What a scripted upstream sends in parts is in chunks, and filters see that.
        headers.append("transfer-encoding", "chunked");
    }
    if settings.envoy_headers
        && let Some(took) = asked.took
    {
        let milliseconds = took / 1_000_000;
        headers.set("x-envoy-upstream-service-time", milliseconds.to_string());
    }
    let trailers = if settings.trailers {
        reply.trailers
    } else {
        HeaderMap::new()
    };
    if asked.upgrades && reply.status == 101 {
        // As in a request, the bytes that follow are passed on, be it none.
        let nothing = Part::Body(Vec::new(), false);
        return (headers, VecDeque::from([Part::Headers(false), nothing]));
    }
    if reply.unfinished && !asked.head && !matches!(reply.status, 204 | 304) {
        let sent = reply.body.into_iter().filter(|part| !part.is_empty());
        let mut parts = VecDeque::from([Part::Headers(false)]);
        parts.extend(sent.map(|part| Part::Body(part, false)));
        return (headers, parts);
    }
    if reply.status == 101 {
        // Nobody asked for it, and Envoy does not know that it has no body.
        let end = Part::Body(Vec::new(), true);
        return (headers, VecDeque::from([Part::Headers(false), end]));
    }
    let bodyless = asked.head
        || matches!(reply.status, 204 | 304)
        || (reply.body.iter().all(Vec::is_empty) && trailers.is_empty());
    let mut parts = VecDeque::from([Part::Headers(bodyless)]);
    if !bodyless {
        parts.extend(
            reply
                .body
                .into_iter()
                .filter(|part| !part.is_empty())
                .map(|part| Part::Body(part, false)),
        );
        parts.push_back(if trailers.is_empty() {
            Part::Body(Vec::new(), true)
        } else {
            Part::Trailers(trailers)
        });
    }
    (headers, parts)
}

/// Whether this answer to a WebSocket handshake ends it: all that is neither 101 nor an error does. Of such an answer Envoy
/// passes on the headers alone.
pub(crate) fn ends_handshake(request: &HeaderMap, status: u16) -> bool {
    let websocket = request
        .get("upgrade")
        .is_some_and(|kind| kind.eq_ignore_ascii_case(b"websocket"));
    websocket && status < 400 && status != 101
}

/// Makes of a response what Envoy sends: without the headers of the upstream's connection, with `date` and `server`.
pub(crate) fn send(headers: &mut HeaderMap, wall_clock: u64, closes: bool, upgrades: bool) {
    let upgraded = upgrades && super::is_upgrade(headers);
    headers.retain(|name| !CONNECTION_HEADERS.contains(name));
    if upgraded {
        headers.append("connection", "upgrade");
    } else {
        headers.remove("upgrade");
    }
    if !headers.contains("date") {
        headers.append(
            "date",
            httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_nanos(wall_clock)),
        );
    }
    headers.set("server", "envoy");
    if closes {
        headers.append("connection", "close");
    }
}

/// The headers that a client got, as a test wants to see them.
pub(crate) fn shown_to_tests(mut received: HeaderMap) -> HeaderMap {
    received.retain(|name| !HIDDEN_FROM_TESTS.contains(name));
    received
}
