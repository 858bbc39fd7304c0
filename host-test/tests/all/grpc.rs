//! gRPC calls and streams against scripted peers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use postern_host::{GrpcEvent, GrpcReply, Host, Module, Request};

use crate::guests::{builder, messages, started};
use crate::recorded::{replay, sections};

/// The peer that the recording was made with: a server of grpcio, and a closed port for `dead`.
fn recorded_peer(event: &GrpcEvent<'_>) -> GrpcReply {
    let answer = || {
        GrpcReply::new()
            .initial_metadata("grpc-accept-encoding", "identity, deflate, gzip")
            .initial_metadata("x-i", "1")
    };
    let end = |reply: GrpcReply| {
        reply
            .status(0, "")
            .trailer("grpc-message", "")
            .trailer("x-t", "1")
    };
    match (event.call().method.as_str(), event) {
        ("UnaryErr" | "StreamErr", GrpcEvent::Call(..) | GrpcEvent::Opened(_)) => {
            GrpcReply::error(5, "nope").trailer("x-t", "1")
        }
        ("UnarySlow", _) => GrpcReply::new()
            .after(Duration::from_secs(3))
            .message("late")
            .status(0, ""),
        ("Unary", GrpcEvent::Call(_, message)) => {
            end(answer().message([b"hello", *message].concat()))
        }
        (_, GrpcEvent::Message(_, message)) => answer().message([b"r:", *message].concat()),
        (_, GrpcEvent::HalfClosed(_)) => end(GrpcReply::new()),
        _ => GrpcReply::new(),
    }
}

#[test]
fn calls_and_streams_go_as_they_go_in_envoy() {
    let module = Module::compile(include_str!("envoy/grpc.wat")).expect("the guest compiles");
    let mut host = Host::builder(&module)
        .vm_id("vm")
        .root_id("r")
        .grpc_service("grpc", recorded_peer)
        .grpc_service("dead", |_| GrpcReply::refused())
        .cluster("up", |_| postern_host::CalloutReply::new(200))
        .trace(true)
        .build();
    let plugin = host.add_plugin("conf").expect("nothing to refuse");
    let wanted = [
        "request_headers",
        "grpc_receive_initial_metadata",
        "grpc_receive",
        "grpc_receive_trailing_metadata",
        "grpc_close",
    ];
    let cases: Vec<_> = sections(include_str!("envoy/grpc.trace.txt")).collect();
    assert_eq!(cases.len(), 17, "no case is lost");
    for (name, expected) in cases {
        let wait = |host: &mut Host| host.advance(Duration::from_secs(2));
        let mut actual = replay(&mut host, plugin, name, &wanted, wait);
        let mut expected = expected.trim_end().to_owned();
        if name == "GET /r" {
            // The recorded peer is an HTTP server with headers of its own, which this host's peer does not have.
            for text in [&mut actual, &mut expected] {
                *text = without_the_metadata(text);
            }
        }
        assert_eq!(actual, expected, "trace of {name}");
    }
}

fn without_the_metadata(trace: &str) -> String {
    let lines = trace.lines().filter(|line| {
        !line.contains("initial_metadata(")
            && !line.contains("malloc")
            && !line.contains("env.proxy_log")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Opens a stream to `peer` at request headers, pauses, and goes on when the peer has closed. Logs what it is told.
const STREAMING: &str = r#"
    (data (i32.const 1000) "peer") (data (i32.const 1010) "pkg.Service") (data (i32.const 1030) "Method")
    (data (i32.const 1040) "question") (data (i32.const 1050) "\00\00\00\00")
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (drop (call $grpc_stream (i32.const 1000) (i32.const 4) (i32.const 1010) (i32.const 11) (i32.const 1030) (i32.const 6)
        (i32.const 1050) (i32.const 4) (i32.const 100)))
      (drop (call $grpc_send (i32.load (i32.const 100)) (i32.const 1040) (i32.const 8) (i32.const 1)))
      (i32.const 1))
    (func (export "proxy_on_grpc_receive") (param i32 i32 i32)
      (drop (call $buffer (i32.const 5) (i32.const 0) (i32.const 100) (i32.const 0) (i32.const 4)))
      (call $log_handed))
    (func (export "proxy_on_grpc_close") (param i32 i32 i32)
      (call $log_number (local.get 2))
      (drop (call $status (i32.const 8) (i32.const 0) (i32.const 4)))
      (call $log_handed)
      (drop (call $act_as (i32.const 2)))
      (drop (call $status (i32.const 8) (i32.const 0) (i32.const 4)))
      (call $log_number (i32.load (i32.const 8)))
      (drop (call $continue (i32.const 0))))"#;

#[test]
fn a_peer_hears_everything_and_answers_over_time() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let peer = {
        let heard = Arc::clone(&heard);
        move |event: &GrpcEvent<'_>| {
            let call = event.call();
            let text = format!("{}/{} {:?}", call.service, call.method, event.message());
            heard.lock().expect("no thread panicked").push(text);
            match event {
                GrpcEvent::Message(..) => GrpcReply::new()
                    .message("one")
                    .after(Duration::from_secs(5))
                    .message("two")
                    .status(7, "not you"),
                _ => GrpcReply::new(),
            }
        }
    };
    let (mut host, plugin) = started(builder(STREAMING).grpc_service("peer", peer));
    let exchange = host.request(plugin, Request::get("/"));
    assert_eq!(exchange.status(), 200, "it waited for the stream's end");
    assert_eq!(
        messages(&mut host),
        ["one", "two", "07", "not you{via_upstream}", "00"],
        "and the status belongs to the root context, not to the stream"
    );
    let heard = heard.lock().expect("no thread panicked").clone();
    assert_eq!(
        heard,
        [
            "pkg.Service/Method None",
            "pkg.Service/Method Some([113, 117, 101, 115, 116, 105, 111, 110])",
            "pkg.Service/Method None"
        ]
    );
}

