//! What came of a run, written into the file.

use postern_host::scenario::{self, Options, Report};

use super::{Folder, GUEST, failed_keys, only};

fn bless(folder: &Folder, scenario: &str) -> (Report, String) {
    let file = folder.write("s.scenario.toml", scenario);
    let mut options = Options::default();
    options.bless = true;
    let report = scenario::run_files(&[file], &options).expect("a scenario");
    (report, folder.read("s.scenario.toml"))
}

#[test]
fn exact_expectations_become_what_came_and_everything_else_stays() {
    let folder = Folder::with_guest(GUEST);
    let (report, text) = bless(
        &folder,
        r#"# A comment.
host.module = "guest.wat" # the guest

[[step]]
request.path = "/deny"
# why
expect.status = 200   # as it was
expect.body = "x"
expect.upstream.reached = true
expect.log_in_order = [] # lines
"#,
    );
    assert!(report.passed(), "{report}");
    assert_eq!(only(&report).blessed, 4);
    assert_eq!(
        text,
        r#"# A comment.
host.module = "guest.wat" # the guest

[[step]]
request.path = "/deny"
# why
expect.status = 403   # as it was
expect.body = "denied"
expect.upstream.reached = false
expect.log_in_order = [{ level = "warning", message = "seen" }] # lines
"#
    );
}

#[test]
fn empty_and_missing_expectations_are_filled_in() {
    let folder = Folder::with_guest(GUEST);
    let (report, text) = bless(
        &folder,
        "host.module = 'guest.wat'\nhost.envoy_headers = false\n\n[[step]]\nrequest.path = '/deny'\n\n[[step]]\nrequest = {}\nexpect.cost = {}\n",
    );
    assert!(report.passed(), "{report}");
    for line in [
        "expect.status = 403\n",
        "expect.headers = { content-length = \"6\", content-type = \"text/plain\" }\n",
        "expect.body = \"denied\"\n",
        "expect.upstream.reached = false\n",
        "expect.log = [{ level = \"warning\", message = \"seen\" }]\n",
        "host_calls = { proxy_add_header_map_value = 1, proxy_get_header_map_value = 1, proxy_log = 1 }",
        "percent = 2.0",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let (_, again) = bless(&folder, &text);
    assert_eq!(text, again);
}

#[test]
fn patterns_are_left_to_their_author() {
    let folder = Folder::with_guest(GUEST);
    let scenario = "host.module = 'guest.wat'\n[[step]]\nrequest.path = '/deny'\nexpect.body = { contains = 'welcome' }\n";
    let (report, text) = bless(&folder, scenario);
    assert_eq!(failed_keys(&report), ["body"]);
    assert_eq!(text, scenario);
}

#[test]
fn that_a_vm_dies_is_never_written_down_unasked() {
    let folder = Folder::with_guest(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (unreachable))"#,
    );
    let (report, text) = bless(
        &folder,
        "host.module = 'guest.wat'\n[[step]]\nrequest = {}\nexpect.status = 200\n",
    );
    assert_eq!(failed_keys(&report), ["trap"]);
    assert!(!text.contains("trap"), "{text}");
}

/// Counts, stores, calls, puts aside and asks: something for every list and table that can be blessed.
const BUSY: &str = r#"
    (data (i32.const 1000) "countkvjobsauthpeerSvcCall")
    (data (i32.const 1100) "\03\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\02\00\00\00\0a\00\00\00\01\00\00\00:method\00GET\00:path\00/c\00:authority\00a\00")
    (data (i32.const 1200) "\00\00\00\00")
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (drop (call $define (i32.const 0) (i32.const 1000) (i32.const 5) (i32.const 8)))
      (drop (call $increment (i32.load (i32.const 8)) (i64.const 3)))
      (drop (call $set_shared (i32.const 1005) (i32.const 1) (i32.const 1006) (i32.const 1) (i32.const 0)))
      (drop (call $register (i32.const 1007) (i32.const 4) (i32.const 8)))
      (drop (call $enqueue (i32.load (i32.const 8)) (i32.const 1006) (i32.const 1)))
      (drop (call $set_property (i32.const 1005) (i32.const 1) (i32.const 1006) (i32.const 1)))
      (drop (call $call (i32.const 1011) (i32.const 4) (i32.const 1100) (i32.const 62)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 8)))
      (drop (call $grpc_call (i32.const 1015) (i32.const 4) (i32.const 1019) (i32.const 3) (i32.const 1022) (i32.const 4)
        (i32.const 1200) (i32.const 4) (i32.const 1006) (i32.const 1) (i32.const 1000) (i32.const 8)))
      (i32.const 0))"#;

