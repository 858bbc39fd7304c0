//! What is kept: shared data, metrics, properties, lines.

use postern_host::{FailurePolicy, LogLevel, Metric, Plugin, Request, SharedState};

use super::{at, said, status};
use crate::guests::{builder, messages, started};

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
fn compare_and_swap_numbers_are_counted_over_all_keys() {
    let set = |key: u32| {
        format!(
            "(drop (call $set_shared (i32.const {key}) (i32.const 1) (i32.const 1000) (i32.const 1) (i32.const 0)))"
        )
    };
    let get = |key: u32, cas: u32| {
        format!(
            "(drop (call $get_shared (i32.const {key}) (i32.const 1) (i32.const 0) (i32.const 4) (i32.const {cas})))"
        )
    };
    let body = [
        set(1000),
        set(1001),
        get(1000, 8),
        get(1001, 12),
        "(call $log_number (i32.sub (i32.load (i32.const 12)) (i32.load (i32.const 8))))"
            .to_owned(),
    ];
    let guest = format!(
        r#"(data (i32.const 1000) "kl") {}"#,
        at("request", &body.concat())
    );
    assert_eq!(said(&guest, Request::get("/")), ["01"]);
}

#[test]
fn vms_of_one_id_share_data_whatever_their_environment() {
    let body = [
        status("(call $get_shared (i32.const 1000) (i32.const 1) (i32.const 0) (i32.const 4) (i32.const 8))"),
        "(drop (call $set_shared (i32.const 1000) (i32.const 1) (i32.const 1000) (i32.const 1) (i32.const 0)))"
            .to_owned(),
    ];
    let guest = format!(
        r#"(data (i32.const 1000) "k") {}"#,
        at("request", &body.concat())
    );
    let module = crate::guests::module(&guest);
    let mut host = builder(&guest).build();
    let plugin =
        |vm_id: &str, value: &str| Plugin::of(&module).vm_id(vm_id).environment("KEY", value);
    for (vm_id, value, answer) in [("v", "1", "01"), ("v", "2", "00"), ("w", "1", "01")] {
        let id = host
            .add_plugin_with(plugin(vm_id, value))
            .expect("accepted");
        host.request(id, Request::get("/"));
        assert_eq!(messages(&mut host), [answer]);
    }
    assert_eq!(host.vm_starts(), 3);
}

#[test]
fn after_a_reload_metrics_are_defined_anew_and_keep_their_values() {
    let guest = format!(
        r#"(data (i32.const 1000) "c")
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (drop (call $define (i32.const 0) (i32.const 1000) (i32.const 1) (i32.const 100)))
          (call $log_number (i32.load (i32.const 100)))
          (i32.const 1))
        {}"#,
        at(
            "request",
            "(drop (call $increment (i32.load (i32.const 100)) (i64.const 1))) unreachable"
        )
    );
    let builder = builder(&guest)
        .failure_policy(FailurePolicy::FailReload)
        .reload_backoff(std::time::Duration::ZERO)
        .log_level(LogLevel::Info);
    let (mut host, plugin) = started(builder);
    for _ in 0..3 {
        host.request(plugin, Request::get("/"));
    }
    let lines = host.take_logs().into_iter();
    let ids: Vec<_> = lines
        .filter(|line| line.level == LogLevel::Info)
        .map(|line| line.message)
        .collect();
    assert_eq!(ids, ["04", "04", "04"]);
    assert_eq!(host.counter("c"), Some(3));
}

#[test]
fn an_unknown_foreign_function_is_not_found() {
    let call = "(call $foreign (i32.const 1000) (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 4))";
    let guest = format!(
        r#"(data (i32.const 1000) "nope") {}"#,
        at("request", &status(call))
    );
    assert_eq!(said(&guest, Request::get("/")), ["01"]);
}

#[test]
fn a_vm_gets_1_gib_of_memory_and_no_page_more() {
    // Two pages are there.
    let body = "(call $log_number (memory.grow (i32.const 16382)))
        (call $log_number (i32.eq (memory.grow (i32.const 1)) (i32.const -1)))";
    assert_eq!(said(&at("request", body), Request::get("/")), ["02", "01"]);
}
