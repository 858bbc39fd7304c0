//! Several plugins in one filter chain, as in Envoy.
//!
//! `envoy/chains.txt` is what Envoy 1.40 printed for `envoy/chain.wat` with `--component-log-level wasm:trace`, without the
//! lines about `malloc` and the returns of host functions. A section's title has the plugins' configurations, in the order of
//! the chain; in sections `…/same` they live in one VM, in `…/apart` each in its own.

use std::time::Duration;

use postern_host::{
    AnsweredBy, CalloutReply, FailurePolicy, Host, HostBuilder, Module, Plugin, PluginId, Reply,
    Request, StreamState,
};

use crate::guests;
use crate::recorded::sections;

const CHAIN: &str = include_str!("envoy/chain.wat");
const TRACES: &str = include_str!("envoy/chains.txt");

fn module() -> Module {
    Module::compile(CHAIN).expect("the guest compiles")
}

fn host(module: &Module) -> HostBuilder {
    let headers = [
        ("server", "x"),
        ("date", "x"),
        ("content-length", "2"),
        ("x-up", "up"),
    ];
    Host::builder(module)
        .cluster("up", move |_| {
            let reply = CalloutReply::new(200).header("x-envoy-upstream-service-time", "0");
            headers
                .iter()
                .fold(reply, |reply, (name, value)| reply.header(name, value))
                .body("ok")
                .after(Duration::from_millis(450))
        })
        .upstream(move |_| {
            headers
                .iter()
                .fold(Reply::ok(), |reply, (name, value)| {
                    reply.header(name, value)
                })
                .chunk("ok")
        })
        .trace(true)
}

/// Sends what the recorded client sent, and goes away if there is no answer.
fn run(host: &mut Host, chain: &[PluginId], request: &str) -> u16 {
    let stream = if request == "CHUNKS" {
        let stream = host.open_through(chain, Request::post("/").chunk("abc").unfinished());
        host.advance(Duration::from_millis(100));
        host.send_body(stream, "def", false);
        host.send_body(stream, "", true);
        stream
    } else {
        host.open_through(chain, Request::get("/"))
    };
    host.advance(Duration::from_secs(1));
    if host.state(stream) == StreamState::Paused {
        host.disconnect(stream);
    }
    host.finish(stream).status()
}

/// The lines up to the stream's end: calls that are answered later have nobody to go to.
fn relevant(lines: impl Iterator<Item = String>) -> String {
    let wanted = |line: &String| !line.contains("malloc") && !line.starts_with("[vm<-host]");
    let lines: Vec<String> = lines.filter(wanted).collect();
    let end = lines
        .iter()
        .rposition(|line| line.contains("proxy_on_delete return"))
        .map_or(lines.len(), |last| last + 1);
    lines[..end].join("\n")
}

#[test]
fn chains_of_plugins_are_called_in_the_order_of_envoy() {
    let module = module();
    let cases: Vec<_> = sections(TRACES).collect();
    assert_eq!(cases.len(), 40, "no case is lost");
    for (title, recorded) in cases {
        let (name, plugins) = title.split_once(": ").expect("a name and plugins");
        let (plugins, request) = plugins.rsplit_once(' ').expect("plugins and a request");
        let mut host = host(&module).build();
        let chain: Vec<PluginId> = plugins
            .split(' ')
            .map(|configuration| {
                let letter = &configuration[..1];
                let vm_id = if name.ends_with("/same") {
                    "vm"
                } else {
                    letter
                };
                let plugin = Plugin::of(&module)
                    .vm_id(vm_id)
                    .vm_configuration("vmconf")
                    .allow_on_headers_stop_iteration(!name.contains("dispatch-body"))
                    .configuration(configuration);
                host.add_plugin_with(plugin).expect("accepted")
            })
            .collect();
        host.take_trace();
        let status = run(&mut host, &chain, request);
        let (response, trace) = recorded.split_once('\n').expect("a response and a trace");
        let answer = match status {
            0 => "response: none".to_owned(),
            status => format!("response: {status}"),
        };
        assert_eq!(answer, response, "{title}");
        assert_eq!(
            relevant(host.take_trace().into_iter()),
            relevant(trace.lines().map(str::to_owned)),
            "{title}"
        );
    }
}

/// Writes its configuration's first byte behind `x-by` in both directions, unless the request has an `x-die` header.
fn tagging(extra: &str) -> String {
    format!(
        r#"
        (data (i32.const 1000) "x-byx-die")
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (drop (call $buffer (i32.const 7) (i32.const 0) (i32.const 9) (i32.const 0) (i32.const 4)))
          (i32.store8 (i32.const 2000) (i32.load8_u (i32.load (i32.const 0))))
          (i32.const 1))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          {extra}
          (drop (call $add (i32.const 0) (i32.const 1000) (i32.const 4) (i32.const 2000) (i32.const 1)))
          (i32.const 0))
        (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
          (drop (call $add (i32.const 2) (i32.const 1000) (i32.const 4) (i32.const 2000) (i32.const 1)))
          (i32.const 0))"#
    )
}

