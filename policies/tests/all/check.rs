use postern::check::Code;
use postern_core::api_token::TokenHash;
use serde_json::{Value, json};

use crate::command::{Folder, file, postern};

const POLICY: &str = r#"{
  "format": 1,
  "keys": [
    {"kid": "k", "root": "r1", "active_from": "2026-11-01T00:00:00Z"}
  ],
  "persons": [{"id": "p", "active": true}]
}
"#;

const GATEWAY: &str = r#"{
  "gateway_id": "edge-1",
  "hosts": ["api.example.com"],
  "issuer": "https://login.example.com",
  "token_audience": "example",
  "root_key_env": "POSTERN_ROOT_KEY"
}
"#;

const AT: [&str; 2] = ["--at", "2026-12-01T00:00:00Z"];

#[test]
fn a_policy_in_order_is_said_to_be() {
    let folder = Folder::with(&[("policy.json", POLICY)]);
    let path = folder.path("policy.json");
    let run = postern(&["policy", "check", &path]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert_eq!(
        run.stdout,
        format!("{path}: policy: no faults, no warnings\n")
    );
}

#[test]
fn every_fault_is_told_with_file_line_path_and_sentence() {
    let policy = POLICY
        .replace("\"active\": true", "\"roles\": [\"x\"], \"active\": true")
        .replace("\"k\"", "\"not an id\"");
    let folder = Folder::with(&[("policy.json", &policy)]);
    let path = folder.path("policy.json");
    let run = postern(&["policy", "check", &path]);
    assert_eq!(run.code, 1);
    assert_eq!(
        run.stdout.lines().collect::<Vec<_>>(),
        [
            format!(
                "{path}:4: keys[0].kid: \"not an id\" is no id: use 1 to 64 of the characters A-Z a-z 0-9 . _ -"
            ),
            format!("{path}:6: persons[0].roles[0]: there is no role \"x\" in the policy"),
            format!("{path}: policy: 2 faults, no warnings"),
        ]
    );
}

#[test]
fn a_record_of_the_wrong_shape_does_not_hide_the_next_one() {
    let policy = r#"{
        "keys": [{"kid": "k"}, {"kid": 1}],
        "persons": {},
        "tokens": [{"id": "t", "person": "p", "hash": "abc", "expires_at": "tomorrow", "active": true}],
        "services": [{"name": "s", "hosts": [], "base_path": "/", "audience": {"mode": "all"},
            "methods": [{"name": "m"}, {"name": "n", "http": ["GET"], "path": "/", "audiense": {}}]}],
        "public": [{"http": "GET", "path": "/"}],
        "tokns": []
    }"#;
    let folder = Folder::with(&[("policy.json", policy)]);
    let run = postern(&["policy", "check", &folder.path("policy.json"), "--json"]);
    assert_eq!(run.code, 1);
    let paths: Vec<_> = run.json()["files"][0]["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault["path"].as_str().unwrap().to_owned())
        .collect();
    for path in [
        "",
        "keys[0]",
        "keys[1].kid",
        "persons",
        "tokens[0].hash",
        "services[0].audience.mode",
        "services[0].methods[0]",
        "services[0].methods[1].audiense",
        "public[0].http",
        "tokns",
    ] {
        assert!(paths.iter().any(|told| told == path), "{path} in {paths:?}");
    }
}

#[test]
fn what_is_no_json_or_has_a_member_twice_is_told_with_its_line() {
    for (text, told) in [
        (
            "{\n\"format\": 1,\n}",
            ":3: this is no JSON: trailing comma (column 1)",
        ),
        ("[]", ":1: this is no JSON object"),
        (
            "{\"format\": 1,\n\"roles\": [],\n\"roles\": []}",
            ":3: the member \"roles\" is there twice",
        ),
        (
            "{\"format\": 1, \"persons\": [\n{\"id\": \"a\",\n\"id\": \"b\", \"active\": true}]}",
            ":3: persons[0]: the member \"id\" is there twice",
        ),
    ] {
        let folder = Folder::with(&[("policy.json", text)]);
        let path = folder.path("policy.json");
        let run = postern(&["policy", "check", &path]);
        assert_eq!(run.code, 1);
        assert!(
            run.stdout.starts_with(&format!("{path}{told}\n")),
            "{}",
            run.stdout
        );
    }
}

#[test]
fn a_whole_configuration_is_recognised_and_checked_without_its_root_keys() {
    let mut config: Value = serde_json::from_str(GATEWAY).unwrap();
    config["policy"] = json!({"inline": serde_json::from_str::<Value>(POLICY).unwrap()});
    let folder = Folder::with(&[("config.json", &config.to_string())]);
    let run = postern(&["policy", "check", &folder.path("config.json")]);
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert!(
        run.stdout
            .ends_with("config.json: configuration: no faults, no warnings\n")
    );
    assert!(run.stderr.contains("the root keys are not checked"));

    config["policy"]["inline"]["keys"][0]["kid"] = json!("");
    config["hosts"] = json!([]);
    let folder = Folder::with(&[("config.json", &config.to_string())]);
    let run = postern(&["policy", "check", &folder.path("config.json")]);
    assert_eq!(run.code, 1);
    assert!(
        run.stdout.contains(": policy.inline.keys[0].kid: "),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains(": hosts: the list is empty"),
        "{}",
        run.stdout
    );
}

#[test]
fn every_member_of_a_configuration_that_is_wrong_is_told() {
    let config = r#"{"gateway_id": 1, "hosts": "a", "issuer": "https://a", "token_audience": "x",
        "exchange": {"ttl": 5}, "mode": "off", "ready_path": null, "colour": "red", "policy": {"sync": {}}}"#;
    let folder = Folder::with(&[("config.json", config)]);
    let run = postern(&["policy", "check", &folder.path("config.json")]);
    assert_eq!(run.code, 1);
    for told in [
        "gateway_id: invalid type",
        "hosts: invalid type",
        "exchange.ttl: invalid type",
        "mode: unknown variant `off`",
        "ready_path: invalid type: null",
        "colour: unknown field `colour`",
        "policy.sync: unknown field `sync`",
        "missing field `root_key_env`",
    ] {
        assert!(run.stdout.contains(told), "{told} in {}", run.stdout);
    }
    assert!(!run.stdout.contains(" at line "), "{}", run.stdout);
}

