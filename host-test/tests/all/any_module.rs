//! Guests in other languages and styles than those of this project: each is loaded, played, looked at and measured.

use std::path::{Path, PathBuf};

use postern_host::bench::{self, BenchError};
use postern_host::lint::{self, Lint};
use postern_host::scenario::{self, Options};
use postern_host::{AbiVersion, Code, Host, Module, Request};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests")
}

/// The guest of this name that `cargo xtask test` has built; where it could not, it counts that as skipped.
fn built(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("POSTERN_GUESTS").filter(|folder| !folder.is_empty());
    let Some(folder) = folder else {
        eprintln!("skipped: POSTERN_GUESTS names no folder with {name}");
        return None;
    };
    Some(Path::new(&folder).join(name))
}

/// Plays the guest's scenarios.
fn play(name: &str, module: &Path) {
    let file = folder().join(name).with_extension("scenario.toml");
    let mut options = Options::default();
    options.module = Some(module.to_owned());
    let report = scenario::run_files(&[file], &options).expect("a scenario");
    assert!(report.passed() && report.steps() > 0, "{report}");
}

/// What `lint` finds, each lint once.
fn lints(module: &Path) -> Vec<Lint> {
    let wasm = std::fs::read(module).expect("a file");
    let report = lint::lint(wasm).expect("a module");
    let mut lints: Vec<Lint> = report.findings.iter().map(|finding| finding.lint).collect();
    lints.dedup();
    lints
}

fn bench_options(module: &Path, configuration: &str) -> bench::Options {
    let mut options = bench::Options::default();
    (options.warm_up, options.requests, options.rounds) = (3, 20, 3);
    options.request = Request::get("/").header("accept-language", "de");
    options.configuration = configuration.into();
    options.modules = vec![module.to_owned()];
    options
}

/// Measures a guest that greets: it reads a header, logs it, and adds another one.
fn measure_greeting(module: &Path, configuration: &str) {
    let report = bench::run(&bench_options(module, configuration)).expect("measured");
    let costs = &report.subjects[0].callbacks["proxy_on_request_headers"];
    assert!(costs.fuel > 0.0);
    assert_eq!(costs.allocations, 1.0);
    let expected = [
        ("proxy_add_header_map_value", 1.0),
        ("proxy_get_header_map_value", 1.0),
        ("proxy_log", 1.0),
    ];
    for (function, calls) in expected {
        assert_eq!(costs.host_calls[function], calls, "{function}");
    }
}

#[test]
fn a_guest_in_assemblyscript_runs() {
    let Some(module) = built("assemblyscript.wasm") else {
        return;
    };
    play("assemblyscript", &module);
    assert_eq!(lints(&module), [Lint::MemoryUnbounded]);
    measure_greeting(&module, "hello");
}

#[test]
fn a_guest_in_go_runs_with_all_of_its_runtime() {
    let Some(module) = built("go.wasm") else {
        return;
    };
    let size = std::fs::metadata(&module).expect("a file").len();
    assert!(size > 8_000_000, "{size} bytes");
    play("go", &module);
    let expected = [
        Lint::ImportOutsideSpecification,
        Lint::MemoryUnbounded,
        Lint::LargeModule,
    ];
    assert_eq!(lints(&module), expected);
    measure_greeting(&module, r#"{"greeting": "hello"}"#);
}

#[test]
fn a_guest_of_abi_0_1_0_runs() {
    let module = folder().join("old.wat");
    let loaded = Module::from_file(&module).expect("Envoy takes it");
    assert_eq!(loaded.abi_version(), AbiVersion::V0_1_0);
    play("old", &module);
    let found = lints(&module);
    assert!(!found.contains(&Lint::UnknownAbiVersion), "{found:?}");
    assert!(!found.contains(&Lint::WrongCallbackType), "{found:?}");
    measure_greeting(&module, "hello");
}

#[test]
fn a_guest_that_leaks_and_loops_is_told_of_and_stopped() {
    let module = folder().join("careless.wat");
    play("careless", &module);
    let found = lints(&module);
    assert!(found.contains(&Lint::NeverDeleted), "{found:?}");

    let report = bench::run(&bench_options(&module, "")).expect("measured");
    let costs = &report.subjects[0].callbacks["proxy_on_request_headers"];
    assert_eq!(costs.memory_growth, 65_536.0);
    let mut loops = bench_options(&module, "");
    loops.request = Request::get("/tell");
    let error = bench::run(&loops).expect_err("it does not come back");
    assert!(matches!(error, BenchError::Died { .. }), "{error}");

    let module = Module::from_file(&module).expect("a module");
    let mut host = Host::builder(&module).build();
    let plugin = host.add_plugin("").expect("nothing to refuse");
    for _ in 0..100 {
        assert_eq!(host.request(plugin, Request::get("/")).status(), 200);
    }
    let codes: Vec<Code> = host.diagnostics().iter().map(|found| found.code).collect();
    assert!(codes.contains(&Code::NeverDeleted), "{codes:?}");
    assert!(codes.contains(&Code::MemoryGrows), "{codes:?}");
}
