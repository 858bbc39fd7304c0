//! The steps of a test run, in order: the quick ones that most often fail come first.

use std::cell::OnceCell;
use std::error::Error;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use clap::ValueEnum;

use super::{Outcome, deny, reproduce};
use crate::demo::{self, Gateway};
use crate::envoy;
use crate::guests::{self, GuestError};
use crate::process;
use crate::python;
use crate::wasm::{self, Artefact, Choice, Toolchain, Variant};
use crate::web;
use crate::workspace::Workspace;

/// One step.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Step {
    /// The sources are formatted
    Format,
    /// Licences, bans and sources of all dependencies
    Deny,
    /// Lints of all native code
    Clippy,
    /// Lints of the filter and the web package on their target
    ClippyWasm,
    /// Documentation without a warning
    Docs,
    /// Documentation of the filter and the web package on their target
    DocsWasm,
    /// The filter and its test variant, cut to the lists
    Wasm,
    /// The same bytes from another folder
    Reproducible,
    /// The filter from Debian's compiler
    WasmDebian,
    /// The package for web pages, tried in Node.js
    Web,
    /// The same in a page in Chromium
    WebPage,
    /// A real Envoy
    Envoy,
    /// Guests in AssemblyScript and Go, for the test host
    Guests,
    /// All tests, in the test host and in Envoy
    Tests,
    /// The demo in the test host
    DemoHost,
    /// The demo in Envoy
    DemoEnvoy,
}

impl Step {
    /// All of them in order.
    pub(crate) const ALL: [Self; 16] = [
        Self::Format,
        Self::Deny,
        Self::Clippy,
        Self::ClippyWasm,
        Self::Docs,
        Self::DocsWasm,
        Self::Wasm,
        Self::Reproducible,
        Self::WasmDebian,
        Self::Web,
        Self::WebPage,
        Self::Envoy,
        Self::Guests,
        Self::Tests,
        Self::DemoHost,
        Self::DemoEnvoy,
    ];

    /// How the command line calls it.
    pub(crate) fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// How long it may take: several times what it takes on a slow machine that has built nothing yet, since any step
    /// can be the first.
    pub(crate) fn limit(self) -> Duration {
        let minutes = match self {
            Self::Format => 5,
            Self::Envoy => 20,
            Self::Tests => 120,
            _ => 60,
        };
        Duration::from_secs(minutes * 60)
    }

    /// What it shows.
    pub(crate) fn description(self) -> String {
        self.to_possible_value()
            .and_then(|value| value.get_help().map(ToString::to_string))
            .unwrap_or_default()
    }
}

/// What several steps need, made when the first of them asks, so that any step can run alone.
pub(crate) struct Context<'a> {
    workspace: &'a Workspace,
    toolchain: OnceCell<Toolchain>,
    product: OnceCell<Artefact>,
    sync: OnceCell<Artefact>,
    trap: OnceCell<Artefact>,
    sync_trap: OnceCell<Artefact>,
    web: OnceCell<PathBuf>,
    envoy: OnceCell<PathBuf>,
    guests: OnceCell<PathBuf>,
}

type Result<T> = std::result::Result<T, Box<dyn Error>>;

impl<'a> Context<'a> {
    /// Nothing is made yet.
    pub(crate) fn new(workspace: &'a Workspace) -> Self {
        Self {
            workspace,
            toolchain: OnceCell::new(),
            product: OnceCell::new(),
            sync: OnceCell::new(),
            trap: OnceCell::new(),
            sync_trap: OnceCell::new(),
            web: OnceCell::new(),
            envoy: OnceCell::new(),
            guests: OnceCell::new(),
        }
    }

