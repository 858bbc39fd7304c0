//! What can happen in a scenario.

use super::{Folder, GUEST, failed_keys, only};

#[test]
fn a_request_goes_through_the_guest_and_back() {
    let report = Folder::with_guest(GUEST).run(
        r#"
        [[upstream]]
        path = "/orders"
        reply = { status = 201, headers = [["x-a", "1"], ["x-a", "2"]], body = "made" }

        [[step]]
        request = { method = "POST", path = "/orders", body = "order", headers = { x-c = { hex = "ff" } } }
        expect.status = 201
        expect.answered_by = "upstream"
        expect.state = "finished"
        expect.details = "via_upstream"
        expect.headers.x-a = ["1", "2"]
        expect.body = "made"
        expect.complete = true
        expect.upstream.headers.":method" = "POST"
        expect.upstream.headers.x-guest = "1"
        expect.upstream.headers.x-c = { hex = "ff" }
        expect.upstream.headers.x-other = { absent = true }
        expect.upstream.body = "order"
        expect.local_response.sent = false
        expect.log = ["seen"]
        expect.callouts = []

        [[step]]
        request.path = "/deny"
        expect.status = 403
        expect.answered_by = "filter"
        expect.body = "denied"
        expect.upstream.reached = false
        expect.local_response = { status = 403, details = "denied", grpc_status = -1 }

        [[step]]
        name = "no rule of the upstream fits"
        request.path = "/else"
        expect.status = 404
        "#,
    );
    assert!(report.passed(), "{report}");
    assert_eq!(only(&report).steps, 3);
}

#[test]
fn the_replies_of_a_rule_come_in_turn_and_the_last_one_stays() {
    let report = Folder::with_guest("").run(
        r#"
        [[upstream]]
        method = "PUT"
        replies = [{ status = 201 }, { reset = true }, { status = 204, delay = "2s" }, { timeout = true }]

        [[step]]
        request.method = "PUT"
        expect.status = 201
        [[step]]
        request.method = "PUT"
        expect.status = 503
        expect.details = { contains = "upstream_reset" }
        [[step]]
        request.method = "PUT"
        expect.status = 204
        [[step]]
        request.method = "PUT"
        expect = { status = 504, details = "response_timeout", body = "upstream request timeout" }
        [[step]]
        request.method = "PUT"
        expect.status = 504
        "#,
    );
    assert!(report.passed(), "{report}");
}

#[test]
fn streams_with_names_go_on_beside_each_other() {
    let report = Folder::with_guest("").run(
        r#"
        [[upstream]]
        path = "/slow"
        reply = { status = 200, body = "slow", delay = "5s" }

        [[upstream]]
        path = "/by-hand"
        reply.manual = true

        [[step]]
        stream = "a"
        request = { path = "/slow", wait = false }
        expect.state = "awaiting_upstream"
        expect.status = { absent = true }

        [[step]]
        stream = "b"
        request = { path = "/by-hand" }
        expect.state = "awaiting_upstream"

        [[step]]
        stream = "c"
        request = { method = "POST", path = "/by-hand", chunks = ["1"], end = false }
        expect = { state = "paused", upstream = { body = "1", complete = false } }

        [[step]]
        advance = "4s"

        [[step]]
        stream = "a"
        expect.state = "awaiting_upstream"

        [[step]]
        stream = "b"
        reply = { status = 202, body = "by hand" }
        expect = { status = 202, body = "by hand" }

        [[step]]
        advance = "1s"

        [[step]]
        stream = "a"
        expect = { status = 200, body = "slow" }

        [[step]]
        stream = "c"
        body = { chunks = ["2", "3"], trailers = [["x-t", "1"]] }
        expect.upstream = { body = "123", complete = true }

        [[step]]
        stream = "c"
        disconnect = true
        expect = { details = "downstream_remote_disconnect", status = { absent = true } }
        "#,
    );
    assert!(report.passed(), "{report}");
}

