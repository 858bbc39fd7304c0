//! WASI as far as Envoy has it.

mod errnos;

use std::time::Duration;

use postern_host::{LogLevel, Request};

use crate::guests::{builder, messages, started};

#[test]
fn a_guest_sees_the_environment_that_it_was_given_and_no_other() {
    let guest = r#"
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (drop (call $environ_sizes (i32.const 20) (i32.const 24)))
          (call $log_number (i32.load (i32.const 20)))
          (drop (call $environ (i32.const 2000) (i32.const 2100)))
          (drop (call $log (i32.const 2) (i32.load (i32.const 2000)) (i32.load (i32.const 24))))
          (i32.const 1))"#;
    let (mut host, _plugin) = started(
        builder(guest)
            .environment("KEY", "value")
            .environment("B", ""),
    );
    assert_eq!(messages(&mut host), ["02", "KEY=value\0B=\0"]);
    let (mut host, _plugin) = started(builder(guest));
    assert_eq!(messages(&mut host), ["00", ""]);
}

#[test]
fn clocks_follow_the_hosts_virtual_clock() {
    let guest = r#"
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $clock (i32.const 0) (i64.const 0) (i32.const 16)))
          (drop (call $now (i32.const 24)))
          (call $log_number (i64.eq (i64.load (i32.const 16)) (i64.load (i32.const 24))))
          (drop (call $log (i32.const 2) (i32.const 16) (i32.const 8)))
          (drop (call $clock (i32.const 1) (i64.const 0) (i32.const 16)))
          (drop (call $log (i32.const 2) (i32.const 16) (i32.const 1)))
          (call $log_number (call $clock (i32.const 2) (i64.const 0) (i32.const 16)))
          (i32.const 0))"#;
    // The nanoseconds are chosen so that their bytes are text: "ABCDEFG\0".
    let wall = u64::from_le_bytes(*b"ABCDEFF\0");
    let (mut host, plugin) = started(builder(guest).wall_clock(wall));
    host.advance(Duration::from_nanos(1 << 48));
    host.request(plugin, Request::get("/"));
    let messages = messages(&mut host);
    assert_eq!(
        (
            messages[0].as_str(),
            messages[1].as_str(),
            messages[3].as_str()
        ),
        ("01", "ABCDEFG\0", "58")
    );
}

#[test]
fn randomness_is_the_same_in_every_run_and_different_in_every_vm() {
    let guest = r#"
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (local $n i32)
          (drop (call $random (i32.const 2000) (i32.const 32)))
          ;; Letters, so that the log shows them as they are.
          (loop $next
            (i32.store8 (i32.add (i32.const 2000) (local.get $n))
              (i32.add (i32.const 97)
                (i32.and (i32.load8_u (i32.add (i32.const 2000) (local.get $n))) (i32.const 15))))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $n) (i32.const 32))))
          (drop (call $log (i32.const 2) (i32.const 2000) (i32.const 32)))
          (call $log_number (call $random (i32.const 2000) (i32.const 65537)))
          (i32.const 0))"#;
    let run = |seed| {
        let (mut host, plugin) = started(builder(guest).workers(2).seed(seed));
        host.request(plugin, Request::get("/"));
        host.request(plugin, Request::get("/"));
        messages(&mut host)
    };
    let (first, again, other) = (run(1), run(1), run(2));
    assert_eq!(first, again);
    assert_ne!(first[0], first[2]);
    assert_ne!(first[0], other[0]);
    assert_eq!(first[1], "28", "more than 64 KiB at once are refused");
}

#[test]
fn standard_output_and_error_become_log_lines() {
    let guest = r#"
        (data (i32.const 1000) "\f0\03\00\00\06\00\00\00hello\n")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $write (i32.const 1) (i32.const 1000) (i32.const 1) (i32.const 20)))
          (call $log_number (i32.load (i32.const 20)))
          (drop (call $write (i32.const 2) (i32.const 1000) (i32.const 1) (i32.const 20)))
          (call $log_number (call $write (i32.const 9) (i32.const 1000) (i32.const 1) (i32.const 20)))
          (i32.const 0))"#;
    let (mut host, plugin) = started(builder(guest).log_level(LogLevel::Info));
    let lines = host.request(plugin, Request::get("/")).log;
    let lines: Vec<_> = lines
        .iter()
        .map(|line| (line.level, line.message.as_str()))
        .collect();
    let info = LogLevel::Info;
    assert_eq!(
        lines,
        [
            (info, "hello"),
            (info, "06"),
            (LogLevel::Error, "hello"),
            (info, "08")
        ]
    );
}

#[test]
fn there_are_no_files() {
    let guest = r#"
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (call $log_number (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
            (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 20)))
          (i32.const 0))"#;
    let (mut host, plugin) = started(builder(guest));
    host.request(plugin, Request::get("/"));
    assert_eq!(messages(&mut host), ["44"]);
}
