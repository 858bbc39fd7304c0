//! How VMs start.

use std::sync::atomic::{AtomicUsize, Ordering};

use postern_host::{CalloutReply, Request};

use super::status;
use crate::guests::{builder, messages, started};

#[test]
fn configurations_can_be_read_when_they_are_due() {
    let buffer = |number: u32| {
        status(&format!(
            "(call $buffer (i32.const {number}) (i32.const 0) (i32.const 9) (i32.const 0) (i32.const 4))"
        ))
    };
    let both = [buffer(6), "(call $log_handed)".to_owned(), buffer(7)].concat();
    let guest = format!(
        r#"(func (export "proxy_on_vm_start") (param i32 i32) (result i32) {both} (i32.const 1))
        (func (export "proxy_on_configure") (param i32 i32) (result i32) {both} (call $log_handed) (i32.const 1))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {both} (i32.const 0))"#
    );
    let mut host = builder(&guest).vm_configuration("vm").build();
    let plugin = host.add_plugin("plugin").expect("accepted");
    assert_eq!(
        messages(&mut host),
        ["00", "vm", "01", "00", "vm", "00", "plugin"]
    );
    host.request(plugin, Request::get("/"));
    assert_eq!(messages(&mut host), ["00", "vm", "01"]);
}

#[test]
fn a_vm_without_an_id_has_an_empty_one() {
    let guest = format!(
        r#"(data (i32.const 1000) "plugin_vm_id")
        (func (export "proxy_on_vm_start") (param i32 i32) (result i32) {} (call $log_handed) (i32.const 1))"#,
        status("(call $property (i32.const 1000) (i32.const 12) (i32.const 0) (i32.const 4))")
    );
    for vm_id in ["", "gate"] {
        let (mut host, _plugin) = started(builder(&guest).vm_id(vm_id));
        assert_eq!(messages(&mut host), ["00", vm_id]);
    }
}

#[test]
fn the_calls_of_a_canary_are_cancelled() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let guest = r#"
        (data (i32.const 1000) "c")
        (data (i32.const 1100) "\03\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\01\00\00\00\0a\00\00\00\01\00\00\00:method\00GET\00:path\00/\00:authority\00h\00")
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (drop (call $call (i32.const 1000) (i32.const 1) (i32.const 1100) (i32.const 61) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 100)))
          (i32.const 1))
        (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32) (call $log_number (local.get 1)))"#;
    let cluster = |_: &_| {
        CALLS.fetch_add(1, Ordering::Relaxed);
        CalloutReply::new(200)
    };
    let builder = builder(guest).main_thread_vm(true).cluster("c", cluster);
    let (mut host, _plugin) = started(builder);
    host.advance(std::time::Duration::from_secs(1));
    assert_eq!(
        messages(&mut host),
        ["04", "04"],
        "on the main thread and on the worker"
    );
    assert_eq!(CALLS.load(Ordering::Relaxed), 2);
}
