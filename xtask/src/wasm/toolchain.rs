//! A compiler for the filter's target: the one that is there, or one that can be had.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::apt;
use crate::process::{self, ProcessError};

/// The target of Proxy-Wasm modules in Rust without WASI.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// The variable that says where the target comes from.
pub(crate) const VARIABLE: &str = "POSTERN_WASM_TOOLCHAIN";

const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];

/// Where the target comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Choice {
    /// The first of the others that works.
    Automatic,
    /// It is there already.
    Installed,
    /// `rustup target add`.
    Rustup,
    /// Debian's compiler, which builds the standard library too.
    Debian,
}

impl Choice {
    /// What [`VARIABLE`] says; unset or empty means automatic.
    pub(crate) fn from_environment() -> Result<Self, ToolchainError> {
        Self::parse(&env::var(VARIABLE).unwrap_or_default())
    }

    fn parse(text: &str) -> Result<Self, ToolchainError> {
        match text {
            "" => Ok(Self::Automatic),
            "installed" => Ok(Self::Installed),
            "rustup" => Ok(Self::Rustup),
            "debian" => Ok(Self::Debian),
            other => Err(ToolchainError::UnknownChoice(other.to_owned())),
        }
    }
}

/// Why the target cannot be compiled for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ToolchainError {
    /// The variable has a value that means nothing.
    #[error("{VARIABLE} is `{0}`; it can be installed, rustup or debian")]
    UnknownChoice(String),
    /// The compiler has no standard library for the target.
    #[error("rustc has no standard library for {TARGET}; `rustup target add {TARGET}` installs it")]
    NotInstalled,
    /// A program that was needed failed.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The fallback needs a package manager.
    #[error("there is no apt-get here to install {} with", DEBIAN_PACKAGES.join(" and "))]
    NoApt,
    /// The fallback needs rights.
    #[error("only root can install {}", DEBIAN_PACKAGES.join(" and "))]
    NotRoot,
    /// The distribution does not have the compiler.
    #[error("this system has no packages {}", DEBIAN_PACKAGES.join(" and "))]
    NoPackages,
    /// The distribution's compiler is older than the sources ask for.
    #[error("{DEBIAN_RUSTC} is version {found}, and the sources need {}", env!("CARGO_PKG_RUST_VERSION"))]
    TooOld {
        /// Its version.
        found: String,
    },
    /// Nothing can link.
    #[error("there is no linker for {TARGET}: neither rust-lld in {} nor wasm-ld", .0.display())]
    NoLinker(PathBuf),
}

impl ToolchainError {
    /// Whether the machine, rather than the project, is why it does not work.
    pub(crate) fn is_the_machine(&self) -> bool {
        matches!(
            self,
            Self::NoApt | Self::NotRoot | Self::NoPackages | Self::TooOld { .. }
        )
    }
}

/// A compiler that can build the filter.
#[derive(Debug)]
pub(crate) struct Toolchain {
    rustc: Rustc,
    /// Set if the standard library is built from source: what links it.
    linker: Option<PathBuf>,
}

impl Toolchain {
    /// Finds or installs one.
    pub(crate) fn find(choice: Choice) -> Result<Self, ToolchainError> {
        match choice {
            Choice::Installed => Self::installed(),
            Choice::Rustup => Self::rustup(),
            Choice::Debian => Self::debian(),
            Choice::Automatic => Self::installed()
                .or_else(|_| Self::rustup())
                .or_else(|error| {
                    eprintln!(
                        "no luck with rustup ({}); trying Debian's compiler",
                        process::with_causes(&error)
                    );
                    Self::debian()
                }),
        }
    }

    fn installed() -> Result<Self, ToolchainError> {
        let rustc = Rustc::of_cargo()?;
        let library = process::capture(rustc.command().args([
            "--print",
            "target-libdir",
            "--target",
            TARGET,
        ]))?;
        // The compiler names the folder whether or not it exists.
        if !Path::new(library.trim()).is_dir() {
            return Err(ToolchainError::NotInstalled);
        }
        Ok(Self {
            rustc,
            linker: None,
        })
    }

    fn rustup() -> Result<Self, ToolchainError> {
        process::run_aside(Command::new("rustup").args(["target", "add", TARGET]))?;
        Self::installed()
    }

    /// Debian builds its browsers with a compiler that is kept current in its stable suites. It has no standard
    /// library for the target, but the sources of one.
    fn debian() -> Result<Self, ToolchainError> {
        let library = Path::new("/usr/lib/rustlib/src/rust/library/std");
        if !(Path::new(DEBIAN_RUSTC).is_file() && library.is_dir()) {
            install_debian()?;
        }
        let rustc = Rustc::at(PathBuf::from(DEBIAN_RUSTC))?;
        if minor(&rustc.release) < minor(env!("CARGO_PKG_RUST_VERSION")) {
            return Err(ToolchainError::TooOld {
                found: rustc.release,
            });
        }
        let linker = linker(&Rustc::of_cargo()?)?;
        Ok(Self {
            rustc,
            linker: Some(linker),
        })
    }

