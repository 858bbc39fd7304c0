//! What is expected of a whole scenario.

use super::{Folder, GUEST, failed_keys};

#[test]
fn log_cost_and_metrics_of_all_steps_are_looked_at_together() {
    let report = Folder::with_guest(GUEST).run(
        r#"
        host.allow = ["PH022", "PH028"]
        [finally.expect]
        log_in_order = ["seen", "seen"]
        cost = { calls = 8, fuel = { max = 10000 }, callbacks.proxy_on_request_headers.count = 2 }
        status = 403
        diagnostics = []
        [[step]]
        request = {}
        [[step]]
        request.path = "/deny"
        "#,
    );
    assert_eq!(failed_keys(&report), ["cost.calls"], "{report}");
    let text = report.to_string();
    assert!(
        text.contains(
            "\n    finally\n      cost.calls\n        expected: 8\n        got:      7\n"
        ),
        "{text}"
    );
}

#[test]
fn the_findings_of_a_whole_scenario_are_a_set_without_what_is_accepted() {
    let folder = Folder::with_guest(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))"#,
    );
    let step = "[[step]]\nrequest = {}\nexpect.diagnostics = ['PH015']\n";
    let run = |finally: &str| folder.run(&format!("host.allow = ['PH028']\n{finally}\n{step}"));
    assert!(run("finally.expect.diagnostics = ['PH015']").passed());
    let report = run("finally.expect.diagnostics = []");
    assert_eq!(failed_keys(&report), ["diagnostics"], "{report}");
    let report = run("finally.expect.diagnostics = ['PH015', 'PH001']");
    assert_eq!(failed_keys(&report), ["diagnostics"], "{report}");
    let report = folder
        .run("host.allow = ['PH015', 'PH028']\nfinally.expect.diagnostics = []\n[[step]]\nrequest = {}\n");
    assert!(report.passed(), "{report}");
    folder.write(
        "guest.wat",
        crate::guests::text(r#"(func (export "proxy_on_request_trailers") (param i32 i32) (result i32) (i32.const 0))"#),
    );
    let never =
        "host.allow = ['PH028']\nfinally.expect.diagnostics = ['PH029']\n[[step]]\nrequest = {}\n";
    let report = folder.run(never);
    assert!(
        report.passed(),
        "what can be said only at the end: {report}"
    );
    folder.write("guest.wat", crate::guests::text(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))"#,
    ));
    let report = run("finally.expect.state = 'paused'");
    assert!(
        report.passed(),
        "what a step has dealt with is no failure: {report}"
    );
}

#[test]
fn a_scenario_may_have_its_own_end() {
    let folder = Folder::with_guest(GUEST);
    let report = folder.run(
        r#"
        finally.expect.cost.callbacks.proxy_on_request_headers.count = 1
        [[scenario]]
        name = "as the file says"
        step = [{ request = {} }]
        [[scenario]]
        name = "its own"
        finally.expect.cost.callbacks.proxy_on_request_headers.count = 2
        step = [{ request = {} }, { request = {} }]
        "#,
    );
    assert!(report.passed(), "{report}");
}