#[test]
fn a_policy_and_a_configuration_in_two_files_are_checked_together() {
    let gateway = GATEWAY.replace("\"hosts\"", "\"exchange\": {\"path\": \"/x\"}, \"hosts\"");
    let policy = POLICY.replace(
        "\"persons\"",
        r#""public": [{"http": ["GET"], "path": "/X"}], "persons""#,
    );
    let folder = Folder::with(&[("policy.json", &policy), ("gateway.json", &gateway)]);
    let (policy, gateway) = (folder.path("policy.json"), folder.path("gateway.json"));
    let run = postern(&["policy", "check", &policy, "--gateway", &gateway]);
    assert_eq!(run.code, 1);
    let told = format!("{gateway}:3: exchange.path: lies under a service or a public route");
    assert!(run.stdout.contains(&told), "{}", run.stdout);
}

#[test]
fn a_configuration_without_a_policy_says_how_to_check_it() {
    let folder = Folder::with(&[("gateway.json", GATEWAY), ("policy.json", POLICY)]);
    let gateway = folder.path("gateway.json");
    let alone = postern(&["policy", "check", &gateway]);
    assert_eq!(alone.code, 1);
    assert!(alone.stdout.contains("--gateway"), "{}", alone.stdout);
    let both = postern(&[
        "policy",
        "check",
        &folder.path("policy.json"),
        "--gateway",
        &gateway,
    ]);
    assert_eq!(both.code, 0, "{}", both.stdout);
}

