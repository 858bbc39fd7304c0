//! The command over real sockets.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::Version;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::served::Served;

/// Answers every request itself: with the first byte of the configuration at `/config`; others go to the upstream with
/// that byte in `x-config`. A configuration that begins with `!` is refused.
const GUEST: &str = r#"(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $value (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_send_local_response" (func $respond (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 1000) ":path")
  (data (i32.const 1010) "x-config")
  (data (i32.const 1020) "no exclamation marks")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param i32) (result i32) (i32.const 4096))
  (func (export "proxy_on_configure") (param $root i32) (param i32) (result i32)
    (drop (call $buffer (i32.const 7) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 4)))
    (if (i32.eq (i32.load8_u (i32.const 4096)) (i32.const 33)) (then
      (drop (call $log (i32.const 4) (i32.const 1020) (i32.const 20)))
      (return (i32.const 0))))
    (i32.store8 (i32.add (i32.const 2000) (local.get $root)) (i32.load8_u (i32.const 4096)))
    (i32.const 1))
  (func (export "proxy_on_context_create") (param $id i32) (param $parent i32)
    (i32.store8 (i32.add (i32.const 3000) (i32.and (local.get $id) (i32.const 255))) (local.get $parent)))
  (func (export "proxy_on_request_headers") (param $id i32) (param i32) (param i32) (result i32) (local $config i32)
    (local.set $config
      (i32.add (i32.const 2000)
        (i32.load8_u (i32.add (i32.const 3000) (i32.and (local.get $id) (i32.const 255))))))
    (drop (call $value (i32.const 0) (i32.const 1000) (i32.const 5) (i32.const 0) (i32.const 4)))
    (if (i32.eq (i32.load (i32.const 4096)) (i32.const 0x6e6f632f)) (then ;; "/con"
      (drop (call $respond (i32.const 200) (i32.const 0) (i32.const 0) (local.get $config) (i32.const 1)
        (i32.const 0) (i32.const 0) (i32.const -1)))
      (return (i32.const 1))))
    (drop (call $add (i32.const 0) (i32.const 1010) (i32.const 8) (local.get $config) (i32.const 1)))
    (i32.const 0)))"#;

fn started(directory: &Path, upstream: &str) -> Served {
    Served::start(directory, GUEST, upstream, &[])
}

/// An upstream that answers each connection once and passes on what it received.
fn upstream() -> (String, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (sender, received) = channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                match stream.read(&mut buffer) {
                    Ok(count @ 1..) => request.extend_from_slice(&buffer[..count]),
                    _ => break,
                }
            }
            let answer = b"HTTP/1.1 201 Created\r\nx-raw: \xff\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
            if stream.write_all(answer).is_err() || sender.send(request).is_err() {
                return;
            }
        }
    });
    (url, received)
}

#[test]
fn a_request_goes_through_the_filter_to_the_upstream_and_back() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("config"), "a").expect("written");
    let (url, received) = upstream();
    let served = started(directory.path(), &url);
    let ready = std::fs::read_to_string(directory.path().join("ready")).expect("written");
    assert_eq!(ready.trim(), format!("http://{}", served.address()));

    let response = served
        .send(b"GET /p?q HTTP/1.1\r\nHost: api.test\r\nX-Bin: a\xffb\r\nConnection: close\r\n\r\n");
    assert!(
        response.starts_with("HTTP/1.1 201 Created\r\n"),
        "{response}"
    );
    assert!(response.ends_with("\r\n\r\nok"), "{response}");
    let request = received
        .recv_timeout(Duration::from_secs(60))
        .expect("arrived");
    let has = |needle: &[u8]| request.windows(needle.len()).any(|part| part == needle);
    assert!(request.starts_with(b"GET /p?q HTTP/1.1\r\n"));
    assert!(
        has(b"\r\nhost: api.test\r\n")
            && has(b"\r\nx-bin: a\xffb\r\n")
            && has(b"\r\nx-config: a\r\n")
    );
    assert!(!has(b"connection: close"));
}

