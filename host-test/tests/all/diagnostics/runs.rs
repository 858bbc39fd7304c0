//! Codes that show over several requests or in modules of their own, and what a run does with findings.

use postern_host::{
    Allowance, Code, Diagnostic, Fault, Host, HostBuilder, Module, Request, Severity,
};

use super::{found, host, on};

/// A guest without the common frame: imports, allocator and the rest.
fn bare(body: &str) -> HostBuilder {
    let text = format!(
        r#"(module {body} (func (export "proxy_abi_version_0_2_1")) (memory (export "memory") 2))"#
    );
    Host::builder(&Module::compile(text).expect("the guest compiles"))
}

fn codes(findings: &[Diagnostic]) -> Vec<Code> {
    findings.iter().map(|finding| finding.code).collect()
}

fn after(builder: HostBuilder, requests: usize) -> Vec<Code> {
    let mut host = builder.build();
    let plugin = host.add_plugin("").expect("accepted");
    for _ in 0..requests {
        host.request(plugin, Request::get("/").header("x-a", "v".repeat(1_000)));
    }
    codes(host.diagnostics())
}

const PAIRS: &str =
    r#"(import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))"#;
const READ_PAIRS: &str = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $pairs (i32.const 0) (i32.const 4) (i32.const 8)))"#;

/// Reads all headers of each request into memory from this allocator.
fn reader(allocator: &str) -> HostBuilder {
    bare(&format!(
        r#"{PAIRS} {READ_PAIRS}
        (global $heap (mut i32) (i32.const 4096))
        (func (export "malloc") (param $size i32) (result i32) (local $at i32) {allocator})"#
    ))
}

#[test]
fn an_allocator_that_never_sees_its_blocks_again_leaks() {
    let grows = r#"(local.set $at (global.get $heap))
        (global.set $heap (i32.add (global.get $heap) (local.get $size)))
        (if (i32.gt_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536)))
            (then (drop (memory.grow (i32.const 1)))))
        (local.get $at)"#;
    let same = "(i32.const 4096)";
    assert!(!after(reader(grows), 40).contains(&Code::BuffersNotFreed));
    assert!(after(reader(grows), 100).contains(&Code::BuffersNotFreed));
    assert!(!after(reader(same), 1_000).contains(&Code::BuffersNotFreed));
}

#[test]
fn a_block_that_is_null_or_outside_memory_or_holds_the_results_place_is_told() {
    for allocator in ["(i32.const 0)", "(i32.const 0x1ffff)", "(i32.const 2)"] {
        let codes = after(reader(allocator), 1);
        assert!(
            codes.contains(&Code::BadAllocation),
            "{allocator}: {codes:?}"
        );
    }
    assert!(!after(reader("(i32.const 4096)"), 1).contains(&Code::BadAllocation));
}

#[test]
fn memory_that_grows_with_every_few_streams_is_told() {
    let growing = |condition: &str| {
        host(&format!(
            r#"(global $streams (mut i32) (i32.const 0))
            (func (export "proxy_on_delete") (param i32)
              (global.set $streams (i32.add (global.get $streams) (i32.const 1)))
              (if {condition} (then (drop (memory.grow (i32.const 1))))))"#
        ))
    };
    let each_fourth = "(i32.eqz (i32.rem_u (global.get $streams) (i32.const 4)))";
    let only_at_first = "(i32.lt_u (global.get $streams) (i32.const 20))";
    assert!(after(growing(each_fourth), 100).contains(&Code::MemoryGrows));
    assert!(!after(growing(only_at_first), 100).contains(&Code::MemoryGrows));
}

#[test]
fn a_status_that_the_sdk_lacks_is_told_even_if_a_fault_makes_it() {
    let guest = on(
        "request_headers",
        "(drop (call $pairs (i32.const 0) (i32.const 4) (i32.const 8))) (i32.const 0)",
    );
    for (status, expected) in [(12, true), (11, true), (2, false)] {
        let mut host = host(&guest).build();
        let plugin = host.add_plugin("").expect("accepted");
        host.inject(Fault::status("proxy_get_header_map_pairs", status))
            .expect("a host function");
        host.request(plugin, Request::get("/"));
        let codes = codes(host.diagnostics());
        assert_eq!(
            codes.contains(&Code::StatusUnknownToSdk),
            expected,
            "{status}"
        );
    }
}

#[test]
fn an_import_that_the_specification_lacks_is_told_by_name() {
    let malloc = r#"(func (export "malloc") (param i32) (result i32) (i32.const 4096))"#;
    let import = |name: &str, ty: &str| {
        bare(&format!(
            r#"(import "wasi_snapshot_preview1" "{name}" (func {ty})) {malloc}"#
        ))
        .build()
    };
    let host = import("fd_close", "(param i32) (result i32)");
    assert_eq!(codes(host.diagnostics()), [Code::ImportOutsideProfile]);
    assert_eq!(
        host.diagnostics()[0].detail,
        "wasi_snapshot_preview1.fd_close"
    );
    let host = import("random_get", "(param i32 i32) (result i32)");
    assert_eq!(codes(host.diagnostics()), []);
}

#[test]
fn a_function_that_other_hosts_lack_is_told_once() {
    let shared = on(
        "request_headers",
        "(drop (call $get_shared (i32.const 1000) (i32.const 3) (i32.const 4) (i32.const 8) (i32.const 12))) (i32.const 0)",
    );
    let portable = |guest: &str| {
        let mut host = host(guest).build();
        let plugin = host.add_plugin("").expect("accepted");
        host.request(plugin, Request::get("/"));
        host.request(plugin, Request::get("/"));
        let findings = host.diagnostics().iter();
        findings
            .filter(|finding| finding.code == Code::NotPortable)
            .map(|finding| finding.count)
            .collect::<Vec<_>>()
    };
    assert_eq!(portable(&shared), [1]);
    assert!(portable(&on("request_headers", "(i32.const 0)")).is_empty());
}

