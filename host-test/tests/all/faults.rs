//! Host functions that are made to fail.

use postern_host::{Fault, Request};

use crate::guests::{builder, messages, started};

/// Logs the status of two reads, a write and a draw of random bytes.
const CALLS: &str = r#"
    (data (i32.const 1000) ":pathx-a1")
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (call $log_number (call $value (i32.const 0) (i32.const 1000) (i32.const 5) (i32.const 0) (i32.const 4)))
      (call $log_number (call $value (i32.const 0) (i32.const 1000) (i32.const 5) (i32.const 0) (i32.const 4)))
      (call $log_handed)
      (call $log_number (call $replace (i32.const 0) (i32.const 1005) (i32.const 3) (i32.const 1008) (i32.const 1)))
      (call $log_number (call $random (i32.const 3000) (i32.const 16)))
      (i32.const 0))"#;

#[test]
fn without_faults_everything_works() {
    let (mut host, plugin) = started(builder(CALLS));
    host.request(plugin, Request::get("/p"));
    assert_eq!(messages(&mut host), ["00", "00", "/p", "00", "00"]);
}

#[test]
fn a_fault_strikes_the_chosen_call_and_the_call_does_nothing() {
    let (mut host, plugin) = started(builder(CALLS));
    host.inject(Fault::status("proxy_get_header_map_value", 10).on_call(1))
        .expect("known");
    host.inject(Fault::status("proxy_replace_header_map_value", 2))
        .expect("known");
    host.inject(Fault::status("random_get", 29)).expect("known");
    let exchange = host.request(plugin, Request::get("/p"));
    assert_eq!(messages(&mut host), ["10", "00", "/p", "02", "29"]);
    assert!(!exchange.upstream.expect("let go").headers.contains("x-a"));
    host.clear_faults();
    host.request(plugin, Request::get("/p"));
    assert_eq!(messages(&mut host), ["00", "00", "/p", "00", "00"]);
}

#[test]
fn a_fault_can_hand_over_other_bytes_than_the_true_ones() {
    let (mut host, plugin) = started(builder(CALLS));
    host.inject(Fault::bytes("proxy_get_header_map_value", "garbage").on_call(2))
        .expect("known");
    host.request(plugin, Request::get("/p"));
    assert_eq!(messages(&mut host)[2], "garbage");
}

#[test]
fn a_fault_for_one_callback_leaves_others_alone() {
    let (mut host, plugin) = started(builder(CALLS));
    host.inject(Fault::status("random_get", 29).in_callback("proxy_on_configure"))
        .expect("known");
    host.request(plugin, Request::get("/p"));
    assert_eq!(messages(&mut host)[4], "00");
}

#[test]
fn a_fault_that_could_never_strike_is_an_error() {
    let (mut host, _plugin) = started(builder(""));
    let unknown = host
        .inject(Fault::status("proxy_get_heder", 1))
        .expect_err("a typing error");
    assert!(unknown.to_string().contains("proxy_get_heder"));
}

#[test]
fn a_fault_that_has_not_struck_can_be_asked_for() {
    let (mut host, plugin) = started(builder(CALLS));
    host.inject(Fault::status("proxy_get_header_map_value", 10).on_call(2))
        .expect("known");
    host.inject(
        Fault::status("random_get", 29)
            .on_call(77)
            .in_callback("proxy_on_request_headers"),
    )
    .expect("known");
    host.request(plugin, Request::get("/p"));
    let waiting: Vec<_> = host
        .unstruck_faults()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(waiting, ["random_get, call 77 in proxy_on_request_headers"]);
}
