//! Header maps: what guests read of them and what their changes come to.

use postern_host::{Reply, Request};

use crate::guests::{builder, messages, started};

#[test]
fn the_upstream_gets_the_headers_as_the_guest_changed_them() {
    let (mut host, plugin) = started(builder(
        r#"
        (data (i32.const 1000) "X-GoneX-SetX-Addnew")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $remove (i32.const 0) (i32.const 1000) (i32.const 6)))
          (drop (call $replace (i32.const 0) (i32.const 1006) (i32.const 5) (i32.const 1016) (i32.const 3)))
          (drop (call $add (i32.const 0) (i32.const 1011) (i32.const 5) (i32.const 1016) (i32.const 3)))
          (i32.const 0))"#,
    ));
    let request = Request::get("/")
        .header("x-gone", "1")
        .header("X-Set", "1")
        .header("x-add", "old")
        .header("x-set", "2")
        .header("X-Gone", "2");
    let upstream = host
        .request(plugin, request)
        .upstream
        .expect("the request arrived");
    assert!(!upstream.headers.contains("x-gone"));
    assert_eq!(upstream.headers.all("x-set"), [b"new"]);
    assert_eq!(upstream.headers.all("x-add"), [b"old".as_slice(), b"new"]);
    let names: Vec<_> = upstream
        .headers
        .iter()
        .map(|(name, _)| String::from_utf8_lossy(name))
        .collect();
    let behind = [
        "x-add",
        "x-forwarded-proto",
        "x-request-id",
        "x-set",
        "x-add",
        "x-envoy-expected-rq-timeout-ms",
    ];
    assert_eq!(
        names[4..],
        behind,
        "a replaced header moves behind the others"
    );
}

#[test]
fn bytes_that_are_not_text_pass_unharmed() {
    let (mut host, plugin) = started(builder(
        r#"
        (data (i32.const 1000) "x-rawx-copy")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $value (i32.const 0) (i32.const 1000) (i32.const 5) (i32.const 0) (i32.const 4)))
          (drop (call $add (i32.const 0) (i32.const 1005) (i32.const 6)
            (i32.load (i32.const 0)) (i32.load (i32.const 4))))
          (i32.const 0))"#,
    ));
    let raw = b"a\xff\xfe\x80b";
    let exchange = host.request(plugin, Request::get("/").header("x-raw", raw));
    assert_eq!(
        exchange.upstream.expect("arrived").headers.get("x-copy"),
        Some(raw.as_slice())
    );
}

#[test]
fn one_read_shows_all_pairs_in_order() {
    let (mut host, plugin) = started(builder(
        r#"
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $pairs (i32.const 0) (i32.const 0) (i32.const 4)))
          (call $log_number (i32.load (i32.load (i32.const 0))))
          (call $log_handed)
          (i32.const 0))"#,
    ));
    host.request(
        plugin,
        Request::get("/p?q")
            .authority("h")
            .header("b", "2")
            .header("a", "1")
            .header("b", "3"),
    );
    let messages = messages(&mut host);
    assert_eq!(messages[0], "09");
    let data = messages[1].split_at(4 + 9 * 8).1;
    assert!(
        data.starts_with(
            ":authority\0h\0:path\0/p?q\0:method\0GET\0:scheme\0http\0b\x002\0a\x001\0b\x003\0"
        ),
        "{data:?}"
    );
}

#[test]
fn response_headers_reach_the_client_as_changed_and_in_order() {
    let (mut host, plugin) = started(
        builder(
            r#"
            (data (i32.const 1000) "x-newyes")
            (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
              (drop (call $add (i32.const 2) (i32.const 1000) (i32.const 5) (i32.const 1005) (i32.const 3)))
              (i32.const 0))"#,
        )
        .envoy_headers(false)
        .upstream(|_| {
            Reply::new(404).header("Set-Cookie", "a").header("server", "up").header("Set-Cookie", "b").body("gone")
        }),
    );
    let exchange = host.request(plugin, Request::get("/"));
    assert_eq!(
        (exchange.status(), exchange.body_text().as_str()),
        (404, "gone")
    );
    let headers = exchange.response.expect("answered").headers;
    let expected = [
        ("set-cookie", "a"),
        ("set-cookie", "b"),
        ("content-length", "4"),
        ("x-new", "yes"),
    ];
    assert_eq!(headers, expected.into_iter().collect());
}

#[test]
fn requests_that_envoy_refuses_never_reach_the_filter() {
    let (mut host, plugin) = started(builder(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) unreachable)"#,
    ));
    for request in [
        Request::get("/a#b"),
        Request::get("*"),
        Request::options("*"),
        Request::get("/\u{e9}"),
    ] {
        let exchange = host.request(plugin, request);
        assert!(matches!(exchange.status(), 400 | 404), "{exchange:?}");
        assert_eq!(exchange.answered_by, postern_host::AnsweredBy::Host);
        assert!(exchange.upstream.is_none());
    }
    assert_eq!(host.traps(), 0);
}