#[test]
fn every_empty_table_and_list_is_filled_in() {
    let folder = Folder::with_guest(BUSY);
    let (report, text) = bless(
        &folder,
        r#"host.module = 'guest.wat'
cluster.auth = []
[[grpc.peer]]
on = "call"
replies = [{ status = 0, messages = [""] }]

[[step]]
request = {}
expect.metrics = {}
expect.metrics_change = {}
expect.shared_data = {}
expect.queues = {}
expect.filter_state = {}
expect.callouts = []
expect.grpc = []
expect.cost.callbacks = {}

[finally]
expect = {}
"#,
    );
    assert!(report.passed(), "{report}");
    for line in [
        "expect.metrics = { count = 3 }\n",
        "expect.metrics_change = { count = 3 }\n",
        "expect.shared_data = { k = \"v\" }\n",
        "expect.queues = { jobs = \"v\" }\n",
        "expect.filter_state = { \"wasm.k\" = \"v\" }\n",
        "expect.callouts = [{ cluster = \"auth\", headers = { ",
        "expect.grpc = [{ cluster = \"peer\", on = \"call\", service = \"Svc\", method = \"Call\", message = \"v\" }]\n",
        "expect.cost.callbacks = { proxy_on_request_headers = { count = 1, fuel = { near = ",
        "[finally]\nexpect = { cost = { fuel = { near = ",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let (report, again) = bless(&folder, &text);
    assert!(report.passed(), "{report}");
    assert_eq!(text, again);
}

#[test]
fn a_budget_that_is_broken_is_raised_and_other_bounds_are_left() {
    let folder = Folder::with_guest(GUEST);
    let scenario = r#"host.module = 'guest.wat'
[[step]]
request = {}
expect.cost.calls = { max = 1 }
expect.cost.host_calls = { proxy_log = { max = 0 }, proxy_add_header_map_value = 1, proxy_get_header_map_value = 1 }
expect.cost.fuel = { max = 9000 }
expect.status = { max = 199 }

[finally.expect]
cost.callbacks.proxy_on_request_headers.calls = { max = 2 }
"#;
    let (report, text) = bless(&folder, scenario);
    assert_eq!(failed_keys(&report), ["status"], "{report}");
    let expected = scenario
        .replace("calls = { max = 1 }", "calls = { max = 3 }")
        .replace("proxy_log = { max = 0 }", "proxy_log = { max = 1 }")
        .replace("calls = { max = 2 }", "calls = { max = 3 }");
    assert_eq!(text, expected);
}

#[test]
fn a_list_of_calls_with_a_pattern_in_it_is_left_to_its_author() {
    let folder = Folder::with_guest("");
    let exact = "host.module = 'guest.wat'\n[[step]]\nrequest = {}\nexpect.callouts = [{ cluster = \"a\" }]\n";
    let (report, text) = bless(&folder, exact);
    assert!(report.passed(), "{report}");
    assert!(text.contains("expect.callouts = []"), "{text}");
    let pattern = exact.replace("\"a\"", "{ contains = 'a' }");
    let (report, text) = bless(&folder, &pattern);
    assert_eq!(failed_keys(&report), ["callouts"]);
    assert_eq!(text, pattern);
}

#[test]
fn an_empty_expectation_with_nothing_to_fill_in_goes_away() {
    let folder = Folder::with_guest("");
    for (empty, rest) in [
        ("expect.log = []\n", "expect.log_in_order = []\n"),
        ("expect.status = 200\nexpect.metrics = {}\n", ""),
        ("expect.status = 200\nexpect.metrics_change = {}\n", ""),
        ("expect.status = 200\nexpect.shared_data = {}\n", ""),
        ("expect.status = 200\nexpect.filter_state = {}\n", ""),
        ("expect.status = 200\nexpect.trailers = {}\n", ""),
        (
            "expect.status = 200\nexpect = { log = [], metrics = {} }\n",
            "",
        ),
        ("expect.metrics = {}\n", "expect.body = "),
        ("expect.cost.callbacks = {}\n", "expect.cost.calls = 0\n"),
    ] {
        // TOML has no table that is written in both ways.
        let empty = match empty.split_once("expect = {") {
            Some((_, inline)) => format!("expect = {{ status = 200,{inline}"),
            None => empty.to_owned(),
        };
        let (report, text) = bless(
            &folder,
            &format!(
                "host.module = 'guest.wat'\nupstream = [{{ reply.body = 'x' }}]\n\n[[step]]\nrequest = {{}}\n{empty}"
            ),
        );
        assert!(report.passed(), "{empty}\n{text}\n{report}");
        assert!(text.contains(rest), "{empty}\n{text}");
        assert!(!text.contains("= {}\nexpect = {}"), "{empty}\n{text}");
        assert!(!text.contains("log = []"), "{empty}\n{text}");
    }
}

#[test]
fn what_hangs_on_the_seed_is_not_written_down() {
    let logs_random = r#"
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $random (i32.const 3000) (i32.const 4)))
          (call $log_number (i32.load8_u (i32.const 3000)))
          (i32.const 0))"#;
    let folder = Folder::with_guest(logs_random);
    let scenario = "host.module = 'guest.wat'\n\n[[step]]\nrequest = {}\n\n[[step]]\nrequest.headers.x-request-id = 'mine'\n";
    let (report, text) = bless(&folder, scenario);
    assert!(report.passed(), "{report}");
    assert!(text.contains("x-request-id = { any = true }"), "{text}");
    assert!(text.contains("x-request-id = \"mine\""), "{text}");
    assert!(
        text.contains("expect.log = [{ level = \"info\" }]"),
        "{text}"
    );
    let mut options = Options::default();
    options.seed = Some(77);
    let report = scenario::run_files(&[folder.path("s.scenario.toml")], &options);
    let report = report.expect("a scenario");
    assert!(report.passed(), "{report}");
}

#[test]
fn of_what_a_vm_died_of_the_backtrace_is_not_written_down() {
    let folder = Folder::with_guest(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (unreachable))"#,
    );
    let (report, text) = bless(
        &folder,
        "host.module = 'guest.wat'\n[[step]]\nrequest = {}\nexpect.trap = ''\nexpect.log = []\n",
    );
    assert!(report.passed(), "{report}");
    let dead = "contains = \"Function: proxy_on_request_headers failed: wasm trap: wasm `unreachable` instruction executed\"";
    assert!(
        text.contains(&format!("expect.trap = {{ {dead} }}")),
        "{text}"
    );
    assert!(
        text.contains(&format!("{dead}, level = \"critical\"")),
        "{text}"
    );
    assert!(!text.contains("backtrace"), "{text}");
}
