//! Workers, changes of files, and the stop.

use std::io::{Read, Write};
use std::process::Command;

use crate::guests;
use crate::sockets::{NOWHERE, accept, listener, read_to, served, status};

/// Answers; at `/spin` only after a great deal of work, more than the fuel for a callback.
const SPINS: &str = r#"
    (data (i32.const 1000) ":path")
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (drop (call $value (i32.const 0) (i32.const 1000) (i32.const 5) (i32.const 0) (i32.const 4)))
      (if (i32.gt_u (i32.load (i32.const 4)) (i32.const 1)) (then (loop $spin (br $spin))))
      (drop (call $respond (i32.const 200) (i32.const 0) (i32.const 0)
        (i32.load (i32.const 0)) (i32.load (i32.const 4)) (i32.const 0) (i32.const 0) (i32.const -1)))
      (i32.const 1))"#;

#[test]
fn a_worker_with_much_to_do_does_not_hold_up_the_others() {
    let (_directory, served) = served(SPINS, "", NOWHERE, &["--workers", "2"]);
    let mut busy = served.connect();
    busy.write_all(b"GET /spin HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        .expect("sent");
    // The next connection is the other worker's.
    let response = served.get("/");
    assert_eq!(status(&response), "200", "{response}");
    busy.set_nonblocking(true).expect("set");
    let early = busy.read(&mut [0]).map_err(|error| error.kind());
    assert_eq!(
        early,
        Err(std::io::ErrorKind::WouldBlock),
        "the first worker is still at work"
    );
    busy.set_nonblocking(false).expect("set");
    let mut response = String::new();
    busy.read_to_string(&mut response).expect("closed");
    assert_eq!(
        status(&response),
        "503",
        "the guest was stopped: {response}"
    );
}

#[test]
fn a_guest_that_loops_is_stopped_and_other_requests_are_served() {
    let options = [
        "--callback-time-limit",
        "50ms",
        "--failure-policy",
        "fail-reload",
    ];
    let (_directory, served) = served(SPINS, "", NOWHERE, &options);
    assert_eq!(status(&served.get("/spin")), "503");
    served.wait_for_error("interrupt");
    // A new VM may be a second away, as in Envoy.
    let again = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        status(&served.get("/")) == "200"
    });
    assert!(again, "the worker does not serve any more");
}

/// Answers with the first byte of its configuration. `!` is accepted by the first three VMs that see it: that which tries it,
/// that of the main thread, and that of the first worker.
const FICKLE: &str = r#"
    (data (i32.const 1000) "k")
    (func (export "proxy_on_configure") (param $root i32) (param i32) (result i32)
      (drop (call $buffer (i32.const 7) (i32.const 0) (i32.const 100) (i32.const 0) (i32.const 4)))
      (i32.store8 (i32.const 901) (i32.load8_u (i32.load (i32.const 0))))
      (if (i32.ne (i32.load8_u (i32.const 901)) (i32.const 33)) (then
        (i32.store8 (i32.add (i32.const 2000) (local.get $root)) (i32.load8_u (i32.const 901)))
        (return (i32.const 1))))
      (i32.store8 (i32.const 910) (i32.const 1))
      (if (i32.eqz (call $get_shared (i32.const 1000) (i32.const 1) (i32.const 0) (i32.const 4) (i32.const 8))) (then
        (i32.store8 (i32.const 910) (i32.add (i32.load8_u (i32.load (i32.const 0))) (i32.const 1)))))
      (drop (call $set_shared (i32.const 1000) (i32.const 1) (i32.const 910) (i32.const 1) (i32.const 0)))
      (if (i32.gt_u (i32.load8_u (i32.const 910)) (i32.const 3)) (then (return (i32.const 0))))
      (i32.store8 (i32.add (i32.const 2000) (local.get $root)) (i32.load8_u (i32.const 901)))
      (i32.const 1))
    (func (export "proxy_on_context_create") (param $id i32) (param $parent i32)
      (i32.store8 (i32.add (i32.const 3000) (local.get $id)) (local.get $parent)))
    (func (export "proxy_on_request_headers") (param $id i32) (param i32 i32) (result i32)
      (drop (call $respond (i32.const 200) (i32.const 0) (i32.const 0)
        (i32.add (i32.const 2000) (i32.load8_u (i32.add (i32.const 3000) (local.get $id)))) (i32.const 1)
        (i32.const 0) (i32.const 0) (i32.const -1)))
      (i32.const 1))"#;

#[test]
fn a_configuration_that_one_worker_refuses_is_served_by_none() {
    let (directory, served) = served(FICKLE, "a", NOWHERE, &["--workers", "2"]);
    std::fs::write(directory.path().join("config"), "!").expect("written");
    let line = served.next_line();
    assert!(line.starts_with("configuration refused"), "{line}");
    for _worker in 0..2 {
        let response = served.get("/");
        assert!(response.ends_with("\r\n\r\na"), "{response}");
    }
}

