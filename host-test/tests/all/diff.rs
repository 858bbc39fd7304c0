//! `postern-host diff` on files.

use std::path::Path;
use std::process::{Command, Output};

const ENVOY: &str = "[2026-11-24][trace][wasm] [source/a.cc:1] [host->vm] malloc(5)\n\
    [2026-11-24][trace][wasm] [source/a.cc:1] [host<-vm] malloc return: 65536\n\
    [2026-11-24][info][main] [source/b.cc:1] something else\n";

fn diff(directory: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_postern-host"))
        .arg("diff")
        .args(args)
        .current_dir(directory)
        .output()
        .expect("ran")
}

fn written(left: &str, right: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("a"), left).expect("written");
    std::fs::write(directory.path().join("b"), right).expect("written");
    directory
}

#[test]
fn a_log_of_envoy_and_a_trace_of_the_host_are_compared_without_addresses() {
    let host = "[host->vm] malloc(5)\n[host<-vm] malloc return: 4096\n";
    let directory = written(ENVOY, host);
    let equal = diff(directory.path(), &["a", "b"]);
    assert_eq!(
        (equal.status.code(), equal.stdout.as_slice()),
        (Some(0), &b""[..])
    );
    let different = diff(directory.path(), &["--addresses", "a", "b"]);
    assert_eq!(different.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&different.stdout),
        "--- a\n+++ b\n@@ -1 +1 @@\n  [host->vm] malloc(5)\n\
         - [host<-vm] malloc return: 65536\n+ [host<-vm] malloc return: 4096\n"
    );
}

#[test]
fn what_cannot_be_compared_is_said_apart() {
    let directory = written(ENVOY, "nothing of the kind\n");
    for (args, expected) in [
        (["a", "b"], "b: there is no trace in it"),
        (["a", "missing"], "missing: "),
    ] {
        let output = diff(directory.path(), &args);
        assert_eq!(output.status.code(), Some(2));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains(expected), "{errors}");
    }
}