#[test]
fn a_step_about_no_stream_or_at_the_wrong_time_ends_the_scenario_and_says_why() {
    let folder = Folder::with_guest("");
    let report =
        folder.run("[[step]]\nstream = 'a'\ndisconnect = true\n[[step]]\nadvance = '1s'\n");
    let failure = &only(&report).failures[0];
    assert_eq!(failure.observed, "no request named its stream `a` before");
    let report = folder.run("[[step]]\nrequest = {}\n[[step]]\nreply = {}\n");
    let failure = &only(&report).failures[0];
    assert_eq!(failure.step, 2);
    assert!(failure.observed.contains("does not wait for its upstream"));
}

/// Calls the cluster `auth` at every request with a timeout of 1 s, and goes on when the reply is there.
const CALLER: &str = r#"
    (data (i32.const 1000) "auth")
    (data (i32.const 1010) "\03\00\00\00\07\00\00\00\04\00\00\00\05\00\00\00\02\00\00\00\0a\00\00\00\01\00\00\00:method\00POST\00:path\00/c\00:authority\00a\00")
    (data (i32.const 1100) "body:status")
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (drop (call $call (i32.const 1000) (i32.const 4) (i32.const 1010) (i32.const 63)
        (i32.const 1100) (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 2000)))
      (i32.const 1))
    (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
      (drop (call $value (i32.const 6) (i32.const 1104) (i32.const 7) (i32.const 0) (i32.const 4)))
      (call $log_handed)
      (drop (call $act_as (i32.const 2)))
      (drop (call $continue (i32.const 0))))"#;

#[test]
fn a_cluster_answers_by_its_rules_and_its_calls_are_seen() {
    let folder = Folder::with_guest(CALLER);
    let scenario = |reply: &str, log: &str| {
        format!(
            r#"
            [[cluster.auth]]
            reply = {reply}

            [[step]]
            request.wait = false
            expect.state = "paused"
            expect.callouts = [{{ cluster = "auth", headers = {{ ":path" = "/c" }}, body = "body", timeout_ms = 1000 }}]

            [[step]]
            advance = "1s"
            expect.log = [{log}]
            expect.callouts = []

            [[step]]
            expect.status = 200
            "#
        )
    };
    for (reply, log) in [
        ("{ status = 202, body = 'x', delay = '10ms' }", "'202'"),
        ("{ refused = true }", "'503'"),
        ("{ timeout = true }", "'504'"),
        ("{ status = 200, delay = '2s' }", "'504'"),
    ] {
        let report = folder.run(&scenario(reply, log));
        assert!(report.passed(), "{reply}: {report}");
    }
    let report = folder.run(
        "cluster.auth = []\n[[step]]\nrequest = {}\nexpect.status = 200\nexpect.log = ['200']\nexpect.callouts = [{}]\n",
    );
    assert!(report.passed(), "a call that is waited for: {report}");
}

/// Logs the seconds of the wall clock once a second.
pub(crate) const TICKS: &str = r#"
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (drop (call $tick_every (i32.const 1000)))
          (i32.const 1))
        (func (export "proxy_on_tick") (param i32)
          (drop (call $now (i32.const 0)))
          (call $log_number (i32.wrap_i64 (i64.rem_u
            (i64.div_u (i64.load (i32.const 0)) (i64.const 1000000000)) (i64.const 60)))))"#;

#[test]
fn clocks_move_by_steps_and_start_where_the_file_says() {
    let report = Folder::with_guest(TICKS).run(
        r#"
        host.wall_clock = 2030-01-01T00:00:10Z
        host.main_thread_vm = false

        [[step]]
        advance = "2s 500ms"
        expect.log_in_order = ["11", "12"]
        expect.cost.callbacks.proxy_on_tick.count = 2

        [[step]]
        wall_clock = "2030-01-01T00:00:40.5Z"
        [[step]]
        advance = "500ms"
        expect.log_in_order = [{ message = "41", level = "info" }]
        "#,
    );
    assert!(report.passed(), "{report}");
}