#[test]
fn a_broken_stream_ends_with_an_internal_error() {
    let peer = |event: &GrpcEvent<'_>| match event {
        GrpcEvent::Message(..) => GrpcReply::new().message("half").reset(),
        _ => GrpcReply::new(),
    };
    let (mut host, plugin) = started(builder(STREAMING).grpc_service("peer", peer));
    host.request(plugin, Request::get("/"));
    assert_eq!(messages(&mut host)[..2], ["half", "13"]);
}

/// Calls `peer` with the path as the name of the service and a timeout of 50 ms.
const CALLING: &str = r#"
    (data (i32.const 1000) ":path") (data (i32.const 1010) "s") (data (i32.const 1012) "\00\00\00\00")
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (drop (call $value (i32.const 0) (i32.const 1000) (i32.const 5) (i32.const 0) (i32.const 4)))
      (call $log_number (call $grpc_call (i32.add (i32.load (i32.const 0)) (i32.const 1))
        (i32.sub (i32.load (i32.const 4)) (i32.const 1)) (i32.const 1010) (i32.const 1) (i32.const 1010) (i32.const 1)
        (i32.const 1012) (i32.const 4) (i32.const 1010) (i32.const 1) (i32.const 50) (i32.const 100)))
      (call $log_number (i32.load (i32.const 100)))
      (i32.const 0))
    (func (export "proxy_on_grpc_receive") (param i32 i32 i32)
      (drop (call $buffer (i32.const 5) (i32.const 0) (i32.const 100) (i32.const 0) (i32.const 4)))
      (call $log_handed))
    (func (export "proxy_on_grpc_close") (param i32 i32 i32) (call $log_number (local.get 2)))"#;

#[test]
fn a_call_that_takes_as_long_as_its_timeout_is_unavailable() {
    let after = |milliseconds| {
        move |_: &GrpcEvent<'_>| {
            GrpcReply::new()
                .after(Duration::from_millis(milliseconds))
                .message("here")
                .status(0, "")
        }
    };
    let builder = builder(CALLING)
        .grpc_service("quick", after(49))
        .grpc_service("slow", after(50));
    let (mut host, plugin) = started(builder);
    host.request(plugin, Request::get("/quick"));
    host.advance(Duration::from_secs(1));
    assert_eq!(messages(&mut host), ["00", "05", "here"]);
    host.request(plugin, Request::get("/slow"));
    host.advance(Duration::from_secs(1));
    assert_eq!(messages(&mut host), ["00", "09", "14"]);
}

#[test]
fn an_unknown_cluster_is_a_parse_failure_and_an_empty_service_the_end_of_envoy() {
    let (mut host, plugin) = started(builder(CALLING));
    host.request(plugin, Request::get("/nobody"));
    assert_eq!(messages(&mut host), ["04", "00"]);
    let exchange = host.request(plugin, Request::get("/"));
    let trap = exchange.trap.expect("Envoy's process would have ended");
    assert!(trap.contains("Envoy aborts the whole process"), "{trap}");
}

#[test]
fn a_unary_call_without_a_message_or_with_two_is_an_internal_error() {
    let builder = builder(CALLING)
        .grpc_service("none", |_| GrpcReply::new().status(0, ""))
        .grpc_service("two", |_| {
            GrpcReply::new().message("a").message("b").status(0, "")
        });
    let (mut host, plugin) = started(builder);
    for path in ["/none", "/two"] {
        host.request(plugin, Request::get(path));
        host.advance(Duration::from_secs(1));
        assert_eq!(messages(&mut host)[2], "13", "{path}");
    }
}
