//! The example guest, and the guest that `postern-host new` writes: built with cargo, and run.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use postern_host::scenario::{self, Options};

/// The workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn cargo(folder: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Everything that is needed was needed to build this test, or is in the workspace's lock file.
    command.current_dir(folder).env("CARGO_NET_OFFLINE", "true");
    command
}

fn assert_success(output: &Output) {
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{}{}", text[0], text[1]);
}

#[test]
fn the_scenarios_of_the_example_pass() {
    let build = [
        "build",
        "--locked",
        "--package",
        "postern-example-quota",
        "--target",
        "wasm32-unknown-unknown",
        "--profile",
        "wasm",
        // Where the scenarios look for it, whatever the environment says.
        "--target-dir",
        "target",
    ];
    let output = cargo(&root()).args(build).output();
    assert_success(&output.expect("cargo runs"));
    let scenarios = root().join("host-test/examples/quota/scenarios");
    let report = scenario::run_files(&[scenarios], &Options::default()).expect("scenarios");
    assert!(report.passed(), "{report}");
    assert!(report.scenarios.len() >= 5);
}

#[test]
fn a_new_guest_has_a_test_that_passes() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = env!("CARGO_BIN_EXE_postern-host");
    let new = |name: &str| {
        let mut command = Command::new(host);
        command.current_dir(folder.path()).args(["new", name]);
        command.output().expect("the command runs")
    };
    assert_success(&new("my-filter"));
    let guest = folder.path().join("my-filter");
    // Without the network, cargo takes the versions that are here.
    std::fs::copy(root().join("Cargo.lock"), guest.join("Cargo.lock")).expect("a lock file");
    let output = cargo(&guest)
        .arg("test")
        .env("POSTERN_HOST", host)
        .env_remove("CARGO_TARGET_DIR")
        .output();
    let output = output.expect("cargo runs");
    assert_success(&output);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("the_scenarios_pass ... ok"), "{text}");

    let again = new("my-filter");
    assert_eq!(again.status.code(), Some(2), "nothing is overwritten");
    assert_eq!(new("My Filter").status.code(), Some(2));
}
