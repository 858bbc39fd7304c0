//! Answers that guests give themselves.

use postern_host::{AnsweredBy, Reply, Request};

use crate::guests::{builder, started};

const DENIES: &str = r#"
    (data (i32.const 1000) "not allowed\n")
    (data (i32.const 1020) "no entry")
    (data (i32.const 1040)
      "\02\00\00\00\01\00\00\00\01\00\00\00\01\00\00\00\01\00\00\00a\001\00a\002\00")
    (data (i32.const 1100) "a")
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (drop (call $respond (i32.const 403) (i32.const 1000) (i32.const 11) (i32.const 1020) (i32.const 8)
        (i32.const 1040) (i32.const 28) (i32.const -1)))
      (i32.const 0))
    (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
      (drop (call $add (i32.const 2) (i32.const 1100) (i32.const 1) (i32.const 1040) (i32.const 0)))
      (i32.const 0))"#;

#[test]
fn the_client_gets_the_answer_and_the_upstream_nothing() {
    let (mut host, plugin) = started(builder(DENIES));
    let exchange = host.request(
        plugin,
        Request::post("/")
            .header("content-length", "3")
            .chunk("abc"),
    );
    assert_eq!(
        (exchange.status(), exchange.body_text().as_str()),
        (403, "no entry")
    );
    assert_eq!(exchange.answered_by, AnsweredBy::Filter);
    assert_eq!(exchange.details, "not_allowed");
    assert!(exchange.upstream.is_none());
    let headers = exchange.response.expect("answered").headers;
    let expected = [
        ("a", "1"),
        ("a", "2"),
        ("content-length", "8"),
        ("content-type", "text/plain"),
        ("a", ""),
    ];
    assert_eq!(
        headers,
        expected.into_iter().collect(),
        "our own response callback has seen it"
    );
    let local = exchange.local_response.expect("the filter answered");
    assert_eq!((local.status, local.grpc_status), (403, -1));
}

#[test]
fn a_grpc_client_gets_the_failure_in_headers() {
    let (mut host, plugin) = started(builder(DENIES));
    let exchange = host.request(
        plugin,
        Request::post("/s/m").header("content-type", "application/grpc+proto"),
    );
    assert_eq!(exchange.status(), 200);
    assert_eq!(exchange.header_text("grpc-status").as_deref(), Some("7"));
    assert_eq!(
        exchange.header_text("grpc-message").as_deref(),
        Some("no entry")
    );
    assert_eq!(
        exchange.header_text("content-type").as_deref(),
        Some("application/grpc")
    );
    assert_eq!(exchange.body(), b"");
}

#[test]
fn an_answer_after_the_headers_have_left_cuts_the_response_off() {
    let (mut host, plugin) = started(
        builder(
            r#"
            (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
              (drop (call $respond (i32.const 500) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
                (i32.const 0) (i32.const 0) (i32.const -1)))
              (i32.const 0))"#,
        )
        .upstream(|_| postern_host::Reply::ok().body("secret")),
    );
    let exchange = host.request(plugin, Request::get("/"));
    let response = exchange.response.expect("its headers had left");
    assert_eq!((response.status, response.complete), (200, false));
    assert_eq!(response.body, b"");
    assert_eq!(exchange.answered_by, AnsweredBy::Nobody);
}

#[test]
fn the_answer_to_head_has_the_length_and_not_the_body() {
    let (mut host, plugin) = started(builder(DENIES));
    let exchange = host.request(plugin, Request::new("HEAD", "/"));
    assert_eq!((exchange.status(), exchange.body()), (403, b"".as_slice()));
    assert_eq!(exchange.header_text("content-length").as_deref(), Some("8"));
}

const REFUSES: &str = r#"
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (drop (call $respond (i32.const STATUS) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0) (i32.const -1)))
      (i32.const 0))"#;

/// Whether the connection ends with the answer to this request.
fn closes(status: u16, request: Request) -> bool {
    let guest = REFUSES.replace("STATUS", &status.to_string());
    let (mut host, plugin) = started(builder(&guest));
    let exchange = host.request(plugin, request);
    exchange.response.expect("answered").closes
}

#[test]
fn a_local_400_closes_an_http1_connection_and_no_other_status_does() {
    for status in [200, 401, 403, 404, 413, 431, 500, 503] {
        assert!(!closes(status, Request::get("/")), "{status}");
    }
    assert!(closes(400, Request::get("/")));
    assert!(!closes(400, Request::get("/").http2()));
    // A gRPC client gets status 200, and its connection ends all the same.
    let grpc = Request::post("/").header("content-type", "application/grpc");
    assert!(closes(400, grpc));
}

#[test]
fn a_400_of_the_upstream_closes_nothing() {
    let passes = r#"(func (export "proxy_on_log") (param i32))"#;
    let (mut host, plugin) = started(builder(passes).upstream(|_| Reply::new(400)));
    let exchange = host.request(plugin, Request::get("/"));
    assert!(!exchange.response.expect("answered").closes);
}

#[test]
fn the_connection_of_a_client_that_says_close_ends_with_the_answer() {
    for name in ["Connection", "Proxy-Connection"] {
        let says = |value| Request::get("/").header(name, value);
        assert!(closes(403, says("keep-alive, Close")), "{name}");
        assert!(!closes(403, says("keep-alive")), "{name}");
        assert!(!closes(403, says("close").http2()), "{name}");
    }
}

#[test]
fn a_filter_that_answers_does_not_say_the_status_twice() {
    // Envoy takes the status of the call, and keeps the length where the guest wrote one.
    let guest = r#"
        (data (i32.const 1000) "\02\00\00\00\07\00\00\00\03\00\00\00\0e\00\00\00\02\00\00\00:status\00299\00content-length\0099\00")
        (data (i32.const 1100) "body")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $respond (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 1100) (i32.const 4)
            (i32.const 1000) (i32.const 49) (i32.const -1)))
          (i32.const 0))"#;
    let (mut host, plugin) = started(builder(guest));
    let exchange = host.request(plugin, Request::get("/"));
    assert_eq!(exchange.status(), 200);
    assert_eq!(exchange.header_text("content-length").as_deref(), Some("4"));
}
