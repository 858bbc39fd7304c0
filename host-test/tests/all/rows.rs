//! What Envoy answers where a guest's author may expect something else: one test for each finding.

use postern_host::{LogLevel, Metric, Reply, Request, SharedState};

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

#[test]
fn a_map_that_is_not_there_now_has_no_values_and_empty_pairs() {
    let size = "(call $log_number (call $map_size (i32.const 2) (i32.const 8)))";
    let write = "(call $log_number (call $replace (i32.const 2) (i32.const 1000) (i32.const 3) (i32.const 1020) (i32.const 1)))";
    let body = [&value(2), &pairs(2), size, write].concat();
    let guest = format!("{X_A} {}", at("request", &body));
    assert_eq!(
        said(&guest, Request::get("/")),
        ["02", "00", "00", "02", "02"]
    );
}

#[test]
fn no_map_has_the_number_8() {
    let guest = format!("{X_A} {}", at("request", &[value(8), pairs(8)].concat()));
    assert_eq!(said(&guest, Request::get("/"))[..2], ["02", "02"]);
}

#[test]
fn when_a_stream_is_logged_maps_can_be_read_and_not_written() {
    let log = [
        &value(0),
        &value(1),
        &value(3),
        "(call $log_number (call $map_size (i32.const 0) (i32.const 8)))",
        "(call $log_number (call $remove (i32.const 0) (i32.const 1000) (i32.const 3)))",
    ]
    .concat();
    let guest = format!(
        r#"{X_A} {} (func (export "proxy_on_log") (param i32) {log})"#,
        at("request", "")
    );
    let request = Request::get("/").header("x-a", "1");
    assert_eq!(said(&guest, request), ["00", "01", "01", "02", "02"]);
}

#[test]
fn request_headers_are_gone_in_the_response_unless_the_filter_kept_the_request() {
    let guest = format!("{X_A} {} {}", at("request", ""), at("response", &value(0)));
    let request = || Request::get("/").header("x-a", "1");
    assert_eq!(said(&guest, request()), ["02"]);
    let respond = "(drop (call $respond (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0) (i32.const -1)))";
    let guest = format!(
        "{X_A} {} {}",
        at("request", respond),
        at("response", &value(0))
    );
    assert_eq!(said(&guest, request()), ["00"]);
}

#[test]
fn right_after_continue_the_request_cannot_be_seen() {
    let body = ["(drop (call $continue (i32.const 0)))", &value(0)].concat();
    let guest = format!("{X_A} {}", at("request", &body));
    assert_eq!(said(&guest, Request::get("/").header("x-a", "1")), ["02"]);
}

#[test]
fn of_several_values_the_first_is_read_and_a_replacement_takes_the_place_of_all() {
    let body = [
        &value(0),
        "(call $log_handed)",
        "(drop (call $replace (i32.const 0) (i32.const 1010) (i32.const 3) (i32.const 1020) (i32.const 1)))",
    ]
    .concat();
    let guest = format!("{X_A} {}", at("request", &body));
    let (mut host, plugin) = started(builder(&guest));
    let request = Request::get("/").header("X-a", "1").header("x-A", "2");
    let upstream = host.request(plugin, request).upstream.expect("it went on");
    assert_eq!(messages(&mut host), ["00", "1"]);
    assert_eq!(upstream.headers.all("x-a"), [b"v"]);
}

#[test]
fn an_empty_value_is_no_pointer_and_no_bytes() {
    let body = [
        "(i32.store (i32.const 0) (i32.const 99))",
        &value(0),
        "(call $log_number (i32.load (i32.const 0)))",
        "(call $log_number (i32.load (i32.const 4)))",
    ]
    .concat();
    let guest = format!("{X_A} {}", at("request", &body));
    assert_eq!(
        said(&guest, Request::get("/").header("x-a", "")),
        ["00", "00", "00"]
    );
}

#[test]
fn a_map_of_more_than_1024_pairs_wipes_all_headers() {
    // The count alone says so; what follows is never looked at.
    let guest = format!(
        r#"(data (i32.const 1000) "\01\04\00\00") {}"#,
        at(
            "response",
            "(call $log_number (call $set_pairs (i32.const 2) (i32.const 1000) (i32.const 9000)))"
        )
    );
    let (mut host, plugin) = started(builder(&guest).upstream(|_| Reply::ok().header("x", "1")));
    let exchange = host.request(plugin, Request::get("/"));
    assert_eq!(messages(&mut host), ["00"]);
    assert_eq!(exchange.header("x"), None);
}

#[test]
fn a_buffer_in_the_wrong_phase_is_empty_or_not_found() {
    let buffers: String = (0..10)
        .map(|buffer| {
            format!("(call $log_number (call $buffer (i32.const {buffer}) (i32.const 0) (i32.const 9) (i32.const 0) (i32.const 4)))")
        })
        .collect();
    assert_eq!(
        said(&at("request", &buffers), Request::get("/")),
        ["00", "00", "00", "00", "01", "00", "00", "01", "00", "02"]
    );
}

#[test]
fn a_start_behind_the_end_of_a_buffer_gives_nothing() {
    let guest = r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
        (call $log_number (call $buffer (i32.const 0) (i32.const 50) (i32.const 9) (i32.const 0) (i32.const 4)))
        (call $log_number (i32.load (i32.const 4)))
        (i32.const 0))"#;
    let said = said(guest, Request::post("/").body("abc"));
    assert_eq!(said[..2], ["00", "00"]);
}

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

