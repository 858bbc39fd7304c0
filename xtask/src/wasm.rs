//! `cargo xtask wasm`: from sources to a module that a gateway loads.

mod abi;
mod compile;
mod names;
mod prune;
mod stubs;
mod toolchain;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) use self::compile::{PACKAGE, Variant, cargo};
pub(crate) use self::toolchain::{Choice, TARGET, Toolchain, ToolchainError};

use self::abi::{Abi, AbiError};
use self::prune::PruneError;
use crate::digest;
use crate::process::ProcessError;
use crate::workspace::Workspace;

/// What a module may weigh, names included: every worker of a gateway compiles and keeps its own copy.
const MAX_BYTES: usize = 400 * 1024;

/// The same for the module that reads its policy from a feed: docs/decisions/012-sync-module.md.
const MAX_SYNC_BYTES: usize = 500 * 1024;

/// What the command line says.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Copy the module to this file as well
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Build target/postern-sync.wasm too, which reads its policy from a feed
    #[arg(long)]
    sync: bool,
    /// Build the modules that trap on demand too, which are for tests alone
    #[arg(long)]
    test_artefacts: bool,
}

/// Why there is no module.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WasmError {
    /// Nothing here can compile for the target.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// The lists of kept names are wrong.
    #[error(transparent)]
    Abi(#[from] AbiError),
    /// The compiler refused.
    #[error(transparent)]
    Compile(#[from] ProcessError),
    /// The module is not what the lists say.
    #[error(transparent)]
    Prune(#[from] PruneError),
    /// The module would cost each worker of a gateway too much.
    #[error(
        "the module has {actual} bytes, {} more than the {most} that it may have, names included; it is left as {} to be \
         looked into",
        .actual - .most,
        .left.display()
    )]
    TooLarge {
        /// Its size in bytes.
        actual: usize,
        /// What it may have.
        most: usize,
        /// Where it is.
        left: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("{}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// A finished module.
#[derive(Debug)]
pub(crate) struct Artefact {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its size in bytes.
    pub(crate) bytes: usize,
    /// What it may have.
    pub(crate) most: usize,
    /// Its SHA-256 in hexadecimal.
    pub(crate) sha256: String,
}

/// Builds what the command line asks for and prints path, size and digest of each.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), WasmError> {
    let toolchain = Toolchain::find(Choice::from_environment()?)?;
    let artefact = build(workspace, &toolchain, Variant::Product)?;
    print(&artefact);
    if let Some(output) = &arguments.output {
        let file = |source| WasmError::File {
            path: output.clone(),
            source,
        };
        fs::copy(&artefact.path, output).map_err(file)?;
        println!("{}  a copy of it", output.display());
    }
    if arguments.sync || arguments.test_artefacts {
        print(&build(workspace, &toolchain, Variant::Sync)?);
    }
    if arguments.test_artefacts {
        print(&build(workspace, &toolchain, Variant::TestTrap)?);
        print(&build(workspace, &toolchain, Variant::SyncTestTrap)?);
    }
    Ok(())
}

/// One line for the reader: path, size, digest.
pub(crate) fn print(artefact: &Artefact) {
    println!(
        "{}  {} bytes ({:.0} KiB of {})  sha256 {}",
        artefact.path.display(),
        artefact.bytes,
        artefact.bytes as f64 / 1024.0,
        artefact.most / 1024,
        artefact.sha256
    );
}

impl Variant {
    /// What its module may weigh.
    fn most(self) -> usize {
        match self {
            Self::Product | Self::TestTrap => MAX_BYTES,
            Self::Sync | Self::SyncTestTrap => MAX_SYNC_BYTES,
        }
    }
}

/// Compiles and prunes one variant.
pub(crate) fn build(
    workspace: &Workspace,
    toolchain: &Toolchain,
    variant: Variant,
) -> Result<Artefact, WasmError> {
    let mut abi = Abi::read(&workspace.root().join("plugin/abi"))?;
    if matches!(variant, Variant::Sync | Variant::SyncTestTrap) {
        abi.add(Abi::read(&workspace.root().join("plugin/abi/sync"))?);
    }
    let compiled = compile::compile(workspace, toolchain, variant)?;
    let raw = fs::read(&compiled).map_err(|source| WasmError::File {
        path: compiled,
        source,
    })?;
    let module = prune::prune(&raw, &abi)?;
    let path = variant.path(workspace);
    store(&path, &module, variant.most())?;
    Ok(Artefact {
        most: variant.most(),
        path,
        bytes: module.len(),
        sha256: digest::of_bytes(&module),
    })
}

/// Puts a module in its place; one that is too large, in another.
fn store(path: &Path, module: &[u8], most: usize) -> Result<(), WasmError> {
    let too_large = path.with_extension("too-large.wasm");
    let place = if module.len() > most {
        &too_large
    } else {
        path
    };
    replace(place, module).map_err(|source| WasmError::File {
        path: place.to_owned(),
        source,
    })?;
    if module.len() > most {
        return Err(WasmError::TooLarge {
            actual: module.len(),
            most,
            left: too_large,
        });
    }
    Ok(())
}

/// Writes beside the file and renames, so that a gateway that watches it never reads half a module.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("wasm.new");
    fs::write(&beside, bytes)?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_of_just_the_allowed_size_is_put_in_its_place() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("postern.wasm");
        store(&path, &[0; 400 * 1024], MAX_BYTES).expect("allowed");
        assert!(path.exists());
    }

    #[test]
    fn a_module_of_one_byte_more_is_refused_with_the_figures_and_left_elsewhere() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("postern.wasm");
        let text = store(&path, &[0; 400 * 1024 + 1], MAX_BYTES)
            .expect_err("too large")
            .to_string();
        assert!(
            text.contains("409601 bytes, 1 more than the 409600"),
            "{text}"
        );
        assert!(!path.exists());
        assert!(folder.path().join("postern.too-large.wasm").exists());
    }

    #[test]
    fn a_module_is_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("postern.wasm");
        replace(&path, b"first").expect("written");
        replace(&path, b"second").expect("replaced");
        assert_eq!(fs::read(&path).expect("read"), b"second");
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1);
    }
}
