//! How a run is reported.

use postern_host::scenario::{self, Format, Options};
use serde_json::Value;

use super::{Folder, GUEST};

const FAILS: &str = r#"
    [[scenario]]
    name = "passes & <is> quick"
    [[scenario.step]]
    request = {}
    expect.status = 200

    [[scenario]]
    name = "fails"
    [[scenario.step]]
    name = "the denied path"
    request.path = "/deny"
    expect.status = 200
    expect.log_in_order = ["seen", "let go"]
"#;

#[test]
fn a_failure_shows_what_was_expected_what_came_and_the_trace_of_the_step() {
    let report = Folder::with_guest(GUEST).run(FAILS);
    let text = report.to_string();
    for part in [
        "ok    ",
        "FAIL  ",
        "step 1 (the denied path)",
        "      status\n        expected: 200\n        got:      403\n",
        "      log_in_order\n        expected: 2 lines\n        got:      1 lines\n            [warning] \"seen\"\n          - \"let go\"\n",
        "[host->vm] proxy_on_request_headers(2, 6, 1)",
        "[vm->host] env.proxy_send_local_response(403",
        "--filter 'fails' --seed 0",
        "1 passed, 1 failed (2 steps)\n",
    ] {
        assert!(text.contains(part), "{part}\n---\n{text}");
    }
}

#[test]
fn reports_are_the_same_for_every_number_of_jobs_and_differ_with_the_seed() {
    let folder = Folder::with_guest(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (drop (call $random (i32.const 0) (i32.const 1)))
             (call $log_number (i32.rem_u (i32.load8_u (i32.const 0)) (i32.const 100)))
             (i32.const 0))"#,
    );
    for number in 0..12 {
        folder.write(
            &format!("{number}.scenario.toml"),
            "host.module = 'guest.wat'\n[[step]]\nrequest = {}\nexpect.log = ['x']\n",
        );
    }
    let render = |jobs, seed| {
        let mut options = Options::default();
        options.jobs = jobs;
        options.seed = seed;
        options.trace = true;
        let report = scenario::run_files(&[folder.path("")], &options).expect("scenarios");
        [Format::Text, Format::Json, Format::JUnit].map(|format| report.render(format))
    };
    let one = render(1, None);
    assert_eq!(one, render(7, None));
    assert_eq!(one, render(2, Some(0)));
    assert_ne!(one, render(1, Some(3)));
}

#[test]
fn json_has_everything_that_the_report_has() {
    let report = Folder::with_guest(GUEST).run(FAILS);
    let json: Value = serde_json::from_str(&report.render(Format::Json)).expect("JSON");
    assert_eq!(json["passed"], false);
    assert_eq!(json["failed"], 1);
    assert_eq!(json["steps"], 2);
    let failure = &json["scenarios"][1]["failures"][0];
    assert_eq!(failure["step"], 1);
    assert_eq!(failure["key"], "status");
    assert_eq!(failure["expected"], "200");
    assert_eq!(failure["observed"], "403");
    assert!(
        failure["trace"]
            .as_array()
            .is_some_and(|trace| !trace.is_empty())
    );
}

#[test]
fn a_module_that_cannot_be_loaded_is_an_error_and_no_failure() {
    let folder = Folder::with_guest("");
    folder.write("guest.wat", "(module)");
    let report = folder.run("[[step]]\nrequest = {}\n");
    assert_eq!((report.failed(), report.errors()), (0, 1));
    assert!(
        report
            .to_string()
            .contains("guest.wat: the module exports no `proxy_abi_version")
    );
    let xml = report.render(Format::JUnit);
    assert!(
        xml.contains("<error type=\"error\" message=\"the module "),
        "{xml}"
    );
}

/// What the schemas of Ant (JUnit.xsd) and Jenkins (junit-10.xsd) ask for: these attributes, and these elements in this order.
#[test]
fn junit_has_what_the_schemas_of_ant_and_jenkins_ask_for() {
    let xml = Folder::with_guest(GUEST).run(FAILS).render(Format::JUnit);
    let lines: Vec<_> = xml.lines().map(str::trim).collect();
    let elements = lines.iter().filter_map(|line| line.strip_prefix('<'));
    let names = elements.map(|line| line.split([' ', '>']).next().unwrap_or_default());
    assert_eq!(
        names.collect::<Vec<_>>(),
        [
            "?xml",
            "testsuites",
            "testsuite",
            "properties",
            "property",
            "/properties",
            "testcase",
            "testcase",
            "failure",
            "/testcase",
            "system-out",
            "system-err",
            "/testsuite",
            "/testsuites",
        ],
        "{xml}"
    );
    let attributes = |element: &str| {
        let line = lines
            .iter()
            .find(|line| line.starts_with(&format!("<{element} ")));
        let line = line
            .expect("the element")
            .split('>')
            .next()
            .unwrap_or_default();
        let pairs = line.split("=\"");
        let names = pairs.filter_map(|pair| pair.rsplit(' ').next());
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    let suite = [
        "id",
        "package",
        "name",
        "timestamp",
        "hostname",
        "time",
        "tests",
        "failures",
        "errors",
    ];
    assert_eq!(attributes("testsuite")[..suite.len()], suite);
    assert!(
        xml.contains("tests=\"2\" failures=\"1\" errors=\"0\""),
        "{xml}"
    );
    assert!(
        xml.contains("<testcase name=\"passes &amp; &lt;is&gt; quick\" classname=\""),
        "{xml}"
    );
    assert!(
        xml.contains("<failure type=\"expectation\" message=\"status: expected 200, got 403\">"),
        "{xml}"
    );
}
