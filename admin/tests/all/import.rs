//! What a policy document may and may not do to tokens, by the command line.

use std::path::Path;

use crate::command::{fail, succeed};

const NEW: [&str; 8] = [
    "token",
    "new",
    "--name",
    "nightly",
    "--person",
    "p-1",
    "--expires-in",
    "30",
];

/// A person with a token; its id.
fn token(folder: &Path) -> String {
    succeed(folder, &["person", "new", "--name", "One", "--id", "p-1"]);
    succeed(folder, &NEW);
    let list = succeed(folder, &["--json", "token", "list"]);
    let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    list[0]["id"].as_str().expect("an id").to_owned()
}

fn export(folder: &Path) -> String {
    let policy = succeed(folder, &["policy", "export"]);
    std::fs::write(folder.join("policy.json"), &policy).expect("written");
    policy
}

#[test]
fn an_older_export_does_not_make_a_revoked_token_good_again() {
    for (undone, member) in [
        ("deactivate", ".active"),
        ("end-sessions", ".valid_from"),
        ("regenerate", ".expires_at"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        let id = token(folder);
        let before = export(folder);
        let mut revoke = vec!["token", undone, &id];
        if undone == "regenerate" {
            revoke.extend(["--expires-in", "30", "--overlap-days", "7"]);
        }
        succeed(folder, &revoke);
        let refused = fail(folder, &["policy", "import", "policy.json"]);
        assert!(
            refused.contains(&format!("tokens[{id}]{member}")) && refused.contains("--revive"),
            "{refused}"
        );
        assert_ne!(succeed(folder, &["policy", "export"]), before);
        // If it is said that this is wanted, the audit log says what it did.
        succeed(folder, &["policy", "import", "policy.json", "--revive"]);
        let audit = succeed(folder, &["audit"]);
        let line = audit.lines().find(|line| line.contains("policy.import"));
        let line = line.expect("a line of the audit log");
        assert!(line.contains(&format!("tokens[{id}]")), "{line}");
        assert!(!line.contains("persons[p-1]"), "{line}");
    }
}

#[test]
fn an_older_export_does_not_make_a_deactivated_person_good_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    succeed(folder, &["person", "new", "--name", "One", "--id", "p-1"]);
    let policy = export(folder);
    let inactive = policy.replace("true", "false");
    std::fs::write(folder.join("policy.json"), inactive).expect("written");
    succeed(folder, &["policy", "import", "policy.json"]);
    std::fs::write(folder.join("policy.json"), policy).expect("written");
    let refused = fail(folder, &["policy", "import", "policy.json"]);
    assert!(refused.contains("persons[p-1].active"), "{refused}");
}

#[test]
fn a_document_brings_new_tokens_only_if_somebody_vouches_for_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let id = token(folder.path());
    export(folder.path());
    let other = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("policy.json");
    let file = file.to_str().expect("UTF-8");
    let refused = fail(other.path(), &["policy", "import", file]);
    assert!(
        refused.contains(&format!("tokens[{id}].hash")) && refused.contains("--vouch"),
        "{refused}"
    );
    assert!(!succeed(other.path(), &["person", "list"]).contains("p-1"));
    succeed(other.path(), &["policy", "import", file, "--vouch"]);
    let list = succeed(other.path(), &["--json", "token", "list"]);
    assert!(list.contains("\"vouched\""), "{list}");
}

#[test]
fn a_document_does_not_put_another_hash_behind_a_token() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let id = token(folder);
    let policy: serde_json::Value = serde_json::from_str(&export(folder)).expect("JSON");
    let hash = policy["tokens"][0]["hash"].as_str().expect("a hash");
    let other = postern_core::api_token::vet(b"Zk3xQ9vLw2TbY7mRc5NdF8hJp4GsA6eUi0oP1qWn");
    let other = other.expect("a token").to_string();
    let changed = policy.to_string().replace(hash, &other);
    std::fs::write(folder.join("policy.json"), changed).expect("written");
    let import = ["policy", "import", "policy.json", "--vouch", "--revive"];
    let refused = fail(folder, &import);
    assert!(refused.contains(&format!("tokens[{id}].hash")), "{refused}");
}