#[test]
fn a_configuration_is_replaced_or_refused() {
    let guest = r#"
        (data (i32.const 1000) "refused")
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (drop (call $buffer (i32.const 7) (i32.const 0) (i32.const 100) (i32.const 0) (i32.const 4)))
          (call $log_handed)
          (i32.ne (i32.load8_u (i32.load (i32.const 0))) (i32.const 33)))"#;
    let folder = Folder::with_guest(guest);
    folder.write("second.json", "{}");
    let report = folder.run(
        r#"
        host.configuration = "first"
        start.expect.log = ["first"]

        [[step]]
        configure = { file = "second.json" }
        expect.log = ["{}"]

        [[step]]
        configure = "!third"
        expect.refused = { contains = "!third" }

        [[step]]
        drain = true
        "#,
    );
    assert!(report.passed(), "{report}");
    let report = folder.run("host.configuration = '!'\n[[step]]\nrequest = {}\n");
    assert_eq!(failed_keys(&report), ["refused", ""]);
    assert!(
        only(&report).failures[1]
            .observed
            .contains("no configuration has been accepted")
    );
    let report = folder.run("host.configuration = '!'\nstart.expect.refused = { any = true }\n[[step]]\nconfigure = 'good'\n[[step]]\nrequest = {}\nexpect.status = 200\n");
    assert!(report.passed(), "{report}");
}

/// Logs the status of storing shared data at every request.
pub(crate) const STORES: &str = r#"
    (data (i32.const 1000) "kv")
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (call $log_number (call $set_shared (i32.const 1000) (i32.const 1) (i32.const 1001) (i32.const 1) (i32.const 0)))
      (i32.const 0))"#;

#[test]
fn the_third_call_of_a_host_function_can_fail() {
    let report = Folder::with_guest(STORES).run(
        r#"
        host.vm_id = "v"

        [[step]]
        set_shared_data = { other = "1" }
        expect.shared_data = { other = "1", k = { absent = true } }
        [[step]]
        fault = { function = "proxy_set_shared_data", status = "CAS_MISMATCH", call = 3, callback = "proxy_on_request_headers" }
        [[step]]
        request = {}
        expect.log = ["00"]
        expect.shared_data.k = "v"
        [[step]]
        request = {}
        expect.log = ["00"]
        [[step]]
        request = {}
        expect.log = ["08"]
        [[step]]
        request = {}
        expect.log = ["00"]
        [[step]]
        fault = { function = "proxy_set_shared_data", status = 10 }
        [[step]]
        request = {}
        expect.log = ["10"]
        [[step]]
        clear_faults = true
        [[step]]
        request = {}
        expect.log = ["00"]
        "#,
    );
    assert!(report.passed(), "{report}");
}

#[test]
fn a_fault_that_never_strikes_is_a_failure() {
    let folder = Folder::with_guest(STORES);
    let report = folder.run(
        r#"
        [[step]]
        name = "the store breaks"
        fault = { function = "proxy_set_shared_data", status = 10, call = 77 }
        [[step]]
        request = {}
        [[step]]
        clear_faults = true
        "#,
    );
    assert_eq!(failed_keys(&report), ["fault"], "{report}");
    let failure = &only(&report).failures[0];
    assert_eq!(
        (failure.step, failure.title.as_str()),
        (1, "the store breaks")
    );
    assert_eq!(failure.expected, "proxy_set_shared_data, call 77 fails");
    assert!(
        failure.observed.starts_with("it never did: there w"),
        "{report}"
    );
    let report = folder.run(
        "fault = [{ function = 'random_get', status = 29, callback = 'proxy_on_tick' }]\n[[step]]\nrequest = {}\n",
    );
    assert_eq!(failed_keys(&report), ["fault"], "{report}");
    assert_eq!(only(&report).failures[0].step, 0);
}

