//! Bodies, trailers and pauses.

use std::time::Duration;

use postern_host::{AnsweredBy, Reply, Request, StreamState};

use crate::guests::{builder, messages, started};

/// Pauses at headers; with the body's end, answers or lets go, as the guest text says.
fn pauses_at_headers(at_end: &str) -> String {
    format!(
        r#"
        (data (i32.const 1000) "done")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))
        (func (export "proxy_on_request_body") (param $id i32) (param $size i32) (param $end i32) (result i32)
          (call $log_number (local.get $size))
          (call $log_number (local.get $end))
          (if (local.get $end) (then {at_end}))
          (i32.const 1))"#
    )
}

const RESPOND: &str = r#"(drop (call $respond (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 4)
    (i32.const 0) (i32.const 0) (i32.const -1)))"#;

#[test]
fn a_filter_that_pauses_at_headers_never_sees_the_body_by_default() {
    let (mut host, plugin) = started(builder(&pauses_at_headers(RESPOND)));
    let exchange = host.request(plugin, Request::post("/").body("abc"));
    assert!(exchange.response.is_none(), "the client waits for ever");
    assert_eq!(messages(&mut host), Vec::<String>::new());
}

#[test]
fn with_the_flag_it_sees_the_body_and_can_answer() {
    let builder = builder(&pauses_at_headers(RESPOND)).allow_on_headers_stop_iteration(true);
    let (mut host, plugin) = started(builder);
    let exchange = host.request(plugin, Request::post("/").body("abc"));
    assert_eq!(
        (exchange.status(), exchange.body_text().as_str()),
        (200, "done")
    );
    assert!(exchange.upstream.is_none());
    assert_eq!(
        messages(&mut host),
        ["03", "00", "03", "01"],
        "HTTP/1 tells the end in a call of its own"
    );
}

#[test]
fn http2_tells_the_end_with_the_last_bytes() {
    let builder =
        builder(&pauses_at_headers("(return (i32.const 0))")).allow_on_headers_stop_iteration(true);
    let (mut host, plugin) = started(builder);
    let exchange = host.request(plugin, Request::post("/").chunk("abc").chunk("de").http2());
    assert_eq!(exchange.upstream.expect("let go").body, b"abcde");
    assert_eq!(messages(&mut host), ["03", "00", "05", "01"]);
}

#[test]
fn a_body_can_be_rewritten_on_its_way() {
    let (mut host, plugin) = started(builder(
        r#"
        (data (i32.const 1000) "xy")
        (func (export "proxy_on_request_body") (param $id i32) (param $size i32) (param $end i32) (result i32)
          (if (i32.eqz (local.get $end)) (then (return (i32.const 1))))
          (drop (call $set_buffer (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 1000) (i32.const 2)))
          (i32.const 0))"#,
    ));
    let exchange = host.request(plugin, Request::post("/").chunk("abc"));
    let upstream = exchange.upstream.expect("let go");
    assert_eq!(
        (upstream.body.as_slice(), upstream.complete),
        (b"xybc".as_slice(), true)
    );
    let exchange = host.request(plugin, Request::post("/").body("abc"));
    let upstream = exchange.upstream.expect("let go");
    assert_eq!(
        upstream.body, b"xyb",
        "the length is still that of the client"
    );
}

#[test]
fn trailers_of_http1_pass_only_if_they_are_enabled() {
    let request = || Request::post("/").chunk("abc").trailer("x-t", "1");
    let guest = r#"
        (data (i32.const 1000) "x-t")
        (func (export "proxy_on_request_trailers") (param i32 i32) (result i32)
          (drop (call $remove (i32.const 1) (i32.const 1000) (i32.const 3)))
          (i32.const 0))"#;
    let (mut host, plugin) = started(builder("").trailers(true));
    let trailers = host
        .request(plugin, request())
        .upstream
        .expect("arrived")
        .trailers;
    assert_eq!(trailers.text("x-t").as_deref(), Some("1"));
    let (mut host, plugin) = started(builder(guest).trailers(true));
    assert!(
        host.request(plugin, request())
            .upstream
            .expect("arrived")
            .trailers
            .is_empty()
    );
    let (mut host, plugin) = started(builder(""));
    assert!(
        host.request(plugin, request())
            .upstream
            .expect("arrived")
            .trailers
            .is_empty()
    );
    assert_eq!(
        host.request(plugin, request().http2())
            .upstream
            .expect("arrived")
            .trailers
            .len(),
        1
    );
}

#[test]
fn a_body_that_comes_later_reaches_a_filter_that_waits_for_it() {
    let builder = builder(&pauses_at_headers(RESPOND)).allow_on_headers_stop_iteration(true);
    let (mut host, plugin) = started(builder);
    let stream = host.open(plugin, Request::post("/").chunk("a").unfinished());
    host.send_body(stream, "bc", false);
    assert_eq!(host.state(stream), StreamState::Paused);
    host.send_body(stream, "", true);
    assert_eq!(host.finish(stream).body_text(), "done");
    assert_eq!(messages(&mut host), ["01", "00", "03", "00", "03", "01"]);
}

