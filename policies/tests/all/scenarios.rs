use crate::command::{Folder, postern};

const POLICY: &str = r#"{"format": 1,
    "keys": [{"kid": "k", "root": "r1", "active_from": "2026-11-01T00:00:00Z"}],
    "persons": [{"id": "p", "active": true}],
    "tokens": [{"id": "t", "person": "p", "expires_at": "never", "active": true,
        "hash": "sha256:4f0c2d1b8e6a97350f1d2c3b4a5968778695a4b3c2d1e0f00112233445566778"}],
    "services": [{"name": "s", "hosts": ["api.example.com"], "base_path": "/s",
        "audience": {"mode": "restricted", "persons": ["p"]},
        "methods": [{"name": "m", "http": ["GET"], "path": "/"}]}]}"#;

fn folder(cases: &str) -> Folder {
    let scenario =
        format!(r#"{{"policy": "policy.json", "at": "2026-12-01T00:00:00Z", "cases": [{cases}]}}"#);
    Folder::with(&[("policy.json", POLICY), ("scenario.json", &scenario)])
}

fn case(name: &str, caller: &str, expect: &str) -> String {
    format!(
        r#"{{"name": "{name}", "as": {caller}, "expect": {expect},
            "request": {{"method": "GET", "url": "https://api.example.com/s"}}}}"#
    )
}

const ALLOWED: &str =
    r#"{"status": 200, "reason": "allowed", "upstream": {"removed": ["authorization"]}}"#;

