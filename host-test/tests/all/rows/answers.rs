//! Local responses.

use postern_host::{AnsweredBy, Reply, Request, Route};

use super::{at, said};
use crate::guests::{builder, messages, started};

#[test]
fn of_two_local_responses_the_first_is_sent_under_the_details_of_the_second() {
    let respond = |status: u32, details: u32| {
        format!(
            "(drop (call $respond (i32.const {status}) (i32.const {details}) (i32.const 3) (i32.const 0) (i32.const 0)
              (i32.const 1020) (i32.const 32) (i32.const -1)))"
        )
    };
    let guest = format!(
        r#"(data (i32.const 1000) "one") (data (i32.const 1010) "two")
        (data (i32.const 1020) "\02\00\00\00\01\00\00\00\01\00\00\00\01\00\00\00\01\00\00\00x\001\00x\002\00") {}"#,
        at("request", &[respond(401, 1000), respond(403, 1010)].concat())
    )
    .replace("(i32.const 32) (i32.const -1)", "(i32.const 28) (i32.const -1)");
    let (mut host, plugin) = started(builder(&guest));
    let exchange = host.request(plugin, Request::get("/"));
    assert_eq!((exchange.status(), exchange.details.as_str()), (401, "two"));
    let response = exchange.response.expect("an answer");
    assert_eq!(
        response.headers.all("x"),
        [b"1", b"2"],
        "both values are sent"
    );
    assert!(!response.headers.contains("grpc-status"));
}

/// Answers 403 with nothing but that.
const RESPOND: &str =
    "(drop (call $respond (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
    (i32.const 0) (i32.const 0) (i32.const -1)))";

#[test]
fn a_local_response_waits_for_the_end_of_the_callback_whose_answer_is_ignored() {
    let still = "(call $log_number (call $map_size (i32.const 0) (i32.const 8)))";
    let guest = at("request", &[RESPOND, still].concat());
    let (mut host, plugin) = started(builder(&guest));
    let exchange = host.request(plugin, Request::get("/"));
    assert_eq!(
        messages(&mut host),
        ["00"],
        "the request is there as before"
    );
    assert_eq!(
        (exchange.status(), exchange.answered_by),
        (403, AnsweredBy::Filter)
    );
    assert!(exchange.upstream.is_none(), "it answered Continue");
}

#[test]
fn an_answer_at_the_body_comes_when_the_upstream_has_the_headers() {
    let guest = format!(
        r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
          (if (local.get 2) (then {RESPOND})) (i32.const 1))"#
    );
    let (mut host, plugin) = started(builder(&guest));
    let request = Request::post("/")
        .header("authorization", "Bearer SECRET")
        .body("abc");
    let exchange = host.request(plugin, request);
    assert_eq!(exchange.status(), 403);
    let upstream = exchange.upstream.expect("its headers had left");
    assert_eq!(
        upstream.headers.text("authorization").as_deref(),
        Some("Bearer SECRET")
    );
    assert_eq!(
        (upstream.body.as_slice(), upstream.complete),
        (b"".as_slice(), false)
    );
}

#[test]
fn a_filter_that_waits_for_a_body_that_there_is_not_waits_for_ever() {
    let guest = format!(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))
        (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) {RESPOND} (i32.const 1))"#
    );
    let builder = builder(&guest).allow_on_headers_stop_iteration(true);
    let (mut host, plugin) = started(builder);
    let exchange = host.request(plugin, Request::get("/"));
    assert!(exchange.response.is_none());
    assert_eq!(exchange.callbacks.len(), 1, "no callback about a body");
}

#[test]
fn a_filter_may_let_the_stream_go_on_and_then_pause() {
    let guest = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (drop (call $continue (i32.const 0))) (i32.const 1))"#;
    let (mut host, plugin) = started(builder(guest));
    assert_eq!(host.request(plugin, Request::get("/")).status(), 200);
}

#[test]
fn a_direct_response_comes_before_an_answer_at_the_body() {
    let guest = format!(
        r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) {RESPOND} (i32.const 1))"#
    );
    let route = Route::prefix("/").direct_response(418, "tea");
    let (mut host, plugin) = started(builder(&guest).route(route));
    let exchange = host.request(plugin, Request::post("/").body("abc"));
    assert_eq!(
        (exchange.status(), exchange.answered_by),
        (418, AnsweredBy::Host)
    );
}

#[test]
fn an_answer_to_a_response_whose_headers_are_held_takes_its_place() {
    let guest = at("response", RESPOND);
    let upstream = |_: &_| Reply::ok().header("x-secret", "1").body("secret");
    let (mut host, plugin) = started(builder(&guest).upstream(upstream));
    let exchange = host.request(plugin, Request::get("/"));
    assert_eq!((exchange.status(), exchange.body()), (403, b"".as_slice()));
    assert_eq!(exchange.header("x-secret"), None);
    assert_eq!(said(&guest, Request::get("/")), Vec::<String>::new());
}
