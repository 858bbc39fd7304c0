//! Where the sources are and where the results go.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder of sources and the folder its builds write to.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// The workspace this program was built from, and the target folder that cargo uses for it.
    pub(crate) fn discover() -> io::Result<Self> {
        let manifest = manifest_folder();
        let root = manifest.parent().unwrap_or(&manifest).canonicalize()?;
        let target = match env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty()) {
            // Cargo reads a relative one from the folder it was called in, and so must we, whose children are called
            // in the root.
            Some(folder) => env::current_dir()?.join(folder),
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// A copy of the sources in `root` with a target folder of its own.
    pub(crate) fn at(root: PathBuf) -> Self {
        let target = root.join("target");
        Self { root, target }
    }

    /// The same sources with their results in another folder.
    pub(crate) fn with_target(&self, target: PathBuf) -> Self {
        Self {
            root: self.root.clone(),
            target,
        }
    }

    /// The folder of the workspace's `Cargo.toml`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder that builds write to.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// The filter.
    pub(crate) fn wasm(&self) -> PathBuf {
        self.target.join("postern.wasm")
    }

    /// The filter that reads its policy from a feed.
    pub(crate) fn sync_wasm(&self) -> PathBuf {
        self.target().join("postern-sync.wasm")
    }

    /// The filter with both; for tests alone.
    pub(crate) fn sync_trap_wasm(&self) -> PathBuf {
        self.target().join("postern-sync-test-trap.wasm")
    }

    /// The filter with a forced trap; for tests alone.
    pub(crate) fn trap_wasm(&self) -> PathBuf {
        self.target.join("postern-test-trap.wasm")
    }

    /// A program of the workspace, as the native build leaves it.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.target
            .join("debug")
            .join(name)
            .with_extension(env::consts::EXE_EXTENSION)
    }

    /// Cargo, called in the root, the same one that started this program.
    pub(crate) fn cargo(&self) -> Command {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Command::new(cargo);
        command
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target)
            // A default target would move the native programs to another folder.
            .env_remove("CARGO_BUILD_TARGET");
        command
    }
}

/// The folder of this package. Two checkouts that share a target folder share this program too, so that what cargo says
/// when it runs the program goes before what it said at compile time.
fn manifest_folder() -> PathBuf {
    let is_ours = env::var("CARGO_PKG_NAME").is_ok_and(|name| name == env!("CARGO_PKG_NAME"));
    env::var_os("CARGO_MANIFEST_DIR")
        .filter(|_| is_ours)
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from)
}
