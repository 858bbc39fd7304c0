//! The same guest and the same requests as in a real Envoy 1.40, whose trace was kept: every line must be equal.
//!
//! The trace was made with `--component-log-level wasm:trace`, one worker, FAIL_RELOAD, `allow_on_headers_stop_iteration`,
//! vm_id `vm`, root_id `r`, name `probe`, VM configuration `vmconf` and plugin configuration `conf`. Pointers are masked.

use std::time::Duration;

use postern_host::{
    CalloutReply, FailurePolicy, Host, Module, PluginId, Reply, Request, StreamState,
};

const TRACE: &str = include_str!("envoy/trace.txt");
const REQUESTS: &str = include_str!("envoy/requests.txt");

#[test]
fn a_guest_that_calls_everything_sees_what_it_sees_in_envoy() {
    let module = Module::compile(include_str!("envoy/probe.wat")).expect("the probe compiles");
    let mut host = Host::builder(&module)
        .vm_id("vm")
        .root_id("r")
        .plugin_name("probe")
        .vm_configuration("vmconf")
        .allow_on_headers_stop_iteration(true)
        .failure_policy(FailurePolicy::FailReload)
        .reload_backoff(Duration::ZERO)
        .cluster("up", |_| CalloutReply::new(200))
        .upstream(|_| reply_of_the_recorded_upstream())
        .trace(true)
        .build();
    let plugin = host
        .add_plugin("conf")
        .expect("the probe accepts everything");
    host.take_trace();

    let requests: Vec<_> = sections(REQUESTS).collect();
    let traces: Vec<_> = sections(TRACE).collect();
    assert_eq!((requests.len(), traces.len()), (28, 28), "no case is lost");
    for ((name, request), (traced, expected)) in requests.into_iter().zip(traces) {
        assert_eq!(name, traced);
        let actual = run(&mut host, plugin, request);
        assert_eq!(actual.join("\n"), expected.trim_end(), "trace of {name}");
    }
}

/// Sends the request, and lets the client go away if nobody answers.
fn run(host: &mut Host, plugin: PluginId, request: &str) -> Vec<String> {
    let stream = host.open(plugin, parse(request));
    if host.state(stream) == StreamState::Paused {
        host.disconnect(stream);
    }
    host.finish(stream);
    host.take_trace().into_iter().map(masked).collect()
}

fn masked(line: String) -> String {
    let pointer = "[host<-vm] malloc return: ";
    if line.starts_with(pointer) {
        format!("{pointer}(pointer)")
    } else {
        line
    }
}

/// The name and the text of each section; a section begins with a line `# name`.
fn sections(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    text.split("# ")
        .skip(1)
        .filter_map(|section| section.split_once('\n'))
}

fn reply_of_the_recorded_upstream() -> Reply {
    Reply::ok()
        .header("X-A", "1")
        .header("x-a", "2")
        .header("Content-Length", "2")
        .header("Connection", "keep-alive")
        .header("Server", "up")
        .chunk("ok")
}

/// Reads a request of the file: what was written to Envoy's socket, with plain line ends.
fn parse(text: &str) -> Request {
    let (head, body) = text
        .trim_end()
        .split_once("\n\n")
        .unwrap_or((text.trim_end(), ""));
    let mut lines = head.lines();
    let mut start = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (
        start.next().unwrap_or_default(),
        start.next().unwrap_or_default(),
    );
    let mut request = match method {
        "CONNECT" => Request::connect(target),
        _ => Request::new(method, target),
    };
    let mut chunked = false;
    for line in lines {
        let (name, value) = line.split_once(": ").expect("a name and a value");
        request = match name {
            "Host" => request.authority(value),
            "transfer-encoding" => {
                chunked = true;
                request
            }
            _ => request.header(name, value),
        };
    }
    match body {
        // The only chunked body of the cases has no bytes.
        "0" if chunked => request.chunk(""),
        "" => request,
        _ => request.chunk(body),
    }
}
