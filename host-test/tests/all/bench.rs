//! `bench`: what it counts is exact; what it times is not looked at here.

use std::process::Command;

use postern_host::bench::{self, BenchError, Options};

use crate::guests;

fn quick() -> Options {
    let mut options = Options::default();
    (options.warm_up, options.requests, options.rounds) = (3, 5, 3);
    options
}

fn file(directory: &tempfile::TempDir, name: &str, body: &str) -> std::path::PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, guests::text(body)).expect("written");
    path
}

const TWO_READS: &str = r#"
    (data (i32.const 1000) "user-agent")
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (drop (call $value (i32.const 0) (i32.const 1000) (i32.const 10) (i32.const 4) (i32.const 8)))
      (drop (call $pairs (i32.const 0) (i32.const 4) (i32.const 8)))
      (i32.const 0))
    (func (export "proxy_on_log") (param i32) (drop (memory.grow (i32.const 1))))"#;

#[test]
fn counts_are_those_of_the_callbacks_and_the_same_in_every_run() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut options = quick();
    options.modules = vec![file(&directory, "two.wat", TWO_READS)];
    let costs = || {
        let report = bench::run(&options).expect("measured");
        report.subjects[0].callbacks.clone()
    };
    let first = costs();
    assert_eq!(first, costs());
    let headers = &first["proxy_on_request_headers"];
    assert_eq!((headers.calls, headers.allocations), (1.0, 2.0));
    assert_eq!(headers.host_calls["proxy_get_header_map_value"], 1.0);
    assert_eq!(headers.host_calls["proxy_get_header_map_pairs"], 1.0);
    assert_eq!(headers.bytes_from_guest, 10.0);
    assert_eq!(headers.memory_growth, 0.0);
    assert!(headers.fuel >= 10.0);
    assert_eq!(first["proxy_on_log"].memory_growth, 65_536.0);
}

#[test]
fn a_request_that_no_filter_would_see_is_not_measured() {
    let mut options = quick();
    options.request = postern_host::Request::new("G T", "/").header("a b", "c");
    let error = bench::run(&options).expect_err("not let in").to_string();
    assert!(error.contains("(400, http1.codec_error)"), "{error}");
}

#[test]
fn two_modules_are_measured_side_by_side() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut options = quick();
    options.modules = vec![
        file(&directory, "one.wat", ""),
        file(&directory, "two.wat", TWO_READS),
    ];
    let report = bench::run(&options).expect("measured");
    assert_eq!(report.subjects.len(), 2);
    assert!(report.to_string().contains("The second module does "));
}

#[test]
fn a_refused_configuration_or_a_dead_guest_is_an_error_and_no_measurement() {
    let directory = tempfile::tempdir().expect("a directory");
    let refuses =
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 0))"#;
    let dies = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (unreachable))"#;
    let run = |name: &str, body: &str| {
        let mut options = quick();
        options.modules = vec![file(&directory, name, body)];
        bench::run(&options)
    };
    assert!(matches!(
        run("a.wat", refuses),
        Err(BenchError::Refused { .. })
    ));
    assert!(matches!(run("b.wat", dies), Err(BenchError::Died { .. })));
    let mut none = quick();
    none.requests = 0;
    assert!(matches!(bench::run(&none), Err(BenchError::Nothing)));
}

#[test]
fn a_module_in_the_cache_is_loaded_from_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let cache = directory.path().join("cache");
    let mut options = quick();
    options.modules = vec![file(&directory, "two.wat", TWO_READS)];
    options.cache = Some(cache.clone());
    let report = bench::run(&options).expect("measured");
    assert!(report.subjects[0].cached_ms.is_some());
    assert!(cache.read_dir().expect("made").next().is_some());
}

#[test]
fn the_command_prints_json_that_other_programs_can_read() {
    let output = Command::new(env!("CARGO_BIN_EXE_postern-host"))
        .args([
            "bench",
            "--json",
            "--requests",
            "5",
            "--rounds",
            "1",
            "--warm-up",
            "1",
        ])
        .args(["--header", "x-user: p-7"])
        .output()
        .expect("runs");
    assert!(output.status.success());
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["subjects"][0]["name"], "one header");
    let costs = &report["subjects"][0]["callbacks"]["proxy_on_request_headers"];
    assert_eq!(costs["bytes_from_guest"], 10.0);
    let wrong = Command::new(env!("CARGO_BIN_EXE_postern-host"))
        .args(["bench", "no-such-file.wasm"])
        .output()
        .expect("runs");
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("no-such-file.wasm"));
}

#[test]
fn the_wall_clock_is_the_one_that_was_asked_for() {
    let directory = tempfile::tempdir().expect("a directory");
    // Dies unless the clock says 2026-12-01.
    let guest = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (drop (call $clock (i32.const 0) (i64.const 1) (i32.const 16)))
        (if (i64.ne (i64.load (i32.const 16)) (i64.const 1796083200000000000)) (then (unreachable)))
        (i32.const 0))"#;
    let mut options = quick();
    options.modules = vec![file(&directory, "clock.wat", guest)];
    assert!(matches!(bench::run(&options), Err(BenchError::Died { .. })));
    options.wall_clock = Some(1_796_083_200);
    bench::run(&options).expect("the clock is right");
}
