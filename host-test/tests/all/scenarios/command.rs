//! `postern-host run`.

use std::process::{Command, Output};

use super::{Folder, GUEST};

fn run(folder: &Folder, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_postern-host"))
        .current_dir(folder.path(""))
        .arg("run")
        .args(arguments)
        .output()
        .expect("the command runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[test]
fn the_exit_code_tells_passed_from_failed_and_from_unusable() {
    let folder = Folder::with_guest(GUEST);
    folder.write(
        "good.toml",
        "host.module = 'guest.wat'\n[[step]]\nrequest = {}\nexpect.status = 200\n",
    );
    folder.write("bad.toml", "[[step]]\nrequest = {}\nexpect.status = 201\n");
    folder.write("wrong.toml", "[[step]]\nreqest = {}\n");
    let good = run(&folder, &["good.toml"]);
    assert_eq!(good.status.code(), Some(0));
    assert_eq!(
        text(&good.stdout),
        "ok    good.toml: good\n1 passed, 0 failed (1 steps)\n"
    );
    let bad = run(&folder, &["bad.toml", "--module", "guest.wat"]);
    assert_eq!(bad.status.code(), Some(1));
    let no_module = run(&folder, &["bad.toml"]);
    assert_eq!(no_module.status.code(), Some(2));
    assert!(text(&no_module.stdout).contains("neither does --module"));
    assert_eq!(run(&folder, &[]).status.code(), Some(2));
}

#[test]
fn a_file_with_a_mistake_is_reported_and_the_others_run() {
    let folder = Folder::with_guest(GUEST);
    folder.write("a.scenario.toml", "[[step]]\nreqest = {}\n");
    folder.write(
        "b.scenario.toml",
        "host.module = 'guest.wat'\n[[step]]\nrequest = {}\nexpect.status = 200\n",
    );
    let output = run(&folder, &["gone.toml", "."]);
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stdout);
    for line in [
        "ERROR gone.toml: gone\n      gone.toml: No such file",
        "a.scenario.toml:2:1: step[0].reqest: unknown field `reqest`",
        "ok    ./b.scenario.toml: b\n",
        "1 passed, 0 failed, 2 could not be run (1 steps)",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
    let junit = text(&run(&folder, &[".", "--format", "junit"]).stdout);
    assert!(junit.contains("errors=\"1\""), "{junit}");
    assert!(junit.contains("unknown field `reqest`"), "{junit}");
    assert!(junit.contains("<testcase name=\"b\""), "{junit}");
}

#[test]
fn a_module_that_is_not_there_comes_with_advice() {
    let folder = Folder::with_guest(GUEST);
    folder.write(
        "s.toml",
        "host.module = 'gone.wasm'\n[[step]]\nrequest = {}\nexpect.status = 200\n",
    );
    let output = run(&folder, &["s.toml"]);
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stdout);
    assert!(
        told.contains("gone.wasm: No such file") && told.contains("it is not built yet"),
        "{told}"
    );
}

#[test]
fn nobody_reading_the_output_on_is_no_failure() {
    let folder = Folder::with_guest(GUEST);
    folder.write(
        "s.toml",
        "host.module = 'guest.wat'\n[[step]]\nrequest = {}\nexpect.status = 200\n",
    );
    for arguments in [
        &["run", "s.toml"][..],
        &["trace", "s.toml"],
        &["schema"],
        &["lint", "guest.wat"],
        &["bench", "guest.wat", "--requests", "1", "--rounds", "1"],
        &["new", "fresh"],
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_postern-host"))
            .current_dir(folder.path(""))
            .args(arguments)
            .stdout(writer)
            .output()
            .expect("the command runs");
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}\n{told}");
    }
}

