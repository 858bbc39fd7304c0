//! The command line, as a process.

use std::path::Path;
use std::process::{Command, Output, Stdio};

pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_postern-admin"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("POSTERN_DATABASE")
        .env_remove("POSTERN_HEAD_KEY")
        .env_remove("POSTERN_OPERATOR")
        .stdin(Stdio::null())
        .output()
        .expect("it runs")
}

pub(crate) fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

pub(crate) fn fail(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert!(!output.status.success(), "{arguments:?} succeeds");
    assert!(output.stdout.is_empty(), "{arguments:?} prints");
    String::from_utf8(output.stderr).expect("UTF-8")
}

#[test]
fn the_token_stands_alone_on_standard_output() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    succeed(
        folder,
        &["person", "new", "--name", "Exporter", "--id", "p-1"],
    );
    let new = [
        "token",
        "new",
        "--name",
        "nightly",
        "--person",
        "p-1",
        "--expires-in",
        "30",
    ];
    let token = succeed(folder, &new);
    let token = token.trim_end_matches('\n');
    assert_eq!(token.len(), 50);
    assert!(token.starts_with("pst_"));
    let list = succeed(folder, &["token", "list"]);
    assert!(list.contains("nightly") && !list.contains(token), "{list}");
    let refused = fail(folder, &new);
    assert!(refused.contains("has this name"), "{refused}");
}

#[test]
fn a_policy_goes_in_and_comes_out_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let example =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/examples/team/policy.json");
    let example = example.to_str().expect("UTF-8");
    succeed(folder.path(), &["policy", "import", "--vouch", example]);
    let once = succeed(folder.path(), &["policy", "export"]);
    let exported = folder.path().join("exported.json");
    std::fs::write(&exported, &once).expect("written");
    let other = tempfile::tempdir().expect("a folder");
    let exported = exported.to_str().expect("UTF-8");
    succeed(other.path(), &["policy", "import", "--vouch", exported]);
    assert_eq!(succeed(other.path(), &["policy", "export"]), once);
    let policy: serde_json::Value = serde_json::from_str(&once).expect("JSON");
    assert!(
        policy["services"]
            .as_array()
            .is_some_and(|all| !all.is_empty())
    );
}

#[test]
fn a_policy_with_a_fault_is_refused_as_a_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("policy.json");
    let policy = r#"{"format": 1, "persons": [{"id": "p-1", "active": true}],
        "bypass": {"role": "nobody"}}"#;
    std::fs::write(&file, policy).expect("written");
    let file = file.to_str().expect("UTF-8");
    let refused = fail(folder.path(), &["policy", "import", file]);
    assert!(refused.contains("bypass.role"), "{refused}");
    let persons = succeed(folder.path(), &["person", "list"]);
    assert!(!persons.contains("p-1"), "{persons}");
}

#[test]
fn a_head_key_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let public = succeed(folder.path(), &["head-key", "new", "head.key"]);
    assert!(public.contains("ed25519:"), "{public}");
    assert_eq!(
        succeed(folder.path(), &["head-key", "show", "head.key"]),
        public
    );
    let again = fail(folder.path(), &["head-key", "new", "head.key"]);
    assert!(again.contains("exists"), "{again}");
    let path = folder.path().join("head.key");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("changed");
    let refused = fail(folder.path(), &["serve", "--head-key", "head.key"]);
    assert!(refused.contains("others may read"), "{refused}");
}

#[test]
fn a_public_address_without_tls_is_refused_unless_it_is_said_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    succeed(folder.path(), &["head-key", "new", "head.key"]);
    let refused = fail(
        folder.path(),
        &["serve", "--head-key", "head.key", "--listen", "0.0.0.0:0"],
    );
    assert!(refused.contains("--insecure-public"), "{refused}");
}

