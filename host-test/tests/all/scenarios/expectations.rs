//! What a scenario may expect, and how a difference is told.

use super::{Folder, GUEST, failed_keys, only};

#[test]
fn every_expectation_can_fail() {
    let report = Folder::with_guest(GUEST).run(
        r#"
        [[step]]
        request = { method = "POST", body = "order", path = "/" }
        expect.status = 201
        expect.answered_by = "filter"
        expect.state = "paused"
        expect.details = "x"
        expect.headers = { x-a = "1", date = { any = true }, content-length = { absent = true } }
        expect.headers_in_order = []
        expect.body = "x"
        expect.trailers.x-t = "1"
        expect.complete = false
        expect.upstream.reached = false
        expect.upstream.headers = { x-guest = "2", ":path" = ["/", "/"] }
        expect.upstream.headers_in_order = [["x-guest", "1"]]
        expect.upstream.body = { regex = "^x" }
        expect.upstream.trailers.x-t = "1"
        expect.upstream.complete = false
        expect.local_response.status = 403
        expect.filter_state."wasm.x" = "1"
        expect.callouts = [{}]
        expect.log = ["other", { contains = "se", absent = true }, { contains = "se", count = 2 }, { level = "error" }]
        expect.log_in_order = ["a"]
        expect.metrics.m = 1
        expect.metrics_change.m = { min = 1 }
        expect.shared_data.k = "v"
        expect.diagnostics = ["PH001"]
        expect.cost.fuel = 1
        expect.cost.calls = { max = 2 }
        expect.cost.bytes_to_guest = 0
        expect.cost.bytes_from_guest = 0
        expect.cost.host_calls = { proxy_log = 2 }
        expect.cost.callbacks.proxy_on_request_headers = { count = 2, fuel = { near = 5, percent = 1 }, calls = 1 }
        expect.trap = { contains = "unreachable" }
        expect.refused = "x"
        "#,
    );
    assert_eq!(
        failed_keys(&report),
        [
            "trap",
            "refused",
            "diagnostics",
            "status",
            "answered_by",
            "state",
            "details",
            "headers.x-a",
            "headers.date",
            "headers_in_order",
            "body",
            "trailers.x-t",
            "complete",
            "upstream.reached",
            "upstream.headers.x-guest",
            "upstream.headers.:path",
            "upstream.headers_in_order",
            "upstream.body",
            "upstream.trailers.x-t",
            "upstream.complete",
            "local_response.sent",
            "filter_state.wasm.x",
            "callouts",
            "log",
            "log",
            "log",
            "log",
            "log_in_order",
            "metrics.m",
            "metrics_change.m",
            "shared_data.k",
            "cost.fuel",
            "cost.calls",
            "cost.host_calls.proxy_log",
            "cost.host_calls.proxy_add_header_map_value",
            "cost.host_calls.proxy_get_header_map_value",
            "cost.bytes_to_guest",
            "cost.bytes_from_guest",
            "cost.callbacks.proxy_on_request_headers.count",
            "cost.callbacks.proxy_on_request_headers.fuel",
            "cost.callbacks.proxy_on_request_headers.calls",
        ],
        "{report}"
    );
}

#[test]
fn what_is_expected_of_a_request_that_nobody_answered_fails() {
    let report = Folder::with_guest(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))"#,
    )
    .run("[[step]]\nrequest = {}\nexpect = { status = 200, body = '', upstream.headers.x = { absent = true }, diagnostics = [] }\n");
    assert_eq!(
        failed_keys(&report),
        ["diagnostics", "status", "body", "upstream.reached"],
        "{report}"
    );
}

#[test]
fn a_vm_that_dies_is_a_failure_unless_that_is_expected() {
    let folder = Folder::with_guest(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (unreachable))"#,
    );
    let report =
        folder.run("[[step]]\nrequest = {}\n[[step]]\nrequest = {}\nexpect.status = 503\n");
    assert_eq!(failed_keys(&report), ["trap"], "{report}");
    assert!(only(&report).failures[0].observed.contains("unreachable"));
    let report = folder.run(
        "host.failure_policy = 'fail-open'\n[[step]]\nrequest = {}\nexpect = { trap = { contains = 'unreachable' }, status = 503 }\n[[step]]\nrequest = {}\nexpect.status = 200\n",
    );
    assert!(report.passed(), "{report}");
}

#[test]
fn a_finding_of_severity_error_is_a_failure_unless_it_is_expected_or_accepted() {
    let folder = Folder::with_guest(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))"#,
    );
    let hang = "[[step]]\nrequest = {}\n";
    let report = folder.run(hang);
    assert_eq!(failed_keys(&report), ["diagnostics"], "{report}");
    let code = only(&report).failures[0].observed.clone();
    let report = folder.run(&format!("{hang}expect.diagnostics = ['{code}']\n"));
    assert!(report.passed(), "{report}");
    let report = folder.run(&format!("host.allow = ['{code}']\n{hang}"));
    assert!(report.passed(), "{report}");
    let report = folder.run(&format!("host.diagnose = false\n{hang}"));
    assert!(report.passed(), "{report}");
}

#[test]
fn an_expectation_that_says_nothing_fails() {
    for empty in [
        "headers = {}",
        "log = []",
        "metrics = {}",
        "filter_state = {}",
        "cost = {}",
        "upstream = {}",
        "local_response = {}",
    ] {
        let report =
            Folder::with_guest(GUEST).run(&format!("[[step]]\nrequest = {{}}\nexpect.{empty}\n"));
        assert!(!report.passed(), "{empty}");
    }
    let report = Folder::with_guest(GUEST).run("[[step]]\nrequest = {}\nexpect = {}\n");
    assert!(!report.passed());
}

#[test]
fn metrics_are_seen_as_they_stand_and_as_they_moved() {
    let guest = r#"
        (data (i32.const 1000) "countsizes")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $define (i32.const 0) (i32.const 1000) (i32.const 5) (i32.const 0)))
          (drop (call $increment (i32.load (i32.const 0)) (i64.const 3)))
          (drop (call $define (i32.const 2) (i32.const 1005) (i32.const 5) (i32.const 0)))
          (drop (call $record (i32.load (i32.const 0)) (i64.const 7)))
          (i32.const 0))"#;
    let report = Folder::with_guest(guest).run(
        r#"
        [[step]]
        request = {}
        expect.metrics = { count = 3, other = { absent = true } }
        [[step]]
        request = {}
        expect.metrics = { count = 6, "sizes.count" = 2, "sizes.sum" = 14 }
        expect.metrics_change = { count = 3, "sizes.sum" = { min = 7, max = 7 } }
        "#,
    );
    assert!(report.passed(), "{report}");
}

#[test]
fn json_is_compared_by_its_members() {
    let folder = Folder::with_guest("");
    let body = |json: &str| {
        folder.run(&format!(
            r#"
            [[upstream]]
            reply.body = '{{ "error": {{ "code": 7, "text": "no" }}, "list": [1, {{ "a": 2 }}] }}'
            [[step]]
            request = {{}}
            expect.body = {{ json = {json} }}
            "#
        ))
    };
    assert!(body("{ error = { code = 7 } }").passed());
    assert!(body("{ list = [1, { a = 2 }] }").passed());
    assert!(!body("{ list = [1] }").passed());
    assert!(!body("{ error = { code = 8 } }").passed());
}
