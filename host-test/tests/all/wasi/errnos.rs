//! What each function of WASI answers, under both names of the module. The table is what Envoy 1.40 answered to the same calls.

use postern_host::{Host, LoadError, LoadOptions, Module, Profile};

/// A function, the types of its arguments (`i` 32 bits, `I` 64 bits), what it answered with descriptor 0, 1 and 3, and with
/// descriptor 1 and results outside of the memory. A function without a descriptor was called the same way thrice.
const ANSWERS: &str = "
    fd_write                iiii      8  0  8  21
    fd_read                 iiii      52 52 52 52
    fd_seek                 iIii      0  0  0  0
    fd_close                i         0  0  0  0
    fd_fdstat_get           ii        8  0  8  0
    fd_fdstat_set_flags     ii        52 52 52 52
    fd_fdstat_set_rights    iII       8  0  8  0
    fd_advise               iIIi      0  0  0  0
    fd_allocate             iII       8  0  8  0
    fd_datasync             i         8  0  8  0
    fd_filestat_get         ii        8  8  8  8
    fd_filestat_set_size    iI        8  0  8  0
    fd_filestat_set_times   iIIi      8  0  8  0
    fd_pread                iiiIi     52 52 52 52
    fd_pwrite               iiiIi     8  0  8  21
    fd_readdir              iiiIi     20 20 20 21
    fd_renumber             ii        8  8  8  8
    fd_sync                 i         8  0  8  0
    fd_tell                 ii        8  0  8  21
    fd_prestat_get          ii        8  8  8  8
    fd_prestat_dir_name     iii       52 52 52 52
    path_open               iiiiiIIii 44 44 44 44
    path_create_directory   iii       58 58 58 58
    path_filestat_get       iiiii     58 58 58 58
    path_filestat_set_times iiiiIIi   58 58 58 58
    path_link               iiiiii    58 58 58 58
    path_readlink           iiiiii    58 58 58 21
    path_remove_directory   iii       58 58 58 58
    path_rename             iiiiii    58 58 58 58
    path_symlink            iiii      58 58 58 58
    path_unlink_file        iii       58 58 58 58
    sock_accept             iii       58 58 58 21
    sock_recv               iiiiii    58 58 58 21
    sock_send               iiiii     58 58 58 21
    sock_shutdown           ii        58 58 58 58
    environ_get             ii        0  0  0  0
    environ_sizes_get       ii        0  0  0  21
    args_get                ii        0  0  0  0
    args_sizes_get          ii        0  0  0  21
    clock_time_get          iIi       0  0  0  21
    clock_res_get           ii        0  0  0  21
    random_get              ii        0  0  0  21
    sched_yield             -         0  0  0  0
    poll_oneoff             iiii      0  0  0  21
";
const MODULES: [&str; 2] = ["wasi_snapshot_preview1", "wasi_unstable"];
const OUTSIDE: u32 = 0x7fff_fff0;

struct Row {
    name: &'static str,
    types: &'static str,
    answers: Vec<String>,
}

fn rows() -> Vec<Row> {
    let lines = ANSWERS
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let rows = lines.map(|line| {
        let mut words = line.split_whitespace();
        let name = words.next().expect("a name");
        let types = words.next().expect("types");
        Row {
            name,
            types: types.trim_matches('-'),
            answers: words.map(str::to_owned).collect(),
        }
    });
    rows.collect()
}

/// The arguments: the descriptor first, if there is one, then places of 16 bytes from 2,000 on, or outside of the memory.
fn arguments(row: &Row, descriptor: u32, outside: bool) -> String {
    let has_descriptor = ["fd_", "path_", "sock_"]
        .iter()
        .any(|kind| row.name.starts_with(kind));
    let argument = |(index, kind): (usize, char)| {
        if kind == 'I' {
            return "(i64.const 0)".to_owned();
        }
        let place = if outside {
            OUTSIDE
        } else {
            2_000 + 16 * u32::try_from(index).expect("few")
        };
        let value = match (row.name, index) {
            (_, 0) if has_descriptor => descriptor,
            ("clock_time_get" | "clock_res_get", 0) => 0,
            ("random_get", 1) => 8,
            // One vector at 1,000, of one byte.
            ("fd_write" | "fd_pwrite", 1) => 1_000,
            ("fd_write" | "fd_pwrite", 2) | ("poll_oneoff", 2) => 1,
            ("poll_oneoff", 0 | 1) => 2_000,
            _ => place,
        };
        format!("(i32.const {value})")
    };
    row.types.chars().enumerate().map(argument).collect()
}

fn parameters(types: &str) -> String {
    let words = types
        .chars()
        .map(|kind| if kind == 'I' { " i64" } else { " i32" });
    words.collect()
}

/// A module that exports what every module does, with this besides.
fn text(imports: &str, body: &str) -> String {
    format!(
        r#"(module {imports}
          (memory (export "memory") 1)
          (data (i32.const 1000) "\f0\03\00\00\01\00\00\00x")
          (func (export "proxy_abi_version_0_2_1"))
          (func (export "malloc") (param i32) (result i32) (i32.const 8192))
          {body})"#
    )
}