    /// Whether the standard library comes with the compiler, so that clippy and rustdoc can use it too.
    pub(crate) fn is_precompiled(&self) -> bool {
        self.linker.is_none()
    }

    /// Makes a call of cargo use this compiler.
    pub(crate) fn prepare(&self, cargo: &mut Command) {
        let Some(linker) = &self.linker else {
            return;
        };
        cargo
            .args(["-Z", "build-std=std,panic_abort"])
            .env("RUSTC", &self.rustc.path)
            // Building the standard library is unstable: https://doc.rust-lang.org/cargo/reference/unstable.html#build-std
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
            // It names the libraries of another compiler.
            .env_remove("LD_LIBRARY_PATH");
    }

    /// Where the compiler looks for the sources of the standard library, whether they are there or not.
    pub(crate) fn library_source(&self) -> PathBuf {
        self.rustc.sysroot.join("lib/rustlib/src/rust")
    }

    /// What names the compiler's sources in the paths of the precompiled standard library.
    pub(crate) fn commit(&self) -> &str {
        &self.rustc.commit
    }
}

#[derive(Debug)]
struct Rustc {
    path: PathBuf,
    sysroot: PathBuf,
    host: String,
    release: String,
    commit: String,
}

impl Rustc {
    /// The compiler that cargo uses by default.
    fn of_cargo() -> Result<Self, ProcessError> {
        Self::at(env::var_os("RUSTC").map_or_else(|| PathBuf::from("rustc"), PathBuf::from))
    }

    fn at(path: PathBuf) -> Result<Self, ProcessError> {
        let version = process::capture(Command::new(&path).arg("-vV"))?;
        let field = |name: &str| {
            let value = version
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            value.unwrap_or("unknown").to_owned()
        };
        let sysroot = process::capture(Command::new(&path).args(["--print", "sysroot"]))?;
        Ok(Self {
            sysroot: PathBuf::from(sysroot.trim()),
            host: field("host"),
            release: field("release"),
            commit: field("commit-hash"),
            path,
        })
    }

    fn command(&self) -> Command {
        Command::new(&self.path)
    }
}

fn install_debian() -> Result<(), ToolchainError> {
    if !apt::is_there() {
        return Err(ToolchainError::NoApt);
    }
    if !apt::is_root()? {
        return Err(ToolchainError::NotRoot);
    }
    eprintln!("installing {} with apt-get", DEBIAN_PACKAGES.join(" and "));
    apt::update()?;
    if !apt::has(&DEBIAN_PACKAGES) {
        return Err(ToolchainError::NoPackages);
    }
    apt::install(&DEBIAN_PACKAGES)?;
    Ok(())
}

/// A linker for the target: the one in rustup's toolchains, or LLVM's under its own name.
fn linker(rustc: &Rustc) -> Result<PathBuf, ToolchainError> {
    let folder = rustc
        .sysroot
        .join("lib/rustlib")
        .join(&rustc.host)
        .join("bin");
    let rust_lld = folder.join("rust-lld");
    if rust_lld.is_file() {
        return Ok(rust_lld);
    }
    let wasm_ld = PathBuf::from("wasm-ld");
    match process::capture(Command::new(&wasm_ld).arg("--version")) {
        Ok(_) => Ok(wasm_ld),
        Err(_) => Err(ToolchainError::NoLinker(folder)),
    }
}

/// The 95 of `1.95.0`; 0 for anything else.
fn minor(version: &str) -> u32 {
    let minor = version
        .strip_prefix("1.")
        .and_then(|rest| rest.split('.').next());
    minor.and_then(|minor| minor.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_is_automatic_unless_the_variable_names_one() {
        assert_eq!(Choice::parse("").expect("unset"), Choice::Automatic);
        assert_eq!(
            Choice::parse("installed").expect("known"),
            Choice::Installed
        );
        assert_eq!(Choice::parse("rustup").expect("known"), Choice::Rustup);
        assert_eq!(Choice::parse("debian").expect("known"), Choice::Debian);
    }

    #[test]
    fn an_unknown_choice_is_refused_with_the_known_ones() {
        let text = Choice::parse("nix").expect_err("unknown").to_string();
        assert!(
            text.contains("`nix`") && text.contains("installed, rustup or debian"),
            "{text}"
        );
    }

    #[test]
    fn versions_are_compared_by_number() {
        assert!(minor("1.100.0") > minor("1.95"));
        assert!(minor("1.63.0") < minor("1.95"));
        assert_eq!(minor("unknown"), 0);
    }

    #[test]
    fn only_faults_of_the_machine_count_as_such() {
        assert!(ToolchainError::NotRoot.is_the_machine());
        assert!(!ToolchainError::NotInstalled.is_the_machine());
        assert!(!ToolchainError::NoLinker(PathBuf::new()).is_the_machine());
    }
}
