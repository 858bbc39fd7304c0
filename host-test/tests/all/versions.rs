//! Versions of the ABI, as Envoy 1.40 takes them.

use postern_host::{AbiVersion, Host, LoadError, LoadOptions, Module, Request};

use crate::guests::{builder, messages, started};

/// A module with these markers in this order, and this in it.
fn text(markers: &[&str], body: &str) -> String {
    let markers: String = markers
        .iter()
        .map(|version| format!(r#"(func (export "proxy_abi_version_{version}"))"#))
        .collect();
    format!(
        r#"(module
          (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
          (import "env" "proxy_get_header_map_value" (func $value (param i32 i32 i32 i32 i32) (result i32)))
          {body}
          (memory (export "memory") 1)
          (global $heap (mut i32) (i32.const 4096))
          (func (export "malloc") (param i32) (result i32)
            (global.get $heap)
            (global.set $heap (i32.add (global.get $heap) (local.get 0))))
          {markers})"#
    )
}

fn error(markers: &[&str], body: &str) -> LoadError {
    Module::compile(text(markers, body)).expect_err("not to be hosted")
}

/// Logs whether a missing header is there, and then what `proxy_get_configuration` says; goes on by the old names.
const OLD: &str = r#"
    (import "env" "proxy_get_configuration" (func $configuration (param i32 i32) (result i32)))
    (import "env" "proxy_continue_request" (func $continue (result i32)))
    (import "env" "proxy_clear_route_cache" (func $clear (result i32)))
    (data (i32.const 100) "nope")
    (func $log_configuration
      (drop (call $configuration (i32.const 0) (i32.const 4)))
      (drop (call $log (i32.const 2) (i32.load (i32.const 0)) (i32.load (i32.const 4)))))
    (func $log_status (param i32)
      (i32.store8 (i32.const 50) (i32.add (i32.const 48) (local.get 0)))
      (drop (call $log (i32.const 2) (i32.const 50) (i32.const 1))))
    (func (export "proxy_on_configure") (param i32 i32) (result i32) (call $log_configuration) (i32.const 1))
    (func (export "proxy_on_request_headers") (param i32 i32) (result i32)
      (call $log_status (call $value (i32.const 0) (i32.const 100) (i32.const 4) (i32.const 0) (i32.const 4)))
      (call $log_configuration)
      (call $log_status (call $clear))
      (call $log_status (call $continue))
      (i32.const 1))
    (func (export "proxy_on_response_headers") (param i32 i32) (result i32)
      (call $log_status (call $value (i32.const 0) (i32.const 100) (i32.const 4) (i32.const 0) (i32.const 4)))
      (i32.const 0))
    (func (export "proxy_on_log") (param i32)
      (call $log_status (call $value (i32.const 3) (i32.const 100) (i32.const 4) (i32.const 0) (i32.const 4))))"#;

#[test]
fn a_module_of_0_1_0_finds_its_functions_and_every_header() {
    let module = Module::compile(text(&["0_1_0"], OLD)).expect("Envoy takes it");
    assert_eq!(module.abi_version(), AbiVersion::V0_1_0);
    let mut host = Host::builder(&module)
        .vm_configuration("vmconf")
        .canary(false)
        .main_thread_vm(false)
        .trace(true)
        .build();
    let plugin = host.add_plugin("conf").expect("nothing to refuse");
    host.take_trace();
    let exchange = host.request(plugin, Request::get("/"));
    assert_eq!(exchange.status(), 200, "it went on by itself");
    assert_eq!(
        messages(&mut host),
        ["conf", "0", "vmconf", "0", "0", "2", "0"],
        "no request headers in the response phase, and any when it is logged"
    );
    let trace = host.take_trace();
    assert!(
        trace.contains(&"[host->vm] proxy_on_request_headers(2, 6)".to_owned()),
        "{trace:?}"
    );
}

#[test]
fn each_version_has_its_own_functions_and_types() {
    let level = r#"(import "env" "proxy_get_log_level" (func (param i32) (result i32)))"#;
    assert!(Module::compile(text(&["0_2_1"], level)).is_ok());
    let message = error(&["0_2_0"], level).to_string();
    assert!(
        message.contains(
            "Envoy: Failed to load Wasm module due to a missing import: env.proxy_get_log_level"
        ),
        "{message}"
    );
    let old = r#"(import "env" "proxy_get_configuration" (func (param i32 i32) (result i32)))"#;
    assert!(matches!(
        error(&["0_2_1"], old),
        LoadError::UnknownImports(_)
    ));
    let new = r#"(import "env" "proxy_continue_stream" (func (param i32) (result i32)))"#;
    assert!(matches!(
        error(&["0_1_0"], new),
        LoadError::UnknownImports(_)
    ));
    let three = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))"#;
    assert!(matches!(
        error(&["0_1_0"], three),
        LoadError::WrongExport(_)
    ));
}

