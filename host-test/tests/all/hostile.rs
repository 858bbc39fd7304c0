//! Guests that mean harm. None may hang the host, kill it, or make it use up the machine's memory, and each is reported with
//! its reason.

use std::time::Duration;

use postern_host::{Exchange, Host, HostBuilder, Module, Request};

use crate::guests::{builder, module, started};

/// What comes of one request through a guest whose `proxy_on_request_headers` does this.
fn attack(body: &str) -> Exchange {
    attack_with(body, |builder| builder)
}

fn attack_with(body: &str, settings: impl FnOnce(HostBuilder) -> HostBuilder) -> Exchange {
    let guest = format!(
        r#"
        (data (i32.const 1000) "x-name")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (local $n i32)
          {body}
          (i32.const 0))"#
    );
    let (mut host, plugin) = started(settings(builder(&guest)));
    host.request(plugin, Request::get("/"))
}

fn reason(exchange: Exchange) -> String {
    assert_eq!(exchange.status(), 503);
    exchange.trap.expect("the guest was stopped")
}

/// Repeats something for ever.
fn for_ever(body: &str) -> String {
    format!("(loop $again (drop {body}) (br $again))")
}

#[test]
fn a_length_of_4_gib_allocates_nothing_and_is_a_status() {
    // From near the end of a memory of two pages, and from its start.
    for start in [131_000, 0] {
        for call in [
            "(call $log (i32.const 2) (i32.const START) (i32.const -1))",
            "(call $value (i32.const 0) (i32.const START) (i32.const -1) (i32.const 0) (i32.const 4))",
            "(call $set_shared (i32.const 1000) (i32.const 3) (i32.const START) (i32.const -1) (i32.const 0))",
            "(call $set_buffer (i32.const 0) (i32.const 0) (i32.const 0) (i32.const START) (i32.const -1))",
            "(call $enqueue (i32.const 1) (i32.const START) (i32.const -1))",
        ] {
            let call = call.replace("START", &start.to_string());
            let exchange = attack(&format!("(call $log_number {call})"));
            assert_eq!(exchange.log[0].message, "06", "{call}");
        }
    }
}

#[test]
fn random_bytes_come_64_kib_at_most() {
    let exchange = attack("(call $log_number (call $random (i32.const 0) (i32.const -1)))");
    assert_eq!(exchange.log[0].message, "28", "EINVAL");
}

#[test]
fn vectors_without_an_end_are_cut_off() {
    // The memory is full of vectors that each name nearly all of it.
    let fill = r#"(loop $fill
        (i32.store (local.get $n) (i32.const 0))
        (i32.store (i32.add (local.get $n) (i32.const 4)) (i32.const 131000))
        (local.set $n (i32.add (local.get $n) (i32.const 8)))
        (br_if $fill (i32.lt_u (local.get $n) (i32.const 131000))))"#;
    let write = "(drop (call $write (i32.const 1) (i32.const 0) (i32.const -1) (i32.const 4)))";
    let reason = reason(attack(&format!("{fill} {write}")));
    assert!(reason.contains("keep more than 67108864 bytes"), "{reason}");
}

#[test]
fn log_lines_without_an_end_are_cut_off() {
    let log = for_ever("(call $log (i32.const 2) (i32.const 0) (i32.const 60000))");
    let reason = reason(attack(&log));
    assert!(reason.contains("keep more than 67108864 bytes"), "{reason}");
}

#[test]
fn a_trace_without_an_end_is_cut_off() {
    let calls = for_ever("(call $now (i32.const 0))");
    let reason = reason(attack_with(&calls, |builder| {
        builder.trace(true).host_memory_per_callback(1024 * 1024)
    }));
    assert!(reason.contains("keep more than 1048576 bytes"), "{reason}");
}

#[test]
fn headers_shared_data_items_and_calls_without_an_end_are_cut_off() {
    for call in [
        "(call $add (i32.const 0) (i32.const 1000) (i32.const 6) (i32.const 0) (i32.const 60000))",
        "(call $set_shared (i32.const 1000) (i32.const 6) (i32.const 0) (i32.const 60000) (i32.const 0))",
        "(call $define (i32.const 0) (i32.const 0) (i32.const 60000) (i32.const 4))",
        "(call $set_property (i32.const 1000) (i32.const 6) (i32.const 0) (i32.const 60000))",
        "(call $call (i32.const 0) (i32.const 60000) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 4))",
    ] {
        let reason = reason(attack(&for_ever(call)));
        assert!(reason.contains("the callback made the host"), "{call}: {reason}");
    }
}

#[test]
fn looking_through_many_headers_again_and_again_is_cut_off() {
    // 8,000 headers are cheap to make, and then every write looks through all of them.
    let many = r#"(loop $many
        (drop (call $add (i32.const 0) (i32.const 1000) (i32.const 6) (i32.const 1000) (i32.const 6)))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $many (i32.lt_u (local.get $n) (i32.const 8000))))"#;
    let search = for_ever("(call $remove (i32.const 0) (i32.const 1001) (i32.const 5))");
    let reason = reason(attack_with(&format!("{many} {search}"), |builder| {
        // What it makes the host keep would be noticed first.
        builder.host_memory_per_callback(usize::MAX)
    }));
    assert!(reason.contains("copy and look through"), "{reason}");
}

#[test]
fn an_allocator_that_calls_the_host_for_more_runs_out_of_stack() {
    let guest = r#"(module
        (import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))
        (memory (export "memory") 2)
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32)
          (call $pairs (i32.const 0) (i32.const 0) (i32.const 4)))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (call $pairs (i32.const 0) (i32.const 0) (i32.const 4))))"#;
    let module = Module::compile(guest).expect("the guest compiles");
    let mut host = Host::builder(&module).build();
    let plugin = host.add_plugin("").expect("accepted");
    let reason = reason(host.request(plugin, Request::get("/")));
    assert!(reason.contains("call stack exhausted"), "{reason}");
}