/// What the guest says when it is configured, with a line for each number.
fn numbers(module: &str, rows: &[Row], descriptor: u32, outside: bool) -> Vec<String> {
    let mut imports =
        r#"(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))"#.to_owned();
    let mut calls = String::new();
    for row in rows {
        let (name, parameters) = (row.name, parameters(row.types));
        imports.push_str(&format!(
            r#"(import "{module}" "{name}" (func ${name} (param{parameters}) (result i32)))"#
        ));
        let arguments = arguments(row, descriptor, outside);
        calls.push_str(&format!("(call $say (call ${name} {arguments}))"));
    }
    let body = format!(
        r#"(func $say (param i32)
            (i32.store8 (i32.const 40) (i32.add (i32.const 48) (i32.div_u (local.get 0) (i32.const 10))))
            (i32.store8 (i32.const 41) (i32.add (i32.const 48) (i32.rem_u (local.get 0) (i32.const 10))))
            (drop (call $log (i32.const 4) (i32.const 40) (i32.const 2))))
          (func (export "proxy_on_configure") (param i32 i32) (result i32) {calls} (i32.const 1))"#
    );
    let module = Module::compile(text(&imports, &body)).expect("all of it links");
    let mut host = Host::builder(&module)
        .main_thread_vm(false)
        .log_level(postern_host::LogLevel::Info)
        .build();
    host.add_plugin("").expect("accepted");
    let lines = host.take_logs().into_iter().map(|line| line.message);
    lines
        .filter(|line| line != "x")
        .map(|line| line.trim_start_matches('0').to_owned())
        .map(|number| {
            if number.is_empty() {
                "0".to_owned()
            } else {
                number
            }
        })
        .collect()
}

#[test]
fn every_function_of_wasi_answers_as_in_envoy_under_both_names() {
    let rows = rows();
    assert_eq!(rows.len(), 44, "and proc_exit answers nothing");
    for module in MODULES {
        for (column, (descriptor, outside)) in [(0, false), (1, false), (3, false), (1, true)]
            .into_iter()
            .enumerate()
        {
            let actual = numbers(module, &rows, descriptor, outside);
            let differences: Vec<String> = rows
                .iter()
                .zip(&actual)
                .filter(|(row, actual)| row.answers[column] != **actual)
                .map(|(row, actual)| format!("{} {}, not {actual}", row.name, row.answers[column]))
                .collect();
            assert_eq!(
                differences,
                Vec::<String>::new(),
                "{module}, descriptor {descriptor}, {outside}"
            );
            assert_eq!(actual.len(), rows.len());
        }
    }
}

#[test]
fn links_have_the_types_of_envoy_there_and_those_of_wasi_elsewhere() {
    for (name, of_envoy, of_wasi) in [
        ("path_link", "iiiiii", "iiiiiii"),
        ("path_symlink", "iiii", "iiiii"),
    ] {
        for (types, profile, links) in [
            (of_envoy, Profile::Envoy, true),
            (of_wasi, Profile::Envoy, false),
            (of_envoy, Profile::NgxWasmModule, false),
            (of_wasi, Profile::NgxWasmModule, true),
        ] {
            let import = format!(
                r#"(import "wasi_snapshot_preview1" "{name}" (func (param{}) (result i32)))"#,
                parameters(types)
            );
            let loaded = LoadOptions::new()
                .profile(profile)
                .compile(text(&import, ""));
            match loaded {
                Ok(_) => assert!(links, "{name} {types} in {profile}"),
                Err(LoadError::WrongImport(_)) => assert!(!links, "{name} {types} in {profile}"),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn a_module_that_initializes_may_call_most_of_wasi() {
    const FORBIDDEN: [&str; 5] = ["fd_read", "fd_seek", "fd_close", "path_open", "sched_yield"];
    let run = |import: &str, call: &str| {
        let body = format!(r#"(func (export "_initialize") {call})"#);
        let module = Module::compile(text(import, &body)).expect("it links");
        Host::builder(&module).build().add_plugin("").map(|_| ())
    };
    for row in rows() {
        let import = format!(
            r#"(import "wasi_unstable" "{}" (func $f (param{}) (result i32)))"#,
            row.name,
            parameters(row.types)
        );
        let call = format!("(drop (call $f {}))", arguments(&row, 1, false));
        let allowed = run(&import, &call).is_ok();
        assert_eq!(allowed, !FORBIDDEN.contains(&row.name), "{}", row.name);
    }
    let exit = r#"(import "wasi_unstable" "proc_exit" (func $f (param i32)))"#;
    let refused = run(exit, "(call $f (i32.const 1))").expect_err("not at the start");
    assert!(refused.to_string().contains("restricted_callback"));
    let equal = r#"(import "env" "pthread_equal" (func $f (param i32 i32) (result i32)))"#;
    run(equal, "(drop (call $f (i32.const 1) (i32.const 1)))").expect_err("nor this");
}

#[test]
fn proc_exit_exits_nothing() {
    let import = r#"(import "wasi_unstable" "proc_exit" (func $exit (param i32)))"#;
    let body = r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
        (call $exit (i32.const 3)) (i32.const 1))"#;
    let module = Module::compile(text(import, body)).expect("it links");
    Host::builder(&module)
        .build()
        .add_plugin("")
        .expect("the guest goes on");
}