#[test]
fn a_fault_can_be_there_from_the_start() {
    let report = Folder::with_guest(STORES).run(
        "fault = [{ function = 'proxy_set_shared_data', status = 'EMPTY' }]\n[[step]]\nrequest = {}\nexpect.log = ['07']\n",
    );
    assert!(report.passed(), "{report}");
}

#[test]
fn several_scenarios_share_a_set_up_and_say_what_is_different() {
    let report = Folder::with_guest(GUEST).run(
        r#"
        host.log_level = "error"
        host.environment = { A = "1" }

        [[upstream]]
        reply.status = 201

        [[scenario]]
        name = "as the file says"
        [[scenario.step]]
        request = {}
        expect = { status = 201, log_in_order = [] }

        [[scenario]]
        name = "with more of the log and another upstream"
        host.log_level = "info"
        upstream = [{ path = "/x", reply.status = 202 }]
        [[scenario.step]]
        request.path = "/x"
        expect = { status = 202, log_in_order = ["seen"] }
        [[scenario.step]]
        request.path = "/y"
        expect.status = 201
        "#,
    );
    assert!(report.passed(), "{report}");
    assert_eq!(report.scenarios.len(), 2);
}

#[test]
fn workers_and_addresses_can_be_chosen() {
    let report = Folder::with_guest(GUEST).run(
        r#"
        host.workers = 3
        [[step]]
        request = { worker = 2, source = "10.0.0.1:5", http2 = true, trailers = { x-t = "1" }, chunks = ["a"] }
        expect = { status = 200, upstream = { trailers.x-t = "1", body = "a" } }
        "#,
    );
    assert!(report.passed(), "{report}");
}

#[test]
fn a_later_step_can_use_what_an_earlier_one_got() {
    let folder = Folder::with_guest("");
    let report = folder.run(
        r#"
        [[upstream]]
        path = "/token"
        reply = { headers = { x-id = "7" }, body = '{ "access_token": "abc", "n": 5 }' }

        [[step]]
        request.path = "/token"
        save = { token = { json = "/access_token" }, n = { json = "/n" }, id = { header = "x-id" } }

        [[step]]
        request = { path = { saved = "/orders/${id}" }, headers = { authorization = { saved = "Bearer ${token}" } } }
        expect.upstream.headers = { ":path" = "/orders/7", authorization = { saved = "Bearer ${token}" } }

        [[step]]
        request.headers.x = { saved = "${n}${n}" }
        expect.upstream.headers.x = "55"
        "#,
    );
    assert!(report.passed(), "{report}");
    for (scenario, reason) in [
        (
            "request.path = { saved = '${x}' }",
            "no step before has saved `x`",
        ),
        (
            "request = {}\nsave.x = { json = '/a' }",
            "nothing to save as `x`",
        ),
        (
            "request = {}\nsave.x = { header = 'a' }",
            "nothing to save as `x`",
        ),
    ] {
        let report = folder.run(&format!("[[step]]\n{scenario}\n"));
        assert_eq!(only(&report).failures[0].observed, reason);
    }
}

/// Calls `pkg.Service/Method` of the cluster `peer` with `question` at every request, and goes on with what comes back.
pub(crate) const GRPC: &str = r#"
    (data (i32.const 1000) "peer") (data (i32.const 1010) "pkg.Service") (data (i32.const 1030) "Method")
    (data (i32.const 1040) "question") (data (i32.const 1050) "\00\00\00\00")
    (global $stream (mut i32) (i32.const 0))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (global.set $stream (local.get 0))
      (drop (call $grpc_call (i32.const 1000) (i32.const 4) (i32.const 1010) (i32.const 11) (i32.const 1030) (i32.const 6)
        (i32.const 1050) (i32.const 4) (i32.const 1040) (i32.const 8) (i32.const 1000) (i32.const 2000)))
      (i32.const 1))
    (func (export "proxy_on_grpc_receive") (param i32 i32 i32)
      (drop (call $buffer (i32.const 5) (i32.const 0) (local.get 2) (i32.const 0) (i32.const 4)))
      (call $log_handed)
      (drop (call $act_as (global.get $stream)))
      (drop (call $continue (i32.const 0))))
    (func (export "proxy_on_grpc_close") (param i32 i32 i32)
      (call $log_number (local.get 2))
      (drop (call $act_as (global.get $stream)))
      (drop (call $continue (i32.const 0))))"#;