const DIES: &str = r#"(if (i32.eqz (call $value (i32.const 0) (i32.const 1004) (i32.const 5) (i32.const 0) (i32.const 4)))
    (then unreachable))"#;

/// Two plugins of different modules: the second dies of `x-die`.
fn two(policy: FailurePolicy) -> (Host, [PluginId; 2]) {
    let (first, second) = (guests::module(&tagging("")), guests::module(&tagging(DIES)));
    let mut host = Host::builder(&first).build();
    let a = host
        .add_plugin_with(Plugin::of(&first).name("first").configuration("a"))
        .expect("accepted");
    let b = Plugin::of(&second)
        .name("second")
        .configuration("b")
        .failure_policy(policy)
        .reload_backoff(Duration::ZERO);
    let b = host.add_plugin_with(b).expect("accepted");
    (host, [a, b])
}

fn tags(headers: &postern_host::HeaderMap) -> Vec<String> {
    let tags = headers.all("x-by").into_iter();
    tags.map(|tag| String::from_utf8_lossy(tag).into_owned())
        .collect()
}

#[test]
fn requests_pass_plugins_in_order_and_responses_in_reverse() {
    let (mut host, chain) = two(FailurePolicy::FailClosed);
    let exchange = host.request_through(&chain, Request::get("/"));
    assert_eq!(
        tags(&exchange.upstream.expect("let through").headers),
        ["a", "b"]
    );
    assert_eq!(
        tags(&exchange.response.expect("answered").headers),
        ["b", "a"]
    );
    let filters: Vec<_> = exchange
        .callbacks
        .iter()
        .map(|callback| (callback.name, callback.filter))
        .collect();
    assert_eq!(
        filters,
        [
            ("proxy_on_request_headers", 0),
            ("proxy_on_request_headers", 1),
            ("proxy_on_response_headers", 1),
            ("proxy_on_response_headers", 0)
        ]
    );
}

#[test]
fn a_plugin_that_dies_is_answered_for_and_the_others_live_on() {
    let (mut host, chain) = two(FailurePolicy::FailClosed);
    for die in [true, false] {
        let request = Request::get("/");
        let request = if die {
            request.header("x-die", "1")
        } else {
            request
        };
        let exchange = host.request_through(&chain, request);
        assert_eq!(
            (exchange.status(), exchange.answered_by),
            (503, AnsweredBy::Host)
        );
        assert_eq!(exchange.trap.is_some(), die);
        assert_eq!(
            tags(&exchange.response.expect("answered").headers),
            ["a"],
            "the first plugin sees the answer"
        );
    }
}

#[test]
fn a_dead_plugin_that_fails_open_is_left_out_of_the_chain() {
    let (mut host, chain) = two(FailurePolicy::FailOpen);
    let died = host.request_through(&chain, Request::get("/").header("x-die", "1"));
    assert_eq!(died.status(), 503);
    let exchange = host.request_through(&chain, Request::get("/"));
    assert_eq!(exchange.status(), 200);
    assert_eq!(
        tags(&exchange.upstream.expect("let through").headers),
        ["a"]
    );
}

#[test]
fn a_dead_plugin_that_reloads_is_back_in_the_chain() {
    let (mut host, chain) = two(FailurePolicy::FailReload);
    host.request_through(&chain, Request::get("/").header("x-die", "1"));
    let exchange = host.request_through(&chain, Request::get("/"));
    assert_eq!(
        tags(&exchange.upstream.expect("let through").headers),
        ["a", "b"]
    );
}

#[test]
fn what_one_plugin_leaves_on_a_stream_the_next_one_reads() {
    let writer = guests::module(
        r#"
        (data (i32.const 1000) "userp-7")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $set_property (i32.const 1000) (i32.const 4) (i32.const 1004) (i32.const 3)))
          (i32.const 0))"#,
    );
    let reader = guests::module(
        r#"
        (data (i32.const 1000) "user")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $property (i32.const 1000) (i32.const 4) (i32.const 0) (i32.const 4)))
          (call $log_handed)
          (i32.const 0))"#,
    );
    let mut host = Host::builder(&writer).build();
    let writer = host.add_plugin("").expect("accepted");
    let reader = host.add_plugin_with(Plugin::of(&reader)).expect("accepted");
    let exchange = host.request_through(&[writer, reader], Request::get("/"));
    assert_eq!(exchange.log[0].message, "p-7");
    assert_eq!(exchange.filter_state["wasm.user"], b"p-7");
}