#[test]
fn an_allocator_that_points_anywhere_harms_nobody() {
    for address in ["0", "-1", "131070"] {
        let guest = format!(
            r#"(module
            (import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))
            (memory (export "memory") 2)
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "malloc") (param i32) (result i32) (i32.const {address}))
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
              (i32.ne (call $pairs (i32.const 0) (i32.const 0) (i32.const 4)) (i32.const 6))))"#
        );
        let module = Module::compile(guest).expect("the guest compiles");
        let mut host = Host::builder(&module).build();
        let plugin = host.add_plugin("").expect("accepted");
        let exchange = host.request(plugin, Request::get("/"));
        assert_eq!(
            exchange.status(),
            200,
            "{address} was answered with INVALID_MEMORY_ACCESS"
        );
    }
}

#[test]
fn tables_and_memories_are_bounded() {
    let refused = |text: &str| {
        let guest = format!(
            r#"(module {text}
            (memory (export "memory") 1)
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "malloc") (param i32) (result i32) (i32.const 16)))"#
        );
        let module = Module::compile(guest).expect("the guest compiles");
        let mut host = Host::builder(&module).memory_limit(10 * 65_536).build();
        host.add_plugin("").expect_err("too large").to_string()
    };
    for text in [
        "(table 5000000 funcref)",
        "(memory 5)",
        "(table 1 funcref) (table 1 funcref) (table 1 funcref) (table 1 funcref) (table 1 funcref) (table 1 funcref)
         (table 1 funcref) (table 1 funcref) (table 1 funcref)",
    ] {
        let reason = refused(text);
        assert!(reason.contains("limit") || reason.contains("exceed"), "{text}: {reason}");
    }
    let grows = r#"
        (table $t 1 funcref)
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (call $log_number (i32.eq (table.grow $t (ref.null func) (i32.const 5000000)) (i32.const -1)))
          (i32.const 0))"#;
    let (mut host, plugin) = started(builder(grows));
    let exchange = host.request(plugin, Request::get("/"));
    assert_eq!(exchange.log[0].message, "01", "it does not grow");
}

#[test]
fn a_memory_larger_than_its_limit_does_not_start() {
    let guest = r#"(module
        (memory (export "memory") 20)
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32) (i32.const 16)))"#;
    let module = Module::compile(guest).expect("the guest compiles");
    let mut host = Host::builder(&module).memory_limit(10 * 65_536).build();
    let reason = host.add_plugin("").expect_err("too large").to_string();
    assert!(reason.contains("memory"), "{reason}");
}

#[test]
fn a_start_function_and_a_configuration_that_loop_are_stopped() {
    for looping in [
        r#"(start $f) (func $f (loop $for_ever (br $for_ever)))"#,
        r#"(func (export "_initialize") (loop $for_ever (br $for_ever)))"#,
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
             (loop $for_ever (br $for_ever)) (i32.const 1))"#,
    ] {
        let mut host = builder(looping).fuel_per_callback(100_000).build();
        let reason = host.add_plugin("").expect_err("stopped").to_string();
        assert!(reason.contains("fuel"), "{reason}");
    }
}

#[test]
fn a_callback_that_takes_too_long_is_stopped_on_the_machines_clock() {
    let loops = "(loop $for_ever (br $for_ever))";
    let reason = reason(attack_with(loops, |builder| {
        builder
            .fuel_per_callback(u64::MAX)
            .callback_time_limit(Duration::from_millis(30))
    }));
    assert!(reason.contains("interrupt"), "{reason}");
    let limit = "(the limit is 30ms for one callback: callback_time_limit)";
    assert!(reason.contains(limit), "{reason}");
}

#[test]
fn a_guest_with_a_time_limit_that_keeps_it_is_not_stopped() {
    let guest = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))"#;
    let (mut host, plugin) = started(builder(guest).callback_time_limit(Duration::from_secs(10)));
    // Longer than an epoch, but not in a callback.
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(15));
        assert_eq!(host.request(plugin, Request::get("/")).status(), 200);
    }
}

#[test]
fn calls_that_beget_two_calls_each_do_not_fill_the_host() {
    let guest = r#"
        (data (i32.const 1000) "up")
        (data (i32.const 1100) "\03\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\01\00\00\00\0a\00\00\00\02\00\00\00:method\00GET\00:path\00/\00:authority\00up\00")
        (func $dispatch (drop (call $call (i32.const 1000) (i32.const 2) (i32.const 1100) (i32.const 62) (i32.const 0)
          (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 8))))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (call $dispatch) (i32.const 0))
        (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32) (call $dispatch) (call $dispatch))"#;
    let builder = builder(guest).cluster("up", |_| postern_host::CalloutReply::new(200));
    let (mut host, plugin) = started(builder);
    host.request(plugin, Request::get("/"));
    // In thirty microseconds there would be a billion of them.
    host.advance(Duration::from_micros(30));
    let replies = host.take_callbacks().len();
    assert!((1_000..40_000).contains(&replies), "{replies}");
}

#[test]
fn a_host_goes_on_after_each_of_its_guests_has_died() {
    let guest = module(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) unreachable)"#,
    );
    let harmless = module("");
    let mut host = Host::builder(&guest).build();
    let dies = host.add_plugin("").expect("accepted");
    let lives = host
        .add_plugin_with(postern_host::Plugin::of(&harmless))
        .expect("accepted");
    assert_eq!(host.request(dies, Request::get("/")).status(), 503);
    assert_eq!(host.request(lives, Request::get("/")).status(), 200);
}
