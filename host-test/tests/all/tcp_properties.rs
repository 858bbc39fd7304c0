//! The properties of TCP connections, as a guest read them in Envoy 1.40 by these names.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use postern_host::{ConnectOptions, Host, Module};

const NAMES: &[&str] = &[
    "source.address",
    "destination.port",
    "connection.mtls",
    "connection.requested_server_name",
    "connection.tls_version",
    "upstream.address",
    "upstream.local_address",
    "upstream.locality",
    "upstream.transport_failure_reason",
    "upstream.request_attempt_count",
    "request.time",
    "request.protocol",
    "request.size",
    "request.total_size",
    "request.duration",
    "request.path",
    "request.headers",
    "response.code",
    "response.code_details",
    "response.flags",
    "response.grpc_status",
    "response.size",
    "response.headers",
    "response.backend_latency",
    "xds.node",
    "xds.cluster_name",
    "xds.cluster_metadata",
    "xds.route_name",
    "xds.virtual_host_name",
    "xds.filter_chain_name",
    "xds.listener_direction",
    "plugin_name",
];
/// What Envoy does not know of a connection, ever.
const NEVER: &[&str] = &[
    "connection.tls_version",
    "request.protocol",
    "request.duration",
    "request.path",
    "response.code",
    "response.code_details",
    "response.grpc_status",
    "response.backend_latency",
    "xds.route_name",
    "xds.virtual_host_name",
];
/// What it knows when it has tried to connect.
const OF_THE_UPSTREAM: &[&str] = &[
    "upstream.address",
    "upstream.local_address",
    "upstream.locality",
    "xds.cluster_name",
    "xds.cluster_metadata",
];

/// Logs each property that is there, its name before it: with a new connection, with the client's data, and when it is logged.
fn guest() -> Module {
    let mut data = String::new();
    for name in NAMES {
        let path = name.replace('.', "\\00");
        write!(data, "\\{:02x}{path}", name.len()).expect("a string takes it");
    }
    let source = format!(
        r#"(module
  (import "env" "proxy_get_property" (func $property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 4096) "{data}")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param i32) (result i32) (i32.const 1024))
  (func $all (local $at i32)
    (local.set $at (i32.const 4096))
    (loop $next
      (if (i32.load8_u (local.get $at)) (then
        (i32.store (i32.const 4) (i32.const 0))
        (if (i32.eqz (call $property (i32.add (local.get $at) (i32.const 1)) (i32.load8_u (local.get $at))
              (i32.const 0) (i32.const 4)))
          (then
            (drop (call $log (i32.const 2) (i32.add (local.get $at) (i32.const 1)) (i32.load8_u (local.get $at))))
            (drop (call $log (i32.const 2) (i32.load (i32.const 0)) (i32.load (i32.const 4))))))
        (local.set $at (i32.add (i32.add (local.get $at) (i32.const 1)) (i32.load8_u (local.get $at))))
        (br $next)))))
  (func (export "proxy_on_new_connection") (param i32) (result i32) (call $all) (i32.const 0))
  (func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32) (call $all) (i32.const 0))
  (func (export "proxy_on_log") (param i32) (call $all)))"#
    );
    Module::compile(source).expect("the guest compiles")
}

type Properties = BTreeMap<String, String>;

/// What each callback read.
fn read(
    options: &ConnectOptions,
    play: impl Fn(&mut Host, postern_host::ConnectionId),
) -> Vec<Properties> {
    let module = guest();
    let mut host = Host::builder(&module).main_thread_vm(false).build();
    let plugin = host.add_plugin("").expect("the guest accepts it");
    let connection = host.connect_through(&[plugin], options);
    play(&mut host, connection);
    let seen = host.take_connection(connection).expect("it was not taken");
    let mut all: Vec<Properties> = Vec::new();
    for pair in seen.log.chunks(2) {
        let name = pair[0].message.replace('\0', ".");
        if name == NAMES[0] {
            all.push(Properties::new());
        }
        let last = all.last_mut().expect("the first one is always there");
        last.insert(name, pair[1].message.clone());
    }
    all
}

fn number(number: u64) -> String {
    String::from_utf8_lossy(&number.to_le_bytes()).into_owned()
}

fn there(properties: &Properties) -> Vec<&str> {
    let there = NAMES.iter().copied();
    there
        .filter(|name| properties.contains_key(*name))
        .collect()
}

fn all_but(others: &[&[&str]]) -> Vec<&'static str> {
    let names = NAMES.iter().copied();
    names
        .filter(|name| !others.concat().contains(name))
        .collect()
}

#[test]
fn properties_of_a_connection_are_there_when_they_are_in_envoy() {
    let read = read(&ConnectOptions::new(), |host, connection| {
        host.downstream_data(connection, "abc", false);
        host.upstream_data(connection, "defg", false);
        host.close_by_client(connection);
    });
    let [new, first, second] = &read[..] else {
        panic!("{read:?}");
    };
    assert_eq!(there(new), all_but(&[NEVER, OF_THE_UPSTREAM]));
    assert_eq!(new["upstream.request_attempt_count"], number(0));
    assert_eq!(new["upstream.transport_failure_reason"], "");
    assert_eq!(new["request.headers"], "\0\0\0\0");
    assert_eq!(there(first), all_but(&[NEVER]));
    let counts = |read: &Properties| {
        [
            "upstream.request_attempt_count",
            "request.size",
            "request.total_size",
            "response.size",
        ]
        .map(|name| read[name].clone())
    };
    assert_eq!(counts(first), [1, 3, 3, 0].map(number));
    assert_eq!(counts(second), [1, 3, 3, 4].map(number));
}

#[test]
fn what_became_of_a_connection_is_told_when_it_is_logged() {
    let refused = read(&ConnectOptions::new().unreachable(), |_, _| {});
    let logged = refused.last().expect("it is logged");
    assert_eq!(
        there(logged),
        all_but(&[NEVER, &["upstream.local_address"]])
    );
    assert_eq!(
        logged["upstream.transport_failure_reason"],
        "delayed connect error: Connection refused"
    );
    assert_eq!(logged["response.flags"], number(0x8020));
    for (by_client, flags) in [(true, 0), (false, 0x10)] {
        let read = read(&ConnectOptions::new(), |host, connection| {
            if by_client {
                host.reset_by_client(connection);
            } else {
                host.reset_by_upstream(connection);
            }
        });
        let logged = read.last().expect("it is logged");
        assert_eq!(there(logged), all_but(&[NEVER]));
        assert_eq!(logged["response.flags"], number(flags));
    }
}
