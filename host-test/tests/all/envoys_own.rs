//! What Envoy has beside the ABI: look-ups of names, and stats sinks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use postern_host::{
    DnsAnswer, Host, HostBuilder, LoadError, LoadOptions, Module, Profile, Request,
};

/// Looks up the name that the configuration is, logs the status and the token, and what comes as hexadecimal digits.
const LOOKS_UP: &str = r#"(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "envoy_resolve_dns" (func $dns (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (global $heap (mut i32) (i32.const 8192))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param i32) (result i32)
    (global.get $heap) (global.set $heap (i32.add (global.get $heap) (local.get 0))))
  (func $say (param i32)
    (i32.store8 (i32.const 40) (i32.add (i32.const 48) (local.get 0)))
    (drop (call $log (i32.const 2) (i32.const 40) (i32.const 1))))
  (func $look_up (param $size i32)
    (drop (call $buffer (i32.const 7) (i32.const 0) (local.get $size) (i32.const 0) (i32.const 4)))
    (call $say (call $dns (i32.load (i32.const 0)) (local.get $size) (i32.const 100)))
    (call $say (i32.load (i32.const 100))))
  (func (export "proxy_on_configure") (param $root i32) (param $size i32) (result i32)
    (call $look_up (local.get $size)) (i32.const 1))
  (func (export "envoy_on_resolve_dns") (param $root i32) (param $token i32) (param $size i32)
    (local $n i32) (local $byte i32)
    (call $say (local.get $root))
    (call $say (local.get $token))
    (drop (call $buffer (i32.const 8) (i32.const 0) (local.get $size) (i32.const 0) (i32.const 4)))
    ;; Nibbles as letters from `a` on, for a log is text.
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $n) (local.get $size)))
      (local.set $byte (i32.load8_u (i32.add (i32.load (i32.const 0)) (local.get $n))))
      (i32.store8 (i32.add (i32.const 2000) (i32.mul (local.get $n) (i32.const 2)))
        (i32.add (i32.const 97) (i32.shr_u (local.get $byte) (i32.const 4))))
      (i32.store8 (i32.add (i32.const 2001) (i32.mul (local.get $n) (i32.const 2)))
        (i32.add (i32.const 97) (i32.and (local.get $byte) (i32.const 15))))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br $next)))
    (drop (call $log (i32.const 2) (i32.const 2000) (i32.mul (local.get $size) (i32.const 2))))))"#;

fn builder() -> HostBuilder {
    let module = Module::compile(LOOKS_UP).expect("the guest compiles");
    Host::builder(&module).main_thread_vm(false).canary(false)
}

