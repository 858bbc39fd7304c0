//! Other hosts than Envoy, as far as they differ from it.

use postern_host::{
    Host, HostBuilder, LoadError, LoadOptions, PluginId, Profile, Reply, Request, StreamState,
};

use crate::guests::{messages, text};

fn host(
    profile: Profile,
    body: &str,
    set: impl FnOnce(HostBuilder) -> HostBuilder,
) -> (Host, PluginId) {
    // The frame of the guests imports more than some hosts have; what is not used is left out.
    let text = without_unused_imports(&text(body));
    let module = LoadOptions::new()
        .profile(profile)
        .compile(text)
        .expect("the guest loads");
    let mut host = set(Host::builder(&module)).build();
    let plugin = host.add_plugin("").expect("nothing to refuse");
    (host, plugin)
}

fn without_unused_imports(text: &str) -> String {
    let (imports, rest) = text.split_once("(memory").expect("imports stand first");
    let kept = imports.split("(import").skip(1).filter(|import| {
        let name = import
            .split_once("(func ")
            .and_then(|(_, rest)| rest.split([' ', ')']).next())
            .expect("every import has a name");
        let used = |after: char| rest.contains(&format!("call {name}{after}"));
        used(' ') || used(')')
    });
    let kept: String = kept.map(|import| format!("(import{import}")).collect();
    format!("(module {kept} (memory{rest}")
}

fn said(profile: Profile, body: &str, request: Request) -> Vec<String> {
    let (mut host, plugin) = host(profile, body, |builder| builder);
    host.request(plugin, request);
    messages(&mut host)
}

/// Opens a gRPC call from request headers, and logs the status.
const GRPC: &str = r#"
    (data (i32.const 1000) "c")
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (call $log_number (call $grpc_call (i32.const 1000) (i32.const 1) (i32.const 1000) (i32.const 1) (i32.const 1000)
        (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 100)))
      (i32.const 0))"#;

#[test]
fn what_a_host_has_not_ends_the_vm_or_answers_a_status() {
    assert_eq!(said(Profile::Envoy, GRPC, Request::get("/")), ["04"]);
    for profile in [
        Profile::TrafficServer,
        Profile::Apisix,
        Profile::ServiceExtensions,
    ] {
        assert_eq!(said(profile, GRPC, Request::get("/")), ["12"], "{profile}");
    }
    let (mut host, plugin) = host(Profile::NgxWasmModule, GRPC, |builder| builder);
    let trap = host
        .request(plugin, Request::get("/"))
        .trap
        .expect("a trap");
    assert!(
        trap.contains("proxy_grpc_call is not implemented in ngx-wasm-module"),
        "{trap}"
    );
}

#[test]
fn what_a_host_does_not_link_is_named_when_the_module_is_loaded() {
    let guest = without_unused_imports(&text(
        r#"(func (export "proxy_on_tick") (param i32) (drop (call $continue (i32.const 0))))"#,
    ));
    let mosn = LoadOptions::new().profile(Profile::Mosn);
    let Err(LoadError::UnknownImports(names)) = mosn.compile(&guest) else {
        panic!("MOSN has no such function")
    };
    assert_eq!(names, ["env.proxy_continue_stream"]);
}

/// Logs the number of headers and the end of the stream as the guest is told of them, and the status of a missing header.
const HEADERS: &str = r#"
    (data (i32.const 1000) "nope")
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (call $log_number (local.get 1))
      (call $log_number (local.get 2))
      (call $log_number (call $value (i32.const 0) (i32.const 1000) (i32.const 4) (i32.const 0) (i32.const 4)))
      (i32.const 0))"#;

#[test]
fn headers_are_counted_ended_and_missed_as_the_host_does() {
    let headers = |profile| said(profile, HEADERS, Request::get("/"));
    assert_eq!(headers(Profile::Envoy), ["06", "01", "01"]);
    assert_eq!(headers(Profile::NgxWasmModule), ["06", "00", "01"]);
    assert_eq!(headers(Profile::TrafficServer), ["06", "01", "00"]);
    assert_eq!(headers(Profile::Apisix), ["00", "01", "01"]);
}