#[test]
fn of_several_versions_the_first_one_counts() {
    for (markers, version) in [
        (["0_1_0", "0_2_1"], AbiVersion::V0_1_0),
        (["0_2_1", "0_1_0"], AbiVersion::V0_2_1),
        (["0_2_100", "0_2_0"], AbiVersion::V0_2_0),
    ] {
        let module = Module::compile(text(&markers, "")).expect("Envoy takes it");
        assert_eq!(module.abi_version(), version, "{markers:?}");
    }
}

#[test]
fn an_extended_version_is_named_and_loads_only_leniently() {
    let refused = error(&["0_2_100"], "");
    assert!(
        matches!(&refused, LoadError::ExtendedAbi(name) if name == "proxy_abi_version_0_2_100")
    );
    let message = refused.to_string();
    assert!(
        message.contains("proxy_abi_version_0_2_100")
            && message.contains("Missing or unknown Proxy-Wasm ABI version"),
        "{message}"
    );
    let lenient = LoadOptions::new().abi_lenient(true);
    let module = lenient
        .compile(text(&["0_2_100"], ""))
        .expect("taken for 0.2.1");
    assert_eq!(module.abi_version(), AbiVersion::V0_2_1);
    let foreign = r#"(import "env" "proxy_redis_call" (func (param i32) (result i32)))"#;
    assert!(matches!(
        lenient.compile(text(&["0_2_100"], foreign)),
        Err(LoadError::UnknownImports(_))
    ));
    assert!(matches!(
        lenient.compile(text(&["9_9_9"], "")),
        Err(LoadError::UnsupportedAbi(_))
    ));
}

#[test]
fn a_response_that_is_not_there_cannot_go_on() {
    let guest = r#"
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $continue (i32.const 1)))
          (i32.const 1))"#;
    let (mut host, plugin) = started(builder(guest));
    let trap = host
        .request(plugin, Request::get("/"))
        .trap
        .expect("the end of Envoy");
    assert!(trap.contains("segmentation fault"), "{trap}");
}

#[test]
fn a_host_can_call_a_guest_by_a_number() {
    let guest = r#"
        (func (export "proxy_on_foreign_function") (param i32 i32 i32)
          (call $log_number (local.get 1))
          (drop (call $buffer (i32.const 8) (i32.const 0) (local.get 2) (i32.const 0) (i32.const 4)))
          (call $log_handed))"#;
    let (mut host, plugin) = started(builder(guest));
    assert!(host.call_guest(plugin, 0, 42, "arguments"));
    assert_eq!(messages(&mut host), ["42", "arguments"]);
}

#[test]
fn run_and_bench_take_an_extended_version_and_another_host_if_they_are_told_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let guest = folder.path().join("guest.wat");
    std::fs::write(&guest, text(&["0_2_100"], "")).expect("written");
    let scenario = folder.path().join("s.scenario.toml");
    let steps = "host.module = 'guest.wat'\n[[step]]\nrequest.path = '/'\nexpect.status = 200\n";
    std::fs::write(&scenario, steps).expect("written");
    let run = |arguments: &[&str], file: &std::path::Path| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_postern-host"))
            .args(arguments)
            .arg(file)
            .output()
            .expect("ran");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        (output.status.code(), said)
    };
    let bench = [
        "bench",
        "--requests",
        "1",
        "--rounds",
        "1",
        "--warm-up",
        "0",
    ];
    for (command, file) in [(&["run"][..], &scenario), (&bench[..], &guest)] {
        let (code, said) = run(command, file);
        assert_ne!(code, Some(0), "{said}");
        assert!(
            said.contains("--abi-lenient") && said.contains("host.abi_lenient"),
            "{said}"
        );
        let lenient = [command, &["--abi-lenient", "--profile", "apisix"]].concat();
        let (code, said) = run(&lenient, file);
        assert_eq!(code, Some(0), "{said}");
    }
    let (code, said) = run(&["run", "--profile", "nginx"], &scenario);
    assert_eq!(code, Some(2), "{said}");
}
