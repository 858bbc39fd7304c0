//! Programs in Python, with libraries that this project has not written: an OAuth client, a JWT library, gRPC.
//!
//! They live in a virtual environment under `target`, made once from `tests/python/requirements.txt`, which pins every
//! package by version and hash.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use crate::{Error, Result};

/// How long a program may take. A bound for hangs, not an expectation.
const DEADLINE: Duration = Duration::from_secs(120);

/// Runs a program of `tests/python` with these environment variables; what it prints, which must be JSON.
///
/// # Errors
///
/// [`Error::Python`] when there is no Python with `venv` and pip, a package cannot be had, or the program fails.
pub async fn run(program: &str, environment: &[(&str, &str)]) -> Result<Value> {
    let python = tokio::task::spawn_blocking(interpreter)
        .await
        .map_err(|error| Error::Python(error.to_string()))??;
    let mut command = Command::new(python);
    command
        .arg(folder().join(program))
        .env_clear()
        .env("PYTHONDONTWRITEBYTECODE", "1")
        // The client library wants TLS, which a gateway on loopback has not.
        .env("OAUTHLIB_INSECURE_TRANSPORT", "1")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(DEADLINE, command.output())
        .await
        .map_err(|_| Error::Late {
            what: format!("the end of {program}"),
            seconds: DEADLINE.as_secs(),
        })??;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Error::Python(format!("{program} failed: {said}")));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python")
}

/// The virtual environment's interpreter; the environment is made anew when the requirements have changed.
fn interpreter() -> Result<PathBuf> {
    let requirements = std::fs::read(folder().join("requirements.txt"))?;
    let home = target()?.join("python");
    std::fs::create_dir_all(&home)?;
    // Tests run in parallel, as processes too.
    let lock = File::create(home.join("lock"))?;
    lock.lock()?;
    let (place, made) = (home.join("venv"), home.join("requirements.made"));
    let python = place.join("bin/python");
    if std::fs::read(&made).is_ok_and(|text| text == requirements) && python.exists() {
        return Ok(python);
    }
    finish(
        std::process::Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&place),
        "python3 -m venv",
    )?;
    finish(
        std::process::Command::new(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ])
            .args([
                "--only-binary",
                ":all:",
                "--require-hashes",
                "--requirement",
            ])
            .arg(folder().join("requirements.txt")),
        "pip install",
    )?;
    std::fs::write(made, requirements)?;
    Ok(python)
}

/// Where Cargo builds: the folder above the profile of the test binary.
fn target() -> Result<PathBuf> {
    let binary = std::env::current_exe()?;
    let target = binary
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").exists());
    target
        .map(Path::to_owned)
        .ok_or_else(|| Error::Python("no target folder above the test binary".to_owned()))
}

fn finish(command: &mut std::process::Command, what: &str) -> Result<()> {
    let needed = "these tests need Python 3 with venv and pip, and its package index";
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::Python(format!("{what} did not start ({error}); {needed}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Error::Python(format!("{what} failed; {needed}: {said}")))
}