#[test]
fn trailers_come_only_where_the_host_has_them() {
    let guest = r#"
        (func (export "proxy_on_request_trailers") (param i32 i32) (result i32)
          (call $log_number (local.get 1)) (i32.const 0))"#;
    for profile in Profile::ALL.iter().copied() {
        let (mut host, plugin) = host(profile, guest, |builder| builder.trailers(true));
        let request = Request::post("/").body("x").trailer("t", "1");
        assert_eq!(host.request(plugin, request).status(), 200);
        let comes = matches!(profile, Profile::Envoy | Profile::Mosn);
        assert_eq!(messages(&mut host).len(), usize::from(comes), "{profile}");
    }
}

#[test]
fn properties_are_bytes_text_empty_or_not_there() {
    let port = r#"
        (data (i32.const 1000) "source\00port") (data (i32.const 1020) "nope")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (call $log_number (call $property (i32.const 1000) (i32.const 11) (i32.const 0) (i32.const 4)))
          (call $log_number (i32.load (i32.const 4)))
          (call $log_number (call $property (i32.const 1020) (i32.const 4) (i32.const 0) (i32.const 4)))
          (i32.const 0))"#;
    let read = |profile| said(profile, port, Request::get("/"));
    assert_eq!(read(Profile::Envoy), ["00", "08", "01"]);
    assert_eq!(read(Profile::NgxWasmModule), ["00", "05", "01"]);
    assert_eq!(read(Profile::Mosn), ["00", "08", "00"]);
    assert_eq!(read(Profile::ServiceExtensions)[0], "01");
}

#[test]
fn time_is_whole_cut_or_frozen() {
    // "ABCDEFG\0", so that the bytes are text.
    let wall = u64::from_le_bytes(*b"ABCDEFG\0");
    let guest = r#"
        (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
          (drop (call $now (i32.const 24)))
          (drop (call $log (i32.const 2) (i32.const 24) (i32.const 7)))
          (i32.const 0))"#;
    let at_the_response = |profile| {
        let set = |builder: HostBuilder| builder.wall_clock(wall).manual_upstream();
        let (mut host, plugin) = host(profile, guest, set);
        let stream = host.open(plugin, Request::get("/"));
        host.advance(std::time::Duration::from_nanos(1 << 48));
        host.upstream_replies(stream, Reply::ok());
        messages(&mut host).remove(0)
    };
    assert_eq!(at_the_response(Profile::Envoy), "ABCDEFH");
    assert_eq!(at_the_response(Profile::Mosn), "ABCD\0\0\0");
    assert_eq!(at_the_response(Profile::ServiceExtensions), "ABCDEFG");
}

#[test]
fn a_host_may_ask_for_a_property_before_bodies() {
    let guest = r#"
        (data (i32.const 1000) "wasm_process_req_body") (data (i32.const 1030) "/on") (data (i32.const 1040) ":path")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $value (i32.const 0) (i32.const 1040) (i32.const 5) (i32.const 0) (i32.const 4)))
          (if (i32.eq (i32.load (i32.const 4)) (i32.const 3))
            (then (drop (call $set_property (i32.const 1000) (i32.const 21) (i32.const 1030) (i32.const 1)))))
          (i32.const 0))
        (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
          (call $log_number (local.get 1)) (i32.const 0))"#;
    let bodies = |profile, path| said(profile, guest, Request::post(path).body("abc"));
    assert_eq!(bodies(Profile::Apisix, "/off!"), Vec::<String>::new());
    assert_eq!(bodies(Profile::Apisix, "/on"), ["03", "00"]);
    assert_eq!(bodies(Profile::Envoy, "/off!"), ["03", "00"]);
}

