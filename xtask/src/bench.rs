//! `cargo xtask bench`: builds all, then hands over to the bench program.

mod host;
mod sync;

use std::error::Error;
use std::ffi::OsString;
use std::process::{Command, ExitCode};

use crate::demo;
use crate::envoy;
use crate::process;
use crate::wasm::{Artefact, Variant};
use crate::workspace::Workspace;

/// What the command line says.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    other: Option<Other>,
    /// Rounds, beside one to warm up [default: 31]
    #[arg(long, value_name = "N")]
    rounds: Option<u64>,
    /// Requests of each contestant in each round [default: 10000]
    #[arg(long, value_name = "N")]
    requests: Option<u64>,
    /// Only this contestant and those that it is compared with; may be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// What the order of contestants follows from; drawn anew without this
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Write the results as JSON to this file too
    #[arg(long, value_name = "FILE")]
    json: Option<OsString>,
    /// Put table and chart into docs/performance.md and docs/performance.svg
    #[arg(long)]
    publish: bool,
    /// Measure in the test host only, and write tests/budgets.json
    #[arg(long, conflicts_with_all = ["rounds", "requests", "only", "seed", "json", "publish"])]
    bless: bool,
}

/// What else there is to be measured.
#[derive(clap::Subcommand)]
enum Other {
    /// The test host: requests a second, the start of a filter, steps of scenarios
    Host,
    /// Policy sync: what the admin service bears, and how gateways follow it
    Sync(sync::Arguments),
}

/// Builds what the bench needs and becomes it.
pub(crate) fn run(
    workspace: &Workspace,
    arguments: &Arguments,
) -> Result<ExitCode, Box<dyn Error>> {
    match &arguments.other {
        Some(Other::Host) => return host::run(workspace),
        Some(Other::Sync(arguments)) => return sync::run(workspace, arguments),
        None => {}
    }
    let module = demo::build_all(workspace, Variant::Product)?;
    let mut bench = if arguments.bless {
        bless(workspace, &module)
    } else {
        let envoy = envoy::locate(workspace)?;
        let mut bench = measure(workspace, &module, arguments);
        bench.arg("--envoy").arg(envoy);
        bench
    };
    Err(process::become_program(&mut bench).into())
}

fn bless(workspace: &Workspace, module: &Artefact) -> Command {
    let mut bench = program(workspace, module);
    bench
        .arg("--bless")
        .arg(workspace.root().join("tests/budgets.json"));
    bench
}

/// The bench program with its arguments, but for `--envoy`. It runs where it was asked for, so that a file name means what
/// its writer meant.
fn measure(workspace: &Workspace, module: &Artefact, arguments: &Arguments) -> Command {
    let mut bench = program(workspace, module);
    bench.arg("--output").arg(workspace.target().join("bench"));
    for (name, value) in [
        ("--rounds", arguments.rounds),
        ("--requests", arguments.requests),
        ("--seed", arguments.seed),
    ] {
        if let Some(value) = value {
            bench.arg(name).arg(value.to_string());
        }
    }
    for name in &arguments.only {
        bench.arg("--only").arg(name);
    }
    if let Some(file) = &arguments.json {
        bench.arg("--json").arg(file);
    }
    if arguments.publish {
        bench.arg("--publish").arg(workspace.root().join("docs"));
    }
    bench
}

fn program(workspace: &Workspace, module: &Artefact) -> Command {
    let mut bench = Command::new(workspace.program("postern-bench"));
    bench.arg("--wasm").arg(&module.path);
    bench
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct CommandLine {
        #[command(flatten)]
        bench: Arguments,
    }

    fn parse(arguments: &[&str]) -> Result<Arguments, clap::Error> {
        let arguments = std::iter::once(&"bench").chain(arguments);
        CommandLine::try_parse_from(arguments).map(|line| line.bench)
    }

    fn artefact() -> Artefact {
        Artefact {
            path: PathBuf::from("/somewhere/target/postern.wasm"),
            bytes: 0,
            most: 1,
            sha256: String::new(),
        }
    }

    #[test]
    fn what_is_asked_for_reaches_the_bench_and_the_rest_is_left_to_its_defaults() {
        let workspace = Workspace::at(PathBuf::from("/somewhere"));
        let arguments = parse(&["--rounds", "3", "--only", "seen", "--publish"]).expect("good");
        assert_eq!(
            process::line(&measure(&workspace, &artefact(), &arguments)),
            "postern-bench --wasm /somewhere/target/postern.wasm --output /somewhere/target/bench --rounds 3 --only seen \
             --publish /somewhere/docs"
        );
    }

    #[test]
    fn blessing_measures_nothing_else() {
        assert!(parse(&["--bless", "--publish"]).is_err());
        let workspace = Workspace::at(PathBuf::from("/somewhere"));
        assert_eq!(
            process::line(&bless(&workspace, &artefact())),
            "postern-bench --wasm /somewhere/target/postern.wasm --bless /somewhere/tests/budgets.json"
        );
    }
}