#[test]
fn counters_only_grow_gauges_go_both_ways_and_histograms_take_records() {
    let define = |kind: u32, at: u32| {
        format!(
            "(drop (call $define (i32.const {kind}) (i32.const {}) (i32.const 1) (i32.const {at})))",
            1000 + kind
        )
    };
    let increment = |at: u32, by: i64| {
        format!("(call $log_number (call $increment (i32.load (i32.const {at})) (i64.const {by})))")
    };
    let get = |at: u32| {
        format!("(call $log_number (call $get_metric (i32.load (i32.const {at})) (i32.const 200)))")
    };
    let record = |at: u32| {
        format!("(call $log_number (call $record (i32.load (i32.const {at})) (i64.const 5)))")
    };
    let body = [
        define(0, 100),
        define(1, 104),
        define(2, 108),
        increment(100, 2),
        increment(100, 0),
        increment(100, -1),
        record(100),
        increment(104, -3),
        record(104),
        increment(104, -3),
        increment(108, 1),
        record(108),
        get(108),
        // A second definition of a name is another id of the same metric.
        define(0, 112),
        increment(112, 1),
        "(call $log_number (i32.eq (i32.load (i32.const 100)) (i32.load (i32.const 112))))"
            .to_owned(),
        "(i32.store (i32.const 116) (i32.const 400))".to_owned(),
        increment(116, 1),
        get(116),
    ]
    .concat();
    let guest = format!(r#"(data (i32.const 1000) "cgh") {}"#, at("request", &body));
    let (mut host, plugin) = started(builder(&guest));
    host.request(plugin, Request::get("/"));
    assert_eq!(
        messages(&mut host),
        [
            "00", "02", "02", "00", "00", "00", "00", "02", "00", "02", "00", "00", "01", "01"
        ]
    );
    let metrics = host.metrics();
    assert_eq!(
        metrics["c"],
        Metric::Counter(8),
        "a record on a counter adds"
    );
    assert_eq!(metrics["g"], Metric::Gauge(2));
    assert_eq!(metrics["h"], Metric::Histogram { count: 1, sum: 5 });
}

#[test]
fn an_empty_value_in_shared_data_is_there_with_a_number() {
    let guest = format!(
        r#"(data (i32.const 1000) "k") {}"#,
        at(
            "request",
            "(call $log_number (call $get_shared (i32.const 1000) (i32.const 1) (i32.const 0) (i32.const 4) (i32.const 8)))
             (call $log_number (i32.load (i32.const 0)))
             (call $log_number (i32.gt_u (i32.load (i32.const 8)) (i32.const 0)))"
        )
    );
    let shared = SharedState::new();
    let (mut host, plugin) = started(builder(&guest).vm_id("v").shared(shared.clone()));
    shared.set_data("v", "k", "");
    host.request(plugin, Request::get("/"));
    assert_eq!(messages(&mut host), ["00", "00", "01"]);
}

#[test]
fn envoys_own_properties_cannot_be_overwritten() {
    let guest = format!(
        r#"(data (i32.const 1000) "request\00path") (data (i32.const 1020) "/other") {}"#,
        at(
            "request",
            "(call $log_number (call $set_property (i32.const 1000) (i32.const 12) (i32.const 1020) (i32.const 6)))
             (drop (call $property (i32.const 1000) (i32.const 12) (i32.const 0) (i32.const 4)))
             (call $log_handed)"
        )
    );
    assert_eq!(said(&guest, Request::get("/p")), ["00", "/p"]);
}

#[test]
fn a_line_below_the_level_is_dropped_and_that_is_fine() {
    let guest = format!(
        r#"(data (i32.const 1000) "line") {}"#,
        at(
            "request",
            "(drop (call $log (i32.add (i32.const 3) (call $log (i32.const 0) (i32.const 1000) (i32.const 4))) (i32.const 1000)
              (i32.const 4)))"
        )
    );
    let (mut host, plugin) = started(builder(&guest).log_level(LogLevel::Warn));
    let lines = host.request(plugin, Request::get("/")).log;
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].level, LogLevel::Warn, "the trace line was OK (0)");
}

#[test]
fn of_two_local_responses_the_first_is_sent_under_the_details_of_the_second() {
    let respond = |status: u32, details: u32| {
        format!(
            "(drop (call $respond (i32.const {status}) (i32.const {details}) (i32.const 3) (i32.const 0) (i32.const 0)
              (i32.const 1020) (i32.const 32) (i32.const -1)))"
        )
    };
    let guest = format!(
        r#"(data (i32.const 1000) "one") (data (i32.const 1010) "two")
        (data (i32.const 1020) "\02\00\00\00\01\00\00\00\01\00\00\00\01\00\00\00\01\00\00\00x\001\00x\002\00") {}"#,
        at("request", &[respond(401, 1000), respond(403, 1010)].concat())
    )
    .replace("(i32.const 32) (i32.const -1)", "(i32.const 28) (i32.const -1)");
    let (mut host, plugin) = started(builder(&guest));
    let exchange = host.request(plugin, Request::get("/"));
    assert_eq!((exchange.status(), exchange.details.as_str()), (401, "two"));
    let response = exchange.response.expect("an answer");
    assert_eq!(
        response.headers.all("x"),
        [b"1", b"2"],
        "both values are sent"
    );
    assert!(!response.headers.contains("grpc-status"));
}