#[test]
fn local_responses_and_metrics_are_those_of_the_host() {
    let guest = r#"
        (data (i32.const 1000) "\01\00\00\00\01\00\00\00\01\00\00\00x\001\00") (data (i32.const 1030) "body")
        (data (i32.const 1040) "count")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $define (i32.const 0) (i32.const 1040) (i32.const 5) (i32.const 100)))
          (drop (call $increment (i32.load (i32.const 100)) (i64.const 3)))
          (drop (call $respond (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 1030) (i32.const 4) (i32.const 1000)
            (i32.const 16) (i32.const -1)))
          (i32.const 0))"#;
    let answer = |profile| {
        let (mut host, plugin) = host(profile, guest, |builder| builder);
        let exchange = host.request(plugin, Request::get("/"));
        let counted: Vec<String> = host.metrics().into_keys().collect();
        (
            exchange.header_text("x"),
            exchange.header_text("content-type"),
            counted,
        )
    };
    let text = |text: &str| Some(text.to_owned());
    let plain = text("text/plain");
    let named = |name: &str| vec![name.to_owned()];
    assert_eq!(
        answer(Profile::Envoy),
        (text("1"), plain.clone(), named("count"))
    );
    assert_eq!(answer(Profile::Apisix), (None, plain.clone(), Vec::new()));
    assert_eq!(
        answer(Profile::TrafficServer),
        (text("1"), text("text/html"), named("count"))
    );
    assert_eq!(
        answer(Profile::NgxWasmModule),
        (text("1"), plain, named("pw.plugin.count"))
    );
}

/// Calls `a.test:80` with the authority `b.test` and a timeout of 100 ms from request headers, and logs the status and the numbers
/// that the reply comes with.
const CALL: &str = r#"
    (data (i32.const 1000) "\03\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\01\00\00\00\0a\00\00\00\06\00\00\00:method\00GET\00:path\00/\00:authority\00b.test\00")
    (data (i32.const 1100) "a.test:80") (data (i32.const 1120) "http://a.test:80/x")
    (global $length (mut i32) (i32.const 9))
    (func $go (param $name i32) (param $size i32)
      (call $log_number (call $call (local.get $name) (local.get $size) (i32.const 1000) (i32.const 66)
        (i32.const 0) (i32.const 0) (i32.const 1090) (i32.const 0) (i32.const 100) (i32.const 24))))
    (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
      (call $log_number (local.get 2)) (call $log_number (local.get 3)))"#;

fn calls(
    profile: Profile,
    target: &str,
    cluster: &str,
    reply: postern_host::CalloutReply,
) -> Vec<String> {
    let guest = format!(
        r#"{CALL} (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {target} (i32.const 0))"#
    );
    let set = |builder: HostBuilder| {
        builder
            .main_thread_vm(false)
            .envoy_headers(false)
            .cluster(cluster, move |_call| reply.clone())
    };
    let (mut host, plugin) = host(profile, &guest, set);
    host.request(plugin, Request::get("/"));
    host.advance(std::time::Duration::from_secs(1));
    messages(&mut host)
}

const BY_NAME: &str = "(call $go (i32.const 1100) (i32.const 9))";
const BY_URL: &str = "(call $go (i32.const 1120) (i32.const 18))";

#[test]
fn calls_go_to_a_cluster_a_host_a_url_or_an_authority() {
    let ok = || postern_host::CalloutReply::new(200).body("hello");
    let arrived = ["00", "01", "05"];
    for profile in [Profile::Envoy, Profile::NgxWasmModule, Profile::Apisix] {
        assert_eq!(
            calls(profile, BY_NAME, "a.test:80", ok()),
            arrived,
            "{profile}"
        );
    }
    let authority = calls(Profile::TrafficServer, BY_NAME, "b.test", ok());
    assert_eq!(authority, arrived);
    assert_eq!(calls(Profile::Apisix, BY_URL, "a.test:80", ok()), arrived);
    assert_eq!(calls(Profile::Envoy, BY_URL, "a.test:80", ok()), ["02"]);
}

#[test]
fn a_call_to_nobody_is_refused_or_comes_back_with_nothing() {
    let ok = || postern_host::CalloutReply::new(200);
    assert_eq!(calls(Profile::Envoy, BY_NAME, "other", ok()), ["02"]);
    for profile in [Profile::NgxWasmModule, Profile::TrafficServer] {
        assert_eq!(
            calls(profile, BY_NAME, "other", ok()),
            ["00", "00", "00"],
            "{profile}"
        );
    }
}