#[test]
fn arguments_that_would_do_nothing_are_refused() {
    let folder = Folder::with_guest(GUEST);
    folder.write(
        "s.toml",
        "host.module = 'guest.wat'\n[[step]]\nrequest = {}\n",
    );
    let wrong: [(&[&str], &str); 4] = [
        (&["run", "s.toml", "--repeat", "0"], "at least 1"),
        (
            &["trace", "s.toml", "--filter", "zzz"],
            "no scenario has `zzz` in its name",
        ),
        (&["serve", "--workers", "0"], "there are 1 to 64"),
        (&["serve", "--workers", "100000"], "there are 1 to 64"),
    ];
    for (arguments, reason) in wrong {
        let output = Command::new(env!("CARGO_BIN_EXE_postern-host"))
            .current_dir(folder.path(""))
            .args(arguments)
            .output()
            .expect("the command runs");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let told = text(&output.stderr);
        assert!(told.contains(reason), "{arguments:?}\n{told}");
    }
}

#[test]
fn a_report_can_go_into_a_file() {
    let folder = Folder::with_guest(GUEST);
    folder.write(
        "good.toml",
        "host.module = 'guest.wat'\n[[step]]\nrequest = {}\nexpect.status = 200\n",
    );
    let arguments = [
        "good.toml",
        "--format",
        "junit",
        "--output",
        "report.xml",
        "--seed",
        "7",
    ];
    let output = run(&folder, &arguments);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("1 passed"));
    assert!(
        folder
            .read("report.xml")
            .contains("<property name=\"seed\" value=\"7\"/>")
    );
}

#[test]
fn the_whole_trace_is_shown_on_demand() {
    let folder = Folder::with_guest(GUEST);
    folder.write(
        "s.toml",
        "host.module = 'guest.wat'\n[[step]]\nrequest = {}\n",
    );
    let output = text(&run(&folder, &["s.toml", "--trace"]).stdout);
    assert!(
        output.contains("[host->vm] proxy_on_request_headers(2, 6, 1)"),
        "{output}"
    );
}

#[test]
fn a_finding_can_be_allowed_for_a_whole_run() {
    let folder = Folder::with_guest(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))"#,
    );
    folder.write(
        "hangs.toml",
        "host.module = 'guest.wat'\n[[step]]\nrequest = {}\n",
    );
    assert_eq!(run(&folder, &["hangs.toml"]).status.code(), Some(1));
    for allowed in ["PH015", "pause-without-wakeup@proxy_on_request_headers"] {
        let output = run(&folder, &["hangs.toml", "--allow", allowed]);
        assert_eq!(output.status.code(), Some(0), "{allowed}");
    }
    let elsewhere = run(&folder, &["hangs.toml", "--allow", "PH015@proxy_on_log"]);
    assert_eq!(elsewhere.status.code(), Some(1));
    let wrong = run(&folder, &["hangs.toml", "--allow", "PH999"]);
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn bytes_that_are_not_utf8_can_be_tried_on_every_request() {
    // Dies of a path with a byte above ASCII, as the getters for text of the Rust SDK do.
    let folder = Folder::with_guest(
        r#"
        (data (i32.const 1000) "x-name")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (local $at i32)
          (drop (call $value (i32.const 0) (i32.const 1000) (i32.const 6) (i32.const 0) (i32.const 4)))
          (local.set $at (i32.load (i32.const 0)))
          (if (i32.eq (i32.load8_u (i32.add (local.get $at) (i32.const 3))) (i32.const 255)) (then (unreachable)))
          (i32.const 0))"#,
    );
    let step = "host.module = 'guest.wat'\n[[step]]\nrequest.headers.x-name = 'abc'\n";
    folder.write("s.toml", step);
    assert_eq!(run(&folder, &["s.toml"]).status.code(), Some(0));
    let output = run(&folder, &["s.toml", "--hostile-bytes"]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stdout);
    assert!(told.contains("PH026"), "{told}");
    assert!(told.contains("request header `x-name`"), "{told}");
    folder.write("t.toml", format!("host.hostile_bytes = true\n{step}"));
    assert_eq!(run(&folder, &["t.toml"]).status.code(), Some(1));
    let allowed = run(&folder, &["t.toml", "--allow", "PH026"]);
    assert_eq!(allowed.status.code(), Some(0));
    folder.write(
        "u.toml",
        format!("host.hostile_bytes = true\n{step}expect.diagnostics = ['PH022', 'PH026']\n"),
    );
    let expected = run(&folder, &["u.toml"]);
    assert_eq!(
        expected.status.code(),
        Some(0),
        "{}",
        text(&expected.stdout)
    );
}
