//! Connections through a TCP filter, as in Envoy.
//!
//! `envoy/tcp.txt` is what Envoy 1.40 printed for `envoy/tcp.wat` with `--component-log-level wasm:trace`, without the lines of
//! ticks and those about `malloc`. A section's title has a name, the plugin configuration and what the client did; two lines
//! say what client and upstream received. The upstream sends everything back in capitals; that of `greet` speaks first, and
//! that of `upstream-closes` closes behind its first answer.

use std::collections::BTreeMap;
use std::time::Duration;

use postern_host::{ClosedBy, ConnectionId, FailurePolicy, Host, Module, PluginId};

use crate::recorded::sections;

const GUEST: &str = include_str!("envoy/tcp.wat");
const TRACES: &str = include_str!("envoy/tcp.txt");

fn started(name: &str, configuration: &str) -> (Host, PluginId) {
    let module = Module::compile(GUEST).expect("the guest compiles");
    let policy = if name.ends_with("-open") {
        FailurePolicy::FailOpen
    } else {
        FailurePolicy::FailClosed
    };
    let builder = Host::builder(&module).main_thread_vm(false).trace(true);
    let mut host = builder.failure_policy(policy).build();
    let plugin = host
        .add_plugin(configuration)
        .expect("the guest accepts it");
    (host, plugin)
}

/// The upstream of the recordings: it answers what it got since the last time.
fn answer(host: &mut Host, connection: ConnectionId, name: &str, answered: &mut usize) {
    let seen = host.connection(connection).expect("it was not taken");
    let capitals = seen.to_upstream[*answered..].to_ascii_uppercase();
    let (got, ended) = (!capitals.is_empty(), seen.upstream_ended);
    *answered = seen.to_upstream.len();
    if got {
        host.upstream_data(connection, capitals, name == "upstream-closes");
    }
    if ended {
        host.close_by_upstream(connection);
    }
}

#[test]
fn connections_run_as_envoy_recorded_them() {
    let mut hosts = BTreeMap::new();
    let mut replayed = 0;
    for (title, recorded) in sections(TRACES) {
        let (name, script) = title.split_once(": ").expect("a name and a script");
        let (configuration, steps) = script.split_once(' ').expect("a configuration and steps");
        let (host, plugin) = hosts
            .entry(name)
            .or_insert_with(|| started(name, configuration));
        let connection = host.connect(*plugin);
        let mut answered = 0;
        if name == "greet" {
            host.upstream_data(connection, "hi", false);
        }
        for step in steps.split(' ') {
            match step {
                "EOF" | "CLOSE" => host.close_by_client(connection),
                "WAIT" => host.advance(Duration::from_millis(1_200)),
                bytes => host.downstream_data(connection, bytes, false),
            }
            answer(host, connection, name, &mut answered);
        }
        host.close_by_client(connection);
        answer(host, connection, name, &mut answered);
        if name == "pause-down-tick" {
            host.advance(Duration::from_secs(1));
            answer(host, connection, name, &mut answered);
        }

        let seen = host.take_connection(connection).expect("it was not taken");
        let (client, recorded) = recorded.split_once('\n').expect("what the client got");
        let (upstream, recorded) = recorded.split_once('\n').unwrap_or((recorded, ""));
        let received = |line: &str| line.replace("<EOF>", "");
        let to_client = String::from_utf8_lossy(&seen.to_client);
        let to_upstream = String::from_utf8_lossy(&seen.to_upstream);
        assert_eq!(format!("client: {to_client}"), received(client), "{title}");
        let to_upstream = format!("upstream: {to_upstream}");
        assert_eq!(
            to_upstream.trim_end(),
            received(upstream).trim_end(),
            "{title}"
        );
        let unmasked = seen.trace.iter().filter(|line| !line.contains("malloc"));
        let trace: Vec<&str> = unmasked.map(String::as_str).collect();
        assert_eq!(trace.join("\n"), recorded.trim_end(), "{title}");
        replayed += 1;
    }
    assert_eq!(replayed, 20);
}

#[test]
fn a_filter_reads_who_is_connected_to_whom() {
    let module = Module::compile(
        r#"(module
  (import "env" "proxy_get_property" (func $property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "source\00address")
  (data (i32.const 32) "destination\00address")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param i32) (result i32) (i32.const 1024))
  (func $say (param i32 i32)
    (drop (call $property (local.get 0) (local.get 1) (i32.const 0) (i32.const 4)))
    (drop (call $log (i32.const 2) (i32.load (i32.const 0)) (i32.load (i32.const 4)))))
  (func (export "proxy_on_new_connection") (param i32) (result i32)
    (call $say (i32.const 16) (i32.const 14))
    (call $say (i32.const 32) (i32.const 19))
    (i32.const 0)))"#,
    )
    .expect("the guest compiles");
    let mut host = Host::builder(&module).main_thread_vm(false).build();
    let plugin = host.add_plugin("").expect("the guest accepts it");
    let connection = host.connect(plugin);
    let seen = host.connection(connection).expect("it was not taken");
    let said: Vec<&str> = seen.log.iter().map(|line| &*line.message).collect();
    assert_eq!(said, ["127.0.0.1:50000", "127.0.0.1:10000"]);
}

#[test]
fn whoever_ends_last_has_closed_the_connection() {
    for (first_client, closed) in [(true, ClosedBy::Upstream), (false, ClosedBy::Client)] {
        let (mut host, plugin) = started("plain", "Acccc");
        let connection = host.connect(plugin);
        if first_client {
            host.close_by_client(connection);
        } else {
            host.close_by_upstream(connection);
        }
        let open = host.connection(connection).expect("it was not taken");
        assert_eq!(open.closed, None);
        host.close_by_upstream(connection);
        host.close_by_client(connection);
        let seen = host.take_connection(connection).expect("it was not taken");
        assert_eq!(seen.closed, Some(closed));
        assert!(host.connection(connection).is_none());
    }
}

#[test]
fn a_dead_vm_closes_the_connections_that_it_has_and_gets_none() {
    let (mut host, plugin) = started("trap", "Actcc");
    let other = host.connect(plugin);
    let connection = host.connect(plugin);
    host.downstream_data(connection, "abc", false);
    let seen = host.take_connection(connection).expect("it was not taken");
    assert_eq!(seen.closed, Some(ClosedBy::Host));
    assert!(seen.trap.is_some());
    host.downstream_data(other, "abc", false);
    let seen = host.take_connection(other).expect("it was not taken");
    assert_eq!(
        (seen.closed, &*seen.to_upstream),
        (Some(ClosedBy::Host), &b""[..])
    );
    let late = host.connect(plugin);
    let seen = host.take_connection(late).expect("it was not taken");
    assert_eq!((seen.closed, seen.connected), (Some(ClosedBy::Host), false));
}
