//! `cargo xtask web`: the rules for web pages, as an npm package in `target/web`, and what its tests need.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::apt;
use crate::process::{self, ProcessError};
use crate::wasm::{self, Choice, TARGET, Toolchain, ToolchainError};
use crate::workspace::Workspace;

/// The package of the rules.
pub(crate) const PACKAGE: &str = "postern-web";

/// The program that makes JavaScript of the module.
const BINDGEN: &str = "postern-web-bindgen";

/// What is copied as it is: the package's own files, and a page that uses it.
const FILES: [(&str, &str); 6] = [
    ("package.json", "package.json"),
    ("README.md", "README.md"),
    ("../LICENSE", "LICENSE"),
    ("page/index.html", "index.html"),
    ("page/page.css", "page.css"),
    ("page/page.js", "page.js"),
];

/// The first Node.js that has the Web Cryptography API without a flag.
const NODE: u32 = 20;

/// Names a Chromium to use instead.
const CHROMIUM: &str = "POSTERN_CHROMIUM";

/// Why there is no package.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebError {
    /// Nothing here can compile for the target.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// A program failed.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A file cannot be read or written.
    #[error("{}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Why the tests cannot run on this machine.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Missing {
    /// The tests are written for it.
    #[error("there is no Node.js {NODE} or newer")]
    Node,
    /// Nobody may install it.
    #[error(
        "there is no Chromium, and only root can install Debian's: set {CHROMIUM} to the path of one"
    )]
    Chromium,
    /// It is not to be had.
    #[error("Debian's Chromium cannot be installed")]
    Install(#[source] ProcessError),
}

/// Builds the package and prints what it weighs.
pub(crate) fn run(workspace: &Workspace) -> Result<(), WebError> {
    let toolchain = Toolchain::find(Choice::from_environment()?)?;
    let mut bindgen = workspace.cargo();
    bindgen.args(["build", "--locked", "--package", BINDGEN]);
    let folder = build(workspace, &toolchain, &mut bindgen)?;
    print(&folder)
}

/// Builds the package, and returns its folder. `native` is the command that builds the program that makes JavaScript of the
/// module, alone or with all others.
pub(crate) fn build(
    workspace: &Workspace,
    toolchain: &Toolchain,
    native: &mut Command,
) -> Result<PathBuf, WebError> {
    let mut cargo = wasm::cargo(workspace, toolchain, PACKAGE, "build");
    process::run_aside(cargo.args(["--profile", "wasm", "--locked"]))?;
    let module = workspace
        .target()
        .join(TARGET)
        .join("wasm/postern_web.wasm");

    // Made anew, so that no file of an earlier build stays in it.
    let folder = workspace.target().join("web");
    let file = |path: &Path| {
        let path = path.to_owned();
        |source| WebError::File { path, source }
    };
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(file(&folder)(error)),
        _ => fs::create_dir_all(&folder).map_err(file(&folder))?,
    }
    process::run_aside(native)?;
    process::run_aside(
        Command::new(workspace.program(BINDGEN))
            .arg(&module)
            .arg(&folder),
    )?;
    let sources = workspace.root().join("web");
    for (from, to) in FILES {
        let from = sources.join(from);
        fs::copy(&from, folder.join(to)).map_err(file(&from))?;
    }
    Ok(folder)
}

/// One line for the reader: path and size.
pub(crate) fn print(folder: &Path) -> Result<(), WebError> {
    let module = folder.join("postern_web_bg.wasm");
    let bytes = fs::metadata(&module)
        .map_err(|source| WebError::File {
            path: module,
            source,
        })?
        .len();
    println!(
        "{}  {bytes} bytes of WebAssembly ({:.0} KiB)",
        folder.display(),
        bytes as f64 / 1024.0
    );
    Ok(())
}

/// The tests of the package in one file of `web/tests`.
pub(crate) fn tests(workspace: &Workspace, package: &Path, file: &str) -> Result<Command, Missing> {
    if !has_node() {
        return Err(Missing::Node);
    }
    let mut node = Command::new("node");
    node.current_dir(workspace.root())
        .args(["--test", "--test-reporter=spec"])
        .arg(Path::new("web/tests").join(file))
        .env("POSTERN_WEB_PACKAGE", package);
    Ok(node)
}

/// Whether there is a Node.js that is new enough.
pub(crate) fn has_node() -> bool {
    process::capture(Command::new("node").arg("--version"))
        .is_ok_and(|version| is_new_enough(&version))
}

/// Whether what `node --version` says is [`NODE`] or newer.
fn is_new_enough(version: &str) -> bool {
    let major = version.trim().trim_start_matches('v').split('.').next();
    major
        .and_then(|major| major.parse().ok())
        .is_some_and(|major: u32| major >= NODE)
}

/// The same in a browser: Chromium, which is installed if need be.
pub(crate) fn tests_in_chromium(workspace: &Workspace, package: &Path) -> Result<Command, Missing> {
    let mut node = tests(workspace, package, "page.test.mjs")?;
    node.env(CHROMIUM, chromium()?);
    Ok(node)
}

fn chromium() -> Result<PathBuf, Missing> {
    if let Some(given) = env::var_os(CHROMIUM).filter(|path| !path.is_empty()) {
        return Ok(PathBuf::from(given));
    }
    let debian = PathBuf::from("/usr/bin/chromium");
    if !debian.is_file() {
        if !apt::can_install() {
            return Err(Missing::Chromium);
        }
        eprintln!("installing chromium with apt-get");
        apt::update().map_err(Missing::Install)?;
        apt::install(&["chromium"]).map_err(Missing::Install)?;
    }
    Ok(debian)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_without_the_web_cryptography_api_is_too_old() {
        assert!(is_new_enough("v20.20.2\n"));
        assert!(is_new_enough("v100.0.0\n"));
        assert!(!is_new_enough("v18.19.0\n"));
        assert!(!is_new_enough("node\n"));
    }

    #[test]
    fn the_package_has_the_version_of_the_workspace_and_every_file_that_it_names() {
        let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web");
        let text = fs::read_to_string(web.join("package.json")).expect("package.json");
        let version = format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"));
        assert!(text.contains(&version), "{text}");
        for (from, _) in FILES {
            assert!(web.join(from).is_file(), "{from}");
        }
    }
}
