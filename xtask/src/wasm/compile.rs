//! The call of cargo that turns the plugin into a module, the same bytes in whatever folder it is called.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::toolchain::{TARGET, Toolchain};
use crate::process::{self, ProcessError};
use crate::workspace::Workspace;

/// The package of the filter.
pub(crate) const PACKAGE: &str = "postern-plugin";

/// Separates flags in the variables that cargo reads them from, so that a folder's name may hold a space.
const SEPARATOR: &str = "\x1f";

/// What crates are told by `cfg`: `getrandom` that the plugin has the source of randomness, and `sha2` to write no loop out.
/// Engines make the short form as fast as the other, which is 16 KiB.
const CONFIGURATION: [&str; 3] = [
    "getrandom_backend=\"custom\"",
    "sha2_backend=\"soft\"",
    "sha2_backend_soft=\"compact\"",
];

/// Which filter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Variant {
    /// The one that operators load.
    Product,
    /// One that reads its policy from a feed.
    Sync,
    /// One that traps on demand, to test how a gateway recovers.
    TestTrap,
    /// Both.
    SyncTestTrap,
}

impl Variant {
    /// Where the finished module goes.
    pub(crate) fn path(self, workspace: &Workspace) -> PathBuf {
        match self {
            Self::Product => workspace.wasm(),
            Self::Sync => workspace.sync_wasm(),
            Self::TestTrap => workspace.trap_wasm(),
            Self::SyncTestTrap => workspace.sync_trap_wasm(),
        }
    }

    fn feature(self) -> Option<&'static str> {
        match self {
            Self::Product => None,
            Self::Sync => Some("sync"),
            Self::TestTrap => Some("test-trap"),
            Self::SyncTestTrap => Some("sync,test-trap"),
        }
    }
}

/// Compiles the plugin and returns the file that the compiler wrote.
pub(crate) fn compile(
    workspace: &Workspace,
    toolchain: &Toolchain,
    variant: Variant,
) -> Result<PathBuf, ProcessError> {
    let mut cargo = cargo(workspace, toolchain, PACKAGE, "build");
    cargo.args(["--profile", "wasm", "--locked"]);
    if let Some(feature) = variant.feature() {
        cargo.args(["--features", feature]);
    }
    process::run_aside(&mut cargo)?;
    Ok(workspace
        .target()
        .join(TARGET)
        .join("wasm/postern_plugin.wasm"))
}

/// Cargo with a subcommand for a package on the target, with the flags of the build: the same for each package, so that
/// they share what is compiled.
pub(crate) fn cargo(
    workspace: &Workspace,
    toolchain: &Toolchain,
    package: &str,
    subcommand: &str,
) -> Command {
    let mut cargo = workspace.cargo();
    cargo.args([subcommand, "--package", package, "--target", TARGET]);
    toolchain.prepare(&mut cargo);
    cargo
        // The variable that wins over all others and over every configuration file: what a developer sets for native
        // builds must neither replace our flags nor change the bytes.
        // https://doc.rust-lang.org/cargo/reference/config.html#buildrustflags
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            flags(workspace, toolchain).join(SEPARATOR.as_ref()),
        )
        .env_remove("RUSTFLAGS")
        .env("CARGO_INCREMENTAL", "0");
    cargo
}

fn flags(workspace: &Workspace, toolchain: &Toolchain) -> Vec<OsString> {
    let mut flags: Vec<OsString> = CONFIGURATION
        .iter()
        .flat_map(|option| ["--cfg".into(), option.into()])
        .collect();
    for (from, to) in remappings(workspace, toolchain) {
        let mut flag = OsString::from("--remap-path-prefix=");
        flag.push(from);
        flag.push("=");
        flag.push(to);
        flags.push(flag);
    }
    flags
}

/// Folders of this machine, and the names that a module has for them: panics carry the paths of sources.
fn remappings(workspace: &Workspace, toolchain: &Toolchain) -> Vec<(PathBuf, String)> {
    let mut remappings = vec![(workspace.root().to_owned(), "postern".to_owned())];
    // One folder for each registry; its name depends on the mirror that a machine uses.
    remappings.extend(
        registries()
            .into_iter()
            .map(|folder| (folder, "crates".to_owned())),
    );
    // The precompiled standard library has such a name already.
    let library = toolchain.library_source();
    let name = format!("/rustc/{}", toolchain.commit());
    if let Ok(real) = library.canonicalize() {
        remappings.push((real, name.clone()));
    }
    remappings.push((library, name));
    remappings
}

fn registries() -> Vec<PathBuf> {
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(env::home_dir()?.join(".cargo")));
    let mut folders = home
        .map(|home| folders_in(&home.join("registry/src")))
        .unwrap_or_default();
    folders.sort();
    folders
}

/// The entries of a folder; none if it cannot be read, as on a machine whose crates are vendored.
fn folders_in(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).map_or_else(
        |_| Vec::new(),
        |entries| {
            entries
                .filter_map(Result::ok)
                .map(|entry| entry.path())
                .collect()
        },
    )
}