    /// Runs one step to its end.
    pub(crate) fn run(&self, step: Step) -> Result<Outcome> {
        match step {
            Step::Format => self.with_component("fmt", self.cargo(&["fmt", "--all", "--check"])),
            Step::Deny => Ok(deny::check(self.workspace).map(|()| Outcome::Passed)?),
            Step::Clippy => self.with_component(
                "clippy",
                self.cargo(&[
                    "clippy",
                    "--workspace",
                    "--all-targets",
                    "--",
                    "-D",
                    "warnings",
                ]),
            ),
            Step::ClippyWasm => self.clippy_wasm(),
            Step::Docs => finish(documented(self.cargo(&["doc", "--workspace", "--no-deps"]))),
            Step::DocsWasm => self.docs_wasm(),
            Step::Wasm => self.wasm(),
            Step::Reproducible => {
                reproduce::compare(self.workspace, self.toolchain()?, self.product()?)?;
                Ok(Outcome::Passed)
            }
            Step::WasmDebian => self.wasm_debian(),
            Step::Web => self.web(),
            Step::WebPage => self.web_page(),
            Step::Envoy => {
                println!("{}", self.envoy()?.display());
                Ok(Outcome::Passed)
            }
            Step::Guests => self.guests_step(),
            Step::Tests => self.tests(),
            Step::DemoHost => self.demo(Gateway::Host),
            Step::DemoEnvoy => self.demo(Gateway::Envoy),
        }
    }

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = self.workspace.cargo();
        cargo.args(arguments);
        cargo
    }

    /// Runs a command of a part of the toolchain that may be left out when it is installed.
    fn with_component(&self, component: &str, command: Command) -> Result<Outcome> {
        if process::capture(&mut self.cargo(&[component, "--version"])).is_err() {
            return Ok(Outcome::Skipped(format!(
                "cargo {component} is not installed"
            )));
        }
        finish(command)
    }

    fn clippy_wasm(&self) -> Result<Outcome> {
        if !self.toolchain()?.is_precompiled() {
            return Ok(without_library());
        }
        for package in [wasm::PACKAGE, web::PACKAGE] {
            let mut clippy = wasm::cargo(self.workspace, self.toolchain()?, package, "clippy");
            clippy.args(["--all-features", "--", "-D", "warnings"]);
            let outcome = self.with_component("clippy", clippy)?;
            if outcome != Outcome::Passed {
                return Ok(outcome);
            }
        }
        Ok(Outcome::Passed)
    }

    fn docs_wasm(&self) -> Result<Outcome> {
        if !self.toolchain()?.is_precompiled() {
            return Ok(without_library());
        }
        for package in [wasm::PACKAGE, web::PACKAGE] {
            let mut docs = wasm::cargo(self.workspace, self.toolchain()?, package, "doc");
            docs.arg("--no-deps");
            finish(documented(docs))?;
        }
        Ok(Outcome::Passed)
    }

    fn wasm(&self) -> Result<Outcome> {
        wasm::print(self.product()?);
        wasm::print(self.sync()?);
        wasm::print(self.trap()?);
        wasm::print(self.sync_trap()?);
        Ok(Outcome::Passed)
    }

    fn wasm_debian(&self) -> Result<Outcome> {
        let toolchain = match Toolchain::find(Choice::Debian) {
            Err(error) if error.is_the_machine() => return Ok(Outcome::Skipped(error.to_string())),
            result => result?,
        };
        let apart = self
            .workspace
            .with_target(self.workspace.target().join("debian"));
        wasm::print(&wasm::build(&apart, &toolchain, Variant::Product)?);
        Ok(Outcome::Passed)
    }

    fn web(&self) -> Result<Outcome> {
        let package = self.web_package()?;
        web::print(package)?;
        match web::tests(self.workspace, package, "package.test.mjs") {
            Ok(tests) => finish(tests),
            Err(missing) => Ok(Outcome::Skipped(process::with_causes(&missing))),
        }
    }

    fn web_page(&self) -> Result<Outcome> {
        match web::tests_in_chromium(self.workspace, self.web_package()?) {
            Ok(tests) => finish(tests),
            Err(missing) => Ok(Outcome::Skipped(process::with_causes(&missing))),
        }
    }

    fn guests_step(&self) -> Result<Outcome> {
        Ok(match self.guests()? {
            Ok(folder) => {
                println!("{}", folder.display());
                Outcome::Passed
            }
            Err(reason) => Outcome::Skipped(reason),
        })
    }

    fn tests(&self) -> Result<Outcome> {
        python::prepare_venv()?;
        // The tests start programs of the workspace, and `cargo test` alone does not build each of them.
        process::run(&mut demo::build(self.workspace))?;
        let mut tests = self.cargo(&["test", "--workspace"]);
        tests
            .env("POSTERN_WASM", &self.product()?.path)
            .env("POSTERN_SYNC_WASM", &self.sync()?.path)
            .env("POSTERN_TEST_TRAP_WASM", &self.trap()?.path)
            .env("POSTERN_SYNC_TEST_TRAP_WASM", &self.sync_trap()?.path)
            .env(envoy::VARIABLE, self.envoy()?);
        match self.guests()? {
            Ok(folder) => tests.env(guests::VARIABLE, folder),
            // The step of the guests is counted as skipped.
            Err(_) => tests.env_remove(guests::VARIABLE),
        };
        finish(tests)
    }

    fn demo(&self, gateway: Gateway) -> Result<Outcome> {
        let module = self.sync()?;
        process::run(&mut demo::build(self.workspace))?;
        let envoy = match gateway {
            Gateway::Host => None,
            Gateway::Envoy => Some(self.envoy()?.as_path()),
        };
        // Apart from the folder of a demo that a developer has running.
        let folder = "test-demo";
        let mut demo = demo::command(self.workspace, folder, &module.path, gateway, envoy);
        demo.arg("--once");
        finish(demo)
    }

    fn toolchain(&self) -> Result<&Toolchain> {
        once(&self.toolchain, || {
            Ok(Toolchain::find(Choice::from_environment()?)?)
        })
    }

    fn product(&self) -> Result<&Artefact> {
        once(&self.product, || self.module(Variant::Product))
    }

    fn sync(&self) -> Result<&Artefact> {
        once(&self.sync, || self.module(Variant::Sync))
    }

    fn sync_trap(&self) -> Result<&Artefact> {
        once(&self.sync_trap, || self.module(Variant::SyncTestTrap))
    }

    fn trap(&self) -> Result<&Artefact> {
        once(&self.trap, || self.module(Variant::TestTrap))
    }

    fn module(&self, variant: Variant) -> Result<Artefact> {
        Ok(wasm::build(self.workspace, self.toolchain()?, variant)?)
    }

    fn web_package(&self) -> Result<&PathBuf> {
        once(&self.web, || {
            // With all native programs, which the tests need anyway: alone it would be built twice.
            let mut native = demo::build(self.workspace);
            Ok(web::build(self.workspace, self.toolchain()?, &mut native)?)
        })
    }

    /// The folder of the guests in other languages, or why this machine cannot build them.
    fn guests(&self) -> Result<std::result::Result<&PathBuf, String>> {
        match once(&self.guests, || Ok(guests::build(self.workspace)?)) {
            Ok(folder) => Ok(Ok(folder)),
            Err(error) => match error.downcast::<GuestError>() {
                Ok(error) if error.is_the_machine() => Ok(Err(error.to_string())),
                Ok(error) => Err(error),
                Err(error) => Err(error),
            },
        }
    }

    fn envoy(&self) -> Result<&PathBuf> {
        once(&self.envoy, || Ok(envoy::locate(self.workspace)?))
    }
}

