//! VMs and root contexts: how they start, change and end, as Envoy 1.40 does it. The traces that are expected here are those
//! that it printed for `envoy/chain.wat` with one or two workers, LDS updates and `--drain-time-s`.

use std::time::Duration;

use postern_host::{Host, HostBuilder, Module, Plugin, RefusalReason, Request, SharedState};

use crate::guests;

fn module() -> Module {
    Module::compile(include_str!("envoy/chain.wat")).expect("the guest compiles")
}

fn traced(module: &Module) -> HostBuilder {
    Host::builder(module)
        .vm_configuration("vmconf")
        .trace(true)
        .drain_time(Duration::from_secs(2))
}

/// The callbacks since the last time, without `proxy_on_`.
fn calls(host: &mut Host) -> Vec<String> {
    let trace = host.take_trace();
    let calls = trace.iter().filter_map(|line| {
        let call = line.strip_prefix("[host->vm] ")?;
        Some(call.strip_prefix("proxy_on_").unwrap_or(call).to_owned())
    });
    calls.filter(|call| !call.starts_with("malloc")).collect()
}

/// What a root context does when it starts.
fn started(root: u32, size: usize) -> Vec<String> {
    vec![
        format!("context_create({root}, 0)"),
        format!("vm_start({root}, 6)"),
        format!("configure({root}, {size})"),
    ]
}

fn all(parts: &[&[String]]) -> Vec<String> {
    parts.concat()
}

#[test]
fn a_base_initializes_a_canary_tries_and_then_main_thread_and_workers_start() {
    let mut host = traced(&module()).workers(2).build();
    host.add_plugin("Accccc").expect("accepted");
    let initialize = ["_initialize()".to_owned()];
    let vm = all(&[&initialize, &started(1, 6)]);
    assert_eq!(calls(&mut host), all(&[&initialize, &vm, &vm, &vm, &vm]));
    assert_eq!(host.vm_starts(), 2, "those of the workers");
    for thread in 0..3 {
        assert_eq!(host.root_contexts(thread), [1]);
    }
    assert_eq!(host.root_contexts(3), Vec::<u32>::new());
}

#[test]
fn a_host_can_do_without_main_thread_base_and_canary() {
    let builder = traced(&module()).main_thread_vm(false).canary(false);
    let mut host = builder.build();
    host.add_plugin("Accccc").expect("accepted");
    assert_eq!(
        calls(&mut host),
        all(&[&["_initialize()".to_owned()], &started(1, 6)])
    );
}

#[test]
fn a_changed_configuration_is_a_new_root_context_and_the_old_one_ends_with_the_drain_time() {
    let mut host = traced(&module()).build();
    let plugin = host.add_plugin("Accccc").expect("accepted");
    calls(&mut host);
    host.configure(plugin, "Bcccccc").expect("accepted");
    let canary = all(&[&["_initialize()".to_owned()], &started(1, 7)]);
    assert_eq!(
        calls(&mut host),
        all(&[&canary, &started(2, 7), &started(2, 7)])
    );
    host.advance(Duration::from_millis(1_999));
    assert_eq!(calls(&mut host), Vec::<String>::new());
    assert_eq!(host.root_contexts(0), [1, 2]);
    host.advance(Duration::from_millis(1));
    assert_eq!(
        calls(&mut host),
        ["done(1)", "delete(1)", "done(1)", "delete(1)"]
    );
    assert_eq!(host.root_contexts(0), [2]);
}

#[test]
fn the_drain_time_is_ten_minutes_unless_it_is_set() {
    let mut host = Host::builder(&module()).build();
    let plugin = host.add_plugin("Accccc").expect("accepted");
    host.configure(plugin, "Bccccc").expect("accepted");
    host.advance(Duration::from_secs(599));
    assert_eq!(host.root_contexts(0), [1, 2]);
    host.advance(Duration::from_secs(1));
    assert_eq!(host.root_contexts(0), [2]);
}

