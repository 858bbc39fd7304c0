//! Backups, by the command line.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::command::{fail, run, succeed};

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

    // Without --yes, it is said what would be lost, and nothing is done.
    let asked = run(folder, &["restore", "backup.db"]);
    assert!(!asked.status.success());
    let shown = String::from_utf8_lossy(&asked.stdout).into_owned();
    assert!(
        shown.contains("would be undone") && shown.contains("person.add p-2"),
        "{shown}"
    );
    assert!(String::from_utf8_lossy(&asked.stderr).contains("--yes"));
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
fn a_backup_takes_the_place_of_a_database_that_cannot_be_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    succeed(folder, &["person", "new", "--name", "One", "--id", "p-1"]);
    succeed(folder, &["backup", "backup.db"]);
    std::fs::write(folder.join("postern.db"), "no database at all").expect("written");
    let told = succeed(folder, &["restore", "backup.db", "--yes"]);
    assert!(told.contains("cannot be read"), "{told}");
    assert!(succeed(folder, &["person", "list"]).contains("p-1"));
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

#[test]
fn a_feed_whose_name_is_mistyped_is_refused_by_every_command_and_not_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    succeed(folder, &["person", "new", "--name", "One", "--id", "p-1"]);
    succeed(folder, &["backup", "backup.db"]);
    let before = succeed(folder, &["verify"]);
    for command in [
        &["verify"][..],
        &["restore", "backup.db"],
        &["restore", "backup.db", "--yes"],
        &["person", "list"],
        &["policy", "export"],
    ] {
        let refused = fail(folder, &[command, &["--feed", "defualt"]].concat());
        assert!(
            refused.contains("no feed \"defualt\"") && refused.contains("it has \"default\""),
            "{command:?}: {refused}"
        );
    }
    assert_eq!(succeed(folder, &["verify"]), before);
}

#[test]
fn an_empty_file_is_no_backup_that_is_good() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    succeed(folder, &["person", "new", "--name", "One", "--id", "p-1"]);
    std::fs::write(folder.join("backup.db"), "").expect("written");
    for command in [
        &["--database", "backup.db", "verify"][..],
        &["restore", "backup.db", "--yes"],
    ] {
        let refused = fail(folder, command);
        assert!(refused.contains("no feed"), "{command:?}: {refused}");
    }
    assert!(succeed(folder, &["person", "list"]).contains("p-1"));
}

#[test]
fn a_database_that_cannot_be_read_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    std::fs::write(folder.join("postern.db"), "no database ".repeat(1000)).expect("written");
    for command in [&["verify"][..], &["person", "list"]] {
        let refused = fail(folder, command);
        assert!(
            refused.contains("file is not a database"),
            "{command:?}: {refused}"
        );
    }
}

/// The database that a backup took the place of.
fn kept(folder: &Path) -> PathBuf {
    let entries = std::fs::read_dir(folder).expect("the folder");
    let mut paths = entries.map(|entry| entry.expect("an entry").path());
    let is_kept = |path: &PathBuf| path.to_string_lossy().contains(".before-");
    paths.find(is_kept).expect("it is kept")
}

#[test]
fn what_was_done_since_a_restoration_is_told_when_that_is_undone() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    succeed(folder, &["person", "new", "--name", "One", "--id", "p-1"]);
    succeed(folder, &["backup", "backup.db"]);
    for role in ["a", "b", "c", "d", "e"] {
        succeed(folder, &["role", "new", role]);
    }
    succeed(
        folder,
        &["--operator", "ada", "restore", "backup.db", "--yes"],
    );
    let audit = succeed(folder, &["audit"]);
    assert!(
        audit.contains("ada") && audit.contains("feed.restore") && audit.contains("backup.db"),
        "{audit}"
    );
    // The log is shorter than that of the database that is kept, so no id in it is new there.
    succeed(folder, &["person", "delete", "p-1"]);
    let kept = kept(folder);
    let asked = run(folder, &["restore", kept.to_str().expect("UTF-8")]);
    let shown = String::from_utf8_lossy(&asked.stdout).into_owned();
    assert!(
        shown.contains("person.delete p-1") && shown.contains("feed.restore"),
        "{shown}"
    );
    assert!(!shown.contains("person.add"), "{shown}");
}

#[test]
fn there_is_a_database_at_every_instant_of_a_restoration() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    succeed(folder, &["person", "new", "--name", "One", "--id", "p-1"]);
    succeed(folder, &["backup", "backup.db"]);
    let is_done = AtomicBool::new(false);
    let database = folder.join("postern.db");
    std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                assert!(database.exists(), "a process killed now leaves none");
            }
        });
        for _ in 0..10 {
            succeed(folder, &["restore", "backup.db", "--yes"]);
        }
        is_done.store(true, Ordering::Relaxed);
        looking.join().expect("it was there");
    });
}

#[test]
fn a_restoration_that_was_killed_is_not_in_the_way_of_the_next() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    succeed(folder, &["person", "new", "--name", "One", "--id", "p-1"]);
    succeed(folder, &["backup", "backup.db"]);
    std::fs::write(folder.join("postern.db.restoring"), "half of").expect("written");
    std::fs::write(folder.join("postern.db.restoring-wal"), "it").expect("written");
    succeed(folder, &["restore", "backup.db", "--yes"]);
    assert!(succeed(folder, &["person", "list"]).contains("p-1"));
    assert!(!folder.join("postern.db.restoring").exists());
}
