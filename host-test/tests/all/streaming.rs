//! Messages that come bit by bit: early replies, both directions at once, replies that break off, and the buffer limit.

use postern_host::{AnsweredBy, HeaderMap, Host, PluginId, Reply, Request, StreamId, StreamState};

use crate::guests::{builder, messages, started};

/// Logs each part: `q` or `s`, and its size and end flag; and the end of the stream.
const LOGS: &str = r#"
    (data (i32.const 1000) "qsover")
    (func $part (param $side i32) (param $size i32) (param $end i32) (result i32)
      (drop (call $log (i32.const 2) (i32.add (i32.const 1000) (local.get $side)) (i32.const 1)))
      (call $log_number (local.get $size)) (call $log_number (local.get $end)) (i32.const 0))
    (func (export "proxy_on_request_body") (param i32) (param $size i32) (param $end i32) (result i32)
      (call $part (i32.const 0) (local.get $size) (local.get $end)))
    (func (export "proxy_on_response_body") (param i32) (param $size i32) (param $end i32) (result i32)
      (call $part (i32.const 1) (local.get $size) (local.get $end)))
    (func (export "proxy_on_log") (param i32)
      (drop (call $log (i32.const 2) (i32.const 1002) (i32.const 4))))"#;

fn opened(guest: &str, request: Request) -> (Host, StreamId) {
    let (mut host, plugin): (Host, PluginId) = started(builder(guest).manual_upstream());
    let stream = host.open(plugin, request);
    (host, stream)
}

fn joined(host: &mut Host) -> String {
    messages(host).join(" ")
}

#[test]
fn a_reply_passes_the_filter_in_the_parts_in_which_it_comes() {
    let (mut host, stream) = opened(LOGS, Request::get("/"));
    host.upstream_replies(stream, Reply::ok().chunk("abc").unfinished());
    assert_eq!(joined(&mut host), "s 03 00");
    host.reply_body(stream, "de", false);
    assert_eq!(joined(&mut host), "s 02 00");
    assert_eq!(host.state(stream), StreamState::Paused, "more is to come");
    host.reply_body(stream, "", true);
    assert_eq!(joined(&mut host), "s 00 01 over");
    let exchange = host.finish(stream);
    assert_eq!(exchange.body_text(), "abcde");
    assert!(exchange.response.expect("there is one").complete);
}

#[test]
fn a_reply_with_trailers_ends_with_them_if_they_pass() {
    let (mut host, plugin) = started(builder(LOGS).manual_upstream().trailers(true));
    let stream = host.open(plugin, Request::get("/"));
    host.upstream_replies(stream, Reply::ok().chunk("abc").unfinished());
    let trailers: HeaderMap = [("x-t", "1")].into_iter().collect();
    host.reply_trailers(stream, trailers.clone());
    let response = host.finish(stream).response.expect("there is one");
    assert_eq!(
        (response.complete, response.trailers),
        (true, trailers.clone())
    );

    let (mut host, stream) = opened(LOGS, Request::get("/"));
    host.upstream_replies(stream, Reply::ok().chunk("abc").unfinished());
    host.reply_trailers(stream, trailers);
    assert_eq!(joined(&mut host), "s 03 00 s 00 01 over");
}

#[test]
fn an_upstream_may_answer_before_it_has_the_whole_request() {
    let (mut host, stream) = opened(LOGS, Request::post("/").chunk("ab").unfinished());
    host.upstream_replies(stream, Reply::ok().chunk("x").unfinished());
    host.send_body(stream, "cde", false);
    host.reply_body(stream, "yz", false);
    host.send_body(stream, "", true);
    host.reply_body(stream, "", true);
    assert_eq!(
        joined(&mut host),
        "q 02 00 s 01 00 q 03 00 s 02 00 q 00 01 s 00 01 over"
    );
    let exchange = host.finish(stream);
    assert_eq!(exchange.body_text(), "xyz");
    let request = exchange.upstream.expect("it left");
    assert_eq!(
        (request.body.as_slice(), request.complete),
        (&b"abcde"[..], true)
    );
}

