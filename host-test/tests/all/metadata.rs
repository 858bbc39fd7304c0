//! METADATA frames of HTTP/2. The order of the callbacks is that of Envoy 1.40, which was sent the same frames.

use std::collections::BTreeMap;

use postern_host::{Exchange, Host, HostBuilder, PluginId, Reply, Request, StreamId};

use crate::guests::{builder, started};

const TWO: [(&str, &str); 2] = [("k1", "v1"), ("k2", "v2")];
const ONE: [(&str, &str); 1] = [("k1", "v1")];

/// Exports the callbacks of a stream; those about request headers and bodies answer this.
fn guest(headers: u32, body: u32) -> HostBuilder {
    builder(&format!(
        r#"
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const {headers}))
        (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (i32.const {body}))
        (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) (i32.const 0))
        (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32) (i32.const 0))
        (func (export "proxy_on_request_metadata") (param i32 i32) (result i32) (i32.const 1))
        (func (export "proxy_on_response_metadata") (param i32 i32) (result i32) (i32.const 1))"#
    ))
    .manual_upstream()
    .trace(true)
}

fn open(host: &mut Host, plugin: PluginId) -> StreamId {
    host.open(plugin, Request::post("/").http2().unfinished())
}

fn calls(exchange: &Exchange) -> Vec<String> {
    let calls = exchange.trace.iter();
    let calls = calls.filter_map(|line| line.strip_prefix("[host->vm] proxy_on_"));
    calls.map(str::to_owned).collect()
}

fn entries(pairs: &[(&str, &str)]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let bytes = |text: &str| text.as_bytes().to_vec();
    pairs
        .iter()
        .map(|(name, value)| (bytes(name), bytes(value)))
        .collect()
}

#[test]
fn a_filter_is_told_of_metadata_where_they_come_and_cannot_hold_them() {
    let (mut host, plugin) = started(guest(0, 0));
    let stream = open(&mut host, plugin);
    host.send_metadata(stream, TWO);
    host.send_body(stream, "abc", false);
    host.send_metadata(stream, ONE);
    host.send_body(stream, "", true);
    host.upstream_replies(stream, Reply::ok().unfinished());
    host.reply_metadata(stream, ONE);
    host.reply_body(stream, "xyz", false);
    host.reply_metadata(stream, TWO);
    host.reply_body(stream, "", true);
    let exchange = host.finish(stream);
    assert_eq!(
        calls(&exchange),
        [
            "request_headers(2, 6, 0)",
            "request_metadata(2, 2)",
            "request_body(2, 3, 0)",
            "request_metadata(2, 1)",
            "request_body(2, 0, 1)",
            "response_headers(2, 3, 0)",
            "response_metadata(2, 1)",
            "response_body(2, 3, 0)",
            "response_metadata(2, 2)",
            "response_body(2, 0, 1)",
        ]
    );
    let upstream = exchange.upstream.expect("sent");
    assert_eq!(upstream.metadata, [entries(&TWO), entries(&ONE)]);
    let client = exchange.response.expect("answered");
    assert_eq!(client.metadata, [entries(&ONE), entries(&TWO)]);
}

#[test]
fn metadata_pass_a_body_that_is_held() {
    let (mut host, plugin) = started(guest(0, 1));
    let stream = open(&mut host, plugin);
    host.send_body(stream, "abc", false);
    host.send_metadata(stream, TWO);
    host.send_body(stream, "", true);
    let exchange = host.finish(stream);
    assert_eq!(
        calls(&exchange)[1..],
        [
            "request_body(2, 3, 0)",
            "request_metadata(2, 2)",
            "request_body(2, 3, 1)"
        ]
    );
    let upstream = exchange.upstream.expect("its headers have left");
    assert_eq!((upstream.metadata.len(), upstream.body.len()), (1, 0));
}

#[test]
fn a_filter_that_has_stopped_everything_is_told_when_it_goes_on() {
    let guest = r#"
        (func (export "proxy_on_configure") (param i32 i32) (result i32) (drop (call $tick_every (i32.const 1000))) (i32.const 1))
        (func (export "proxy_on_tick") (param i32)
          (drop (call $act_as (i32.const 2))) (drop (call $continue (i32.const 0))))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))
        (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (i32.const 0))
        (func (export "proxy_on_request_metadata") (param i32 i32) (result i32) (i32.const 0))"#;
    let (mut host, plugin) = started(builder(guest).manual_upstream().trace(true));
    let stream = open(&mut host, plugin);
    host.send_metadata(stream, TWO);
    host.send_body(stream, "abc", false);
    host.advance(std::time::Duration::from_millis(999));
    host.take_trace();
    host.advance(std::time::Duration::from_millis(1));
    let exchange = host.finish(stream);
    assert_eq!(
        calls(&exchange),
        [
            "request_headers(2, 6, 0)",
            "request_metadata(2, 2)",
            "request_body(2, 3, 0)"
        ]
    );
    assert_eq!(exchange.upstream.expect("sent").metadata, [entries(&TWO)]);
}

#[test]
fn one_that_stopped_only_the_headers_is_told_at_once_and_the_upstream_gets_them_behind() {
    let (mut host, plugin) = started(guest(1, 0).allow_on_headers_stop_iteration(true));
    let stream = open(&mut host, plugin);
    host.send_metadata(stream, TWO);
    host.send_body(stream, "abc", true);
    let exchange = host.finish(stream);
    assert_eq!(
        calls(&exchange),
        [
            "request_headers(2, 6, 0)",
            "request_metadata(2, 2)",
            "request_body(2, 3, 1)"
        ]
    );
    assert_eq!(exchange.upstream.expect("sent").metadata, [entries(&TWO)]);
}

#[test]
fn http1_has_no_metadata() {
    let (mut host, plugin) = started(guest(0, 0));
    let stream = host.open(plugin, Request::post("/").unfinished());
    host.send_metadata(stream, TWO);
    host.send_body(stream, "", true);
    host.upstream_replies(stream, Reply::ok().unfinished());
    host.reply_metadata(stream, ONE);
    host.reply_body(stream, "", true);
    let exchange = host.finish(stream);
    assert!(
        !calls(&exchange)
            .iter()
            .any(|call| call.starts_with("request_metadata"))
    );
    assert!(
        calls(&exchange).contains(&"response_metadata(2, 1)".to_owned()),
        "the upstream may have HTTP/2"
    );
    assert_eq!(exchange.response.expect("answered").metadata, []);
}
