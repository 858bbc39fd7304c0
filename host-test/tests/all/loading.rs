//! Modules that can be hosted, and those that cannot.

use postern_host::{Host, LoadError, Module, Request};

const ABI: &str = r#"(func (export "proxy_abi_version_0_2_1"))"#;
const MEMORY: &str = r#"(memory (export "memory") 1)"#;
const MALLOC: &str = r#"(func (export "malloc") (param i32) (result i32) (i32.const 1024))"#;

fn error(text: &str) -> LoadError {
    Module::compile(format!("(module {text})")).expect_err("not to be hosted")
}

#[test]
fn unknown_imports_are_named() {
    let imports = r#"(import "env" "proxy_dance" (func)) (import "gojs" "runtime.ticks" (func))
        (import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))"#;
    let LoadError::UnknownImports(names) = error(&format!("{imports} {ABI} {MEMORY} {MALLOC}"))
    else {
        panic!("these are unknown")
    };
    assert_eq!(names, ["env.proxy_dance", "gojs.runtime.ticks"]);
}

#[test]
fn what_is_missing_is_said() {
    assert!(matches!(
        error(&format!("{MEMORY} {MALLOC}")),
        LoadError::NoAbiVersion
    ));
    assert!(matches!(
        error(&format!("{ABI} {MALLOC}")),
        LoadError::NoMemory
    ));
    assert!(matches!(
        error(&format!("{ABI} {MEMORY}")),
        LoadError::NoAllocator
    ));
    let other = r#"(func (export "proxy_abi_version_1_0_0"))"#;
    let LoadError::UnsupportedAbi(name) = error(&format!("{other} {MEMORY} {MALLOC}")) else {
        panic!("unsupported")
    };
    assert_eq!(name, "proxy_abi_version_1_0_0");
    assert!(matches!(
        Module::compile(b"\0asm nonsense"),
        Err(LoadError::Compile(_))
    ));
}

#[test]
fn wrong_types_are_named() {
    let import = r#"(import "env" "proxy_log" (func (param i32) (result i32)))"#;
    let message = error(&format!("{import} {ABI} {MEMORY} {MALLOC}")).to_string();
    assert!(message.contains("proxy_log"), "{message}");
    let export = r#"(func (export "proxy_on_tick") (param i32 i32))"#;
    let LoadError::WrongExport(name) = error(&format!("{export} {ABI} {MEMORY} {MALLOC}")) else {
        panic!("wrong")
    };
    assert_eq!(name, "proxy_on_tick");
}

#[test]
fn a_module_with_the_older_marker_and_the_other_allocator_runs() {
    let module = Module::compile(format!(
        r#"(module {MEMORY} (func (export "proxy_abi_version_0_2_0"))
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024)))"#
    ))
    .expect("hosted");
    let mut host = Host::builder(&module).build();
    let plugin = host.add_plugin("").expect("nothing to refuse");
    assert_eq!(host.request(plugin, Request::get("/")).status(), 200);
}

#[test]
fn initialize_may_log_and_nothing_else() {
    let guest = |body: &str| {
        let text = format!(
            r#"(module
            (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
            (import "env" "proxy_get_log_level" (func $level (param i32) (result i32)))
            {ABI} {MEMORY} {MALLOC} (data (i32.const 0) "hello")
            (func (export "_initialize") {body}))"#
        );
        Module::compile(text).expect("compiles")
    };
    let logs = guest("(drop (call $log (i32.const 2) (i32.const 0) (i32.const 5)))");
    let mut host = Host::builder(&logs).build();
    host.add_plugin("").expect("that is allowed");
    assert_eq!(host.logs()[0].message, "hello");
    let asks = guest("(drop (call $level (i32.const 0)))");
    let refused = Host::builder(&asks)
        .build()
        .add_plugin("")
        .expect_err("that is not");
    assert!(
        refused.to_string().contains("restricted_callback"),
        "{refused}"
    );
}

#[test]
fn an_import_of_a_wrong_type_is_told_from_the_side_of_the_guest() {
    let guest = r#"(module (import "env" "proxy_log" (func (param i32))) (memory (export "memory") 1)
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32) (i32.const 0)))"#;
    let message = Module::compile(guest)
        .expect_err("a wrong type")
        .to_string();
    assert!(
        message.contains("the module declares the type `(func (param i32))`, the host has the type `(func (param i32 i32 i32)"),
        "{message}"
    );
}

#[test]
fn what_is_no_module_is_said_to_be_none() {
    let message = |code: &[u8]| Module::compile(code).expect_err("no module").to_string();
    assert_eq!(message(b""), "not a module that compiles: it is empty");
    assert!(message(b"\x00\x01\x02").contains("neither a WebAssembly module"));
    let deep = format!(
        "(module (func {}{}))",
        "block ".repeat(200_000),
        "end ".repeat(200_000)
    );
    assert!(message(deep.as_bytes()).contains("the limit is 10000"));
}