/// The bytes of what the guest read.
fn bytes(letters: &str) -> Vec<u8> {
    let nibbles: Vec<u8> = letters.bytes().map(|letter| letter - b'a').collect();
    nibbles
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn messages(host: &mut Host) -> Vec<String> {
    host.take_logs()
        .into_iter()
        .map(|line| line.message)
        .collect()
}

#[test]
fn an_answer_comes_to_the_root_context_when_it_is_there() {
    let addresses = [
        IpAddr::from(Ipv4Addr::new(10, 0, 0, 1)),
        IpAddr::from(Ipv6Addr::LOCALHOST),
    ];
    let answer = DnsAnswer::new(addresses)
        .ttl(Duration::from_secs(30))
        .after(Duration::from_millis(20));
    let mut host = builder().dns("db.internal", answer).build();
    host.add_plugin("db.internal").expect("accepted");
    assert_eq!(messages(&mut host), ["0", "2"], "OK, and the first token");
    host.advance(Duration::from_millis(19));
    assert_eq!(messages(&mut host), Vec::<String>::new());
    host.advance(Duration::from_millis(1));
    let said = messages(&mut host);
    assert_eq!(said[..2], ["1", "2"]);
    assert_eq!(
        bytes(&said[2]),
        b"\x02\0\0\0\x1e\0\0\0\x1e\0\0\x0010.0.0.1:0\0[::1]:0\0"
    );
}

#[test]
fn an_address_is_answered_while_the_guest_asks() {
    let mut host = builder().trace(true).build();
    host.add_plugin("127.0.0.1").expect("accepted");
    let said = messages(&mut host);
    assert_eq!(said[..2], ["1", "2"], "the answer comes before the status");
    assert_eq!(bytes(&said[2]), b"\x01\0\0\0\0\0\0\x00127.0.0.1:0\0");
    assert_eq!(said[3..], ["0", "2"]);
    let trace = host.take_trace();
    let at = |wanted: &str| trace.iter().position(|line| line.starts_with(wanted));
    let order = [
        at("[vm->host] env.envoy_resolve_dns"),
        at("[host->vm] envoy_on_resolve_dns(1, 2, 20)"),
        at("[host<-vm] envoy_on_resolve_dns return: void"),
        at("[vm<-host] env.envoy_resolve_dns return: 0"),
    ];
    assert!(
        order.iter().all(Option::is_some) && order.is_sorted(),
        "{trace:#?}"
    );
}

#[test]
fn a_name_can_be_answered_while_the_guest_asks_too() {
    let answer = DnsAnswer::new([Ipv4Addr::LOCALHOST]).at_once();
    let mut host = builder().dns("localhost", answer).build();
    host.add_plugin("localhost").expect("accepted");
    assert_eq!(messages(&mut host)[3..], ["0", "2"]);
}

#[test]
fn an_unknown_name_has_no_addresses_and_a_failure_no_bytes() {
    let mut host = builder().dns("down", DnsAnswer::failure()).build();
    for (name, token, read) in [
        ("nope.invalid", "2", b"\0\0\0\0".as_slice()),
        ("down", "3", b""),
    ] {
        host.add_plugin(name).expect("accepted");
        host.advance(Duration::from_millis(1));
        let said = messages(&mut host);
        assert_eq!((said[1].as_str(), said[3].as_str()), (token, token));
        assert_eq!(bytes(&said[4]), read);
    }
}

#[test]
fn a_token_that_cannot_be_written_is_an_invalid_access() {
    let text = LOOKS_UP.replace(
        "(local.get $size) (i32.const 100)))",
        "(local.get $size) (i32.const 2147483000)))",
    );
    let module = Module::compile(text).expect("the guest compiles");
    let mut host = Host::builder(&module)
        .main_thread_vm(false)
        .canary(false)
        .build();
    host.add_plugin("name").expect("accepted");
    assert_eq!(messages(&mut host)[0], "6");
}

#[test]
fn no_other_host_looks_names_up() {
    for profile in Profile::ALL
        .iter()
        .filter(|profile| **profile != Profile::Envoy)
    {
        let error = LoadOptions::new().profile(*profile).compile(LOOKS_UP);
        let Err(LoadError::UnknownImports(names)) = error else {
            panic!("{profile} does not know the function");
        };
        assert!(names.contains(&"env.envoy_resolve_dns".to_owned()));
    }
}

#[test]
fn a_stats_sink_gets_counters_with_what_they_grew_by() {
    let guest = crate::guests::module(
        r#"
        (data (i32.const 1000) "cg")
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (drop (call $define (i32.const 0) (i32.const 1000) (i32.const 1) (i32.const 100)))
          (drop (call $define (i32.const 1) (i32.const 1001) (i32.const 1) (i32.const 104)))
          (drop (call $increment (i32.load (i32.const 104)) (i64.const 5)))
          (i32.const 1))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $increment (i32.load (i32.const 100)) (i64.const 1))) (i32.const 0))
        (func (export "envoy_on_stats_update") (param $root i32) (param $size i32)
          (drop (call $buffer (i32.const 8) (i32.const 0) (local.get $size) (i32.const 0) (i32.const 4)))
          ;; The name, the value and the growth of the counter, which is the first; then the size of all.
          (drop (call $log (i32.const 2) (i32.add (i32.load (i32.const 0)) (i32.const 16)) (i32.const 12)))
          (call $log_number (i32.load offset=32 (i32.load (i32.const 0))))
          (call $log_number (i32.load offset=40 (i32.load (i32.const 0))))
          (call $log_number (i32.sub (local.get $size) (i32.const 100))))"#,
    );
    let mut host = Host::builder(&guest).canary(false).build();
    let plugin = host.add_plugin("").expect("accepted");
    for (requests, expected) in [(3, ["03", "03"]), (1, ["04", "01"]), (0, ["04", "00"])] {
        for _ in 0..requests {
            host.request(plugin, Request::get("/"));
        }
        host.take_logs();
        assert!(host.flush_stats(plugin));
        let lines = host.take_logs();
        assert_eq!(lines[0].worker, 1, "the main thread");
        let said: Vec<_> = lines.into_iter().map(|line| line.message).collect();
        assert_eq!(said[0], "wasmcustom.c");
        assert_eq!(said[1..3], expected);
        assert_eq!(said[3], "16");
    }
}

#[test]
fn a_configuration_is_never_validated() {
    let guest = crate::guests::module(
        r#"(func (export "proxy_validate_configuration") (param i32 i32) (result i32) unreachable)"#,
    );
    let mut host = Host::builder(&guest).build();
    let plugin = host.add_plugin("").expect("nobody asked");
    host.configure(plugin, "other").expect("nor now");
    assert_eq!(host.request(plugin, Request::get("/")).status(), 200);
}
