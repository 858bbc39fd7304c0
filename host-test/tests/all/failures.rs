//! VMs that die, and what becomes of the requests behind.

use std::time::Duration;

use postern_host::{AnsweredBy, FailurePolicy, HostBuilder, LogLevel, Request};

use crate::guests::{builder, started};

/// Traps when the path is `/x`, in the callback with this name.
fn traps_in(callback: &str) -> String {
    format!(
        r#"
        (data (i32.const 1000) ":path")
        (data (i32.const 1010) "k")
        (global $trap (mut i32) (i32.const 0))
        (func $may_trap (result i32)
          (if (global.get $trap) (then unreachable))
          (i32.const 0))
        (func $read_path
          (drop (call $value (i32.const 0) (i32.const 1000) (i32.const 5) (i32.const 0) (i32.const 4)))
          (global.set $trap (i32.eq (i32.load16_u (i32.load (i32.const 0))) (i32.const 0x782f))))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (call $read_path)
          (drop (call $set_shared (i32.const 1010) (i32.const 1) (i32.const 1010) (i32.const 1) (i32.const 0)))
          {})
        (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) {})"#,
        if callback == "request" {
            "(call $may_trap)"
        } else {
            "(i32.const 0)"
        },
        if callback == "response" {
            "(call $may_trap)"
        } else {
            "(i32.const 0)"
        },
    )
}

fn trapping(policy: FailurePolicy) -> HostBuilder {
    builder(&traps_in("request"))
        .vm_id("v")
        .failure_policy(policy)
        .reload_backoff(Duration::ZERO)
}

#[test]
fn fail_closed_refuses_this_and_all_later_requests_of_the_worker() {
    let (mut host, plugin) = started(trapping(FailurePolicy::FailClosed));
    assert_eq!(host.request(plugin, Request::get("/")).status(), 200);
    let trapped = host.request(plugin, Request::get("/x"));
    assert_eq!(
        (trapped.status(), trapped.answered_by),
        (503, AnsweredBy::Host)
    );
    assert_eq!(trapped.details, "wasm_fail_stream");
    assert!(trapped.trap.expect("it says why").contains("unreachable"));
    assert!(trapped.upstream.is_none());
    assert_eq!(
        trapped.log.last().map(|line| line.level),
        Some(LogLevel::Critical)
    );
    let later = host.request(plugin, Request::get("/"));
    assert_eq!((later.status(), later.trap), (503, None));
    assert_eq!((host.traps(), host.vm_starts()), (1, 1));
}

#[test]
fn fail_open_lets_later_requests_past_the_filter() {
    let (mut host, plugin) = started(trapping(FailurePolicy::FailOpen));
    assert_eq!(host.request(plugin, Request::get("/x")).status(), 503);
    let later = host.request(plugin, Request::get("/"));
    assert_eq!((later.status(), later.callbacks.len()), (200, 0));
}

#[test]
fn fail_reload_starts_a_new_vm_for_the_next_request() {
    let (mut host, plugin) = started(trapping(FailurePolicy::FailReload));
    assert_eq!(host.request(plugin, Request::get("/x")).status(), 503);
    let later = host.request(plugin, Request::get("/"));
    assert_eq!(
        (later.status(), later.context),
        (200, 2),
        "context ids begin again"
    );
    assert_eq!((host.traps(), host.vm_starts()), (1, 2));
    assert_eq!(
        host.shared().data("v", "k"),
        Some(b"k".to_vec()),
        "shared data survives"
    );
}

#[test]
fn fail_reload_waits_for_its_back_off_and_up_to_half_as_much_again() {
    for seed in 0..8 {
        // The first is Envoy's default, too.
        for (backoff, shortest) in [(1_000, 999), (200, 199)] {
            let builder = trapping(FailurePolicy::FailReload)
                .reload_backoff(Duration::from_millis(backoff))
                .seed(seed);
            let (mut host, plugin) = started(builder);
            host.request(plugin, Request::get("/x"));
            host.advance(Duration::from_millis(shortest));
            assert_eq!(host.request(plugin, Request::get("/")).status(), 503);
            host.advance(Duration::from_millis(backoff / 2 + 1));
            assert_eq!(host.request(plugin, Request::get("/")).status(), 200);
        }
    }
}

