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