/// Counts requests in shared data and answers with the count.
const COUNTS: &str = r#"
    (data (i32.const 1000) "n")
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (i32.store8 (i32.const 500) (i32.const 48))
      (if (i32.eqz (call $get_shared (i32.const 1000) (i32.const 1) (i32.const 0) (i32.const 4) (i32.const 8))) (then
        (i32.store8 (i32.const 500) (i32.add (i32.load8_u (i32.load (i32.const 0))) (i32.const 1)))))
      (drop (call $set_shared (i32.const 1000) (i32.const 1) (i32.const 500) (i32.const 1) (i32.const 0)))
      (drop (call $respond (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 500) (i32.const 1)
        (i32.const 0) (i32.const 0) (i32.const -1)))
      (i32.const 1))"#;

#[test]
fn workers_share_their_data() {
    let (_directory, served) = served(COUNTS, "", NOWHERE, &["--workers", "3"]);
    for expected in 0..7 {
        let response = served.get("/");
        assert!(
            response.ends_with(&format!("\r\n\r\n{expected}")),
            "{response}"
        );
    }
}

/// Answers with this letter, or lets `/pass` go and marks its response.
fn lettered(letter: &str) -> String {
    let accepts = i32::from(letter != "!");
    guests::text(&format!(
        r#"
    (data (i32.const 1000) "{letter}")
    (data (i32.const 1010) ":path")
    (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const {accepts}))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (drop (call $value (i32.const 0) (i32.const 1010) (i32.const 5) (i32.const 0) (i32.const 4)))
      (if (i32.gt_u (i32.load (i32.const 4)) (i32.const 1)) (then (return (i32.const 0))))
      (drop (call $respond (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 1)
        (i32.const 0) (i32.const 0) (i32.const -1)))
      (i32.const 1))
    (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
      (drop (call $replace (i32.const 2) (i32.const 1000) (i32.const 1) (i32.const 1000) (i32.const 1)))
      (i32.const 0))"#
    ))
}

#[test]
fn a_changed_module_takes_new_requests_and_open_ones_finish_in_the_old() {
    let (listener, url) = listener();
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("config"), "").expect("written");
    let options = ["--workers", "2"];
    let served = crate::served::Served::start(directory.path(), &lettered("a"), &url, &options);
    let mut open = served.connect();
    open.write_all(b"GET /pass HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        .expect("sent");
    let mut upstream = accept(&listener);
    read_to(&mut upstream, b"\r\n\r\n");

    let guest = directory.path().join("guest.wat");
    std::fs::write(&guest, lettered("b")).expect("written");
    assert_eq!(served.next_line(), "module accepted");
    for _worker in 0..2 {
        assert!(served.get("/").ends_with("\r\n\r\nb"));
    }
    for refused in ["(module", &lettered("!")] {
        std::fs::write(&guest, refused).expect("written");
        let line = served.next_line();
        assert!(line.starts_with("module refused: "), "{line}");
        served.wait_for_error("module refused, the old one stays");
        assert!(served.get("/").ends_with("\r\n\r\nb"));
    }
    upstream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        .expect("answered");
    let mut response = String::new();
    open.read_to_string(&mut response).expect("closed");
    assert!(
        response.contains("\r\na: a\r\n"),
        "the old module's mark: {response}"
    );
}

#[test]
fn a_request_that_is_open_at_the_stop_is_answered() {
    let (listener, url) = listener();
    let (_directory, mut served) = served("", "", &url, &[]);
    let mut client = served.connect();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        .expect("sent");
    let mut upstream = accept(&listener);
    read_to(&mut upstream, b"\r\n\r\n");
    kill(served.id());
    upstream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        .expect("answered");
    let mut response = String::new();
    client.read_to_string(&mut response).expect("closed");
    assert_eq!(status(&response), "200", "{response}");
    assert_eq!(served.wait().code(), Some(0));
}

#[test]
fn a_request_that_does_not_end_does_not_prevent_the_stop() {
    let ends = r#"
        (data (i32.const 1000) "over")
        (data (i32.const 1010) "shutdown")
        (func (export "proxy_on_log") (param i32)
          (drop (call $log (i32.const 2) (i32.const 1000) (i32.const 4))))
        (func (export "proxy_on_done") (param i32) (result i32)
          (if (i32.eq (local.get 0) (i32.const 1)) (then
            (drop (call $log (i32.const 2) (i32.const 1010) (i32.const 8)))))
          (i32.const 1))"#;
    let (listener, url) = listener();
    let (_directory, mut served) = served(ends, "", &url, &["--grace", "1"]);
    let mut client = served.connect();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        .expect("sent");
    let mut upstream = accept(&listener);
    read_to(&mut upstream, b"\r\n\r\n");
    kill(served.id());
    assert_eq!(served.wait().code(), Some(0));
    served.wait_for_error("over");
    served.wait_for_error("shutdown");
}

fn kill(id: u32) {
    let told = Command::new("kill").arg(id.to_string()).status();
    assert!(told.expect("kill runs").success());
}
