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

#[test]
fn json_has_the_form_that_its_schema_says() {
    let committed = include_str!("../../../schema/report.schema.json");
    let committed: Value = serde_json::from_str(committed).expect("JSON");
    assert!(
        committed == scenario::report_schema(),
        "write it anew: cargo run -p postern-host -- schema --report > host-test/schema/report.schema.json"
    );
    let validator = jsonschema::validator_for(&committed).expect("a schema");
    let folder = Folder::with_guest(GUEST);
    let valid = |report: &scenario::Report| {
        let json: Value = serde_json::from_str(&report.render(Format::Json)).expect("JSON");
        let problems: Vec<_> = validator
            .iter_errors(&json)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(problems, Vec::<String>::new(), "{json:#}");
        json
    };
    valid(&scenario::Report::default());
    let mut json = valid(&folder.run(FAILS));
    json["scenarios"][0]["unknown"] = Value::Null;
    assert!(!validator.is_valid(&json));
    json["scenarios"] = Value::Null;
    assert!(!validator.is_valid(&json));
    folder.write("guest.wat", "(module)");
    valid(&folder.run("[[step]]\nrequest = {}\n"));
    folder.write("guest.wat", crate::guests::text(GUEST));
    let file = folder.write(
        "b.toml",
        "host.module = 'guest.wat'\n[[step]]\nrequest = {}\n",
    );
    let mut options = Options::default();
    (options.bless, options.trace) = (true, true);
    valid(&scenario::run_files(&[file], &options).expect("a scenario"));
}

