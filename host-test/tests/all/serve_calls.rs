//! Calls of the guest to clusters, over real connections.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::sockets::{NOWHERE, accept, listener, read_to, served, status};

/// Calls the cluster `up` with a body and holds the request; answers with what the reply is: `status headers trailers body`.
/// The configuration's length times 100 is the timeout in milliseconds.
const CALLS: &str = r#"
    (data (i32.const 1000) "up")
    (data (i32.const 1100) "\04\00\00\00\07\00\00\00\04\00\00\00\05\00\00\00\02\00\00\00\0a\00\00\00\01\00\00\00\03\00\00\00\01\00\00\00:method\00POST\00:path\00/c\00:authority\00a\00x-c\001\00")
    (data (i32.const 1300) "hello")
    (data (i32.const 1400) ":status")
    (global $held (mut i32) (i32.const 0))
    (global $timeout (mut i32) (i32.const 0))
    (func (export "proxy_on_configure") (param i32) (param $size i32) (result i32)
      (global.set $timeout (i32.mul (local.get $size) (i32.const 100)))
      (i32.const 1))
    (func (export "proxy_on_request_headers") (param $id i32) (param i32 i32) (result i32)
      (global.set $held (local.get $id))
      (drop (call $call (i32.const 1000) (i32.const 2) (i32.const 1100) (i32.const 77)
        (i32.const 1300) (i32.const 5) (i32.const 0) (i32.const 0) (global.get $timeout) (i32.const 0)))
      (i32.const 1))
    (func $digit (param $at i32) (param $n i32)
      (i32.store8 (local.get $at) (i32.add (i32.const 48) (local.get $n))))
    (func (export "proxy_on_http_call_response") (param i32 i32) (param $headers i32) (param $body i32) (param $trailers i32)
      (i64.store (i32.const 2000) (i64.const 0x2020202020202020))
      (if (local.get $headers) (then
        (drop (call $value (i32.const 6) (i32.const 1400) (i32.const 7) (i32.const 0) (i32.const 4)))
        (i32.store (i32.const 2000) (i32.load (i32.load (i32.const 0))))
        (i32.store8 (i32.const 2003) (i32.const 32))))
      (call $digit (i32.const 2004) (local.get $headers))
      (call $digit (i32.const 2006) (local.get $trailers))
      (if (local.get $body) (then
        (drop (call $buffer (i32.const 4) (i32.const 0) (local.get $body) (i32.const 0) (i32.const 4)))
        (memory.copy (i32.const 2008) (i32.load (i32.const 0)) (i32.load (i32.const 4)))))
      (drop (call $act_as (global.get $held)))
      (drop (call $respond (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 2000)
        (i32.add (i32.const 8) (local.get $body)) (i32.const 0) (i32.const 0) (i32.const -1))))"#;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

fn body(response: &str) -> &str {
    assert_eq!(status(response), "200", "{response}");
    response.split_once("\r\n\r\n").expect("a body").1
}

#[test]
fn a_call_goes_out_and_its_reply_comes_back() {
    let (listener, url) = listener();
    let cluster = format!("up={url}");
    let (_directory, served) = served(CALLS, "", NOWHERE, &["--cluster", &cluster]);
    let mut client = served.connect();
    client.write_all(REQUEST).expect("sent");
    let mut peer = accept(&listener);
    let head = read_to(&mut peer, b"\r\n\r\n");
    assert!(
        head.starts_with("POST /c HTTP/1.1\r\nhost: a\r\n"),
        "{head}"
    );
    assert!(head.contains("\r\nx-c: 1\r\n"), "{head}");
    assert!(head.contains("\r\ncontent-length: 5\r\n"), "{head}");
    assert_eq!(read_to(&mut peer, b"o"), "hello");
    peer.write_all(
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nwo\r\n3\r\nrld\r\n0\r\nx-t: 1\r\n\r\n",
    )
    .expect("answered");
    let mut response = String::new();
    client.read_to_string(&mut response).expect("closed");
    let reply = body(&response);
    assert_eq!((&reply[..4], &reply[5..]), ("201 ", " 1 world"));
}

