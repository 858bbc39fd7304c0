//! Rules that scenarios in a real Envoy brought to light (`tests/differential/edges.scenario.toml` and `phases.scenario.toml`).

use postern_host::{Reply, Request};

use crate::guests::{builder, messages, started};

/// A guest that does this at request headers, with `host` at 1000, `new.example` at 1008 and `:authority` at 1024.
fn at_headers(deeds: &str) -> String {
    format!(
        r#"
        (data (i32.const 1000) "host")
        (data (i32.const 1008) "new.example")
        (data (i32.const 1024) ":authority")
        (data (i32.const 1040) "x-forwarded-proto")
        (data (i32.const 1060) ":path")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {deeds} (i32.const 0))"#
    )
}

#[test]
fn host_is_another_name_of_the_authority() {
    let guest = at_headers(
        r#"
        (drop (call $value (i32.const 0) (i32.const 1000) (i32.const 4) (i32.const 0) (i32.const 4)))
        (call $log_handed)
        (drop (call $replace (i32.const 0) (i32.const 1000) (i32.const 4) (i32.const 1008) (i32.const 11)))
        (drop (call $value (i32.const 0) (i32.const 1024) (i32.const 10) (i32.const 0) (i32.const 4)))
        (call $log_handed)
        (drop (call $add (i32.const 0) (i32.const 1000) (i32.const 4) (i32.const 1000) (i32.const 4)))"#,
    );
    let (mut host, plugin) = started(builder(&guest));
    let exchange = host.request(plugin, Request::get("/"));
    assert_eq!(messages(&mut host), ["localhost", "new.example"]);
    let headers = exchange.upstream.expect("let through").headers;
    let authority = headers.text(":authority");
    assert_eq!(authority.as_deref(), Some("new.example,host"));
    let removes = "(drop (call $remove (i32.const 0) (i32.const 1000) (i32.const 4)))";
    let (mut host, plugin) = started(builder(&at_headers(removes)));
    let exchange = host.request(plugin, Request::get("/"));
    assert!(
        !exchange
            .upstream
            .expect("let through")
            .headers
            .contains(":authority")
    );
}

#[test]
fn a_request_without_a_path_or_a_forwarded_protocol_has_no_route() {
    for (name, length) in [(1040, 17), (1060, 5)] {
        let removes =
            format!("(drop (call $remove (i32.const 0) (i32.const {name}) (i32.const {length})))");
        let (mut host, plugin) = started(builder(&at_headers(&removes)));
        let exchange = host.request(plugin, Request::get("/"));
        assert_eq!(exchange.status(), 404);
        assert_eq!(exchange.details, "route_not_found");
    }
}

#[test]
fn an_absolute_target_with_a_query_alone_is_refused() {
    let (mut host, plugin) = started(builder(&at_headers("")));
    let status = |target| host.request(plugin, Request::get(target)).status();
    let targets = ["http://h", "http://h/", "http://h/?q", "http://h?q"];
    assert_eq!(targets.map(status), [200, 200, 200, 404]);
}

#[test]
fn white_space_around_a_value_is_not_part_of_it() {
    let (mut host, plugin) = started(builder(&at_headers("")));
    let exchange = host.request(plugin, Request::get("/").header("x", " \t a  b \t "));
    let headers = exchange.upstream.expect("let through").headers;
    assert_eq!(headers.text("x").as_deref(), Some("a  b"));
}

/// Writes a trailer `t: t` on one side in the callback that ends the body, and returns this.
fn adds_trailers(callback: &str, map: u32, action: u32) -> String {
    format!(
        r#"
        (data (i32.const 1000) "t")
        (func (export "{callback}") (param i32 i32) (param $end i32) (result i32)
          (call $log_number (call $add (i32.const {map}) (i32.const 1000) (i32.const 1) (i32.const 1000) (i32.const 1)))
          (select (i32.const {action}) (i32.const 0) (local.get $end)))"#
    )
}

#[test]
fn a_filter_makes_trailers_at_the_end_of_a_body() {
    let guest = adds_trailers("proxy_on_request_body", 1, 0);
    let (mut host, plugin) = started(builder(&guest));
    let exchange = host.request(plugin, Request::post("/").chunk("abc"));
    let upstream = exchange.upstream.expect("let through");
    assert_eq!(upstream.body, b"abc");
    assert_eq!(upstream.trailers.text("t").as_deref(), Some("t"));
    assert!(upstream.complete);
    assert_eq!(messages(&mut host), ["02", "00"], "only at the end");

    let guest = adds_trailers("proxy_on_response_body", 3, 0);
    let answer = |trailers| {
        let builder = builder(&guest).trailers(trailers);
        let (mut host, plugin) = started(builder.upstream(|_| Reply::ok().chunk("abc")));
        let response = host.request(plugin, Request::get("/")).response;
        response.expect("answered").trailers.text("t")
    };
    assert_eq!(answer(true).as_deref(), Some("t"));
    assert_eq!(answer(false), None, "HTTP/1.1 without trailers");
}

#[test]
fn a_body_with_a_length_has_no_trailers() {
    let guest = adds_trailers("proxy_on_request_body", 1, 0);
    let (mut host, plugin) = started(builder(&guest));
    let exchange = host.request(plugin, Request::post("/").body("abc"));
    let upstream = exchange.upstream.expect("let through");
    assert!(upstream.complete && upstream.trailers.is_empty());
}

#[test]
fn trailers_that_a_filter_makes_overtake_a_body_that_it_holds() {
    let guest = adds_trailers("proxy_on_request_body", 1, 1);
    let (mut host, plugin) = started(builder(&guest));
    let request = Request::post("/").chunk("").http2();
    let upstream = host.request(plugin, request).upstream.expect("let through");
    assert_eq!(upstream.trailers.text("t").as_deref(), Some("t"));
    assert!(upstream.complete);
}