#[test]
fn two_policies_for_one_gateway_are_refused() {
    let with_policy = GATEWAY.replace("\"hosts\"", "\"policy\": {}, \"hosts\"");
    let folder = Folder::with(&[("gateway.json", &with_policy), ("policy.json", POLICY)]);
    let (policy, gateway) = (folder.path("policy.json"), folder.path("gateway.json"));
    let run = postern(&["policy", "check", &policy, "--gateway", &gateway]);
    assert_eq!(run.code, 1);
    assert!(
        run.stdout
            .contains("policy: this configuration has a policy of its own")
    );
    let run = postern(&["policy", "check", &gateway, "--gateway", &gateway]);
    assert_eq!(run.code, 1);
}

#[test]
fn a_file_that_cannot_be_read_ends_with_2() {
    let run = postern(&["policy", "check", "no/such/file.json"]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert!(run.stderr.contains("no/such/file.json"));
}

/// For each kind: a policy that has it, and the path at which it is told.
fn warnings() -> Vec<(&'static str, Value, &'static str)> {
    let token = |expires_at: &str, active: bool| {
        json!({"id": "t", "person": "p", "expires_at": expires_at, "active": active,
            "hash": "sha256:4f0c2d1b8e6a97350f1d2c3b4a5968778695a4b3c2d1e0f00112233445566778"})
    };
    let service = |path: &str, http: &str, audience: &str| {
        json!([{"name": "s", "hosts": ["api.example.com"], "base_path": "/s",
            "audience": {"mode": audience}, "methods": [{"name": "m", "http": [http], "path": path}]}])
    };
    let with = |member: &str, value: Value| {
        let mut policy: Value = serde_json::from_str(POLICY).unwrap();
        policy[member] = value;
        policy
    };
    let restricted = |path: &str| with("services", service(path, "GET", "restricted"));
    vec![
        (
            "never-expires",
            with("tokens", json!([token("never", true)])),
            "tokens[0].expires_at",
        ),
        (
            "token-expired",
            with("tokens", json!([token("2026-12-01T00:00:00Z", true)])),
            "tokens[0].expires_at",
        ),
        (
            "public-route",
            with("public", json!([{"http": ["GET"], "path": "/a"}])),
            "public[0]",
        ),
        (
            "unrestricted-audience",
            with("services", service("/", "GET", "unrestricted")),
            "services[0].audience",
        ),
        ("no-signing-key", with("keys", json!([])), ""),
        (
            "no-signing-key",
            with(
                "keys",
                json!([{"kid": "k", "root": "r", "active_from": "2026-12-01T00:00:01Z"}]),
            ),
            "keys",
        ),
        (
            "no-signing-key",
            with(
                "keys",
                json!([{"kid": "k", "root": "r", "active_from": "2026-11-01T00:00:00Z", "revoked": true}]),
            ),
            "keys",
        ),
        (
            "last-key-ends",
            with(
                "keys",
                json!([{"kid": "k", "root": "r", "active_from": "2026-11-01T00:00:00Z", "not_after": "2027-01-01T00:00:00Z"}]),
            ),
            "keys[0].not_after",
        ),
        (
            "literal-wildcard",
            restricted("/*"),
            "services[0].methods[0].path",
        ),
        (
            "literal-wildcard",
            restricted("/a/:id"),
            "services[0].methods[0].path",
        ),
        (
            "literal-wildcard",
            restricted("/a*"),
            "services[0].methods[0].path",
        ),
        (
            "literal-wildcard",
            restricted("/**"),
            "services[0].methods[0].path",
        ),
        (
            "lowercase-method",
            with("services", service("/", "get", "restricted")),
            "services[0].methods[0].http[0]",
        ),
        ("unused-role", with("roles", json!(["r"])), "roles[0]"),
        (
            "accepts-api-tokens",
            with("services", {
                let mut services = service("/", "GET", "restricted");
                services[0]["accept"] = json!(["access", "api"]);
                services
            }),
            "services[0].accept",
        ),
        (
            "unserved-host",
            with(
                "public",
                json!([{"http": ["GET"], "path": "/a", "hosts": ["x.example"]}]),
            ),
            "public[0].hosts[0]",
        ),
    ]
}

#[test]
fn every_kind_of_warning_is_told_at_its_place_and_can_be_allowed() {
    for (code, policy, path) in warnings() {
        let folder = Folder::with(&[
            ("policy.json", &policy.to_string()),
            ("gateway.json", GATEWAY),
        ]);
        let (file, gateway) = (folder.path("policy.json"), folder.path("gateway.json"));
        let arguments = [
            "policy",
            "check",
            &file,
            "--gateway",
            &gateway,
            AT[0],
            AT[1],
        ];

        let run = postern(&arguments);
        assert_eq!(run.code, 0, "{}", run.stdout);
        let told = if path.is_empty() {
            String::new()
        } else {
            format!(" {path}:")
        };
        let told = format!("warning: {file}:1:{told} ");
        let line = run
            .stderr
            .lines()
            .find(|line| line.ends_with(&format!(" [{code}]")));
        assert!(
            line.is_some_and(|line| line.starts_with(&told)),
            "{told} in {}",
            run.stderr
        );

        let denied = postern(&[&arguments[..], &["--deny-warnings"]].concat());
        assert_eq!(denied.code, 1);
        let mut allowed = [&arguments[..], &["--deny-warnings", "--allow", code]].concat();
        if code == "unserved-host" {
            allowed.extend(["--allow", "public-route"]);
        }
        let allowed = postern(&allowed);
        assert_eq!(allowed.code, 0, "{code}: {}", allowed.stderr);
    }
}

#[test]
fn there_is_a_case_for_every_kind_of_warning() {
    for code in Code::ALL {
        let of_policy = warnings().into_iter().map(|(kind, ..)| kind);
        let mut kinds = of_policy.chain(gateway_warnings().map(|(kind, ..)| kind));
        assert!(kinds.any(|kind| kind == code.as_str()), "{code}");
    }
}

/// For each kind: what a configuration says that has it, the path at which it is told, and words of it.
fn gateway_warnings()
-> impl Iterator<Item = (&'static str, &'static str, &'static str, &'static str)> {
    [
        (
            "shadow-mode",
            r#""mode": "shadow", "shadow_until": "2026-12-01T00:00:01Z""#,
            "mode",
            "until 2026-12-01T00:00:01Z this gateway refuses nothing",
        ),
        (
            "shadow-mode",
            r#""mode": "shadow", "shadow_until": "2026-12-01T00:00:00Z""#,
            "mode",
            "shadow mode is over since 2026-12-01T00:00:00Z",
        ),
        (
            "form-exchange",
            r#""exchange": {"form": true}"#,
            "exchange.form",
            "allow_on_headers_stop_iteration",
        ),
    ]
    .into_iter()
}

#[test]
fn every_warning_about_a_configuration_is_told_at_its_place_in_one_file_and_in_two() {
    for (code, members, path, words) in gateway_warnings() {
        let gateway = GATEWAY.replacen('{', &format!("{{ {members},"), 1);
        let whole = gateway.replacen('{', &format!("{{ \"policy\": {{\"inline\": {POLICY}}},"), 1);
        let folder = Folder::with(&[
            ("policy.json", POLICY),
            ("gateway.json", &gateway),
            ("whole.json", &whole),
        ]);
        let (two, one) = (folder.path("gateway.json"), folder.path("whole.json"));
        let policy = folder.path("policy.json");
        for (file, arguments) in [
            (&two, vec![policy.as_str(), "--gateway", &two]),
            (&one, vec![one.as_str()]),
        ] {
            let arguments = [&["policy", "check", "--deny-warnings"], &AT[..], &arguments].concat();
            let run = postern(&arguments);
            assert_eq!(run.code, 1, "{}", run.stdout);
            let told = run
                .stderr
                .lines()
                .find(|line| line.ends_with(&format!("[{code}]")));
            let told = told.unwrap_or_else(|| panic!("{code} in {}", run.stderr));
            assert!(told.starts_with(&format!("warning: {file}:")), "{told}");
            assert!(
                told.contains(&format!(": {path}: ")) && told.contains(words),
                "{told}"
            );

            let allowed = postern(&[&arguments[..], &["--allow", code]].concat());
            assert_eq!(allowed.code, 0, "{}", allowed.stderr);
        }
    }
}

#[test]
fn what_is_null_is_no_absence() {
    let policy = POLICY.replace("\"active\": true", "\"active\": true, \"valid_from\": null");
    let policy = policy.replace("\"format\": 1", "\"format\": 1, \"bypass\": null");
    let folder = Folder::with(&[("policy.json", &policy)]);
    let run = postern(&["policy", "check", &folder.path("policy.json")]);
    assert_eq!(run.code, 1);
    for told in [
        "bypass: invalid type: null",
        "persons[0].valid_from: invalid type: null, expected an instant",
    ] {
        assert!(run.stdout.contains(told), "{told} in {}", run.stdout);
    }
}

#[test]
fn what_is_usual_is_no_warning() {
    let text = std::fs::read_to_string(file("examples/external-app/policy.json")).unwrap();
    // A token that is deactivated may never expire, and a parameter is no wildcard.
    let text = text.replace(
        "\"expires_at\": \"2036-01-01T00:00:00Z\",\n      \"active\": true",
        "\"expires_at\": \"never\",\n      \"active\": false",
    );
    let folder = Folder::with(&[("policy.json", &text)]);
    let run = postern(&[
        "policy",
        "check",
        "--deny-warnings",
        &folder.path("policy.json"),
        AT[0],
        AT[1],
    ]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
}

#[test]
fn an_unknown_kind_of_warning_is_refused_with_those_that_there_are() {
    let run = postern(&["policy", "check", "--allow", "nothing", "x.json"]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("never-expires, token-expired"),
        "{}",
        run.stderr
    );
}

#[test]
fn several_files_are_checked_in_one_run() {
    let folder = Folder::with(&[("good.json", POLICY), ("bad.json", "{}")]);
    let run = postern(&[
        "policy",
        "check",
        &folder.path("good.json"),
        &folder.path("bad.json"),
        "--json",
    ]);
    assert_eq!(run.code, 1);
    let told = run.json();
    assert_eq!(told["ok"], false);
    assert_eq!(told["files"][0]["faults"], json!([]));
    assert_eq!(
        told["files"][1]["faults"][0]["sentence"],
        "missing field `format`"
    );
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    use std::process::{Command, Stdio};
    let mut child = Command::new(env!("CARGO_BIN_EXE_postern"))
        .args(["policy", "test", "--json", "examples/team/scenario.json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn a_big_policy_is_checked_to_its_last_line() {
    let tokens: Vec<_> = (0..5_000)
        .map(|number| {
            let hash = TokenHash::of(format!("token {number}").as_bytes());
            format!(
                r#"{{"id": "t{number}", "person": "p", "hash": "{hash}",
  "expires_at": "never", "active": true}}"#
            )
        })
        .collect();
    let policy = POLICY.replace(
        "\"persons\"",
        &format!("\"tokens\": [\n{}],\n\"persons\"", tokens.join(",\n")),
    );
    let folder = Folder::with(&[("policy.json", &policy)]);
    let run = postern(&["policy", "check", "--json", &folder.path("policy.json")]);
    assert_eq!(run.code, 0, "{}", run.stdout);
    let told = run.json();
    let warnings = told["files"][0]["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 5_000);
    assert_eq!(warnings[4_999]["path"], "tokens[4999].expires_at");
    assert_eq!(warnings[4_999]["line"], 7 + 2 * 4_999 + 1);
}
