//! Queues.

use postern_host::{Host, Plugin, Request, SharedState};

use super::{at, status};
use crate::guests::{self, builder, messages, started};

/// `v` is a `vm_id`, `queue` a name.
const NAMES: &str = r#"(data (i32.const 1000) "vqueuewitem")"#;

fn resolve(vm_id: u32, length: u32) -> String {
    let call = format!(
        "(call $resolve (i32.const {vm_id}) (i32.const {length}) (i32.const 1001) (i32.const 5) (i32.const 0))"
    );
    format!(
        "(i32.store (i32.const 0) (i32.const 77)) {} (call $log_number (i32.load (i32.const 0)))",
        status(&call)
    )
}

const REGISTER: &str = "(drop (call $register (i32.const 1001) (i32.const 5) (i32.const 0)))";

#[test]
fn a_queue_is_found_by_its_vm_id_and_name_and_without_a_vm_id_in_the_own_vm() {
    let body = [
        resolve(1000, 1),
        REGISTER.to_owned(),
        resolve(1000, 1),
        resolve(1000, 0),
        resolve(1006, 1),
    ];
    let guest = format!("{NAMES} {}", at("request", &body.concat()));
    let (mut host, plugin) = started(builder(&guest).vm_id("v"));
    host.request(plugin, Request::get("/"));
    assert_eq!(
        messages(&mut host),
        ["01", "77", "00", "01", "00", "01", "01", "77"],
        "what is not found leaves no number"
    );
}

#[test]
fn an_unknown_queue_is_not_found_and_an_empty_one_says_so() {
    let body = [
        status("(call $dequeue (i32.const 9) (i32.const 0) (i32.const 4))"),
        status("(call $enqueue (i32.const 9) (i32.const 1007) (i32.const 4))"),
        status("(call $enqueue (i32.const 0) (i32.const 1007) (i32.const 4))"),
        REGISTER.to_owned(),
        status("(call $dequeue (i32.load (i32.const 0)) (i32.const 0) (i32.const 4))"),
    ];
    let guest = format!("{NAMES} {}", at("request", &body.concat()));
    let (mut host, plugin) = started(builder(&guest));
    host.request(plugin, Request::get("/"));
    assert_eq!(messages(&mut host), ["01", "01", "01", "07"]);
}

/// Registers in a stream, and puts two items in, of which the second is empty; takes out all that there is when it is told.
fn told_twice() -> String {
    let take = "(call $log_number (call $dequeue (local.get 1) (i32.const 0) (i32.const 4)))";
    let body = [
        REGISTER,
        "(i32.store (i32.const 20) (i32.load (i32.const 0)))
        (drop (call $enqueue (i32.load (i32.const 20)) (i32.const 1007) (i32.const 4)))
        (drop (call $enqueue (i32.load (i32.const 20)) (i32.const 1007) (i32.const 0)))",
    ];
    format!(
        r#"{NAMES} {} (func (export "proxy_on_queue_ready") (param i32 i32) (call $log_number (local.get 0)) {take} {take} {take})"#,
        at("request", &body.concat())
    )
}

#[test]
fn the_root_context_is_told_of_every_item_be_it_taken_already() {
    let (mut host, plugin) = started(builder(&told_twice()));
    host.request(plugin, Request::get("/"));
    assert_eq!(
        messages(&mut host),
        ["01", "00", "00", "07", "01", "07", "07", "07"],
        "the stream that registered is context 2"
    );
}

#[test]
fn an_item_for_a_root_context_that_is_gone_stays_and_nobody_is_told() {
    let guest = format!(
        r#"{NAMES}
        (func (export "proxy_on_configure") (param i32 i32) (result i32) (local $n i32)
          (drop (call $buffer (i32.const 7) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 4)))
          (if (i32.eq (i32.load8_u (i32.load (i32.const 0))) (i32.const 114)) (then {REGISTER}))
          (i32.const 1))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $resolve (i32.const 1000) (i32.const 1) (i32.const 1001) (i32.const 5) (i32.const 0)))
          (drop (call $enqueue (i32.load (i32.const 0)) (i32.const 1007) (i32.const 4)))
          (i32.const 0))
        (func (export "proxy_on_queue_ready") (param i32 i32)
          (drop (call $dequeue (local.get 1) (i32.const 0) (i32.const 4)))
          (call $log_handed))"#
    );
    let mut host = builder(&guest).vm_id("v").canary(false).build();
    let consumer = host.add_plugin("r: consumes").expect("accepted");
    let producer = host.add_plugin("p: produces").expect("accepted");
    host.remove_plugin(consumer);
    host.drain();
    host.request(producer, Request::get("/"));
    assert_eq!(messages(&mut host), Vec::<String>::new(), "nobody is told");
    host.add_plugin("r: consumes again").expect("accepted");
    host.request(producer, Request::get("/"));
    assert_eq!(
        messages(&mut host),
        ["item"],
        "told once, of the new one; the old one is the first in the queue"
    );
}

#[test]
fn a_vm_of_another_id_puts_items_in_and_the_owner_is_told() {
    let shared = SharedState::new();
    let owner = format!(
        r#"{NAMES} (func (export "proxy_on_configure") (param i32 i32) (result i32) {REGISTER} (i32.const 1))
        (func (export "proxy_on_queue_ready") (param i32 i32)
          (drop (call $dequeue (local.get 1) (i32.const 0) (i32.const 4)))
          (call $log_handed))"#
    );
    let other = format!(
        "{NAMES} {}",
        at(
            "request",
            "(drop (call $resolve (i32.const 1000) (i32.const 1) (i32.const 1001) (i32.const 5) (i32.const 0)))
            (drop (call $enqueue (i32.load (i32.const 0)) (i32.const 1007) (i32.const 4)))"
        )
    );
    let (owner, other) = (guests::module(&owner), guests::module(&other));
    let mut host = Host::builder(&owner)
        .main_thread_vm(false)
        .shared(shared)
        .build();
    let plugin = |module, vm_id: &str| Plugin::of(module).vm_id(vm_id);
    host.add_plugin_with(plugin(&owner, "v")).expect("accepted");
    let producer = host.add_plugin_with(plugin(&other, "w")).expect("accepted");
    host.request(producer, Request::get("/"));
    assert_eq!(messages(&mut host), ["item"]);
}