#[test]
fn a_cluster_that_is_not_there_is_a_503_of_the_hosts_making() {
    // Nothing listens on a port that was just given back.
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let cluster = format!("up=http://{}", free.expect("an address"));
    let (_directory, served) = served(CALLS, "", NOWHERE, &["--cluster", &cluster]);
    let response = served.send(REQUEST);
    let reply = body(&response);
    assert!(reply.starts_with("503 3 0 "), "{reply}");
    assert_eq!(reply.len() - 8, 98, "{reply}");
}

#[test]
fn a_cluster_that_does_not_answer_in_time_is_a_504_of_the_hosts_making() {
    let (listener, url) = listener();
    let cluster = format!("up={url}");
    let (_directory, served) = served(CALLS, "12", NOWHERE, &["--cluster", &cluster]);
    let mut client = served.connect();
    client.write_all(REQUEST).expect("sent");
    let mut peer = accept(&listener);
    let mut response = String::new();
    client.read_to_string(&mut response).expect("closed");
    assert_eq!(body(&response), "504 3 0 upstream request timeout");
    let mut rest = Vec::new();
    peer.read_to_end(&mut rest).expect("the call was given up");
}

#[test]
fn a_cluster_that_closes_the_connection_is_a_503_or_a_reset() {
    let (listener, url) = listener();
    let cluster = format!("up={url}");
    let (_directory, served) = served(CALLS, "", NOWHERE, &["--cluster", &cluster]);
    for (answer, expected) in [
        (
            &b""[..],
            "503 3 0 upstream connect error or disconnect/reset before headers.",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
            "    0 0 ",
        ),
    ] {
        let mut client = served.connect();
        client.write_all(REQUEST).expect("sent");
        let mut peer = accept(&listener);
        read_to(&mut peer, b"hello");
        peer.write_all(answer).expect("answered");
        drop(peer);
        let mut response = String::new();
        client.read_to_string(&mut response).expect("closed");
        assert!(body(&response).starts_with(expected), "{response}");
    }
}

#[test]
fn what_is_no_cluster_is_said() {
    for cluster in ["up", "=http://h:1", "up=https://h", "up=http://h/path"] {
        let error = crate::served::refused(&["--cluster", cluster]);
        assert!(
            error.contains(&format!("`{cluster}` is no cluster")),
            "{error}"
        );
    }
}

#[test]
fn a_grpc_call_is_refused_by_name() {
    const GRPC: &str = r#"
        (data (i32.const 1000) "upsvcmth")
        (global $held (mut i32) (i32.const 0))
        (func (export "proxy_on_request_headers") (param $id i32) (param i32 i32) (result i32)
          (global.set $held (local.get $id))
          (drop (call $grpc_call (i32.const 1000) (i32.const 2) (i32.const 1002) (i32.const 3)
            (i32.const 1005) (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 1000) (i32.const 300)))
          (i32.const 1))
        (func (export "proxy_on_grpc_close") (param i32 i32) (param $status i32)
          (i32.store8 (i32.const 2000) (i32.add (i32.const 65) (local.get $status)))
          (drop (call $act_as (global.get $held)))
          (drop (call $respond (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 2000)
            (i32.const 1) (i32.const 0) (i32.const 0) (i32.const -1))))"#;
    let (listener, url) = listener();
    let cluster = format!("up={url}");
    let (_directory, served) = served(GRPC, "", NOWHERE, &["--cluster", &cluster]);
    // 12, UNIMPLEMENTED, as the letter that many behind A.
    assert_eq!(body(&served.send(REQUEST)), "M");
    listener.set_nonblocking(true).expect("set");
    let nobody = listener.accept().expect_err("no connection was made");
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
    served.wait_for_error("[warning] serve makes no gRPC calls: svc/mth of `up` was not called");
}
