//! Diagnostics: for every code a guest that gets it and one that does not.

mod cases;
mod documented;
mod runs;

use postern_host::{CalloutReply, Code, HostBuilder, Reply, Request};

use crate::guests;

/// What the frame of all guests brings with it.
const OF_THE_FRAME: &[Code] = &[Code::ImportOutsideProfile, Code::NotPortable];

/// A callback of a message that runs this code; the code leaves the action on the stack.
fn on(callback: &str, code: &str) -> String {
    let params = if callback.ends_with("trailers") {
        "(param i32 i32)"
    } else {
        "(param i32 i32 i32)"
    };
    format!(r#"(func (export "proxy_on_{callback}") {params} (result i32) {code})"#)
}

/// Bytes at an address of the guest.
fn data(address: u32, bytes: impl AsRef<[u8]>) -> String {
    let hex: String = bytes
        .as_ref()
        .iter()
        .map(|byte| format!("\\{byte:02x}"))
        .collect();
    format!(r#"(data (i32.const {address}) "{hex}")"#)
}

/// A header map as it crosses the ABI.
fn encoded(pairs: &[(&str, &str)]) -> Vec<u8> {
    let word = |length: usize| u32::try_from(length).expect("short").to_le_bytes();
    let mut bytes = word(pairs.len()).to_vec();
    for (name, value) in pairs {
        bytes.extend(word(name.len()));
        bytes.extend(word(value.len()));
    }
    for (name, value) in pairs {
        bytes.extend(name.bytes().chain([0]).chain(value.bytes()).chain([0]));
    }
    bytes
}

/// A host for this guest with the cluster `known` and an upstream that answers with a body.
fn host(guest: &str) -> HostBuilder {
    guests::builder(guest)
        .upstream(|_request| Reply::ok().header("x-up", "1").body("hello"))
        .cluster("known", |_call| CalloutReply::new(200))
}

fn request() -> Request {
    Request::post("/path")
        .header("x-a", "1")
        .header("x-two", "1")
        .header("x-two", "2")
        .body("hello")
}

/// The codes that a run of one request finds, without those of the frame.
fn found(guest: &str) -> Vec<Code> {
    let mut host = host(guest).build();
    if let Ok(plugin) = host.add_plugin("configuration") {
        host.request(plugin, request());
    }
    host.final_diagnostics()
        .iter()
        .map(|finding| finding.code)
        .filter(|code| !OF_THE_FRAME.contains(code))
        .collect()
}
