//! What Envoy answers where a guest's author may expect something else: one test for each finding. `docs/host/envoy.md` lists
//! them, and `documented` holds the list to the tests.

mod answers;
mod buffers;
mod calls;
mod documented;
mod kept;
mod maps;
mod queues;
mod starts;
mod streams;

use postern_host::Request;

use crate::guests::{builder, messages, started};

/// What a guest with this body said about a request.
fn said(body: &str, request: Request) -> Vec<String> {
    let (mut host, plugin) = started(builder(body));
    host.request(plugin, request);
    messages(&mut host)
}

/// The value of the header at 1,000, 3 bytes long, in a map.
fn value(map: u32) -> String {
    format!(
        "(call $log_number (call $value (i32.const {map}) (i32.const 1000) (i32.const 3) (i32.const 0) (i32.const 4)))"
    )
}

fn pairs(map: u32) -> String {
    format!(
        "(call $log_number (call $pairs (i32.const {map}) (i32.const 0) (i32.const 4))) (call $log_number (i32.load (i32.const 4)))"
    )
}

/// A callback about headers that does this and goes on.
fn at(callback: &str, body: &str) -> String {
    format!(
        r#"(func (export "proxy_on_{callback}_headers") (param i32 i32 i32) (result i32) {body} (i32.const 0))"#
    )
}

const X_A: &str =
    r#"(data (i32.const 1000) "x-a") (data (i32.const 1010) "X-A") (data (i32.const 1020) "v")"#;

/// Logs what a call answers.
fn status(call: &str) -> String {
    format!("(call $log_number {call})")
}
