//! Packages of Debian and its kin, for what a machine lacks.

use std::path::Path;
use std::process::Command;

use crate::process::{self, ProcessError};

/// Whether this machine has packages of this kind.
pub(crate) fn is_there() -> bool {
    Path::new("/usr/bin/apt-get").is_file()
}

/// Whether this program may install any.
pub(crate) fn is_root() -> Result<bool, ProcessError> {
    Ok(process::capture(Command::new("id").arg("-u"))?.trim() == "0")
}

/// Whether it can.
pub(crate) fn can_install() -> bool {
    is_there() && is_root().unwrap_or(false)
}

/// Fetches the lists of what there is.
pub(crate) fn update() -> Result<(), ProcessError> {
    process::run_aside(apt("apt-get").arg("update"))
}

/// Whether the lists have these packages.
pub(crate) fn has(packages: &[&str]) -> bool {
    process::capture(apt("apt-cache").arg("show").args(packages)).is_ok()
}

/// Installs packages that the lists have.
pub(crate) fn install(packages: &[&str]) -> Result<(), ProcessError> {
    // A package could push out another of the distribution, such as a compiler, which somebody may need.
    let options = ["install", "--yes", "--no-install-recommends", "--no-remove"];
    process::run_aside(apt("apt-get").args(options).args(packages))
}

fn apt(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .args(["--quiet", "--quiet"])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env_remove("LD_LIBRARY_PATH");
    command
}