#[test]
fn http2_with_prior_knowledge_is_served_as_well() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("config"), "a").expect("written");
    let served = started(directory.path(), "http://127.0.0.1:1");
    let url = format!("http://{}/config", served.address())
        .parse()
        .expect("a URL");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let body = runtime.block_on(async {
        let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new())
            .http2_only(true)
            .build_http();
        let response = client.get(url).await.expect("answered");
        assert_eq!(response.version(), Version::HTTP_2);
        response
            .into_body()
            .collect()
            .await
            .expect("whole")
            .to_bytes()
    });
    assert_eq!(body.as_ref(), b"a");
}

#[test]
fn a_204_with_a_body_arrives_over_http2_as_envoy_sends_it() {
    const ANSWERS: &str = r#"
        (data (i32.const 1000) "denied")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $respond (i32.const 204) (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 6)
            (i32.const 0) (i32.const 0) (i32.const -1)))
          (i32.const 1))"#;
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("config"), "").expect("written");
    let served = Served::start(
        directory.path(),
        &crate::guests::text(ANSWERS),
        "http://127.0.0.1:1",
        &[],
    );
    let url = format!("http://{}/", served.address());
    let url = url.parse().expect("a URL");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (status, body) = runtime.block_on(async {
        let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new())
            .http2_only(true)
            .build_http();
        let response = client.get(url).await.expect("answered");
        let status = response.status();
        let body = response.into_body().collect().await.expect("whole");
        (status, body.to_bytes())
    });
    assert_eq!((status.as_u16(), body.as_ref()), (204, &b"denied"[..]));
}

#[test]
fn a_changed_configuration_is_taken_and_a_bad_one_is_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = directory.path().join("config");
    std::fs::write(&config, "a").expect("written");
    let served = started(directory.path(), "http://127.0.0.1:1");
    assert!(served.get("/config").ends_with("\r\n\r\na"));
    std::fs::write(&config, "b").expect("written");
    assert_eq!(served.next_line(), "configuration accepted");
    assert!(served.get("/config").ends_with("\r\n\r\nb"));
    std::fs::write(&config, "!").expect("written");
    assert_eq!(
        served.next_line(),
        "configuration refused: no exclamation marks"
    );
    assert!(served.get("/config").ends_with("\r\n\r\nb"));
}

#[test]
fn an_upstream_that_is_not_there_is_a_503() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("config"), "a").expect("written");
    // Nothing listens on a port that was just given back.
    let free = TcpListener::bind("127.0.0.1:0")
        .expect("bound")
        .local_addr()
        .expect("an address");
    let served = started(directory.path(), &format!("http://{free}"));
    assert!(served.get("/").starts_with("HTTP/1.1 503 "));
}

#[test]
fn a_refused_configuration_at_the_start_ends_the_command() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("config"), "!").expect("written");
    std::fs::write(directory.path().join("guest.wat"), GUEST).expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_postern-host"))
        .args([
            "serve",
            "--wasm",
            "guest.wat",
            "--config",
            "config",
            "--upstream",
            "http://127.0.0.1:1",
        ])
        .current_dir(directory.path())
        .output()
        .expect("ran");
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("no exclamation marks"), "{errors}");
}

#[test]
fn a_filter_without_a_configuration_is_served_with_an_empty_one() {
    const UNCONFIGURED: &str = r#"(module
  (import "env" "proxy_send_local_response" (func $respond (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param i32) (result i32) (i32.const 4096))
  (func (export "proxy_on_configure") (param i32) (param $size i32) (result i32) (i32.eqz (local.get $size)))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $respond (i32.const 204) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const -1)))
    (i32.const 1)))"#;
    let directory = tempfile::tempdir().expect("a directory");
    let served =
        Served::start_unconfigured(directory.path(), UNCONFIGURED, "http://127.0.0.1:1", &[]);
    let answer = served.get("/");
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
}

#[test]
fn it_stops_when_it_is_told_to() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("config"), "a").expect("written");
    let mut served = started(directory.path(), "http://127.0.0.1:1");
    let told = Command::new("kill")
        .arg(served.id().to_string())
        .status()
        .expect("kill runs");
    assert!(told.success());
    assert_eq!(served.wait().code(), Some(0));
}
