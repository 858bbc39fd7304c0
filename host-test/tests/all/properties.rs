//! Properties: what guests read about the plugin, the connection and the request.

use postern_host::{Host, HostBuilder, Module, PropertyValue, Reply, Request};

use crate::guests::{builder, messages, started};
use crate::recorded::sections;

/// A host set up as the Envoy was in which the recording was made.
fn as_recorded(builder: HostBuilder) -> HostBuilder {
    builder
        .vm_id("vm")
        .root_id("r")
        .plugin_name("probe")
        .property("xds.node.id", "nid")
        .property("xds.node.metadata.A", "b")
        .property("xds.node.locality.region", "rr")
        .property("xds.cluster_name", "up")
        .property("xds.route_name", "myroute")
        .property("xds.route_metadata.filter_metadata.ns.k", "v")
        .property("xds.route_metadata.filter_metadata.ns.n", 3.0)
        .property("xds.route_metadata.filter_metadata.ns.b", true)
        .property("xds.virtual_host_name", "vh")
        .property("xds.filter_chain_name", "fc")
        .property("xds.listener_metadata.filter_metadata.lm.x", "1")
        .property("xds.listener_direction", 1_i64)
        .property("metadata.filter_metadata.ns.k", "v")
        .property("metadata.filter_metadata.ns.n", 3.0)
        .property("metadata.filter_metadata.ns.b", true)
        .property(
            "metadata.filter_metadata.ns.l",
            PropertyValue::List(vec![1.0.into(), "x".into()]),
        )
        .property("metadata.filter_metadata.ns.m.z", "y")
        .property("upstream.address", "127.0.0.1:12345")
        .property("upstream.local_address", "127.0.0.1:12345")
        .property("destination.address", "127.0.0.1:12345")
        .upstream(|_| {
            Reply::ok()
                .header("x-a", "1")
                .header("x-a", "2")
                .header("server", "up")
                .body("ok")
        })
}

#[test]
fn every_property_is_there_when_it_is_there_in_envoy_and_as_long() {
    let module = Module::compile(include_str!("envoy/properties.wat")).expect("it compiles");
    let mut host = as_recorded(Host::builder(&module))
        .canary(false)
        .main_thread_vm(false)
        .trace(true)
        .build();
    let plugin = host.add_plugin("conf").expect("nothing to refuse");
    for (name, expected) in sections(include_str!("envoy/properties.txt")) {
        match name {
            "configure" => {}
            "POST /a?b=1" => {
                let request = Request::post("/a?b=1")
                    .authority("h")
                    .header("accept-encoding", "identity")
                    .header("content-length", "3")
                    .header("x-two", "1")
                    .header("referer", "rf")
                    .header("user-agent", "ua")
                    .body("abc");
                host.request(plugin, request);
            }
            _ => {
                let request = Request::get("/local").authority("h");
                host.request(plugin, request.header("accept-encoding", "identity"));
            }
        }
        let columns = columns(host.take_trace());
        let mut lines = expected.trim_end().lines();
        let heading = lines.next().expect("the names of the phases");
        let phases: Vec<&str> = heading.split(' ').skip(1).collect();
        let callbacks: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(callbacks, phases, "{name}");
        let mut differences = Vec::new();
        for (row, line) in lines.enumerate() {
            let actual: Vec<&str> = columns.iter().map(|(_, rows)| rows[row].as_str()).collect();
            let (path, expected) = line.split_once(' ').expect("a path and answers");
            if actual.join(" ") != expected {
                differences.push(format!("{path}: {expected} in Envoy, {}", actual.join(" ")));
            }
        }
        assert_eq!(differences, Vec::<String>::new(), "{name}");
    }
}