/// What the schemas of Ant (JUnit.xsd) and Jenkins (junit-10.xsd) ask for: these elements with these attributes, in this order.
#[test]
fn junit_has_what_the_schemas_of_ant_and_jenkins_ask_for() {
    let folder = Folder::with_guest(GUEST);
    let failing = folder.write("fails.toml", format!("host.module = 'guest.wat'\n{FAILS}"));
    let broken = folder.write(
        "broken.toml",
        "host.module = 'gone.wat'\n[[step]]\nrequest = {}\n",
    );
    let report = scenario::run_files(&[failing, broken], &Options::default()).expect("scenarios");
    let unplayed = report.scenarios.iter().find(|one| one.error.is_some());
    assert_eq!(unplayed.expect("no module").steps, 0, "none was played");
    let xml = report.render(Format::JUnit);
    let document = roxmltree::Document::parse(&xml).expect("XML");
    let root = document.root_element();
    assert_eq!(root.tag_name().name(), "testsuites");
    let attributes = |node: &roxmltree::Node<'_, '_>| -> Vec<String> {
        node.attributes()
            .map(|attribute| attribute.name().to_owned())
            .collect()
    };
    let names = |node: &roxmltree::Node<'_, '_>| -> Vec<String> {
        let elements = node.children().filter(roxmltree::Node::is_element);
        elements
            .map(|element| element.tag_name().name().to_owned())
            .collect()
    };
    let suites: Vec<_> = root
        .children()
        .filter(roxmltree::Node::is_element)
        .collect();
    assert_eq!(names(&root), ["testsuite", "testsuite"]);
    for (index, suite) in suites.iter().enumerate() {
        let suite_attributes = [
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
        assert_eq!(attributes(suite), suite_attributes);
        assert_eq!(suite.attribute("id"), Some(index.to_string().as_str()));
        let cases = suite
            .children()
            .filter(|node| node.has_tag_name("testcase"));
        let cases: Vec<_> = cases.collect();
        let mut expected = vec!["properties"];
        expected.extend(cases.iter().map(|_| "testcase"));
        expected.extend(["system-out", "system-err"]);
        assert_eq!(names(suite), expected, "the order of the schemas");
        let count = |name: &str| {
            let with = |case: &&roxmltree::Node<'_, '_>| {
                case.children().any(|node| node.has_tag_name(name))
            };
            Some(cases.iter().filter(with).count().to_string())
        };
        let said = |name: &str| suite.attribute(name).map(str::to_owned);
        assert_eq!(said("tests"), Some(cases.len().to_string()));
        assert_eq!(said("failures"), count("failure"));
        assert_eq!(said("errors"), count("error"));
        for case in &cases {
            assert_eq!(attributes(case), ["name", "classname", "time"]);
            for problem in case.children().filter(roxmltree::Node::is_element) {
                assert_eq!(attributes(&problem), ["type", "message"]);
            }
        }
    }
    let case = |name: &str| {
        let mut all = root.descendants();
        let found = all.find(|node| node.attribute("name") == Some(name));
        found.unwrap_or_else(|| panic!("no case {name} in {xml}"))
    };
    assert_eq!(names(&case("passes & <is> quick")), Vec::<String>::new());
    let failure = case("fails").first_element_child().expect("a failure");
    assert_eq!(failure.attribute("type"), Some("expectation"));
    assert_eq!(
        failure.attribute("message"),
        Some("status: expected 200, got 403")
    );
    let text = failure.text().unwrap_or_default();
    assert!(
        text.contains("[host->vm] proxy_on_request_headers(2, 6, 1)"),
        "{text}"
    );
    let error = case("broken").first_element_child().expect("an error");
    assert!(
        error
            .attribute("message")
            .is_some_and(|message| message.contains("gone.wat"))
    );
}

/// What is told of each kind of difference: one line where that is enough, and lines side by side where it is not.
#[test]
fn each_kind_of_difference_is_told_so_that_it_can_be_read() {
    let folder = Folder::with_guest(GUEST);
    let told = |scenario: &str| {
        let report = folder.run(scenario);
        assert_eq!(report.failed(), 1, "{report}");
        report.to_string()
    };
    let step = |expectation: &str| {
        let upstream =
            "[[upstream]]\nreply = { body = \"one\\ntwo\\n\", headers = { x-a = ['1', '2'] } }\n";
        format!(
            "host.envoy_headers = false\n{upstream}[[step]]\nrequest = {{}}\nexpect.{expectation}\n"
        )
    };
    for (expectation, lines) in [
        (
            "status = { min = 300 }",
            "status\n        expected: at least 300\n        got:      200\n",
        ),
        (
            "state = 'paused'",
            "state\n        expected: paused\n        got:      finished\n",
        ),
        (
            "complete = false",
            "complete\n        expected: false\n        got:      true\n",
        ),
        (
            "body = \"one\\nthree\\n\"",
            "body\n        expected: \"one\\nthree\\n\"\n        got:      \"one\\ntwo\\n\"\n            one\n          - three\n          + two\n",
        ),
        (
            "body = { contains = 'x' }",
            "expected: something with \"x\" in it\n",
        ),
        (
            "headers.x-a = '1'",
            "headers.x-a\n        expected: \"1\"\n        got:      [\"1\", \"2\"]\n",
        ),
        (
            "headers_in_order = [['content-length', '8'], ['x-a', '2']]",
            "headers_in_order\n        expected: 2 headers\n        got:      3 headers\n",
        ),
        (
            "headers_in_order = [['content-length', '8'], ['x-a', '2']]",
            "          + x-a: \"1\"\n",
        ),
        (
            "upstream.headers.x-guest.absent = true",
            "upstream.headers.x-guest\n        expected: nothing\n        got:      \"1\"\n",
        ),
        (
            "log = [{ contains = 'else', level = 'error' }]",
            "          none among these\n".trim_start(),
        ),
        (
            "log_in_order = ['seen', 'twice']",
            "            [warning] \"seen\"\n          - \"twice\"\n",
        ),
        (
            "callouts = [{ cluster = 'a' }]",
            "callouts\n        expected: 1 calls\n        got:      0 calls\n",
        ),
        (
            "grpc = [{ on = 'call' }]",
            "grpc\n        expected: 1 events\n        got:      0 events\n",
        ),
        (
            "metrics.requests = 1",
            "metrics.requests\n        expected: 1\n        got:      nothing\n",
        ),
        (
            "shared_data.k = 'v'",
            "shared_data.k\n        expected: \"v\"\n        got:      nothing\n",
        ),
        (
            "queues.jobs = ['a']",
            "queues.jobs\n        expected: [\"a\"]\n        got:      nothing\n",
        ),
        (
            "connection.connected = true",
            "connection.closed_by\n        expected: a connection\n",
        ),
        (
            "cost.calls = { max = 1 }",
            "cost.calls\n        expected: at most 1\n        got:      3\n",
        ),
        (
            "cost.host_calls = { proxy_log = 1 }",
            "cost.host_calls.proxy_add_header_map_value\n        expected: 0\n        got:      1\n",
        ),
        (
            "root_contexts = 4",
            "root_contexts\n        expected: 4\n        got:      1\n",
        ),
        (
            "diagnostics = ['PH001']",
            "          + PH022 warning null-pointer in proxy_on_request_headers",
        ),
        (
            "trap = { contains = 'x' }",
            "trap\n        expected: something with \"x\" in it\n        got:      nothing\n",
        ),
    ] {
        let text = told(&step(expectation));
        assert!(text.contains(lines), "{expectation}\n{lines}\n---\n{text}");
        assert!(
            text.contains("      trace of the step:\n        [host->vm] proxy_on_request_headers("),
            "{text}"
        );
        assert!(
            text.contains("seed 0. To repeat it: postern-host run "),
            "{text}"
        );
    }
    let text = told(
        "fault = [{ function = 'proxy_log', status = 1, call = 9 }]\n[[step]]\nrequest = {}\n",
    );
    assert!(text.contains("it never did"), "{text}");
    let text = told("finally.expect.cost.calls = { max = 2 }\n[[step]]\nrequest = {}\n");
    assert!(
        text.contains(
            "    finally\n      cost.calls\n        expected: at most 2\n        got:      3\n"
        ),
        "{text}"
    );
}