#[test]
fn a_configuration_that_was_accepted_once_is_not_tried_again() {
    let mut host = traced(&module()).build();
    let plugin = host.add_plugin("Accccc").expect("accepted");
    host.configure(plugin, "Bccccc").expect("accepted");
    host.drain();
    calls(&mut host);
    host.configure(plugin, "Accccc").expect("accepted");
    assert_eq!(calls(&mut host), all(&[&started(3, 6), &started(3, 6)]));
}

#[test]
fn a_refused_update_is_tried_by_the_canary_alone_and_the_old_configuration_serves_on() {
    let mut host = traced(&module()).build();
    let plugin = host.add_plugin("Accccc").expect("accepted");
    calls(&mut host);
    let refused = host.configure(plugin, "Bccccn").expect_err("refused");
    assert_eq!(refused.reason, RefusalReason::Configure);
    let canary = all(&[&["_initialize()".to_owned()], &started(1, 6)]);
    assert_eq!(calls(&mut host), canary);
    host.advance(Duration::from_secs(10));
    assert_eq!(host.root_contexts(0), [1]);
    assert_eq!(host.request(plugin, Request::get("/")).status(), 200);
}

#[test]
fn a_root_that_is_not_done_lives_on_until_it_says_so() {
    let mut host = traced(&module()).main_thread_vm(false).build();
    let plugin = host.add_plugin("Acccckn").expect("accepted");
    host.configure(plugin, "Bcccccc").expect("accepted");
    host.advance(Duration::from_millis(1_500));
    calls(&mut host);
    host.advance(Duration::from_millis(500));
    // Its tick calls `proxy_done`, which says OK now and NOT_FOUND before.
    assert_eq!(calls(&mut host), ["tick(1)", "done(1)"]);
    host.advance(Duration::from_millis(999));
    assert_eq!(host.root_contexts(0), [1, 2]);
    host.advance(Duration::from_millis(1));
    assert_eq!(calls(&mut host), ["tick(1)", "delete(1)"]);
    assert_eq!(host.root_contexts(0), [2]);
}

#[test]
fn done_outside_of_pending_is_not_found() {
    let mut host = traced(&module()).main_thread_vm(false).build();
    host.add_plugin("Acccckn").expect("accepted");
    host.advance(Duration::from_secs(1));
    let trace = host.take_trace();
    assert!(trace.contains(&"[vm<-host] env.proxy_done return: 1".to_owned()));
}

#[test]
fn equal_plugins_share_a_root_context_and_others_have_their_own() {
    let module = module();
    let mut host = traced(&module).build();
    let plugin = || Plugin::of(&module).configuration("Accccc");
    let first = host.add_plugin_with(plugin()).expect("accepted");
    host.add_plugin_with(plugin()).expect("accepted");
    assert_eq!(host.root_contexts_beside(first, 0), [1]);
    host.add_plugin_with(plugin().root_id("other"))
        .expect("accepted");
    host.add_plugin_with(plugin().name("other"))
        .expect("accepted");
    host.add_plugin_with(plugin().configuration("Bccccc"))
        .expect("accepted");
    assert_eq!(host.root_contexts_beside(first, 0), [1, 2, 3, 4]);
    assert_eq!(host.vm_starts(), 1);
}

#[test]
fn another_vm_id_configuration_environment_or_module_is_another_vm() {
    let module = module();
    let other = guests::module("");
    let mut host = traced(&module).build();
    let plugin = || Plugin::of(&module).vm_id("v");
    let first = host.add_plugin_with(plugin()).expect("accepted");
    let others = [
        plugin().vm_id("w"),
        plugin().vm_configuration("other"),
        plugin().environment("KEY", "value"),
        Plugin::of(&other).vm_id("v"),
    ];
    for (count, other) in (2..).zip(others) {
        let id = host.add_plugin_with(other).expect("accepted");
        assert_eq!(host.vm_starts(), count);
        assert_eq!(host.root_contexts_beside(id, 0), [1]);
    }
    assert_eq!(host.root_contexts_beside(first, 0), [1]);
}

