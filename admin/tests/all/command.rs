//! The command line, as a process.

use std::path::Path;
use std::process::{Command, Output, Stdio};

fn run(folder: &Path, arguments: &[&str]) -> Output {
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

fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn fail(folder: &Path, arguments: &[&str]) -> String {
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
    succeed(folder.path(), &["policy", "import", example]);
    let once = succeed(folder.path(), &["policy", "export"]);
    let exported = folder.path().join("exported.json");
    std::fs::write(&exported, &once).expect("written");
    let other = tempfile::tempdir().expect("a folder");
    let exported = exported.to_str().expect("UTF-8");
    succeed(other.path(), &["policy", "import", exported]);
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
