//! No guest can hang or kill the host.

use std::time::Duration;

use postern_host::{FailurePolicy, Request};

use crate::guests::{builder, started};

#[test]
fn an_endless_loop_is_stopped_and_the_request_refused() {
    let guest = r#"
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (loop $for_ever (br $for_ever))
          (i32.const 0))"#;
    let limited = builder(guest)
        .fuel_per_callback(100_000)
        .failure_policy(FailurePolicy::FailReload)
        .reload_backoff(Duration::ZERO);
    let (mut host, plugin) = started(limited);
    for _ in 0..2 {
        let exchange = host.request(plugin, Request::get("/"));
        assert_eq!(exchange.status(), 503);
        let reason = exchange.trap.expect("stopped");
        let limit = "(the limit is 100000 units of fuel for one callback: fuel_per_callback)";
        assert!(reason.contains(limit), "{reason}");
        assert_eq!(exchange.callbacks[0].fuel, 100_000);
    }
    assert_eq!(host.vm_starts(), 2);
}

#[test]
fn a_guest_gets_no_more_memory_than_it_may_have() {
    let guest = r#"
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (call $log_number (i32.eq (memory.grow (i32.const 1)) (i32.const -1)))
          (i32.const 0))"#;
    let (mut host, plugin) = started(builder(guest).memory_limit(2 * 65_536));
    let exchange = host.request(plugin, Request::get("/"));
    assert_eq!(exchange.log[0].message, "01");
}

#[test]
fn a_guest_that_dies_without_memory_is_told_of_its_limit() {
    let guest = r#"
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then (unreachable)))
          (i32.const 0))"#;
    let (mut host, plugin) = started(builder(guest).memory_limit(2 * 65_536));
    let reason = host.request(plugin, Request::get("/")).trap.expect("died");
    let limit =
        "(the guest asked for 196608 bytes of memory, and the limit is 131072: memory_limit)";
    assert!(reason.contains(limit), "{reason}");
}

#[test]
fn what_a_vm_dies_of_at_the_start_is_told_once_with_the_limit() {
    let mut host = builder("").memory_limit(65_536).build();
    let told = host.add_plugin("").expect_err("too small").to_string();
    assert_eq!(told.matches("Function: start failed").count(), 1, "{told}");
    assert!(told.contains("the limit is 65536: memory_limit"), "{told}");
    let logs_and_dies = r#"
        (data (i32.const 1000) "no such key")
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (drop (call $log (i32.const 4) (i32.const 1000) (i32.const 11)))
          (unreachable))"#;
    let mut host = builder(logs_and_dies).build();
    let told = host.add_plugin("").expect_err("died").to_string();
    assert_eq!(told.matches("unreachable").count(), 1, "{told}");
    assert!(told.ends_with(": no such key"), "{told}");
}

#[test]
fn a_stack_that_overflows_is_a_trap() {
    let guest = r#"
        (func $deeper (param i32) (result i32) (i32.add (call $deeper (local.get 0)) (i32.const 1)))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (call $deeper (i32.const 1)))"#;
    let (mut host, plugin) = started(builder(guest));
    let exchange = host.request(plugin, Request::get("/"));
    assert_eq!(exchange.status(), 503);
    assert!(exchange.trap.is_some());
}

#[test]
fn addresses_outside_the_memory_are_a_status() {
    let guest = r#"
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (call $log_number (call $log (i32.const 2) (i32.const -8) (i32.const 100)))
          (call $log_number (call $pairs (i32.const 0) (i32.const -2) (i32.const 4)))
          (i32.const 0))"#;
    let (mut host, plugin) = started(builder(guest));
    let exchange = host.request(plugin, Request::get("/"));
    let messages: Vec<_> = exchange
        .log
        .iter()
        .map(|line| line.message.as_str())
        .collect();
    assert_eq!(messages, ["06", "06"]);
}

#[test]
fn fuel_and_host_calls_are_counted_and_the_same_in_every_run() {
    let guest = r#"
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $pairs (i32.const 0) (i32.const 0) (i32.const 4)))
          (call $log_handed)
          (i32.const 0))"#;
    let run = || {
        let (mut host, plugin) = started(builder(guest));
        host.request(plugin, Request::get("/"))
    };
    let (first, second) = (run(), run());
    assert_eq!(first.host_calls("proxy_get_header_map_pairs"), 1);
    assert_eq!(first.host_calls("proxy_log"), 1);
    assert!(first.fuel() > 0);
    assert_eq!(first.callbacks, second.callbacks);
}

#[test]
fn copied_bytes_are_counted_in_both_directions_with_the_results() {
    let guest = r#"
        (data (i32.const 1000) "x-rawx-copy")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $value (i32.const 0) (i32.const 1000) (i32.const 5) (i32.const 0) (i32.const 4)))
          (drop (call $add (i32.const 0) (i32.const 1005) (i32.const 6)
            (i32.load (i32.const 0)) (i32.load (i32.const 4))))
          (i32.const 0))"#;
    let (mut host, plugin) = started(builder(guest));
    let exchange = host.request(plugin, Request::get("/").header("x-raw", "abc"));
    // The value, and where it is and how long.
    assert_eq!(exchange.copied().to_guest, 3 + 4 + 4);
    // The name to look for; then a name and a value.
    assert_eq!(exchange.copied().from_guest, 5 + 6 + 3);
    let again = host.request(plugin, Request::get("/"));
    assert_eq!(again.copied().to_guest, 0, "nothing was found to copy");
}