#[test]
fn a_call_that_fails_comes_back_with_a_response_or_with_nothing() {
    let refused = postern_host::CalloutReply::refused;
    let envoys = calls(Profile::Envoy, BY_NAME, "a.test:80", refused());
    assert_eq!(envoys, ["00", "03", "98"]);
    let ngx = calls(Profile::NgxWasmModule, BY_NAME, "a.test:80", refused());
    assert_eq!(ngx, ["00", "00", "00"]);
    let traffic_server = calls(Profile::TrafficServer, BY_NAME, "b.test", refused());
    assert_eq!(traffic_server, ["00", "00", "00"]);
}

#[test]
fn the_timeout_of_a_call_holds_or_is_ignored() {
    let late = || postern_host::CalloutReply::new(200).after(std::time::Duration::from_millis(500));
    assert_eq!(
        calls(Profile::Envoy, BY_NAME, "a.test:80", late()),
        ["00", "03", "24"]
    );
    let ngx = calls(Profile::NgxWasmModule, BY_NAME, "a.test:80", late());
    assert_eq!(ngx, ["00", "00", "00"]);
    let ignored = calls(Profile::TrafficServer, BY_NAME, "b.test", late());
    assert_eq!(ignored, ["00", "01", "00"]);
}

#[test]
fn a_pause_at_response_headers_holds_the_response_or_does_not() {
    let guest = r#"
        (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) (i32.const 1))"#;
    for profile in Profile::ALL.iter().copied() {
        let (mut host, plugin) = host(profile, guest, |builder| builder);
        let stream = host.open(plugin, Request::get("/"));
        let held = host.state(stream) == StreamState::Paused;
        assert_eq!(held, profile != Profile::NgxWasmModule, "{profile}");
    }
}

#[test]
fn variables_of_nginx_are_properties_where_there_is_an_nginx() {
    let guest = r#"
        (data (i32.const 1000) "ngx\00request_uri") (data (i32.const 1020) "request_uri") (data (i32.const 1040) "plugin_vm_id")
        (data (i32.const 1060) "wasmx\00mine") (data (i32.const 1080) "request\00path")
        (func $say (param i32 i32)
          (if (call $property (local.get 0) (local.get 1) (i32.const 0) (i32.const 4))
            (then (drop (call $log (i32.const 2) (i32.const 1000) (i32.const 0))))
            (else (call $log_handed))))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $set_property (i32.const 1060) (i32.const 10) (i32.const 1066) (i32.const 4)))
          (call $say (i32.const 1000) (i32.const 15))
          (call $say (i32.const 1020) (i32.const 11))
          (call $say (i32.const 1040) (i32.const 12))
          (call $say (i32.const 1060) (i32.const 10))
          (call $say (i32.const 1080) (i32.const 12))
          (i32.const 0))"#;
    let read = |profile| {
        let set = |builder: HostBuilder| builder.vm_id("v").main_thread_vm(false);
        let (mut host, plugin) = host(profile, guest, set);
        host.request(plugin, Request::get("/p"));
        messages(&mut host)
    };
    assert_eq!(read(Profile::Envoy), ["", "", "v", "", "/p"]);
    assert_eq!(read(Profile::NgxWasmModule), ["/p", "", "", "mine", "/p"]);
    assert_eq!(read(Profile::Apisix), ["", "/p", "", "", ""]);
}

#[test]
fn service_extensions_bounds_memory_and_modules() {
    let guest = r#"
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (call $log_number (i32.eq (memory.grow (i32.const 255)) (i32.const -1)))
          (i32.const 0))"#;
    let grows = |profile| said(profile, guest, Request::get("/"));
    assert_eq!(grows(Profile::Envoy), ["00"]);
    assert_eq!(
        grows(Profile::ServiceExtensions),
        ["01"],
        "more than 16 MiB"
    );

    let large = format!(
        r#"(module (memory (export "memory") 100) (data (i32.const 0) "{}")
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "malloc") (param i32) (result i32) (i32.const 0)))"#,
        "x".repeat(5 * 1024 * 1024)
    );
    let load = |profile| LoadOptions::new().profile(profile).compile(&large);
    assert!(load(Profile::Envoy).is_ok());
    let error = load(Profile::ServiceExtensions).expect_err("too large");
    assert!(
        matches!(
            error,
            LoadError::TooLarge {
                limit: 5_242_880,
                ..
            }
        ),
        "{error}"
    );
}