#[test]
fn a_grpc_service_answers_by_its_rules_and_what_reaches_it_is_seen() {
    let folder = Folder::with_guest(GRPC);
    for (reply, log) in [
        ("{ messages = ['answer'], status = 0 }", "answer"),
        (
            "{ messages = ['answer'], status = 0, delay = '200ms' }",
            "answer",
        ),
        ("{ status = 5, status_message = 'no such thing' }", "05"),
        ("{ refused = true }", "14"),
    ] {
        let report = folder.run(&format!(
            r#"
            [[grpc.peer]]
            on = "call"
            method = "Method"
            message = {{ contains = "quest" }}
            replies = [{reply}]

            [[step]]
            request = {{}}
            expect.status = 200
            expect.log = ["{log}"]
            expect.grpc = [{{ cluster = "peer", on = "call", service = "pkg.Service", method = "Method", message = "question", timeout_ms = 1000 }}]
            "#
        ));
        assert!(report.passed(), "{reply}: {report}");
    }
    let report = folder.run(
        "[[grpc.peer]]\non = 'call'\nreplies = [{ messages = ['a'], status = 0 }]\n[[step]]\nrequest = {}\nexpect.grpc = [{ on = 'open', message = 'other' }]\n",
    );
    assert_eq!(failed_keys(&report), ["grpc[0].on", "grpc[0].message"]);
}

/// Logs the route's name and what the function `greet` hands over, each behind the status of the call.
pub(crate) const OFFERS: &str = r#"
        (data (i32.const 1000) "xds\00route_namegreet")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (call $log_number (call $property (i32.const 1000) (i32.const 14) (i32.const 0) (i32.const 4)))
          (call $log_handed)
          (call $log_number (call $foreign (i32.const 1014) (i32.const 5) (i32.const 0) (i32.const 0)
            (i32.const 8) (i32.const 12)))
          (drop (call $log (i32.const 2) (i32.load (i32.const 8)) (i32.load (i32.const 12))))
          (i32.const 0))"#;

#[test]
fn properties_and_foreign_functions_are_what_the_file_says() {
    let folder = Folder::with_guest(OFFERS);
    let report = folder.run(
        r#"
        host.properties = { "xds.route_name" = "orders" }
        host.foreign_functions.greet.result = "hello"
        [[step]]
        request = {}
        expect.log_in_order = ["00", "orders", "00", "hello"]
        "#,
    );
    assert!(report.passed(), "{report}");
    let report = folder.run(
        r#"
        host.properties = { "xds.route_name" = { absent = true } }
        host.foreign_functions.greet.status = 2
        host.allow = ["PH016"]
        [[step]]
        request = {}
        expect.log = ["01", "02"]
        "#,
    );
    assert!(report.passed(), "{report}");
}

#[test]
fn a_host_may_behave_as_another_one() {
    let folder = Folder::with_guest("");
    let report = folder.run("host.profile = 'apisix'\n[[step]]\nrequest = {}\n");
    assert!(
        only(&report).error.is_some(),
        "the guest imports functions that APISIX lacks: {report}"
    );
    let told = folder.refused("host.profile = 'apache'\n[[step]]\nrequest = {}\n");
    assert!(
        told.contains("host.profile") && told.contains("apache"),
        "{told}"
    );
}
