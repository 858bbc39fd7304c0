//! What is different for clients that speak HTTP/2. All of it was seen in Envoy 1.40 (`tests/differential/http2.scenario.toml`).

use postern_host::{AnsweredBy, Exchange, Reply, Request, StreamState};

use crate::guests::{builder, messages, started};

/// Logs how many headers there are and whether they end the message.
const COUNTS: &str = r#"
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (call $log_number (local.get 1)) (call $log_number (local.get 2)) (i32.const 0))
    (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
      (call $log_number (local.get 1)) (i32.const 0))"#;

/// What the upstream gets of a request.
fn passed(request: Request) -> Vec<(String, String)> {
    let (mut host, plugin) = started(builder(COUNTS));
    let exchange = host.request(plugin, request.http2());
    let upstream = exchange.upstream.expect("let through");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = upstream.headers.iter();
    headers
        .map(|(name, value)| (text(name), text(value)))
        .filter(|(name, _)| !name.starts_with("x-request") && !name.starts_with("x-envoy"))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    expected.iter().map(owned).collect()
}

#[test]
fn crumbs_of_a_cookie_are_put_together_behind_the_other_headers() {
    let request = Request::get("/")
        .header("cookie", "a=1")
        .header("te", "trailers")
        .header("cookie", "b=2")
        .header("user-agent", "x");
    let expected = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", "/"),
        ("te", "trailers"),
        ("user-agent", "x"),
        ("cookie", "a=1; b=2"),
        ("x-forwarded-proto", "http"),
    ];
    assert_eq!(passed(request), pairs(&expected));
}

#[test]
fn the_authority_goes_before_a_host_header_which_stands_in_for_it() {
    let host = || Request::get("/").header("host", "other");
    let authority = |request| {
        let headers = passed(request);
        let mut named = headers.iter().filter(|(name, _)| name == ":authority");
        named.next().expect("an authority").1.clone()
    };
    assert_eq!(authority(host()), "localhost");
    assert_eq!(authority(host().without_authority()), "other");
}

#[test]
fn a_request_without_any_authority_is_reset_and_no_filter_hears_of_it() {
    let (mut host, plugin) = started(builder(COUNTS).trace(true));
    host.take_trace();
    let exchange = host.request(plugin, Request::get("/").without_authority().http2());
    assert!(exchange.response.is_none());
    assert_eq!(exchange.answered_by, AnsweredBy::Nobody);
    assert!(host.take_trace().is_empty());
}

#[test]
fn the_forwarded_protocol_is_that_of_the_connection() {
    let headers = passed(Request::get("/").scheme("https"));
    for expected in [(":scheme", "https"), ("x-forwarded-proto", "http")] {
        assert!(headers.contains(&pairs(&[expected])[0]), "{headers:?}");
    }
}

#[test]
fn an_empty_body_comes_in_a_call_of_its_own_whatever_its_length_says() {
    let (mut host, plugin) = started(builder(COUNTS));
    host.request(plugin, Request::post("/").body("").http2());
    assert_eq!(messages(&mut host)[1], "00");
    host.request(plugin, Request::post("/").body(""));
    assert_eq!(messages(&mut host)[1], "01");
}

#[test]
fn a_connect_request_may_end_with_its_headers() {
    let (mut host, plugin) = started(builder(COUNTS));
    host.request(plugin, Request::connect("other:443").http2());
    assert_eq!(messages(&mut host)[1], "01");
    host.request(plugin, Request::connect("other:443"));
    assert_eq!(messages(&mut host)[1], "00");
}

#[test]
fn filters_see_the_keep_alive_of_an_upstream() {
    let count = |request| {
        let upstream = |_: &_| Reply::ok().header("keep-alive", "5");
        let (mut host, plugin) = started(builder(COUNTS).upstream(upstream));
        host.request(plugin, request);
        messages(&mut host).pop().expect("logged")
    };
    let (first, second) = (count(Request::get("/")), count(Request::get("/").http2()));
    assert_eq!((first.as_str(), second.as_str()), ("02", "03"));
}

#[test]
fn an_upstream_that_answers_before_it_has_the_request_has_no_service_time() {
    let answer = |ends: bool| -> Exchange {
        let (mut host, plugin) = started(builder(COUNTS).manual_upstream());
        let stream = host.open(plugin, Request::post("/").chunk("a").unfinished());
        if ends {
            host.send_body(stream, "b", true);
            assert!(matches!(
                host.state(stream),
                StreamState::AwaitingUpstream(_)
            ));
            host.advance(std::time::Duration::from_millis(7));
        }
        host.upstream_replies(stream, Reply::ok());
        host.finish(stream)
    };
    let name = "x-envoy-upstream-service-time";
    assert_eq!(answer(false).header_text(name), None);
    assert_eq!(answer(true).header_text(name).as_deref(), Some("7"));
}
