//! What a plugin may do, if it may not do everything. What is expected here is what Envoy 1.40 did with the same guest and the
//! same `capability_restriction_config`.

use postern_host::{Host, HostBuilder, LogLevel, Module, Plugin, Request};

const GUEST: &str = r#"(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_log_level" (func $level (param i32) (result i32)))
  (import "env" "envoy_resolve_dns" (func $dns (param i32 i32 i32) (result i32)))
  (import "env" "pthread_equal" (func $equal (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_unstable" "random_get" (func $random_too (param i32 i32) (result i32)))
  (import "wasi_unstable" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param i32) (result i32) (i32.const 8192))
  (func (export "_initialize") (drop (call $random (i32.const 2000) (i32.const 4))))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (drop (call $log (i32.const 2) (i32.const 0) (i32.const 0)))
    (drop (call $level (i32.const 0)))
    (drop (call $dns (i32.const 0) (i32.const 0) (i32.const 0)))
    (drop (call $equal (i32.const 0) (i32.const 0)))
    (drop (call $random (i32.const 2000) (i32.const 4)))
    (drop (call $random_too (i32.const 2000) (i32.const 4)))
    (call $exit (i32.const 1))
    (i32.const 1))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))
  (func (export "proxy_on_log") (param i32)))"#;

fn builder() -> HostBuilder {
    let module = Module::compile(GUEST).expect("the guest compiles");
    Host::builder(&module)
        .main_thread_vm(false)
        .canary(false)
        .trace(true)
}

/// The trace without the direction of calls.
fn started(builder: HostBuilder) -> (Host, postern_host::PluginId, Vec<String>) {
    let mut host = builder.build();
    let plugin = host.add_plugin("conf").expect("accepted");
    let trace = host.take_trace().into_iter();
    let kept =
        trace.filter(|line| line.starts_with("[host->vm]") || line.starts_with("[vm<-host]"));
    let trace = kept.collect();
    (host, plugin, trace)
}

#[test]
fn functions_that_are_not_named_answer_a_failure_and_callbacks_do_not_come() {
    let (mut host, plugin, trace) = started(builder().capability("proxy_on_configure"));
    assert_eq!(
        trace,
        [
            "[host->vm] _initialize()",
            "[vm<-host] wasi_snapshot_preview1.random_get return: 76",
            "[host->vm] proxy_on_configure(1, 4)",
            "[vm<-host] env.proxy_log return: 10",
            "[vm<-host] env.proxy_get_log_level return: 10",
            "[vm<-host] env.envoy_resolve_dns return: 0",
            "[vm<-host] env.pthread_equal return: 1",
            "[vm<-host] wasi_snapshot_preview1.random_get return: 76",
            "[vm<-host] wasi_unstable.random_get return: 76",
            "[vm<-host] wasi_unstable.proc_exit return: void",
        ]
    );
    let lines: Vec<_> = host
        .take_logs()
        .into_iter()
        .map(|line| (line.level, line.message))
        .collect();
    let restricted = |what: &str| {
        let line = format!("Attempted call to restricted {what}");
        (LogLevel::Error, line)
    };
    assert_eq!(
        lines[..3],
        [
            restricted("WASI capability: random_get"),
            restricted("proxy-wasm capability: proxy_log"),
            restricted("proxy-wasm capability: proxy_get_log_level"),
        ]
    );
    let exchange = host.request(plugin, Request::get("/"));
    assert_eq!((exchange.status(), exchange.callbacks.len()), (200, 0));
}

#[test]
fn what_is_named_works_under_both_names_of_wasi() {
    let names = [
        "proxy_on_configure",
        "proxy_log",
        "random_get",
        "proxy_on_request_headers",
    ];
    let builder = names.into_iter().fold(builder(), HostBuilder::capability);
    let (mut host, plugin, trace) = started(builder);
    assert_eq!(
        trace,
        [
            "[host->vm] _initialize()",
            "[vm<-host] wasi_snapshot_preview1.random_get return: 0",
            "[host->vm] proxy_on_configure(1, 4)",
            "[vm<-host] env.proxy_log return: 0",
            "[vm<-host] env.proxy_get_log_level return: 10",
            "[vm<-host] env.envoy_resolve_dns return: 0",
            "[vm<-host] env.pthread_equal return: 1",
            "[vm<-host] wasi_snapshot_preview1.random_get return: 0",
            "[vm<-host] wasi_unstable.random_get return: 0",
            "[vm<-host] wasi_unstable.proc_exit return: void",
        ]
    );
    let exchange = host.request(plugin, Request::get("/"));
    let names: Vec<_> = exchange.callbacks.iter().map(|it| it.name).collect();
    assert_eq!(names, ["proxy_on_request_headers"]);
}

#[test]
fn without_a_name_everything_is_allowed_and_names_with_a_module_allow_nothing() {
    let (_, _, trace) = started(builder());
    assert!(trace.contains(&"[host->vm] proxy_on_vm_start(1, 0)".to_owned()));
    assert!(
        !trace
            .iter()
            .any(|line| line.ends_with(": 10") || line.ends_with(": 76"))
    );
    let builder = builder()
        .capability("proxy_on_configure")
        .capability("env.proxy_log")
        .capability("wasi_unstable.random_get");
    let (_, _, trace) = started(builder);
    assert!(trace.contains(&"[vm<-host] env.proxy_log return: 10".to_owned()));
    assert!(trace.contains(&"[vm<-host] wasi_unstable.random_get return: 76".to_owned()));
}

#[test]
fn plugins_with_other_capabilities_live_in_other_vms() {
    let module = Module::compile(GUEST).expect("the guest compiles");
    let mut host = builder().build();
    let plugin = || Plugin::of(&module).vm_id("v");
    host.add_plugin_with(plugin()).expect("accepted");
    host.add_plugin_with(plugin().capability("proxy_on_configure"))
        .expect("accepted");
    assert_eq!(host.vm_starts(), 2);
    host.add_plugin_with(plugin().name("other"))
        .expect("accepted");
    assert_eq!(host.vm_starts(), 2);
}
