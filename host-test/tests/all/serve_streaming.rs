//! The command with messages that come bit by bit.

use std::io::{ErrorKind, Read, Write};

use crate::sockets::{accept, listener, read_to, served, status};

const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Puts `>` in front of each part of a request, and `<` in front of each of a response.
const MARKS: &str = r#"
    (data (i32.const 1000) "><over")
    (func $mark (param $buffer i32) (param $size i32) (result i32)
      (if (local.get $size) (then (drop (call $set_buffer (local.get $buffer) (i32.const 0) (i32.const 0)
        (i32.add (i32.const 1000) (local.get $buffer)) (i32.const 1)))))
      (i32.const 0))
    (func (export "proxy_on_request_body") (param i32) (param $size i32) (param i32) (result i32)
      (call $mark (i32.const 0) (local.get $size)))
    (func (export "proxy_on_response_body") (param i32) (param $size i32) (param i32) (result i32)
      (call $mark (i32.const 1) (local.get $size)))
    (func (export "proxy_on_log") (param i32)
      (drop (call $log (i32.const 2) (i32.const 1002) (i32.const 4))))"#;

#[test]
fn a_part_of_a_request_reaches_the_upstream_before_the_next_one_comes() {
    let (listener, url) = listener();
    let (_directory, served) = served(MARKS, "", &url, &[]);
    let mut client = served.connect();
    client
        .write_all(&[POST, b"3\r\nabc\r\n"].concat())
        .expect("sent");
    let mut upstream = accept(&listener);
    read_to(&mut upstream, b"\r\n\r\n");
    assert_eq!(read_to(&mut upstream, b"c\r\n"), "4\r\n>abc\r\n");
    client.write_all(b"2\r\nde\r\n").expect("sent");
    assert_eq!(read_to(&mut upstream, b"e\r\n"), "3\r\n>de\r\n");
    client.write_all(b"0\r\n\r\n").expect("sent");
    assert_eq!(read_to(&mut upstream, b"\r\n\r\n"), "0\r\n\r\n");
}

#[test]
fn a_part_of_a_response_reaches_the_client_before_the_next_one_comes() {
    let (listener, url) = listener();
    let (_directory, served) = served(MARKS, "", &url, &[]);
    let mut client = served.connect();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        .expect("sent");
    let mut upstream = accept(&listener);
    read_to(&mut upstream, b"\r\n\r\n");
    upstream
        .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        .expect("sent");
    assert_eq!(status(&read_to(&mut client, b"\r\n\r\n")), "200");
    assert_eq!(read_to(&mut client, b"c\r\n"), "4\r\n<abc\r\n");
    upstream.write_all(b"2\r\nde\r\n0\r\n\r\n").expect("sent");
    assert_eq!(read_to(&mut client, b"\r\n\r\n"), "3\r\n<de\r\n0\r\n\r\n");
}

#[test]
fn an_upstream_may_answer_while_the_request_is_on_its_way() {
    let (listener, url) = listener();
    let (_directory, served) = served(MARKS, "", &url, &[]);
    let mut client = served.connect();
    client
        .write_all(&[POST, b"1\r\na\r\n"].concat())
        .expect("sent");
    let mut upstream = accept(&listener);
    read_to(&mut upstream, b">a\r\n");
    upstream
        .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        .expect("sent");
    let head = read_to(&mut client, b"\r\n\r\n");
    assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
    assert_eq!(read_to(&mut client, b"x\r\n"), "2\r\n<x\r\n");
    client.write_all(b"1\r\nb\r\n0\r\n\r\n").expect("sent");
    assert_eq!(read_to(&mut upstream, b"0\r\n\r\n"), "2\r\n>b\r\n0\r\n\r\n");
    upstream.write_all(b"1\r\ny\r\n0\r\n\r\n").expect("sent");
    let mut rest = String::new();
    client.read_to_string(&mut rest).expect("closed");
    assert_eq!(rest, "2\r\n<y\r\n0\r\n\r\n");
}

#[test]
fn bytes_of_an_upgraded_connection_pass_the_filter() {
    let (listener, url) = listener();
    let (_directory, served) = served(MARKS, "", &url, &[]);
    let mut client = served.connect();
    let upgrade =
        "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    client.write_all(upgrade.as_bytes()).expect("sent");
    let mut upstream = accept(&listener);
    read_to(&mut upstream, b"\r\n\r\n");
    let granted =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    upstream.write_all(granted.as_bytes()).expect("sent");
    assert_eq!(status(&read_to(&mut client, b"\r\n\r\n")), "101");
    client.write_all(b"ping!").expect("sent");
    assert_eq!(read_to(&mut upstream, b"!"), ">ping!");
    upstream.write_all(b"pong!").expect("sent");
    assert_eq!(read_to(&mut client, b"!"), "<pong!");
    drop(client);
    served.wait_for_error("over");
    assert_eq!(upstream.read(&mut [0]).expect("closed in order"), 0);
}

