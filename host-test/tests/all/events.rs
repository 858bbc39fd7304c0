//! Ticks, calls to clusters and queues.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use postern_host::{CalloutReply, Request, StreamState};

use crate::guests::{builder, messages, started};

#[test]
fn ticks_fire_as_the_virtual_clock_passes_them() {
    let guest = r#"
        (global $ticks (mut i32) (i32.const 0))
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (drop (call $tick_every (i32.const 100)))
          (i32.const 1))
        (func (export "proxy_on_tick") (param i32)
          (global.set $ticks (i32.add (global.get $ticks) (i32.const 1)))
          (call $log_number (global.get $ticks))
          (if (i32.eq (global.get $ticks) (i32.const 3)) (then (drop (call $tick_every (i32.const 0))))))"#;
    let (mut host, _plugin) = started(builder(guest));
    let start = (host.wall_clock(), host.monotonic_clock());
    host.advance(Duration::from_millis(99));
    assert_eq!(messages(&mut host), Vec::<String>::new());
    host.advance(Duration::from_millis(1));
    assert_eq!(messages(&mut host), ["01"]);
    host.advance(Duration::from_secs(10));
    assert_eq!(messages(&mut host), ["02", "03"], "a period of 0 ends them");
    assert_eq!(host.wall_clock() - start.0, 10_100_000_000);
    assert_eq!(host.monotonic_clock() - start.1, 10_100_000_000);
}

/// Calls the cluster `auth` and lets the request go when the reply is there.
const CALLS: &str = r#"
    (data (i32.const 1000) "auth:statusx-auth")
    (data (i32.const 1100) "\03\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\02\00\00\00\0a\00\00\00\01\00\00\00")
    (data (i32.const 1128) ":method\00GET\00:path\00/c\00:authority\00a\00")
    (global $stream (mut i32) (i32.const 0))
    (func (export "proxy_on_request_headers") (param $id i32) (param i32) (param i32) (result i32)
      (global.set $stream (local.get $id))
      (call $log_number (call $call (i32.const 1000) (i32.const 4) (i32.const 1100) (i32.const 62) (i32.const 0)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 500) (i32.const 20)))
      (call $log_number (i32.load (i32.const 20)))
      (i32.const 1))
    (func (export "proxy_on_http_call_response")
      (param $root i32) (param $token i32) (param $headers i32) (param $body i32) (param $trailers i32)
      (call $log_number (local.get $headers))
      (call $log_number (local.get $body))
      (if (local.get $headers) (then
        (drop (call $value (i32.const 6) (i32.const 1004) (i32.const 7) (i32.const 0) (i32.const 4)))
        (call $log_handed)))
      (drop (call $act_as (global.get $stream)))
      (drop (call $continue (i32.const 0))))"#;

#[test]
fn a_reply_of_a_cluster_wakes_the_stream() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&calls);
    let (mut host, plugin) = started(builder(CALLS).cluster("auth", move |call| {
        seen.lock()
            .expect("not poisoned")
            .push(call.headers.text(":path"));
        CalloutReply::new(201)
            .body("abcd")
            .after(Duration::from_millis(20))
    }));
    let stream = host.open(plugin, Request::get("/"));
    assert_eq!(host.state(stream), StreamState::Paused);
    host.advance(Duration::from_millis(20));
    assert_eq!(host.finish(stream).status(), 200);
    assert_eq!(messages(&mut host), ["00", "04", "02", "04", "201"]);
    assert_eq!(
        *calls.lock().expect("not poisoned"),
        [Some("/c".to_owned())]
    );
}

#[test]
fn a_request_waits_for_the_reply_by_itself() {
    let peer = |_: &_| CalloutReply::new(200).after(Duration::from_millis(300));
    let (mut host, plugin) = started(builder(CALLS).cluster("auth", peer));
    let before = host.monotonic_clock();
    assert_eq!(host.request(plugin, Request::get("/")).status(), 200);
    assert_eq!(host.monotonic_clock() - before, 300_000_000);
}

#[test]
fn a_timeout_is_a_504_and_a_reset_is_nothing() {
    let (mut host, plugin) = started(builder(CALLS).cluster("auth", |_| CalloutReply::never()));
    host.request(plugin, Request::get("/"));
    assert_eq!(messages(&mut host), ["00", "04", "03", "24", "504"]);
    let (mut host, plugin) = started(builder(CALLS).cluster("auth", |_| CalloutReply::reset()));
    host.request(plugin, Request::get("/"));
    assert_eq!(messages(&mut host), ["00", "04", "00", "00"]);
    let (mut host, plugin) = started(builder(CALLS).cluster("auth", |_| CalloutReply::refused()));
    host.request(plugin, Request::get("/"));
    assert_eq!(messages(&mut host), ["00", "04", "03", "98", "503"]);
}

#[test]
fn a_call_to_an_unknown_cluster_is_a_bad_argument() {
    let (mut host, plugin) = started(builder(CALLS));
    let exchange = host.request(plugin, Request::get("/"));
    assert!(exchange.response.is_none(), "nobody wakes the stream");
    assert_eq!(messages(&mut host), ["02", "00"]);
}

#[test]
fn one_consumer_is_told_of_an_item_in_a_queue() {
    let guest = r#"
        (data (i32.const 1000) "queueitem")
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (drop (call $register (i32.const 1000) (i32.const 5) (i32.const 20)))
          (i32.const 1))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $enqueue (i32.load (i32.const 20)) (i32.const 1005) (i32.const 4)))
          (i32.const 0))
        (func (export "proxy_on_queue_ready") (param $root i32) (param $queue i32)
          (call $log_number (local.get $queue))
          (drop (call $dequeue (local.get $queue) (i32.const 0) (i32.const 4)))
          (call $log_handed)
          (call $log_number (call $dequeue (local.get $queue) (i32.const 0) (i32.const 4))))"#;
    let (mut host, plugin) = started(builder(guest).workers(2));
    host.request(plugin, Request::get("/"));
    assert_eq!(messages(&mut host), ["01", "item", "07"]);
}

#[test]
fn a_guest_that_fills_its_own_queue_for_ever_does_not_hold_the_host_up() {
    let guest = r#"
        (data (i32.const 1000) "queueitem")
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (drop (call $register (i32.const 1000) (i32.const 5) (i32.const 20)))
          (i32.const 1))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $enqueue (i32.load (i32.const 20)) (i32.const 1005) (i32.const 4)))
          (i32.const 0))
        (func (export "proxy_on_queue_ready") (param $root i32) (param $queue i32)
          (drop (call $enqueue (local.get $queue) (i32.const 1005) (i32.const 4))))"#;
    let (mut host, plugin) = started(builder(guest));
    assert_eq!(host.request(plugin, Request::get("/")).status(), 200);
}

#[test]
fn the_test_can_play_a_cluster() {
    let (mut host, plugin) = started(builder(CALLS).manual_cluster("auth"));
    let stream = host.open(plugin, Request::get("/"));
    let calls = host.take_calls();
    let [call] = calls.as_slice() else {
        panic!("one call: {calls:?}")
    };
    assert_eq!(call.callout.cluster, "auth");
    host.advance(Duration::from_millis(1));
    assert_eq!(
        host.state(stream),
        StreamState::Paused,
        "nobody has answered"
    );
    host.call_replies(call.id, CalloutReply::new(204));
    assert_eq!(host.state(stream), StreamState::Finished);
    host.call_replies(call.id, CalloutReply::new(204));
    assert!(host.finish(stream).upstream.is_some());
}
