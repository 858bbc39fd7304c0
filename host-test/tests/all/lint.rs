//! `lint`: for every lint a module that gets it and one that does not.

use std::path::Path;
use std::process::{Command, Output};

use postern_host::lint::{self, Lint, Report, Support};

/// A module with nothing to find but that other hosts differ: `body` is put into it.
fn module(body: &str) -> String {
    format!(
        r#"(module $m {body}
        (memory (export "memory") 1 16)
        (func (export "proxy_abi_version_0_2_1"))
        (func $malloc (export "malloc") (param i32) (result i32) (i32.const 1024)))"#
    )
}

fn report(text: &str) -> Report {
    lint::lint(text).expect("a module")
}

fn found(text: &str) -> Vec<Lint> {
    let mut lints: Vec<Lint> = report(text)
        .findings
        .iter()
        .map(|finding| finding.lint)
        .collect();
    lints.dedup();
    lints
}

/// A lint, and what earns it in the module above.
fn in_the_usual_module() -> Vec<(Lint, &'static str)> {
    vec![
        (
            Lint::UnknownAbiVersion,
            r#"(func (export "proxy_abi_version_0_2_100"))"#,
        ),
        (
            Lint::SeveralAbiVersions,
            r#"(func (export "proxy_abi_version_0_2_0"))"#,
        ),
        (
            Lint::UnknownImport,
            r#"(import "env" "__wbindgen_throw" (func (param i32 i32)))"#,
        ),
        (
            Lint::UnknownImport,
            r#"(import "env" "proxy_log" (global i32))"#,
        ),
        (
            Lint::WrongImportType,
            r#"(import "env" "proxy_log" (func (param i32 i32)))"#,
        ),
        (
            Lint::ImportOutsideSpecification,
            r#"(import "wasi_snapshot_preview1" "fd_close" (func (param i32) (result i32)))"#,
        ),
        (
            Lint::NotPortable,
            r#"(import "env" "proxy_get_log_level" (func (param i32) (result i32)))"#,
        ),
        (
            Lint::UnknownCallback,
            r#"(func (export "proxy_on_request_header") (param i32 i32 i32) (result i32) (i32.const 0))"#,
        ),
        (
            Lint::WrongCallbackType,
            r#"(func (export "proxy_on_tick") (param i32 i32))"#,
        ),
        (
            Lint::WrongCallbackType,
            r#"(global (export "proxy_on_tick") i32 (i32.const 0))"#,
        ),
        (
            Lint::NeverDeleted,
            r#"(func (export "proxy_on_context_create") (param i32 i32))"#,
        ),
        (
            Lint::RepliesUnheard,
            r#"(import "env" "proxy_set_tick_period_milliseconds" (func (param i32) (result i32)))"#,
        ),
        (Lint::StartSection, "(func $start) (start $start)"),
        (Lint::Command, r#"(func (export "_start"))"#),
        (Lint::DebugSections, r#"(@custom ".debug_info" "abc")"#),
        (
            Lint::UncommonFeature,
            r#"(func (export "envoy_on_x") (drop (i32x4.extract_lane 0 (v128.const i32x4 0 0 0 0))))"#,
        ),
        (Lint::UnneededExport, r#"(func (export "helper"))"#),
        (
            Lint::OldSdk,
            r#"(data (i32.const 0) "/registry/src/proxy-wasm-0.2.3/src/hostcalls.rs")"#,
        ),
        (
            Lint::TextGetters,
            r#"(func $proxy_wasm::hostcalls::get_map_value) (func $mine::read (call $proxy_wasm::hostcalls::get_map_value))"#,
        ),
    ]
}

/// A lint, and a module of its own.
fn in_modules_of_their_own() -> Vec<(Lint, String)> {
    let abi = r#"(func (export "proxy_abi_version_0_2_1"))"#;
    let malloc = r#"(func (export "malloc") (param i32) (result i32) (i32.const 0))"#;
    let with_memory = |memory: &str| format!("(module $m {memory} {abi} {malloc})");
    let padding = "x".repeat(6 * 1024 * 1024);
    vec![
        (
            Lint::NoAbiVersion,
            r#"(module (memory (export "memory") 1))"#.to_owned(),
        ),
        (
            Lint::NoAllocator,
            format!(r#"(module (memory (export "memory") 1) {abi})"#),
        ),
        (Lint::NoMemory, with_memory("")),
        (Lint::NoMemory, with_memory("(memory 1)")),
        (
            Lint::NoMemory,
            with_memory(r#"(memory (export "memory") i64 1)"#),
        ),
        (
            Lint::MemoryTooLarge,
            with_memory(r#"(memory (export "memory") 20000)"#),
        ),
        (
            Lint::MemoryUnbounded,
            with_memory(r#"(memory (export "memory") 1)"#),
        ),
        (
            Lint::NoNames,
            format!(r#"(module (memory (export "memory") 1) {abi} {malloc})"#),
        ),
        (
            Lint::LargeModule,
            module(&format!(r#"(@custom "padding" "{padding}")"#)),
        ),
    ]
}

#[test]
fn every_lint_is_found_where_it_is_earned_and_nowhere_else() {
    assert_eq!(found(&module("")), []);
    for (lint, body) in in_the_usual_module() {
        assert!(found(&module(body)).contains(&lint), "{lint} not in {body}");
    }
    for (lint, text) in in_modules_of_their_own() {
        assert!(found(&text).contains(&lint), "{lint}");
    }
}

#[test]
fn no_lint_is_without_a_test() {
    for lint in Lint::ALL {
        let here = in_the_usual_module().iter().any(|(other, _)| other == lint)
            || in_modules_of_their_own()
                .iter()
                .any(|(other, _)| other == lint);
        assert!(here, "{lint}");
    }
}

#[test]
fn neighbours_of_what_is_wrong_are_not_found() {
    let fine = [
        r#"(import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))"#,
        r#"(import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32)))"#,
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))"#,
        r#"(func (export "proxy_on_context_create") (param i32 i32)) (func (export "proxy_on_delete") (param i32))"#,
        r#"(func (export "_initialize")) (func (export "_start"))"#,
        r#"(func (export "proxy_on_new_connection") (param i32) (result i32) (i32.const 0))"#,
        r#"(data (i32.const 0) "/registry/src/proxy-wasm-0.2.5/src/hostcalls.rs")"#,
        r#"(func $proxy_wasm::hostcalls::get_map_value_bytes)
           (func $mine::read (call $proxy_wasm::hostcalls::get_map_value_bytes))"#,
        r#"(func $proxy_wasm::hostcalls::get_map_value)
           (func $proxy_wasm::traits::HttpContext::get_http_request_header (call $proxy_wasm::hostcalls::get_map_value))"#,
    ];
    for body in fine {
        assert_eq!(found(&module(body)), [], "{body}");
    }
}

#[test]
fn the_facts_are_those_of_the_module() {
    let report = report(&module(
        r#"(import "env" "proxy_resolve_shared_queue" (func (param i32 i32 i32 i32 i32) (result i32)))
        (func (export "_initialize"))
        (func (export "main") (param i32 i32) (result i32) (i32.const 0))
        (@producers (language "Rust" "2024") (processed-by "rustc" "1.95.0"))"#,
    ));
    assert_eq!(report.abi_versions, ["0.2.1"]);
    assert_eq!(report.allocator.as_deref(), Some("malloc"));
    assert_eq!(report.starts_with, ["_initialize", "main"]);
    let memory = report.memory.expect("there is one");
    assert_eq!(
        (memory.initial, memory.maximum),
        (65_536, Some(16 * 65_536))
    );
    assert_eq!(report.producers[1].name, "rustc");
    assert_eq!(report.producers[1].version, "1.95.0");
    assert_eq!(report.imports[0].ty, "(i32, i32, i32, i32, i32) -> i32");
    assert_eq!(report.imports[0].hosts["envoy"], Support::Works);
    assert_eq!(report.imports[0].hosts["ngx-wasm-module"], Support::Traps);
    assert!(report.sections.iter().any(|section| section.name == "code"));
    assert!(report.size > 100);
    assert_eq!(report.features, Vec::<String>::new());
}

#[test]
fn features_are_those_without_which_the_module_is_not_valid() {
    let used = |body: &str| report(&module(body)).features;
    let copy = "(func (memory.copy (i32.const 0) (i32.const 1) (i32.const 2)))";
    assert_eq!(used(copy), ["bulk-memory"]);
    assert_eq!(used("(table 1 externref)"), ["reference-types"]);
    assert_eq!(
        used("(func (drop (i32.extend8_s (i32.const 1))))"),
        ["sign-extension"]
    );
    assert_eq!(
        used("(func (drop (i32x4.extract_lane 0 (v128.const i32x4 0 0 0 0))))"),
        ["simd"]
    );
}

#[test]
fn what_is_no_module_is_an_error() {
    for bytes in [&b"\0asm\x01\0\0\0\x0a\xff"[..], b"(module (func", b""] {
        lint::lint(bytes).expect_err("no module");
    }
}

fn command(args: &[&str], text: &str) -> Output {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("module.wat");
    std::fs::write(&path, text).expect("written");
    Command::new(env!("CARGO_BIN_EXE_postern-host"))
        .arg("lint")
        .args(args)
        .arg(&path)
        .output()
        .expect("runs")
}

#[test]
fn the_exit_code_says_whether_anything_is_as_bad_as_asked_for() {
    let warned = module(r#"(func (export "_start"))"#);
    let code = |args: &[&str], text: &str| command(args, text).status.code();
    assert_eq!(code(&[], &warned), Some(0));
    assert_eq!(code(&["--deny", "warning"], &warned), Some(1));
    assert_eq!(
        code(&["--deny", "warning", "--allow", "PL015"], &warned),
        Some(0)
    );
    assert_eq!(
        code(&["--deny", "warning", "--allow", "command"], &warned),
        Some(0)
    );
    assert_eq!(code(&[], "(module)"), Some(1));
    assert_eq!(code(&[], "(module"), Some(2));
    assert_eq!(code(&["--allow", "PL999"], &warned), Some(2));
}

#[test]
fn text_and_json_have_the_findings() {
    let text = module(r#"(func (export "_start"))"#);
    let printed = String::from_utf8(command(&[], &text).stdout).expect("text");
    assert!(printed.contains("\nPL015 warning command\n"), "{printed}");
    let json = command(&["--json"], &text).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(json["findings"][0]["lint"], "PL015");
    assert_eq!(json["findings"][0]["severity"], "warning");
    assert_eq!(json["exports"][0]["name"], "_start");
}

#[test]
fn every_lint_is_documented_in_its_words() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/host/lint.md");
    let page = std::fs::read_to_string(path).expect("the page is there");
    let rows = page.lines().filter(|line| line.starts_with("| PL")).count();
    assert_eq!(rows, Lint::ALL.len());
    for lint in Lint::ALL {
        let row = format!(
            "| {lint} | {} | {} | {} | {} |",
            lint.severity(),
            lint.name(),
            lint.summary(),
            lint.advice()
        );
        assert!(page.contains(&row), "{row}");
    }
}

#[test]
fn callbacks_have_the_types_of_the_version_that_counts() {
    let module = |version: &str, params: &str| {
        format!(
            r#"(module (memory (export "memory") 1 16) (func (export "proxy_abi_version_{version}"))
            (func (export "malloc") (param i32) (result i32) (i32.const 1024))
            (func (export "proxy_on_request_headers") (param {params}) (result i32) (i32.const 0)))"#
        )
    };
    for (version, params, fits) in [
        ("0_1_0", "i32 i32", true),
        ("0_1_0", "i32 i32 i32", false),
        ("0_2_1", "i32 i32", false),
        ("0_2_1", "i32 i32 i32", true),
        ("0_2_100", "i32 i32 i32", true),
    ] {
        let found = found(&module(version, params));
        let is_wrong = found.contains(&Lint::WrongCallbackType);
        assert_eq!(is_wrong, !fits, "{version} {params}: {found:?}");
    }
}
