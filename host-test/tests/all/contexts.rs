//! Root contexts: starts, configurations and their changes.

use postern_host::{LogLevel, RefusalReason, Request, StreamState};

use crate::guests::{builder, messages, started};

/// Keeps the first byte of each root's configuration and answers streams with it in `x-config`; refuses `!`.
const CONFIGURED: &str = r#"
    (data (i32.const 1000) "x-config")
    (data (i32.const 1010) "refused: exclamation mark")
    (global $starts (mut i32) (i32.const 0))
    ;; From 2,000 on: the first byte of each root's configuration. From 3,000 on: each stream's root.
    (func (export "proxy_on_vm_start") (param i32 i32) (result i32)
      (global.set $starts (i32.add (global.get $starts) (i32.const 1)))
      (i32.const 1))
    (func (export "proxy_on_configure") (param $root i32) (param i32) (result i32)
      (drop (call $buffer (i32.const 7) (i32.const 0) (i32.const 100) (i32.const 0) (i32.const 4)))
      (if (i32.eq (i32.load8_u (i32.load (i32.const 0))) (i32.const 33)) (then
        (drop (call $log (i32.const 4) (i32.const 1010) (i32.const 25)))
        (return (i32.const 0))))
      (i32.store8 (i32.add (i32.const 2000) (local.get $root)) (i32.load8_u (i32.load (i32.const 0))))
      (i32.const 1))
    (func (export "proxy_on_context_create") (param $id i32) (param $parent i32)
      (i32.store8 (i32.add (i32.const 3000) (local.get $id)) (local.get $parent)))
    (func (export "proxy_on_request_headers") (param $id i32) (param i32) (param i32) (result i32)
      (drop (call $add (i32.const 0) (i32.const 1000) (i32.const 8)
        (i32.add (i32.const 2000) (i32.load8_u (i32.add (i32.const 3000) (local.get $id)))) (i32.const 1)))
      (i32.const 0))"#;

fn config_seen(exchange: &postern_host::Exchange) -> String {
    exchange
        .upstream
        .as_ref()
        .and_then(|upstream| upstream.headers.text("x-config"))
        .unwrap_or_default()
}

#[test]
fn a_refused_configuration_is_an_error_with_the_log_lines() {
    let mut host = builder(CONFIGURED).build();
    let refused = host.add_plugin("!").expect_err("refused");
    assert_eq!(refused.reason, RefusalReason::Configure);
    assert_eq!(refused.last_message(), "refused: exclamation mark");
    assert_eq!(refused.log[0].level, LogLevel::Error);
    assert_eq!(
        host.logs(),
        refused.log,
        "a search through all logs finds them too"
    );
    assert!(
        refused.to_string().ends_with("refused: exclamation mark"),
        "{refused}"
    );
}

#[test]
fn a_new_configuration_is_a_new_root_in_the_same_vm() {
    let mut host = builder(CONFIGURED).build();
    let plugin = host.add_plugin("a").expect("accepted");
    assert_eq!(config_seen(&host.request(plugin, Request::get("/"))), "a");
    host.configure(plugin, "b").expect("accepted");
    assert_eq!(config_seen(&host.request(plugin, Request::get("/"))), "b");
    assert_eq!(host.root_contexts(0).len(), 2);
    assert_eq!(host.vm_starts(), 1);
    host.drain();
    assert_eq!(host.root_contexts(0).len(), 1);
    assert_eq!(config_seen(&host.request(plugin, Request::get("/"))), "b");
}

#[test]
fn a_refused_change_leaves_the_old_configuration_serving() {
    let mut host = builder(CONFIGURED).build();
    let plugin = host.add_plugin("a").expect("accepted");
    host.configure(plugin, "!").expect_err("refused");
    assert_eq!(config_seen(&host.request(plugin, Request::get("/"))), "a");
    assert_eq!(
        host.root_contexts(0).len(),
        1,
        "the serving VM never saw it"
    );
}