#[test]
fn ticks_come_on_the_main_thread_too_which_serves_no_streams() {
    let guest = r#"
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (drop (call $tick_every (i32.const 1000))) (i32.const 1))
        (func (export "proxy_on_tick") (param i32) (call $log_number (i32.const 1)))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (call $log_number (i32.const 2)) (i32.const 0))"#;
    let mut host = Host::builder(&guests::module(guest)).workers(2).build();
    let plugin = host.add_plugin("").expect("accepted");
    host.advance(Duration::from_secs(1));
    let threads: Vec<_> = host.take_logs().iter().map(|line| line.worker).collect();
    assert_eq!(threads, [0, 1, 2], "2 is the main thread");
    for _ in 0..4 {
        host.request(plugin, Request::get("/"));
    }
    let threads: Vec<_> = host.take_logs().iter().map(|line| line.worker).collect();
    assert_eq!(threads, [0, 1, 0, 1]);
}

#[test]
fn roots_end_when_the_host_shuts_down() {
    let mut host = traced(&module()).build();
    let plugin = host.add_plugin("Accccc").expect("accepted");
    calls(&mut host);
    host.shut_down();
    assert_eq!(
        calls(&mut host),
        ["done(1)", "delete(1)", "done(1)", "delete(1)"]
    );
    let late = host.request(plugin, Request::get("/"));
    assert_eq!(late.status(), 503, "nothing passes without its plugin");
}

/// Keeps `key` in shared data, and an item in the queue `queue`.
const KEEPS: &str = r#"
    (data (i32.const 1000) "keyqueue")
    (func (export "proxy_on_configure") (param i32 i32) (result i32)
      (drop (call $set_shared (i32.const 1000) (i32.const 3) (i32.const 1000) (i32.const 3) (i32.const 0)))
      (drop (call $register (i32.const 1003) (i32.const 5) (i32.const 0)))
      (drop (call $enqueue (i32.load (i32.const 0)) (i32.const 1000) (i32.const 3)))
      (i32.const 1))
    (func (export "proxy_on_queue_ready") (param i32 i32) (call $log_number (local.get 1)))"#;

#[test]
fn shared_data_goes_with_the_last_vm_of_its_vm_id() {
    let shared = SharedState::new();
    let module = guests::module(KEEPS);
    let mut hosts = [0, 1].map(|_| {
        let mut host = Host::builder(&module).shared(shared.clone()).build();
        let a = host
            .add_plugin_with(Plugin::of(&module).vm_id("v"))
            .expect("accepted");
        let other = Plugin::of(&module).vm_id("v").vm_configuration("other");
        let b = host.add_plugin_with(other).expect("accepted");
        (host, a, b)
    });
    let kept = || shared.data("v", "key").is_some();
    for (host, a, b) in &mut hosts {
        for plugin in [*a, *b] {
            assert!(kept(), "one more VM knows it");
            host.remove_plugin(plugin);
            host.drain();
        }
    }
    assert!(!kept());
}

#[test]
fn a_vm_that_is_reloaded_does_not_lose_shared_data() {
    let guest = r#"
        (data (i32.const 1000) "key")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $set_shared (i32.const 1000) (i32.const 3) (i32.const 1000) (i32.const 3) (i32.const 0)))
          unreachable)"#;
    let (mut host, plugin) = guests::started(
        guests::builder(guest)
            .failure_policy(postern_host::FailurePolicy::FailReload)
            .reload_backoff(Duration::ZERO),
    );
    for _ in 0..2 {
        host.request(plugin, Request::get("/"));
        assert!(host.shared().data("", "key").is_some());
    }
    assert_eq!(host.vm_starts(), 2);
}

#[test]
fn items_go_to_the_consumer_that_registered_last_in_whatever_host_it_is() {
    let shared = SharedState::new();
    let module = guests::module(KEEPS);
    let make = || {
        Host::builder(&module)
            .vm_id("v")
            .shared(shared.clone())
            .build()
    };
    let (mut first, mut second) = (make(), make());
    first.add_plugin("").expect("accepted");
    // The base and the canary, the main thread and the worker: three of them put an item in, and the worker was last.
    let told: Vec<_> = first.take_logs().iter().map(|line| line.worker).collect();
    assert_eq!(told, [0, 0, 0]);
    second.add_plugin("").expect("accepted");
    assert_eq!(first.logs(), []);
    assert_eq!(second.take_logs().len(), 3);
}