/// Runs a command with something on its standard input.
fn with_input(folder: &Path, arguments: &[&str], input: &str) -> Output {
    use std::io::Write as _;
    let mut child = Command::new(env!("CARGO_BIN_EXE_postern-admin"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("POSTERN_DATABASE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("its input");
    stdin.write_all(input.as_bytes()).expect("written");
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

#[test]
fn a_token_from_elsewhere_is_hashed_where_it_is_read_and_refused_if_it_could_be_guessed() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let person = ["person", "new", "--name", "One", "--id", "p-1"];
    succeed(folder, &person);
    let import = [
        "token",
        "import",
        "--name",
        "old",
        "--person",
        "p-1",
        "--expires-in",
        "never",
    ];
    for (input, words) in [
        ("hunter2hunter2hunter2hunter2hunter2\n", "128 bits"),
        (
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "128 bits",
        ),
        ("short\n", "standard input"),
        ("", "standard input"),
    ] {
        let refused = with_input(folder, &import, input);
        let errors = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            !refused.status.success() && errors.contains(words),
            "{input}: {errors}"
        );
        assert!(
            input.len() < 8 || !errors.contains(input.trim()),
            "{errors}"
        );
    }
    let token = "Zk3xQ9vLw2TbY7mRc5NdF8hJp4GsA6eUi0oP1qWn";
    let imported = with_input(folder, &import, &format!("{token}\n"));
    assert!(imported.status.success(), "{imported:?}");
    let list = succeed(folder, &["--json", "token", "list"]);
    assert!(
        list.contains("\"imported\"") && !list.contains(token),
        "{list}"
    );
    let hash = postern_core::api_token::vet(token.as_bytes()).expect("a token");
    let policy = succeed(folder, &["policy", "export"]);
    assert!(policy.contains(&hash.to_string()), "{policy}");
    for file in std::fs::read_dir(folder).expect("the folder") {
        let bytes = std::fs::read(file.expect("an entry").path()).expect("a file");
        let mut windows = bytes.windows(token.len());
        assert!(!windows.any(|window| window == token.as_bytes()));
    }
}

#[test]
fn a_bare_hash_is_taken_only_if_somebody_vouches_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let person = ["person", "new", "--name", "One", "--id", "p-1"];
    succeed(folder, &person);
    let hash = postern_core::api_token::vet(b"Zk3xQ9vLw2TbY7mRc5NdF8hJp4GsA6eUi0oP1qWn");
    let hash = hash.expect("a token").to_string();
    let mut import = vec![
        "token",
        "import",
        "--name",
        "old",
        "--person",
        "p-1",
        "--expires-in",
        "30",
        "--hash",
        &hash,
    ];
    let refused = fail(folder, &import);
    assert!(refused.contains("--vouch"), "{refused}");
    import.push("--vouch");
    succeed(folder, &import);
    let list = succeed(folder, &["--json", "token", "list"]);
    assert!(list.contains("\"vouched\""), "{list}");
}

#[test]
fn credentials_stand_alone_on_standard_output_and_a_gateway_has_two_at_most() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let operator = succeed(folder, &["operator", "new", "ada", "--role", "auditor"]);
    assert!(operator.starts_with("pso_") && operator.lines().count() == 1);
    let first = succeed(folder, &["gateway", "new", "edge-1"]);
    let second = succeed(folder, &["gateway", "new-credential", "edge-1"]);
    assert!(first.starts_with("psg_") && second.starts_with("psg_") && first != second);
    fail(folder, &["gateway", "new-credential", "edge-1"]);
    let list = succeed(folder, &["--json", "gateway", "list"]);
    let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    let id = list[0]["credentials"][0]["id"].as_str().expect("an id");
    succeed(folder, &["gateway", "revoke-credential", id]);
    succeed(folder, &["gateway", "new-credential", "edge-1"]);
    let operators = succeed(folder, &["operator", "list"]);
    assert!(
        operators.contains("ada") && operators.contains("auditor"),
        "{operators}"
    );
    succeed(folder, &["operator", "revoke", "ada"]);
    assert!(!succeed(folder, &["operator", "list"]).contains("ada"));
}

#[test]
fn who_may_call_is_said_in_one_command_each() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let example =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/examples/team/policy.json");
    succeed(
        folder,
        &[
            "policy",
            "import",
            "--vouch",
            example.to_str().expect("UTF-8"),
        ],
    );
    let export = || -> serde_json::Value {
        serde_json::from_str(&succeed(folder, &["policy", "export"])).expect("JSON")
    };
    let before = export();
    let service = before["services"][0]["name"].as_str().expect("a service");
    let method = before["services"][0]["methods"][0]["name"]
        .as_str()
        .expect("a method");
    succeed(folder, &["role", "new", "night-shift"]);
    let set = [
        "audience",
        "set",
        service,
        "--method",
        method,
        "--mode",
        "restricted",
        "--role",
        "night-shift",
    ];
    succeed(folder, &set);
    let list = succeed(folder, &["audience", "list", service]);
    assert!(
        list.contains(method) && list.contains("night-shift"),
        "{list}"
    );
    let refused = fail(
        folder,
        &[
            "audience",
            "set",
            service,
            "--mode",
            "restricted",
            "--role",
            "nobody-has-this",
        ],
    );
    assert!(refused.contains("audience.roles[0]"), "{refused}");
    let refused = fail(
        folder,
        &["audience", "inherit", service, "--method", "no-such"],
    );
    assert!(refused.contains("method"), "{refused}");
    succeed(
        folder,
        &["audience", "inherit", service, "--method", method],
    );
    let after = export();
    let find = |policy: &serde_json::Value| {
        let services = policy["services"].as_array().expect("services").clone();
        services.into_iter().find(|one| one["name"] == service)
    };
    let method = find(&after).expect("it is there")["methods"][0].clone();
    assert!(method.get("audience").is_none(), "{method}");

    succeed(folder, &["bypass", "set", "night-shift"]);
    assert_eq!(export()["bypass"]["role"], "night-shift");
    succeed(folder, &["bypass", "clear"]);
    assert!(export().get("bypass").is_none());
    let public = ["/status-page", "--http", "GET", "--http", "HEAD"];
    succeed(folder, &[&["public", "put"][..], &public].concat());
    assert!(succeed(folder, &["public", "list"]).contains("/status-page"));
    succeed(folder, &[&["public", "delete"][..], &public].concat());
    assert!(!succeed(folder, &["public", "list"]).contains("/status-page"));
}