#[test]
fn a_client_that_goes_away_ends_the_stream_and_the_upstreams_connection() {
    let (listener, url) = listener();
    let (_directory, served) = served(MARKS, "", &url, &[]);
    let mut client = served.connect();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        .expect("sent");
    let mut upstream = accept(&listener);
    read_to(&mut upstream, b"\r\n\r\n");
    drop(client);
    served.wait_for_error("over");
    assert_eq!(upstream.read(&mut [0]).expect("closed in order"), 0);
}

#[test]
fn a_response_that_breaks_off_is_no_whole_response() {
    let (listener, url) = listener();
    let (_directory, served) = served(MARKS, "", &url, &[]);
    let mut client = served.connect();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        .expect("sent");
    let mut upstream = accept(&listener);
    read_to(&mut upstream, b"\r\n\r\n");
    upstream
        .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        .expect("sent");
    read_to(&mut client, b"c\r\n");
    drop(upstream);
    let mut rest = Vec::new();
    // The connection is reset or closed, and the last chunk does not come.
    let _reset = client.read_to_end(&mut rest);
    assert!(rest.is_empty(), "{}", rest.escape_ascii());
}

#[test]
fn a_client_that_sends_faster_than_the_upstream_reads_has_to_wait() {
    /// More than all buffers on the way have room for.
    const MUCH: usize = 64 * 1024 * 1024;
    let (listener, url) = listener();
    let (_directory, served) = served("", "", &url, &[]);
    let mut client = served.connect();
    let head = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {MUCH}\r\n\r\n");
    client.write_all(head.as_bytes()).expect("sent");
    let mut upstream = accept(&listener);
    read_to(&mut upstream, b"\r\n\r\n");
    client
        .set_write_timeout(Some(std::time::Duration::from_millis(500)))
        .expect("a time limit");
    let part = vec![b'x'; 64 * 1024];
    let mut sent = 0;
    let stopped = loop {
        match client.write(&part) {
            Ok(length) => sent += length,
            Err(error) => break error.kind(),
        }
        assert!(sent < MUCH, "nobody stopped the client");
    };
    assert!(
        matches!(stopped, ErrorKind::WouldBlock | ErrorKind::TimedOut),
        "{stopped}"
    );
    // It was only held up: what was sent arrives, and more can be sent.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut left = MUCH - sent;
            client.set_write_timeout(None).expect("no time limit");
            while left > 0 {
                let length = left.min(part.len());
                client.write_all(&part[..length]).expect("sent");
                left -= length;
            }
        });
        let mut received = 0;
        let mut buffer = vec![0; 64 * 1024];
        while received < MUCH {
            received += match upstream.read(&mut buffer).expect("more is to come") {
                0 => panic!("closed after {received} bytes"),
                length => length,
            };
        }
    });
}

/// Holds bodies back to their ends.
const HOLDS: &str = r#"
    (func (export "proxy_on_request_body") (param i32 i32) (param $end i32) (result i32)
      (i32.eqz (local.get $end)))
    (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) (i32.const 1))
    (func (export "proxy_on_response_body") (param i32 i32) (param $end i32) (result i32)
      (i32.eqz (local.get $end)))"#;

const LIMITED: [&str; 3] = ["--buffer-limit", "4", "--allow-on-headers-stop-iteration"];

#[test]
fn a_request_that_the_filter_holds_past_the_limit_is_refused() {
    let (_listener, url) = listener();
    let (_directory, served) = served(HOLDS, "", &url, &LIMITED);
    let response = served.send(&[POST, b"5\r\nabcde\r\n"].concat());
    assert_eq!(status(&response), "413", "{response}");
    assert!(
        response.ends_with("\r\n\r\nPayload Too Large"),
        "{response}"
    );
}

#[test]
fn a_response_that_the_filter_holds_past_the_limit_is_an_error() {
    let (listener, url) = listener();
    let (_directory, served) = served(HOLDS, "", &url, &LIMITED);
    let mut client = served.connect();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        .expect("sent");
    let mut upstream = accept(&listener);
    read_to(&mut upstream, b"\r\n\r\n");
    upstream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde")
        .expect("sent");
    let mut response = String::new();
    client.read_to_string(&mut response).expect("closed");
    assert_eq!(status(&response), "500", "{response}");
}

#[test]
fn an_upstream_that_is_too_slow_is_given_up() {
    let (listener, url) = listener();
    let (_directory, served) = served("", "", &url, &["--upstream-timeout", "1"]);
    let mut client = served.connect();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        .expect("sent");
    let _silent = accept(&listener);
    let mut response = String::new();
    client.read_to_string(&mut response).expect("closed");
    assert_eq!(status(&response), "504", "{response}");
    assert!(
        response.ends_with("\r\n\r\nupstream request timeout"),
        "{response}"
    );
}
