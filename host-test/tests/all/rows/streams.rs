//! The way of a stream.

use postern_host::{AnsweredBy, Exchange, Reply, Request};

use super::{at, said, value};
use crate::guests::{builder, messages, started};

fn names(exchange: &Exchange) -> Vec<&'static str> {
    let names = exchange.callbacks.iter().map(|callback| callback.name);
    names
        .map(|name| name.trim_start_matches("proxy_on_"))
        .collect()
}

/// Exports every callback of a stream.
const ALL: &str = r#"
    (func (export "proxy_on_context_create") (param i32 i32))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))
    (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (i32.const 0))
    (func (export "proxy_on_request_trailers") (param i32 i32) (result i32) (i32.const 0))
    (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) (i32.const 0))
    (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32) (i32.const 0))
    (func (export "proxy_on_response_trailers") (param i32 i32) (result i32) (i32.const 0))
    (func (export "proxy_on_done") (param i32) (result i32) (i32.const 1))
    (func (export "proxy_on_log") (param i32))
    (func (export "proxy_on_delete") (param i32))"#;

#[test]
fn a_stream_passes_its_callbacks_in_this_order() {
    let reply = |_: &_| Reply::ok().chunk("abc").trailer("t", "1");
    let (mut host, plugin) = started(builder(ALL).trailers(true).upstream(reply));
    let request = Request::post("/").chunk("abc").trailer("t", "1");
    let exchange = host.request(plugin, request);
    assert_eq!(
        names(&exchange),
        [
            "context_create",
            "request_headers",
            "request_body",
            "request_trailers",
            "response_headers",
            "response_body",
            "response_trailers",
            "log",
            "done",
            "delete"
        ]
    );
    assert_eq!(exchange.context, 2, "the root context is 1");
}

#[test]
fn a_client_that_leaves_ends_its_stream_at_once_and_there_is_no_response_to_log() {
    let guest = ALL
        .replace(
            r#"request_headers") (param i32 i32 i32) (result i32) (i32.const 0)"#,
            r#"request_headers") (param i32 i32 i32) (result i32) (i32.const 1)"#,
        )
        .replace(
            r#"(func (export "proxy_on_log") (param i32))"#,
            &format!(
                r#"(func (export "proxy_on_log") (param i32) {} {})"#,
                value(0),
                value(2)
            ),
        );
    let guest = format!(r#"(data (i32.const 1000) "x-a") {guest}"#);
    let (mut host, plugin) = started(builder(&guest));
    let stream = host.open(plugin, Request::get("/").header("x-a", "1"));
    host.disconnect(stream);
    assert_eq!(messages(&mut host), ["00", "01"]);
    let exchange = host.finish(stream);
    assert_eq!(
        names(&exchange),
        ["context_create", "request_headers", "log", "done", "delete"]
    );
    assert_eq!(exchange.answered_by, AnsweredBy::Nobody);
}

#[test]
fn connect_has_no_path_and_comes_to_the_filter() {
    let body = value(0).replace("(i32.const 3)", "(i32.const 5)");
    let guest = format!(
        r#"(data (i32.const 1000) ":path") {}"#,
        at("request", &body)
    );
    assert_eq!(said(&guest, Request::connect("h:443")), ["01"]);
}

#[test]
fn a_path_reaches_filter_and_upstream_as_it_was_sent() {
    for path in [
        "/%61dmin",
        "//a//b",
        "/a\\b",
        "/%2e%2e/x",
        "/ADMIN",
        "/a/../b",
    ] {
        let body = format!(
            "{} (call $log_handed)",
            value(0).replace("(i32.const 3)", "(i32.const 5)")
        );
        let guest = format!(
            r#"(data (i32.const 1000) ":path") {}"#,
            at("request", &body)
        );
        let (mut host, plugin) = started(builder(&guest));
        let exchange = host.request(plugin, Request::get(path));
        assert_eq!(messages(&mut host), ["00", path]);
        let upstream = exchange.upstream.expect("it went on");
        assert_eq!(upstream.headers.text(":path").as_deref(), Some(path));
    }
}

#[test]
fn an_upgrade_that_is_not_configured_is_refused_before_the_filter() {
    let upgrade = |kind: &str| {
        Request::get("/")
            .header("connection", "upgrade")
            .header("upgrade", kind)
    };
    let (mut host, plugin) = started(builder(ALL));
    let exchange = host.request(plugin, upgrade("other"));
    assert_eq!(
        (exchange.status(), exchange.answered_by),
        (403, AnsweredBy::Host)
    );
    assert_eq!(
        names(&exchange),
        ["context_create", "log", "done", "delete"]
    );
    let headers = host
        .request(plugin, upgrade("h2c"))
        .upstream
        .expect("sent")
        .headers;
    assert!(!headers.contains("upgrade") && !headers.contains("connection"));
}
