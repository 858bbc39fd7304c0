//! TCP connections and queues in scenarios.

use super::{Folder, failed_keys, only};

/// Hangs up on whoever sends more than four bytes at once, and holds a connection whose configuration is not empty.
pub(crate) const PINGS: &str = r#"
    (import "env" "proxy_close_stream" (func $close (param i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "malloc") (param i32) (result i32) (i32.const 1024))
    (func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32)
      (if (i32.gt_u (local.get 1) (i32.const 4)) (then (drop (call $close (i32.const 2)))))
      (i32.const 0))"#;

#[test]
fn a_connection_is_seen_from_both_sides() {
    let folder = Folder::with_guest("");
    folder.write("guest.wat", format!("(module {PINGS})"));
    let report = folder.run(
        r#"
        [[step]]
        stream = "a"
        connect = true
        expect.connection = { connected = true, closed_by = "nobody" }
        [[step]]
        stream = "a"
        client_sends.chunks = ["ping", { hex = "ff" }]
        expect.connection.to_upstream = { hex = "70 69 6e 67 ff" }
        expect.cost.callbacks.proxy_on_downstream_data.count = 2
        [[step]]
        stream = "a"
        upstream_sends = { chunks = ["pong"], end = true }
        expect.connection = { to_client = "pong", client_ended = true, upstream_ended = false }
        [[step]]
        stream = "a"
        client_sends.end = true
        expect.connection = { upstream_ended = true, closed_by = "client" }

        [[step]]
        connect = true
        [[step]]
        client_sends.chunks = ["too much"]
        expect.connection = { to_upstream = "", closed_by = "filter" }
        expect.status = { absent = true }
        [[step]]
        stream = "a"
        expect.connection.to_client = { contains = "on" }
        "#,
    );
    assert!(report.passed(), "{report}");
    let report = folder.run(
        r#"
        [[step]]
        connect = true
        [[step]]
        client_sends.chunks = ["ping"]
        expect.connection = { connected = false, to_upstream = "x", to_client = "y", upstream_ended = true, client_ended = true, closed_by = "host" }
        [[step]]
        stream = "b"
        expect.connection.connected = true
        [[step]]
        stream = "b"
        client_sends = {}
        "#,
    );
    assert_eq!(
        failed_keys(&report),
        [
            "connection.connected",
            "connection.to_upstream",
            "connection.to_client",
            "connection.upstream_ended",
            "connection.client_ended",
            "connection.closed_by",
            "connection.closed_by",
            "",
        ],
        "{report}"
    );
    let last = only(&report).failures.last().expect("one");
    assert_eq!(last.observed, "no connection named `b` was opened before");
}

/// Registers the queue `jobs`, takes one item at each announcement, and leaves the second one.
pub(crate) const WORKS: &str = r#"
    (data (i32.const 1000) "jobs")
    (global $told (mut i32) (i32.const 0))
    (func (export "proxy_on_configure") (param i32 i32) (result i32)
      (drop (call $register (i32.const 1000) (i32.const 4) (i32.const 8)))
      (i32.const 1))
    (func (export "proxy_on_queue_ready") (param i32) (param $queue i32)
      (global.set $told (i32.add (global.get $told) (i32.const 1)))
      (if (i32.ne (global.get $told) (i32.const 2)) (then
        (drop (call $dequeue (local.get $queue) (i32.const 0) (i32.const 4)))
        (call $log_handed))))"#;

#[test]
fn items_put_into_a_queue_reach_its_consumer_and_what_is_left_is_seen() {
    let folder = Folder::with_guest(WORKS);
    let report = folder.run(
        r#"
        host.vm_id = "v"
        host.main_thread_vm = false
        [[step]]
        expect.queues.jobs.absent = true
        [[step]]
        enqueue = { jobs = ["one", { hex = "ff" }] }
        expect.log_in_order = ["one"]
        expect.queues.jobs = { hex = "ff" }
        [[step]]
        enqueue = { jobs = "three" }
        expect.queues.jobs = ["three"]
        [[step]]
        enqueue = { jobs = "four" }
        expect.queues = { jobs = { contains = "ou" }, other = { absent = true } }
        "#,
    );
    assert!(report.passed(), "{report}");
    let report = folder.run(
        "[[step]]\nenqueue = { jobs = ['a', 'b', 'c'] }\nexpect.queues = { jobs = ['x'], other = 'y' }\n[[step]]\nexpect.queues = {}\n[[step]]\nenqueue = { other = 'a' }\n",
    );
    assert_eq!(
        failed_keys(&report),
        ["queues.jobs", "queues.other", "queues", ""],
        "{report}"
    );
    let last = only(&report).failures.last().expect("one");
    assert_eq!(last.observed, "no guest has registered the queue `other`");
}

#[test]
fn a_connection_passes_all_plugins_or_those_that_it_names_on_its_worker() {
    let folder = Folder::with_guest("");
    folder.write("guest.wat", format!("(module {PINGS})"));
    folder.write(
        "deaf.wat",
        r#"(module
            (memory (export "memory") 1)
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "malloc") (param i32) (result i32) (i32.const 1024))
            (func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32) (i32.const 1)))"#,
    );
    let report = folder.run(
        r#"
        host.workers = 2
        [[plugin]]
        name = "pings"
        [[plugin]]
        name = "deaf"
        module = "deaf.wat"
        [[step]]
        connect = true
        [[step]]
        client_sends.chunks = ["ping"]
        expect.connection.to_upstream = ""
        expect.cost.callbacks.proxy_on_downstream_data.count = 2
        [[step]]
        connect = { plugins = ["pings"], worker = 1 }
        [[step]]
        client_sends.chunks = ["ping"]
        expect.connection.to_upstream = "ping"
        expect.cost.callbacks.proxy_on_downstream_data.count = 1
        "#,
    );
    assert!(report.passed(), "{report}");
}

#[test]
fn a_connection_is_refused_or_broken_off() {
    let folder = Folder::with_guest("");
    folder.write("guest.wat", format!("(module {PINGS})"));
    let report = folder.run(
        r#"
        [[step]]
        connect = { refused = true }
        expect.connection = { connected = false, closed_by = "no-upstream" }
        [[step]]
        connect = true
        [[step]]
        client_sends = { chunks = ["ping"], reset = true }
        expect.connection = { to_upstream = "ping", upstream_reset = true, client_reset = false, closed_by = "client" }
        [[step]]
        connect = true
        [[step]]
        upstream_sends.reset = true
        expect.connection = { client_reset = true, closed_by = "upstream" }
        "#,
    );
    assert!(report.passed(), "{report}");
    let wrong = folder.run("[[step]]\nconnect = false");
    assert!(!wrong.passed());
}
