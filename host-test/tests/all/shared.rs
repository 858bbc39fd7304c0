//! What VMs share: data and metrics.

use postern_host::{Metric, Request, SharedState};

use crate::guests::{builder, messages, started};

/// Sets the key with the compare-and-swap number read before, twice: the second time it is stale.
const SWAPS: &str = r#"
    (data (i32.const 1000) "key12")
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (call $log_number
        (call $get_shared (i32.const 1000) (i32.const 3) (i32.const 0) (i32.const 4) (i32.const 8)))
      (call $log_number
        (call $set_shared (i32.const 1000) (i32.const 3) (i32.const 1003) (i32.const 1) (i32.load (i32.const 8))))
      (call $log_number
        (call $set_shared (i32.const 1000) (i32.const 3) (i32.const 1004) (i32.const 1) (i32.load (i32.const 8))))
      (i32.const 0))"#;

#[test]
fn a_stale_compare_and_swap_number_is_a_mismatch() {
    let shared = SharedState::new();
    let (mut host, plugin) = started(builder(SWAPS).vm_id("v").shared(shared.clone()));
    shared.set_data("v", "key", "0");
    host.request(plugin, Request::get("/"));
    assert_eq!(messages(&mut host), ["00", "00", "08"]);
    assert_eq!(shared.data("v", "key"), Some(b"1".to_vec()));
}

#[test]
fn a_missing_key_takes_any_number() {
    let (mut host, plugin) = started(builder(SWAPS));
    host.request(plugin, Request::get("/"));
    assert_eq!(messages(&mut host), ["01", "00", "00"], "0 stands for any");
}

#[test]
fn two_hosts_with_one_state_and_vm_id_share_their_data() {
    let shared = SharedState::new();
    let (mut first, plugin) = started(builder(SWAPS).vm_id("v").shared(shared.clone()));
    first.request(plugin, Request::get("/"));
    let (mut second, plugin) = started(builder(SWAPS).vm_id("v").shared(shared.clone()));
    second.request(plugin, Request::get("/"));
    assert_eq!(messages(&mut second)[0], "00", "it is there");
    let (mut other, plugin) = started(builder(SWAPS).vm_id("w").shared(shared));
    other.request(plugin, Request::get("/"));
    assert_eq!(messages(&mut other)[0], "01", "another vm_id sees nothing");
}

#[test]
fn metrics_count_across_workers_and_can_be_read_by_name() {
    let guest = r#"
        (data (i32.const 1000) "requestslevelsizes")
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (drop (call $define (i32.const 0) (i32.const 1000) (i32.const 8) (i32.const 20)))
          (drop (call $define (i32.const 1) (i32.const 1008) (i32.const 5) (i32.const 24)))
          (drop (call $define (i32.const 2) (i32.const 1013) (i32.const 5) (i32.const 28)))
          (i32.const 1))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $increment (i32.load (i32.const 20)) (i64.const 2)))
          (call $log_number (call $increment (i32.load (i32.const 20)) (i64.const -1)))
          (drop (call $record (i32.load (i32.const 24)) (i64.const 7)))
          (drop (call $increment (i32.load (i32.const 24)) (i64.const -3)))
          (drop (call $record (i32.load (i32.const 28)) (i64.const 10)))
          (call $log_number (call $record (i32.const 999) (i64.const 10)))
          (i32.const 0))"#;
    let (mut host, plugin) = started(builder(guest).workers(2));
    host.request(plugin, Request::get("/"));
    host.request(plugin, Request::get("/"));
    assert_eq!(messages(&mut host), ["02", "01", "02", "01"]);
    assert_eq!(host.counter("requests"), Some(4));
    assert_eq!(host.metrics()["level"], Metric::Gauge(4));
    assert_eq!(
        host.metrics()["sizes"],
        Metric::Histogram { count: 2, sum: 20 }
    );
    assert_eq!(host.stats()["wasmcustom.requests"], 4);
}
