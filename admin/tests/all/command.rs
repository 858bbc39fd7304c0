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

#[test]
fn a_restored_backup_begins_a_new_epoch_and_says_what_is_undone() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    succeed(folder, &["person", "new", "--name", "One", "--id", "p-1"]);
    succeed(folder, &["backup", "backup.db"]);
    assert!(fail(folder, &["backup", "backup.db"]).contains("there already"));
    succeed(folder, &["person", "new", "--name", "Two", "--id", "p-2"]);
    let before = succeed(folder, &["verify"]);
    assert!(before.contains("epoch 1, revision 2"), "{before}");

    let asked = fail(folder, &["restore", "backup.db"]);
    assert!(asked.contains("--yes"), "{asked}");
    assert_eq!(succeed(folder, &["verify"]), before);

    let told = succeed(folder, &["restore", "backup.db", "--yes"]);
    assert!(told.contains("person.add p-2"), "{told}");
    let after = succeed(folder, &["verify"]);
    assert!(after.contains("revision 1"), "{after}");
    assert!(!after.contains("epoch 1,"), "{after}");
    let persons = succeed(folder, &["person", "list"]);
    assert!(
        persons.contains("p-1") && !persons.contains("p-2"),
        "{persons}"
    );
    // Once more, as after a second mishap: the epoch grows again.
    succeed(folder, &["restore", "backup.db", "--yes"]);
    assert_ne!(succeed(folder, &["verify"]), after);
    // What was there before each of the two is kept.
    let kept = std::fs::read_dir(folder).expect("the folder");
    let kept = kept.filter(|entry| {
        let name = entry.as_ref().expect("an entry").file_name();
        let name = name.to_string_lossy().into_owned();
        name.contains(".before-") && !name.ends_with("-wal") && !name.ends_with("-shm")
    });
    assert_eq!(kept.count(), 2);
}

#[test]
fn a_damaged_backup_is_refused_and_the_database_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    succeed(folder, &["person", "new", "--name", "One", "--id", "p-1"]);
    succeed(folder, &["backup", "backup.db"]);
    let backup = folder.join("backup.db");
    let mut bytes = std::fs::read(&backup).expect("read");
    let at = bytes.windows(3).position(|window| window == b"p-1");
    bytes[at.expect("the person is in it") + 2] = b'9';
    std::fs::write(&backup, bytes).expect("written");
    let before = succeed(folder, &["verify"]);
    fail(folder, &["restore", "backup.db", "--yes"]);
    assert_eq!(succeed(folder, &["verify"]), before);
    assert!(succeed(folder, &["person", "list"]).contains("p-1"));
    let left: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name())
        .filter(|name| name.to_string_lossy().contains("restoring"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