#[test]
fn a_reply_that_ends_first_ends_the_stream() {
    let (mut host, stream) = opened(LOGS, Request::post("/").chunk("ab").unfinished());
    host.upstream_replies(stream, Reply::new(413));
    assert_eq!(host.state(stream), StreamState::Finished);
    host.send_body(stream, "cde", true);
    assert_eq!(joined(&mut host), "q 02 00 over");
    let exchange = host.finish(stream);
    assert_eq!(exchange.status(), 413);
    assert!(!exchange.upstream.expect("it left").complete);
}

#[test]
fn bytes_of_an_upgraded_connection_pass_the_body_callbacks() {
    let upgrade = Request::get("/")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket");
    let (mut host, stream) = opened(LOGS, upgrade);
    host.send_body(stream, "early", false);
    let granted = Reply::new(101)
        .header("connection", "upgrade")
        .header("upgrade", "websocket");
    host.upstream_replies(stream, granted);
    messages(&mut host);
    host.send_body(stream, "abc", false);
    host.reply_body(stream, "de", false);
    assert_eq!(joined(&mut host), "q 03 00 s 02 00");
    host.end_upgrade(stream);
    let exchange = host.finish(stream);
    assert_eq!(exchange.body_text(), "de");
    assert_eq!(exchange.upstream.expect("it left").body, b"abc");
}

#[test]
fn a_reply_that_breaks_off_is_cut_off_for_the_client_too() {
    let (mut host, stream) = opened(LOGS, Request::get("/"));
    host.upstream_replies(stream, Reply::ok().chunk("abc").unfinished());
    host.reply_breaks(stream);
    assert_eq!(joined(&mut host), "s 03 00 over");
    let exchange = host.finish(stream);
    assert_eq!(exchange.answered_by, AnsweredBy::Nobody);
    assert!(
        exchange
            .details
            .starts_with("upstream_reset_after_response_started")
    );
    assert!(!exchange.response.expect("it began").complete);
}

/// Holds bodies back to their ends.
const HOLDS: &str = r#"
    (func (export "proxy_on_request_body") (param i32 i32) (param $end i32) (result i32)
      (i32.eqz (local.get $end)))
    (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) (i32.const 1))
    (func (export "proxy_on_response_body") (param i32 i32) (param $end i32) (result i32)
      (i32.eqz (local.get $end)))"#;

#[test]
fn a_request_that_the_filter_holds_past_the_limit_is_a_413() {
    let limited = || {
        builder(HOLDS)
            .buffer_limit(4)
            .allow_on_headers_stop_iteration(true)
            .upstream(|_| Reply::ok().body("x"))
    };
    let (mut host, plugin) = started(limited());
    let exchange = host.request(plugin, Request::post("/").chunk("abcd"));
    assert_eq!(exchange.status(), 200, "the limit itself is not past it");
    let exchange = host.request(plugin, Request::post("/").chunk("abcd").chunk("e"));
    assert_eq!(
        (exchange.status(), exchange.body_text().as_str()),
        (413, "Payload Too Large")
    );
    assert_eq!(exchange.details, "request_payload_too_large");
    assert_eq!(exchange.answered_by, AnsweredBy::Host);
}

#[test]
fn a_response_that_the_filter_holds_past_the_limit_is_a_500() {
    let limited = builder(HOLDS)
        .buffer_limit(4)
        .allow_on_headers_stop_iteration(true)
        .upstream(|_| Reply::ok().chunk("abcde"));
    let (mut host, plugin) = started(limited);
    let exchange = host.request(plugin, Request::get("/"));
    let expected = (500, "Internal Server Error");
    assert_eq!((exchange.status(), exchange.body_text().as_str()), expected);
    assert_eq!(exchange.details, "response_payload_too_large");
}

#[test]
fn a_body_that_passes_at_once_has_no_limit() {
    let (mut host, plugin) = started(builder("").buffer_limit(4));
    let exchange = host.request(plugin, Request::post("/").body("abcdef"));
    assert_eq!(exchange.upstream.expect("it left").body, b"abcdef");
}