#[test]
fn a_scenario_without_a_gateway_runs_with_one_for_all_hosts_of_the_policy() {
    let folder = folder(&case("p calls m", r#"{"access": "t"}"#, ALLOWED));
    let run = postern(&["policy", "test", &folder.path("scenario.json")]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(
        run.stdout.contains("  ok      p calls m\n"),
        "{}",
        run.stdout
    );
    assert!(run.stdout.ends_with("1 passed, 0 failed\n"));
}

#[test]
fn a_case_that_fails_tells_each_difference_and_why() {
    let good = case("p calls m", r#"{"access": "t"}"#, ALLOWED);
    let bad = case("nobody calls m", r#"{"none": true}"#, ALLOWED);
    let folder = folder(&format!("{good}, {bad}"));
    let run = postern(&["policy", "test", "--quiet", &folder.path("scenario.json")]);
    assert_eq!(run.code, 1);
    for line in [
        "  FAILED  nobody calls m",
        "          status: expected 200, got 401",
        "          reason: expected allowed, got no_credential",
        "          upstream: expected to be reached, but it was not",
        "        | refused: no_credential (HTTP 401)",
        "1 passed, 1 failed",
    ] {
        assert!(
            run.stdout.lines().any(|told| told == line),
            "{line} in\n{}",
            run.stdout
        );
    }
    assert!(!run.stdout.contains("p calls m"));
}

#[test]
fn a_failure_does_not_tell_the_credential_that_reached_the_upstream() {
    let expect = r#"{"status": 200, "upstream": {"removed": ["authorization", "x-kept"]}}"#;
    let case = format!(
        r#"{{"name": "n", "as": {{"access": "t"}}, "expect": {expect}, "request": {{"method": "GET",
            "url": "https://api.example.com/s", "headers": [["x-kept", "top-secret-value"]]}}}}"#
    );
    let folder = folder(&case);
    for json in [&["--json"][..], &[]] {
        let path = folder.path("scenario.json");
        let run = postern(&[&["policy", "test", &path][..], json].concat());
        assert_eq!(run.code, 1);
        assert!(run.stdout.contains("x-kept: expected to be removed"));
        assert!(!run.stdout.contains("top-secret-value"), "{}", run.stdout);
    }
}

#[test]
fn json_output_has_every_case() {
    let good = case("a", r#"{"access": "t"}"#, ALLOWED);
    let bad = case("b", r#"{"api": "t"}"#, ALLOWED);
    let folder = folder(&format!("{good}, {bad}"));
    let run = postern(&["policy", "test", "--json", &folder.path("scenario.json")]);
    let told = run.json();
    assert_eq!(
        (told["passed"].as_u64(), told["failed"].as_u64()),
        (Some(1), Some(1))
    );
    let cases = told["files"][0]["cases"].as_array().unwrap();
    assert_eq!(cases[0]["ok"], true);
    assert_eq!(
        cases[1]["differences"][1],
        "reason: expected allowed, got api_token_at_method"
    );
}

#[test]
fn a_scenario_that_cannot_be_run_says_where_and_ends_with_2() {
    let ok = case("n", r#"{"none": true}"#, ALLOWED);
    for (cases, told) in [
        (
            case("n", r#"{"access": "x"}"#, ALLOWED),
            "cases[0].as: there is no token \"x\"",
        ),
        (
            case("n", r#"{"none": false}"#, ALLOWED),
            "cases[0].as: say {\"none\": true}",
        ),
        (
            case("n", r#"{"nobody": true}"#, ALLOWED),
            "unknown variant `nobody`",
        ),
        (
            case(
                "n",
                r#"{"none": true}"#,
                r#"{"status": 200, "reason": "alowed", "upstream": null}"#,
            ),
            "cases[0].expect.reason: there is no reason \"alowed\"",
        ),
        (
            case("n", r#"{"none": true}"#, r#"{"status": 200}"#),
            "missing field `upstream`",
        ),
        (
            format!("{ok}, {ok}"),
            "cases[1].name: there is a case \"n\" already",
        ),
        (
            ok.replace("https:", "ftp:"),
            "cases[0].request.url: the URL must begin with",
        ),
    ] {
        let folder = folder(&cases);
        let run = postern(&["policy", "test", &folder.path("scenario.json")]);
        assert_eq!(run.code, 2, "{cases}");
        assert!(run.stderr.contains(told), "{told} in {}", run.stderr);
    }
}

#[test]
fn a_scenario_of_a_refused_policy_tells_the_policys_faults() {
    let folder = Folder::with(&[
        ("scenario.json", r#"{"policy": "policy.json", "cases": []}"#),
        ("policy.json", r#"{"format": 1, "bypass": {"role": "x"}}"#),
    ]);
    let run = postern(&["policy", "test", &folder.path("scenario.json")]);
    assert_eq!(run.code, 2);
    let told = "policy.json:1: bypass.role: there is no role \"x\" in the policy";
    assert!(run.stderr.contains(told), "{}", run.stderr);
}

#[test]
fn a_policy_without_a_key_has_no_access_tokens_to_try() {
    let policy = POLICY.replace("2026-11-01", "2027-11-01");
    let case = case("n", r#"{"access": "t"}"#, ALLOWED);
    let scenario =
        format!(r#"{{"policy": "policy.json", "at": "2026-12-01T00:00:00Z", "cases": [{case}]}}"#);
    let folder = Folder::with(&[("policy.json", &policy), ("scenario.json", &scenario)]);
    let run = postern(&["policy", "test", &folder.path("scenario.json")]);
    assert_eq!(run.code, 1);
    assert!(
        run.stdout.contains("no key of the policy can sign"),
        "{}",
        run.stdout
    );
}

#[test]
fn a_scenario_may_name_a_whole_configuration() {
    let config = format!(
        r#"{{"gateway_id": "g", "hosts": ["api.example.com"], "issuer": "i", "token_audience": "a",
            "root_key_env": "E", "identity": ["service"], "policy": {{"inline": {POLICY}}}}}"#
    );
    let expect = r#"{"status": 200, "upstream": {"set": {"x-postern-service": "s"}}}"#;
    let case = case("n", r#"{"access": "t"}"#, expect);
    let scenario = format!(r#"{{"policy": "config.json", "cases": [{case}]}}"#);
    let folder = Folder::with(&[("config.json", &config), ("scenario.json", &scenario)]);
    let run = postern(&["policy", "test", &folder.path("scenario.json")]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
}

/// The policy's service asks for a service token.
fn reissuing(cases: &str) -> Folder {
    let policy = POLICY.replace("\"base_path\"", "\"forward\": \"reissue\", \"base_path\"");
    let scenario =
        format!(r#"{{"policy": "policy.json", "at": "2026-12-01T00:00:00Z", "cases": [{cases}]}}"#);
    Folder::with(&[("policy.json", &policy), ("scenario.json", &scenario)])
}

#[test]
fn a_case_may_expect_a_service_token_and_never_tells_one() {
    let good = r#"{"status": 200, "upstream": {"service_token": "s"}}"#;
    let other = r#"{"status": 200, "upstream": {"removed": ["authorization"]}}"#;
    let set = r#"{"status": 200, "upstream": {"set": {"authorization": "Bearer x"}}}"#;
    let reissues = reissuing(&format!(
        "{}, {}, {}",
        case("good", r#"{"access": "t"}"#, good),
        case("other", r#"{"access": "t"}"#, other),
        case("set", r#"{"access": "t"}"#, set)
    ));
    let run = postern(&["policy", "test", &reissues.path("scenario.json")]);
    assert!(run.stdout.contains("  ok      good\n"), "{}", run.stdout);
    assert!(run.stdout.contains("  FAILED  other\n  "), "{}", run.stdout);
    assert!(run.stdout.contains("  FAILED  set\n  "), "{}", run.stdout);
    assert!(!run.stdout.contains("eyJ"), "{}", run.stdout);

    let stripping = folder(&case("good", r#"{"access": "t"}"#, good));
    let run = postern(&["policy", "test", &stripping.path("scenario.json")]);
    assert_eq!(run.code, 1);
    let told = "expected a service token for s in Authorization, but it got no Authorization";
    assert!(run.stdout.contains(told), "{}", run.stdout);
}

#[test]
fn a_service_token_for_no_service_is_refused() {
    let expect = r#"{"status": 200, "upstream": {"service_token": "x"}}"#;
    let folder = reissuing(&case("n", r#"{"access": "t"}"#, expect));
    let run = postern(&["policy", "test", &folder.path("scenario.json")]);
    assert_eq!(run.code, 2);
    let told = "cases[0].expect.upstream.service_token: there is no service \"x\" in the policy";
    assert!(run.stderr.contains(told), "{}", run.stderr);
}