/// For each callback, what each `proxy_get_property` in it answered: the status, and the number of bytes.
fn columns(trace: Vec<String>) -> Vec<(String, Vec<String>)> {
    let mut columns: Vec<(String, Vec<String>)> = Vec::new();
    let mut size = "0".to_owned();
    let between = |line: &str, before: &str, after: &str| {
        let rest = line.strip_prefix(before)?;
        Some(rest.split(after).next().unwrap_or_default().to_owned())
    };
    let wanted = [
        "configure",
        "request_headers",
        "response_headers",
        "response_body",
        "log",
    ];
    for line in trace {
        if let Some(name) = between(&line, "[host->vm] proxy_on_", "(") {
            columns.push((name, Vec::new()));
        } else if line.starts_with("[vm->host] env.proxy_get_property(") {
            size = "0".to_owned();
        } else if let Some(length) = between(&line, "[host->vm] malloc(", ")") {
            size = length;
        } else if let Some(status) =
            between(&line, "[vm<-host] env.proxy_get_property return: ", "\n")
            && let Some((_, rows)) = columns.last_mut()
        {
            rows.push(if status == "0" {
                format!("0:{size}")
            } else {
                status
            });
        }
    }
    columns.retain(|(name, _)| wanted.contains(&name.as_str()));
    columns
}

/// Logs the property at this path, given in WebAssembly text.
fn reads(path: &str) -> String {
    let length = path.replace("\\00", "0").len();
    format!(
        r#"(data (i32.const 1000) "{path}")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (call $log_number (call $property (i32.const 1000) (i32.const {length}) (i32.const 0) (i32.const 4)))
          (call $log_handed)
          (i32.const 0))"#
    )
}

fn read(path: &str, set: impl FnOnce(HostBuilder) -> HostBuilder, request: Request) -> Vec<String> {
    let (mut host, plugin) = started(set(builder(&reads(path))));
    host.request(plugin, request);
    messages(&mut host)
}

#[test]
fn what_the_test_sets_wins_over_what_the_host_computes() {
    let set = |builder: HostBuilder| builder.property("source.address", "10.0.0.1:5");
    let get = || Request::get("/");
    assert_eq!(read("source\\00address", set, get())[1], "10.0.0.1:5");
    let own = get().property("source.address", "10.0.0.2:6");
    assert_eq!(read("source\\00address", set, own)[1], "10.0.0.2:6");
    let gone = |builder: HostBuilder| builder.without_property("source");
    assert_eq!(read("source\\00address", gone, get())[0], "01");
}

#[test]
fn a_segment_with_a_dot_is_set_by_its_segments() {
    let path = ["metadata", "filter_metadata", "envoy.lb", "canary"];
    let set = |builder: HostBuilder| builder.property_at(path, "yes");
    let read = read(
        "metadata\\00filter_metadata\\00envoy.lb\\00canary",
        set,
        Request::get("/"),
    );
    assert_eq!(read, ["00", "yes"]);
}

#[test]
fn headers_of_one_name_are_one_property() {
    let request = Request::get("/").header("x-a", "1").header("X-A", "2");
    let read = read("request\\00headers\\00x-a", |builder| builder, request);
    assert_eq!(read, ["00", "1,2"]);
}

#[test]
fn the_code_and_the_duration_are_there_when_the_stream_is_logged() {
    let guest = r#"
        (data (i32.const 1000) "response\00code") (data (i32.const 1020) "request\00duration")
        (func (export "proxy_on_log") (param i32)
          (drop (call $property (i32.const 1000) (i32.const 13) (i32.const 0) (i32.const 4)))
          (call $log_number (i32.load (i32.load (i32.const 0))))
          (call $log_number (call $property (i32.const 1020) (i32.const 16) (i32.const 0) (i32.const 4))))"#;
    let (mut host, plugin) = started(builder(guest).upstream(|_| Reply::new(200)));
    host.request(plugin, Request::get("/"));
    // The guest writes numbers in two figures: D is the twentieth behind 0.
    assert_eq!(messages(&mut host), ["D0", "00"]);
}