#[test]
fn without_a_setting_fail_reload_waits_for_a_second_since_the_start() {
    let policy = builder(&traps_in("request")).failure_policy(FailurePolicy::FailReload);
    let (mut host, plugin) = started(policy);
    host.request(plugin, Request::get("/x"));
    assert_eq!(host.request(plugin, Request::get("/")).status(), 503);
    host.advance(Duration::from_millis(1_500));
    assert_eq!(host.request(plugin, Request::get("/x")).status(), 503);
    assert_eq!(host.vm_starts(), 2);
    host.advance(Duration::from_millis(1_500));
    assert_eq!(
        host.request(plugin, Request::get("/")).status(),
        200,
        "the time runs from the start, not from the trap"
    );
}

#[test]
fn a_trap_on_the_way_back_is_a_503_as_well() {
    let builder = builder(&traps_in("response"))
        .failure_policy(FailurePolicy::FailReload)
        .reload_backoff(Duration::ZERO);
    let (mut host, plugin) = started(builder);
    let exchange = host.request(plugin, Request::get("/x"));
    assert_eq!(
        (exchange.status(), exchange.answered_by),
        (503, AnsweredBy::Host)
    );
    assert!(exchange.upstream.is_some(), "the upstream had it");
    assert_eq!(host.request(plugin, Request::get("/")).status(), 200);
}

#[test]
fn other_workers_go_on() {
    let (mut host, plugin) = started(trapping(FailurePolicy::FailClosed).workers(2));
    host.request(plugin, Request::get("/x").on_worker(0));
    assert_eq!(
        host.request(plugin, Request::get("/").on_worker(0))
            .status(),
        503
    );
    assert_eq!(
        host.request(plugin, Request::get("/").on_worker(1))
            .status(),
        200
    );
}

#[test]
fn a_stream_whose_vm_died_meanwhile_gets_a_503() {
    let builder = trapping(FailurePolicy::FailReload).manual_upstream();
    let (mut host, plugin) = started(builder);
    let waiting = host.open(plugin, Request::get("/"));
    host.request(plugin, Request::get("/x"));
    host.upstream_replies(waiting, postern_host::Reply::ok());
    let exchange = host.finish(waiting);
    assert_eq!((exchange.status(), exchange.trap), (503, None));
}

#[test]
fn a_stream_of_a_dead_vm_does_not_touch_one_of_the_new_vm_with_the_same_id() {
    let builder = trapping(FailurePolicy::FailReload).manual_upstream();
    let (mut host, plugin) = started(builder);
    let ended = host.open(plugin, Request::get("/"));
    host.upstream_replies(ended, postern_host::Reply::ok());
    host.request(plugin, Request::get("/x"));
    let waiting = host.open(plugin, Request::get("/"));
    let ended = host.finish(ended);
    host.upstream_replies(waiting, postern_host::Reply::ok());
    let waiting = host.finish(waiting);
    assert_eq!(ended.context, waiting.context, "the ids are equal");
    assert_eq!((ended.status(), waiting.status()), (200, 200));
}

#[test]
fn a_stream_outlives_the_vm_that_is_replaced() {
    let builder = trapping(FailurePolicy::FailReload).manual_upstream();
    let (mut host, plugin) = started(builder);
    let waiting = host.open(plugin, Request::get("/first"));
    host.request(plugin, Request::get("/x"));
    let after = host.open(plugin, Request::get("/"));
    host.upstream_replies(after, postern_host::Reply::ok());
    assert_eq!(host.finish(after).status(), 200);
    host.upstream_replies(waiting, postern_host::Reply::ok());
    let exchange = host.finish(waiting);
    assert_eq!(exchange.status(), 503, "its context went with the old VM");
    assert_eq!(
        exchange
            .upstream
            .expect("kept")
            .headers
            .text(":path")
            .as_deref(),
        Some("/first")
    );
}