#[test]
fn an_open_stream_keeps_the_configuration_it_began_with() {
    let guest = format!(
        r#"{CONFIGURED}
        (func (export "proxy_on_request_body") (param $id i32) (param i32) (param $end i32) (result i32)
          (drop (call $log (i32.const 2)
            (i32.add (i32.const 2000) (i32.load8_u (i32.add (i32.const 3000) (local.get $id)))) (i32.const 1)))
          (i32.const 1))"#
    );
    let mut host = builder(&guest).build();
    let plugin = host.add_plugin("a").expect("accepted");
    let stream = host.open(plugin, Request::post("/").chunk("x"));
    assert_eq!(host.state(stream), StreamState::Paused);
    host.configure(plugin, "b").expect("accepted");
    host.drain();
    assert_eq!(
        host.root_contexts(0).len(),
        2,
        "the stream still needs its root"
    );
    host.disconnect(stream);
    host.finish(stream);
    host.drain();
    assert_eq!(host.root_contexts(0).len(), 1);
    assert_eq!(messages(&mut host), ["a", "a"]);
}

#[test]
fn two_plugins_live_in_one_vm_and_keep_apart() {
    let mut host = builder(CONFIGURED).build();
    let a = host.add_plugin("a").expect("accepted");
    let b = host.add_plugin("b").expect("accepted");
    assert_eq!(config_seen(&host.request(a, Request::get("/"))), "a");
    assert_eq!(config_seen(&host.request(b, Request::get("/"))), "b");
    assert_eq!((host.vm_starts(), host.root_contexts(0).len()), (1, 2));
}

#[test]
fn every_worker_has_a_vm_of_its_own() {
    let guest = r#"
        (global $requests (mut i32) (i32.const 0))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (global.set $requests (i32.add (global.get $requests) (i32.const 1)))
          (call $log_number (global.get $requests))
          (i32.const 0))"#;
    let (mut host, plugin) = started(builder(guest).workers(2));
    assert_eq!(host.vm_starts(), 2);
    for _ in 0..2 {
        host.request(plugin, Request::get("/"));
    }
    let workers: Vec<_> = host
        .logs()
        .iter()
        .map(|line| (line.worker, line.message.as_str()))
        .collect();
    assert_eq!(workers, [(0, "01"), (1, "01")]);
    host.take_logs();
    host.request(plugin, Request::get("/").on_worker(1));
    assert_eq!(messages(&mut host), ["02"]);
}

#[test]
fn a_stream_ends_with_log_done_delete_in_this_order() {
    let guest = r#"
        (func (export "proxy_on_done") (param i32) (result i32) (i32.const 0))
        (func (export "proxy_on_delete") (param i32))
        (func (export "proxy_on_log") (param i32))"#;
    let (mut host, plugin) = started(builder(guest));
    let exchange = host.request(plugin, Request::get("/"));
    let names: Vec<_> = exchange
        .callbacks
        .iter()
        .map(|callback| callback.name)
        .collect();
    assert_eq!(
        names,
        ["proxy_on_log", "proxy_on_done", "proxy_on_delete"],
        "that done says false is ignored"
    );
}

#[test]
fn filter_state_and_properties_of_a_stream_are_kept_for_the_access_log() {
    let guest = r#"
        (data (i32.const 1000) "postern.userp-7plugin_vm_idrequest\00pathnope")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $set_property (i32.const 1000) (i32.const 12) (i32.const 1012) (i32.const 3)))
          (drop (call $property (i32.const 1000) (i32.const 12) (i32.const 0) (i32.const 4)))
          (call $log_handed)
          (drop (call $property (i32.const 1015) (i32.const 12) (i32.const 0) (i32.const 4)))
          (call $log_handed)
          (drop (call $property (i32.const 1027) (i32.const 12) (i32.const 0) (i32.const 4)))
          (call $log_handed)
          (call $log_number (call $property (i32.const 1039) (i32.const 4) (i32.const 0) (i32.const 4)))
          (i32.const 0))"#;
    let (mut host, plugin) = started(builder(guest).vm_id("vm-1"));
    let exchange = host.request(plugin, Request::get("/x?y"));
    assert_eq!(exchange.filter_state["wasm.postern.user"], b"p-7");
    assert_eq!(messages(&mut host), ["p-7", "vm-1", "/x?y", "01"]);
}