#[test]
fn without_the_flag_the_body_waits_behind_the_headers() {
    let (mut host, plugin) = started(builder(&pauses_at_headers(RESPOND)));
    let stream = host.open(plugin, Request::post("/").unfinished());
    host.send_body(stream, "abc", false);
    host.send_body(stream, "", true);
    assert_eq!(host.state(stream), StreamState::Paused);
    assert_eq!(messages(&mut host), Vec::<String>::new());
    host.disconnect(stream);
}

/// Holds every request, and answers the last one from its second tick on.
const OVERDUE: &str = r#"
    (data (i32.const 1000) "late")
    (global $held (mut i32) (i32.const 0))
    (global $ticks (mut i32) (i32.const 0))
    (func (export "proxy_on_configure") (param i32 i32) (result i32)
      (drop (call $tick_every (i32.const 1000))) (i32.const 1))
    (func (export "proxy_on_request_headers") (param $id i32) (param i32 i32) (result i32)
      (global.set $held (local.get $id)) (i32.const 1))
    (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (i32.const 1))
    (func (export "proxy_on_tick") (param i32)
      (global.set $ticks (i32.add (global.get $ticks) (i32.const 1)))
      (if (i32.ge_u (global.get $ticks) (i32.const 2)) (then
        (drop (call $act_as (global.get $held)))
        (drop (call $respond (i32.const 408) (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 4)
          (i32.const 0) (i32.const 0) (i32.const -1))))))"#;

#[test]
fn a_tick_answers_a_stream_that_is_held_with_its_body_under_way() {
    for flag in [false, true] {
        let builder = builder(OVERDUE).allow_on_headers_stop_iteration(flag);
        let (mut host, plugin) = started(builder);
        let stream = host.open(plugin, Request::post("/").chunk("a").unfinished());
        host.advance(Duration::from_millis(1_999));
        assert_eq!(host.state(stream), StreamState::Paused);
        host.advance(Duration::from_millis(1));
        assert_eq!(host.state(stream), StreamState::Finished);
        host.send_body(stream, "too late", true);
        let exchange = host.finish(stream);
        assert_eq!(
            (exchange.status(), exchange.body_text().as_str()),
            (408, "late")
        );
        assert_eq!(exchange.answered_by, AnsweredBy::Filter);
        assert!(exchange.upstream.is_none());
    }
}

#[test]
fn trailers_that_come_later_pass_only_if_they_are_enabled() {
    for enabled in [false, true] {
        let (mut host, plugin) = started(builder("").trailers(enabled));
        let stream = host.open(plugin, Request::post("/").unfinished());
        host.send_body(stream, "abc", false);
        host.send_trailers(stream, [("x-t", "1")].into_iter().collect());
        let upstream = host.finish(stream).upstream.expect("arrived");
        assert_eq!(
            (upstream.complete, upstream.body.as_slice()),
            (true, b"abc".as_slice())
        );
        assert_eq!(upstream.trailers.len(), usize::from(enabled));
    }
}

#[test]
fn a_client_that_leaves_ends_its_paused_stream() {
    let (mut host, plugin) = started(builder(
        r#"
        (data (i32.const 1000) "bye")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))
        (func (export "proxy_on_log") (param i32) (drop (call $log (i32.const 2) (i32.const 1000) (i32.const 3))))"#,
    ));
    let stream = host.open(plugin, Request::get("/"));
    assert_eq!(host.state(stream), StreamState::Paused);
    host.disconnect(stream);
    assert_eq!(host.state(stream), StreamState::Finished);
    let exchange = host.finish(stream);
    assert_eq!(exchange.answered_by, AnsweredBy::Nobody);
    assert_eq!(exchange.details, "downstream_remote_disconnect");
    assert_eq!(exchange.log[0].message, "bye");
    let names: Vec<_> = exchange
        .callbacks
        .iter()
        .map(|callback| callback.name)
        .collect();
    assert_eq!(names, ["proxy_on_request_headers", "proxy_on_log"]);
}

#[test]
fn the_caller_can_play_the_upstream() {
    let (mut host, plugin) = started(builder("").manual_upstream());
    let stream = host.open(plugin, Request::get("/x"));
    let StreamState::AwaitingUpstream(request) = host.state(stream) else {
        panic!("the request has left")
    };
    assert_eq!(request.headers.text(":path").as_deref(), Some("/x"));
    host.upstream_replies(stream, Reply::new(204));
    assert_eq!(host.finish(stream).status(), 204);
}

#[test]
fn an_upstream_that_breaks_off_is_a_503_of_the_host() {
    let (mut host, plugin) = started(builder("").upstream(|_| Reply::reset()));
    let exchange = host.request(plugin, Request::get("/"));
    assert_eq!(
        (exchange.status(), exchange.answered_by),
        (503, AnsweredBy::Host)
    );
}