fn once<T>(cell: &OnceCell<T>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    if let Some(value) = cell.get() {
        return Ok(value);
    }
    let value = make()?;
    Ok(cell.get_or_init(|| value))
}

fn documented(mut command: Command) -> Command {
    command
        .env("RUSTDOCFLAGS", "-D warnings")
        .env_remove("CARGO_ENCODED_RUSTDOCFLAGS");
    command
}

fn finish(mut command: Command) -> Result<Outcome> {
    println!("{}", process::line(&command));
    process::run(&mut command)?;
    Ok(Outcome::Passed)
}

fn without_library() -> Outcome {
    Outcome::Skipped(format!(
        "no precompiled standard library for {}",
        wasm::TARGET
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_run_and_has_a_name_and_a_description() {
        assert_eq!(Step::ALL, Step::value_variants());
        for step in Step::ALL {
            assert!(
                !step.name().is_empty() && !step.description().is_empty(),
                "{step:?}"
            );
            assert!(step.limit() >= Duration::from_secs(60), "{step:?}");
        }
    }

    #[test]
    fn a_step_is_called_by_its_name_in_lower_case_with_hyphens() {
        assert_eq!(Step::from_str("wasm-debian", false), Ok(Step::WasmDebian));
        assert!(Step::from_str("speed", false).is_err());
    }

    #[test]
    fn what_was_made_once_is_not_made_again() {
        let cell = OnceCell::new();
        let first = once(&cell, || Ok(1)).expect("made");
        assert_eq!(*first, 1);
        assert_eq!(*once(&cell, || Err("made again".into())).expect("kept"), 1);
    }
}
