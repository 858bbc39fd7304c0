//! Calls to clusters, and their replies.

use std::time::Duration;

use postern_host::{Callout, CalloutReply, Request, StreamState};

use super::{at, status};
use crate::guests::{builder, messages, started};

/// Dispatches a call with the headers at 1,100, and logs the status and the token.
const DISPATCH: &str = r#"
    (data (i32.const 1000) "c")
    (data (i32.const 1100) "\03\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\01\00\00\00\0a\00\00\00\01\00\00\00:method\00GET\00:path\00/\00:authority\00h\00")
    (data (i32.const 1200) "\02\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\01\00\00\00:method\00GET\00:path\00/\00")
    (func $dispatch (param $headers i32) (param $size i32)
      (call $log_number (call $call (i32.const 1000) (i32.const 1) (local.get $headers) (local.get $size) (i32.const 0)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 100)))
      (call $log_number (i32.load (i32.const 100))))"#;

#[test]
fn calls_have_the_tokens_4_8_and_so_on_and_need_method_path_and_authority() {
    let body = "(call $dispatch (i32.const 1100) (i32.const 61)) (call $dispatch (i32.const 1200) (i32.const 40))
        (call $dispatch (i32.const 1100) (i32.const 61))";
    let guest = format!("{DISPATCH} {}", at("request", body));
    let cluster = |_: &postern_host::Callout| postern_host::CalloutReply::new(200);
    let (mut host, plugin) = started(builder(&guest).cluster("c", cluster));
    host.request(plugin, Request::get("/"));
    assert_eq!(
        messages(&mut host),
        ["00", "04", "02", "00", "00", "08"],
        "a call that fails leaves 0 for a token, and uses none up"
    );
}

/// Dispatches a call and pauses; on the reply says what `reply` says.
fn waiting(reply: &str) -> String {
    format!(
        r#"{DISPATCH}
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (call $dispatch (i32.const 1100) (i32.const 61)) (i32.const 1))
        (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32) {reply})"#
    )
}

#[test]
fn a_call_with_a_body_has_its_length_whatever_the_guest_said() {
    let guest = format!(
        r#"{DISPATCH}
        (data (i32.const 1300) "\04\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\01\00\00\00\0a\00\00\00\01\00\00\00\0e\00\00\00\01\00\00\00:method\00PUT\00:path\00/\00:authority\00h\00content-length\009\00")
        {}"#,
        at(
            "request",
            "(drop (call $call (i32.const 1000) (i32.const 1) (i32.const 1300) (i32.const 86) (i32.const 1301)
              (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 100)))"
        )
    );
    let lengths = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = std::sync::Arc::clone(&lengths);
    let cluster = move |call: &Callout| {
        let length = call.headers.text("content-length");
        seen.lock()
            .expect("not poisoned")
            .push((length, call.body.len()));
        CalloutReply::new(200)
    };
    let (mut host, plugin) = started(builder(&guest).cluster("c", cluster));
    host.request(plugin, Request::get("/"));
    assert_eq!(
        *lengths.lock().expect("not poisoned"),
        [(Some("3".to_owned()), 3)]
    );
}

#[test]
fn a_call_with_a_timeout_of_0_is_never_given_up() {
    let (mut host, plugin) = started(
        builder(&waiting("(call $log_number (local.get 2))"))
            .cluster("c", |_| CalloutReply::never()),
    );
    let stream = host.open(plugin, Request::get("/"));
    host.advance(Duration::from_secs(86_400));
    assert_eq!(host.state(stream), StreamState::Paused);
    assert_eq!(messages(&mut host), ["00", "04"]);
}

#[test]
fn a_reply_comes_to_the_root_context_and_not_to_the_stream() {
    let path =
        "(call $value (i32.const 0) (i32.const 1128) (i32.const 5) (i32.const 0) (i32.const 4))";
    let reply = [
        "(call $log_number (local.get 0))".to_owned(),
        status(path),
        status("(call $act_as (i32.const 2))"),
        status(path),
        "(drop (call $continue (i32.const 0)))".to_owned(),
    ];
    let guest = waiting(&reply.concat()).replace("(i32.const 1128)", "(i32.const 1140)");
    let (mut host, plugin) = started(builder(&guest).cluster("c", |_| CalloutReply::new(200)));
    assert_eq!(host.request(plugin, Request::get("/")).status(), 200);
    assert_eq!(messages(&mut host)[2..], ["01", "02", "00", "00"]);
}

#[test]
fn a_reply_for_a_stream_that_has_ended_comes_to_the_root_all_the_same() {
    let guest = waiting("(call $log_number (local.get 0))").replace(
        "(i32.const 61)) (i32.const 1))",
        "(i32.const 61)) (i32.const 0))",
    );
    let reply = |_: &Callout| CalloutReply::new(200).after(Duration::from_millis(10));
    let (mut host, plugin) = started(builder(&guest).cluster("c", reply));
    assert_eq!(host.request(plugin, Request::get("/")).status(), 200);
    assert_eq!(messages(&mut host), ["00", "04"]);
    host.advance(Duration::from_millis(10));
    assert_eq!(messages(&mut host), ["01"]);
}

#[test]
fn only_a_call_that_was_reset_has_a_status() {
    let reply = format!(
        "{} (call $log_number (i32.load (i32.const 0)))
        (drop (call $log (i32.const 2) (i32.load (i32.const 4)) (i32.load (i32.const 8))))",
        status("(call $status (i32.const 0) (i32.const 4) (i32.const 8))")
    );
    for (peer, code, text) in [
        (CalloutReply::reset(), "11", "reset"),
        (CalloutReply::refused(), "00", ""),
        (CalloutReply::new(500), "00", ""),
    ] {
        let (mut host, plugin) =
            started(builder(&waiting(&reply)).cluster("c", move |_| peer.clone()));
        host.request(plugin, Request::get("/"));
        assert_eq!(messages(&mut host)[2..], ["00", code, text]);
    }
}
