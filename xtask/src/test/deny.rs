//! cargo-deny, in one version for all.

use std::path::PathBuf;
use std::process::Command;

use crate::process::{self, ProcessError};
use crate::workspace::Workspace;

/// Builds with the Rust version that the workspace asks for.
const VERSION: &str = "0.20.2";

/// Checks licences, bans and sources of all dependencies. Advisories are left out: their database is fetched anew at
/// each run, and a run must not change its mind about the same sources.
pub(crate) fn check(workspace: &Workspace) -> Result<(), ProcessError> {
    let mut deny = Command::new(program(workspace)?);
    deny.current_dir(workspace.root()).args([
        "--workspace",
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ]);
    process::run(&mut deny)
}

/// The one on the `PATH` or under `target/`, if it has the version; else one that is built now.
fn program(workspace: &Workspace) -> Result<PathBuf, ProcessError> {
    let folder = workspace.target().join("tools");
    let ours = folder.join("bin/cargo-deny");
    for program in [ours.clone(), PathBuf::from("cargo-deny")] {
        if has_version(&program) {
            return Ok(program);
        }
    }
    let mut cargo = workspace.cargo();
    cargo
        .args([
            "install",
            "cargo-deny",
            "--locked",
            "--version",
            VERSION,
            "--root",
        ])
        .arg(&folder)
        // Otherwise cargo would keep the build of it among ours.
        .env_remove("CARGO_TARGET_DIR");
    process::run(&mut cargo)?;
    Ok(ours)
}

fn has_version(program: &PathBuf) -> bool {
    process::capture(Command::new(program).arg("--version"))
        .is_ok_and(|text| text.split_whitespace().last() == Some(VERSION))
}
