//! The command on the wire: what it makes of the bytes of clients, and what upstreams get.

use std::io::{Read, Write};

use crate::sockets::{NOWHERE, accept, listener, read_to, served, status};

/// Answers with the path of the request.
const TELLS_PATH: &str = r#"
    (data (i32.const 1000) ":path")
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (drop (call $value (i32.const 0) (i32.const 1000) (i32.const 5) (i32.const 0) (i32.const 4)))
      (drop (call $respond (i32.const 200) (i32.const 0) (i32.const 0)
        (i32.load (i32.const 0)) (i32.load (i32.const 4)) (i32.const 0) (i32.const 0) (i32.const -1)))
      (i32.const 1))"#;

/// Pauses at headers and answers with what the body is once it has ended; answers 408 on a tick if the configuration says so.
const FORM: &str = r#"
    (data (i32.const 1000) "late")
    (global $held (mut i32) (i32.const 0))
    (func (export "proxy_on_configure") (param i32) (param $size i32) (result i32)
      (if (local.get $size) (then (drop (call $tick_every (i32.const 50)))))
      (i32.const 1))
    (func (export "proxy_on_request_headers") (param $id i32) (param i32 i32) (result i32)
      (global.set $held (local.get $id)) (i32.const 1))
    (func (export "proxy_on_request_body") (param $id i32) (param $size i32) (param $end i32) (result i32)
      (if (local.get $end) (then
        (drop (call $buffer (i32.const 0) (i32.const 0) (local.get $size) (i32.const 0) (i32.const 4)))
        (drop (call $respond (i32.const 200) (i32.const 0) (i32.const 0)
          (i32.load (i32.const 0)) (i32.load (i32.const 4)) (i32.const 0) (i32.const 0) (i32.const -1)))))
      (i32.const 1))
    (func (export "proxy_on_tick") (param i32)
      (if (i32.eqz (global.get $held)) (then (return)))
      (drop (call $act_as (global.get $held)))
      (drop (call $respond (i32.const 408) (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 4)
        (i32.const 0) (i32.const 0) (i32.const -1)))
      (global.set $held (i32.const 0)))"#;

#[test]
fn the_front_judges_the_target_that_the_client_sent() {
    let (_directory, served) = served(TELLS_PATH, "", NOWHERE, &[]);
    let ask = |target: &[u8]| {
        let rest = b" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        served.send(&[b"GET ", target, rest].concat())
    };
    for refused in [&b"/s/a#b"[..], b"/\xfc", b"/a b", b"*", b"foo", b"/\x7f"] {
        let response = ask(refused);
        assert_eq!(status(&response), "400", "{}", refused.escape_ascii());
    }
    for passed in ["/a<b>", "/a`b|{}\"^", "/%61//../\\?a#"] {
        let passed = passed.trim_end_matches('#');
        let response = ask(passed.as_bytes());
        assert_eq!(status(&response), "200", "{response}");
        assert!(
            response.ends_with(&format!("\r\n\r\n{passed}")),
            "{response}"
        );
    }
}

#[test]
fn what_is_no_request_is_refused_and_the_connection_closed() {
    let (_directory, served) = served(TELLS_PATH, "", NOWHERE, &[]);
    let long = format!(
        "GET / HTTP/1.1\r\nHost: h\r\nx: {}\r\n\r\n",
        "a".repeat(70_000)
    );
    for (bytes, expected) in [
        ("GET /\r\n\r\n", "426"),
        ("GET / HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n", "400"),
        ("get / HTTP/1.1\r\nHost: h\r\n\r\n", "400"),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
            "400",
        ),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "400",
        ),
        ("GET / HTTP/1.0\r\nHost: h\r\n\r\n", "426"),
        (long.as_str(), "431"),
    ] {
        let response = served.send(bytes.as_bytes());
        assert_eq!(status(&response), expected, "{bytes:.80}: {response}");
        assert!(response.contains("\r\nconnection: close\r\n"), "{response}");
    }
}

#[test]
fn every_request_of_a_connection_is_judged() {
    let (_directory, served) = served(FORM, "", NOWHERE, &["--allow-on-headers-stop-iteration"]);
    let first = "POST /1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n";
    let second = "POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nde";
    let third = "GET /3#4 HTTP/1.1\r\nHost: h\r\n\r\n";
    let answers = served.send([first, second, third].concat().as_bytes());
    let statuses: Vec<_> = answers
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|answer| {
            (
                &answer[..3],
                answer.rsplit("\r\n").next().unwrap_or_default(),
            )
        })
        .collect();
    assert_eq!(statuses, [("200", "abc"), ("200", "de"), ("400", "")]);
}

#[test]
fn a_form_is_answered_when_it_is_whole() {
    let (_directory, served) = served(FORM, "", NOWHERE, &["--allow-on-headers-stop-iteration"]);
    let mut stream = served.connect();
    stream
        .write_all(
            b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 6\r\n\r\nabc",
        )
        .expect("sent");
    stream.write_all(b"def").expect("sent");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("received");
    assert!(response.ends_with("\r\n\r\nabcdef"), "{response}");
}

#[test]
fn a_form_that_does_not_end_is_answered_by_a_tick() {
    let flag: &[&str] = &["--allow-on-headers-stop-iteration"];
    for options in [flag, &[]] {
        let (_directory, served) = served(FORM, "tick", NOWHERE, options);
        // The rest never comes.
        let response = served.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc");
        assert_eq!(status(&response), "408", "{response}");
        assert!(response.contains("\r\nconnection: close\r\n"), "{response}");
        assert!(response.ends_with("\r\n\r\nlate"), "{response}");
    }
}