const PAUSES: &str =
    r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))"#;

#[test]
fn a_finding_says_where_it_was_and_how_often() {
    let mut host = host(PAUSES).build();
    let plugin = host.add_plugin("").expect("accepted");
    for _ in 0..2 {
        let stream = host.open(plugin, Request::get("/"));
        host.disconnect(stream);
        host.finish(stream);
    }
    let findings = host.take_diagnostics();
    let finding = findings
        .iter()
        .find(|finding| finding.code == Code::PauseWithoutWakeup)
        .expect("found");
    assert_eq!(finding.callback, Some("proxy_on_request_headers"));
    assert_eq!((finding.worker, finding.context, finding.count), (0, 2, 2));
    assert_eq!(finding.severity(), Severity::Error);
    let text = finding.to_string();
    assert!(
        text.starts_with(
            "PH015 error pause-without-wakeup in proxy_on_request_headers (2 times). "
        ),
        "{text}"
    );
    assert_eq!(host.diagnostics(), []);
}

#[test]
fn with_the_flag_a_pause_at_headers_waits_for_the_body() {
    let paused = |flag: bool, request: Request| {
        let mut host = host(PAUSES).allow_on_headers_stop_iteration(flag).build();
        let plugin = host.add_plugin("").expect("accepted");
        host.open(plugin, request);
        codes(host.diagnostics()).contains(&Code::PauseWithoutWakeup)
    };
    assert!(paused(false, Request::post("/").body("x")));
    assert!(!paused(true, Request::post("/").body("x")));
    assert!(paused(true, Request::get("/")), "no body will come");
}

#[test]
fn what_is_allowed_or_switched_off_is_not_reported() {
    let run = |builder: HostBuilder| {
        let mut host = builder.build();
        let plugin = host.add_plugin("").expect("accepted");
        host.open(plugin, Request::get("/"));
        codes(host.final_diagnostics())
    };
    let place = |text: &str| text.parse::<Allowance>().expect("an allowance");
    let hangs = Code::PauseWithoutWakeup;
    assert!(run(host(PAUSES)).contains(&hangs));
    assert!(!run(host(PAUSES).allow(hangs)).contains(&hangs));
    assert!(!run(host(PAUSES).allow(place("PH015@proxy_on_request_headers"))).contains(&hangs));
    assert!(run(host(PAUSES).allow(place("PH015@proxy_on_request_body"))).contains(&hangs));
    assert_eq!(run(host(PAUSES).diagnose(false)), []);
}

#[test]
fn a_guest_that_does_nothing_odd_has_no_findings() {
    assert_eq!(found(&on("request_headers", "(i32.const 0)")), []);
}

/// Dies when a value that it reads, of this map and under this name, has a byte above ASCII.
fn text_reader(map: u32, name: &str, callback: &str) -> String {
    let code = format!(
        r#"(local $at i32)
        (if (i32.eqz (call $value (i32.const {map}) (i32.const 1000) (i32.const {length}) (i32.const 4) (i32.const 8)))
          (then
            (local.set $at (i32.sub (i32.add (i32.load (i32.const 4)) (i32.load (i32.const 8))) (i32.const 1)))
            (if (i32.gt_u (i32.load8_u (local.get $at)) (i32.const 127)) (then (unreachable)))))
        (i32.const 0)"#,
        length = name.len()
    );
    super::data(1000, name) + &on(callback, &code)
}

fn hostile(guest: &str) -> Vec<(Option<&'static str>, String)> {
    let mut host = host(guest).build();
    let plugin = host.add_plugin("").expect("accepted");
    host.try_hostile_bytes(plugin, &super::request())
        .expect("accepted there too");
    assert_eq!(host.traps(), 0, "this host's VM was left alone");
    assert_eq!(host.request(plugin, super::request()).status(), 200);
    host.take_diagnostics()
        .into_iter()
        .filter(|finding| finding.code == Code::NotUtf8)
        .map(|finding| (finding.callback, finding.detail))
        .collect()
}

#[test]
fn a_guest_that_takes_headers_for_text_dies_of_bytes_and_the_header_is_named() {
    let of_request = hostile(&text_reader(0, "x-a", "request_headers"));
    let expected = "request header `x-a`".to_owned();
    assert_eq!(of_request, [(Some("proxy_on_request_headers"), expected)]);
    let of_response = hostile(&text_reader(2, "x-up", "response_headers"));
    let expected = "response headers".to_owned();
    assert_eq!(of_response, [(Some("proxy_on_response_headers"), expected)]);
}

#[test]
fn a_guest_that_takes_headers_for_bytes_survives() {
    let guest = super::data(1000, "x-a")
        + &on(
            "request_headers",
            "(drop (call $value (i32.const 0) (i32.const 1000) (i32.const 3) (i32.const 4) (i32.const 8))) (i32.const 0)",
        );
    assert_eq!(hostile(&guest), []);
}

#[test]
fn a_guest_that_dies_of_the_request_itself_does_not_die_of_the_bytes() {
    let mut host = host(&on("request_headers", "(unreachable)")).build();
    let plugin = host.add_plugin("").expect("accepted");
    host.try_hostile_bytes(plugin, &super::request())
        .expect("accepted there too");
    assert!(!codes(host.diagnostics()).contains(&Code::NotUtf8));
}