#[test]
fn a_client_that_is_still_sending_reads_the_answer() {
    let (_directory, served) = served(TELLS_PATH, "", NOWHERE, &[]);
    let mut stream = served.connect();
    stream
        .write_all(b"POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n")
        .expect("sent");
    stream.write_all(&[b'x'; 100_000]).expect("sent");
    let head = read_to(&mut stream, b"\r\n\r\n");
    assert_eq!(status(&head), "200", "{head}");
    let mut body = String::new();
    stream.read_to_string(&mut body).expect("received");
    assert_eq!(body, "/early");
}

#[test]
fn an_answer_to_head_has_a_length_and_no_body() {
    let (_directory, served) = served(TELLS_PATH, "", NOWHERE, &[]);
    let response = served.send(b"HEAD /abc HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert_eq!(status(&response), "200", "{response}");
    assert!(response.contains("\r\ncontent-length: 4\r\n"), "{response}");
    assert!(response.ends_with("\r\n\r\n"), "{response}");
}

#[test]
fn trailers_reach_the_upstream_behind_chunks_if_they_are_enabled() {
    for (options, end) in [
        (&["--trailers"][..], "0\r\nauthorization: t\r\n\r\n"),
        (&[], "0\r\n\r\n"),
    ] {
        let (listener, url) = listener();
        let (_directory, served) = served("", "", &url, options);
        let mut client = served.connect();
        client
            .write_all(
                b"POST /<x> HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
                  3\r\nabc\r\n0\r\nAuthorization: t\r\n\r\n",
            )
            .expect("sent");
        let mut upstream = accept(&listener);
        let head = read_to(&mut upstream, b"\r\n\r\n");
        assert!(
            head.starts_with("POST /<x> HTTP/1.1\r\nhost: h\r\n"),
            "{head}"
        );
        assert!(
            head.contains("\r\ntransfer-encoding: chunked\r\n"),
            "{head}"
        );
        assert!(!head.contains("content-length"), "{head}");
        assert_eq!(
            read_to(&mut upstream, end.as_bytes()),
            format!("3\r\nabc\r\n{end}")
        );
        upstream
            .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
            .expect("answered");
        let head = read_to(&mut client, b"\r\n\r\n");
        assert_eq!(status(&head), "204", "{head}");
    }
}

#[test]
fn trailers_of_a_response_reach_the_client_if_they_are_enabled() {
    let (listener, url) = listener();
    let (_directory, served) = served("", "", &url, &["--trailers"]);
    let mut client = served.connect();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        .expect("sent");
    let mut upstream = accept(&listener);
    read_to(&mut upstream, b"\r\n\r\n");
    upstream
        .write_all(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-t: 1\r\n\r\n",
        )
        .expect("answered");
    let mut response = String::new();
    client.read_to_string(&mut response).expect("received");
    assert!(
        response.ends_with("\r\n\r\n2\r\nok\r\n0\r\nx-t: 1\r\n\r\n"),
        "{response}"
    );
}

#[test]
fn a_broken_chunk_is_a_bad_request() {
    let (_directory, served) = served(FORM, "", NOWHERE, &["--allow-on-headers-stop-iteration"]);
    let response =
        served.send(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n");
    assert_eq!(status(&response), "400", "{response}");
}

const UPGRADE: &[u8] =
    b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

#[test]
fn an_upgraded_connection_carries_bytes_both_ways() {
    let (listener, url) = listener();
    let (_directory, served) = served("", "", &url, &[]);
    let mut client = served.connect();
    // The first bytes of the new protocol need not wait for the answer.
    client
        .write_all(&[UPGRADE, b"ping!"].concat())
        .expect("sent");
    let mut upstream = accept(&listener);
    let head = read_to(&mut upstream, b"\r\n\r\n");
    assert!(head.starts_with("GET /ws HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nupgrade: websocket\r\n"), "{head}");
    upstream
        .write_all(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nx-k: v\r\n\r\npong!",
        )
        .expect("answered");
    let head = read_to(&mut client, b"\r\n\r\n");
    assert_eq!(status(&head), "101", "{head}");
    for line in ["connection: upgrade", "upgrade: websocket", "x-k: v"] {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{head}");
    }
    assert_eq!(read_to(&mut client, b"!"), "pong!");
    assert_eq!(read_to(&mut upstream, b"!"), "ping!");
    client.write_all(b"\x00GET /#\r\n\r\n!").expect("sent");
    assert_eq!(read_to(&mut upstream, b"!"), "\0GET /#\r\n\r\n!");
    drop(upstream);
    assert_eq!(client.read(&mut [0]).expect("closed in order"), 0);
}

#[test]
fn an_upgrade_that_is_not_granted_is_answered_and_the_connection_closed() {
    let (listener, url) = listener();
    let (_directory, served) = served("", "", &url, &[]);
    let mut client = served.connect();
    client.write_all(UPGRADE).expect("sent");
    let mut upstream = accept(&listener);
    read_to(&mut upstream, b"\r\n\r\n");
    upstream
        .write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")
        .expect("answered");
    let mut response = String::new();
    client.read_to_string(&mut response).expect("closed");
    assert_eq!(status(&response), "401", "{response}");
    assert!(response.ends_with("\r\n\r\nno"), "{response}");
}

#[test]
fn the_filter_and_the_list_decide_about_an_upgrade() {
    let (_directory, filtered) = served(TELLS_PATH, "", NOWHERE, &[]);
    let response = filtered.send(UPGRADE);
    assert!(response.ends_with("\r\n\r\n/ws"), "{response}");
    let (_directory, other) = served(TELLS_PATH, "", NOWHERE, &["--upgrade", "other"]);
    let response = other.send(UPGRADE);
    assert_eq!(status(&response), "403", "{response}");
}
