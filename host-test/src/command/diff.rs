//! `postern-host diff`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use postern_host::envoy;
use postern_host::scenario::{self, compare};
use postern_host::trace::{self, Difference, Trace};
use regex::Regex;

/// The exit code when the two differ.
const DIFFERENT: u8 = 1;
/// The exit code when they could not be compared, as for wrong arguments.
const UNUSABLE: u8 = 2;

/// Compare two traces, or logs that have traces in them, line by line; or what scenarios do in this host and in a real Envoy. Exits
/// with 0 if they are equal, 1 if they differ, and 2 if they could not be compared.
#[derive(Args, Debug)]
pub(crate) struct DiffArgs {
    /// The two traces: lines that only the first has get `-`, lines that only the second has `+`. With --against-envoy, scenario
    /// files and folders with such files (`*.scenario.toml`).
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Compare addresses in the guest's memory as well. Without this they are masked: they differ between guests, and between
    /// builds of one.
    #[arg(long)]
    addresses: bool,
    /// Play scenarios in this host and in a real Envoy, and compare the client's answer, what peers got and the trace. Lines that
    /// only Envoy has get `-`.
    #[arg(long)]
    against_envoy: bool,
    /// The Envoy; what POSTERN_ENVOY names without this.
    #[arg(long, value_name = "FILE", requires = "against_envoy")]
    envoy: Option<PathBuf>,
    /// Only scenarios with this in their name.
    #[arg(long, value_name = "TEXT", requires = "against_envoy")]
    filter: Option<String>,
    /// Leave out what this regular expression matches in what guests log and in what client and peers get: ids that a guest makes of
    /// random numbers. May be given several times.
    #[arg(long, value_name = "REGEX", requires = "against_envoy")]
    ignore: Vec<Regex>,
    /// Write what Envoy does into this folder, a file for each file of scenarios: what can be compared later without an Envoy.
    #[arg(
        long,
        value_name = "FOLDER",
        requires = "against_envoy",
        conflicts_with = "filter"
    )]
    record: Option<PathBuf>,
}

/// What is in front of a scenario's name in a recording.
const RECORDED: &str = "# scenario ";

type Failure = Box<dyn std::error::Error>;

impl DiffArgs {
    pub(crate) fn run(&self) -> ExitCode {
        let equal = if self.against_envoy {
            self.compare_scenarios()
        } else {
            self.compare_traces()
        };
        match equal {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::from(DIFFERENT),
            Err(error) => {
                eprintln!("postern-host: {error}");
                ExitCode::from(UNUSABLE)
            }
        }
    }

    fn compare_traces(&self) -> Result<bool, Failure> {
        let [left, right] = self.paths.as_slice() else {
            return Err("two traces are compared: name two files".into());
        };
        let difference = trace::diff(&self.read(left)?, &self.read(right)?);
        show(
            &left.display().to_string(),
            &right.display().to_string(),
            &difference,
        );
        Ok(difference.is_empty())
    }

    fn compare_scenarios(&self) -> Result<bool, Failure> {
        let envoy = envoy::find(self.envoy.as_deref())?;
        let mut equal = true;
        let mut compared = 0;
        for file in scenario::find(&self.paths)? {
            let mut scenarios = scenario::load(&file)?;
            if let Some(filter) = &self.filter {
                scenarios.retain(|scenario| scenario.name.contains(filter.as_str()));
            }
            if scenarios.is_empty() {
                continue;
            }
            let mut recording = String::new();
            for comparison in compare::against_envoy(&scenarios, &envoy)? {
                compared += 1;
                let lines = comparison.envoy.without(&self.ignore);
                recording += &format!("{RECORDED}{}\n{lines}", comparison.name);
                let difference = comparison.difference_but_for(&self.ignore);
                equal &= difference.is_empty();
                let name = format!("{}: {}", file.display(), comparison.name);
                show(
                    &format!("envoy {name}"),
                    &format!("host {name}"),
                    &difference,
                );
            }
            if let (Some(folder), Some(name)) = (&self.record, recorded(&file)) {
                std::fs::write(folder.join(name), recording)?;
            }
        }
        if compared == 0 {
            return Err("no scenario has this in its name".into());
        }
        eprintln!("{compared} scenarios compared");
        Ok(equal)
    }

    fn read(&self, path: &Path) -> Result<Trace, Failure> {
        let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let trace = Trace::parse(&String::from_utf8_lossy(&bytes));
        if trace.lines().is_empty() {
            return Err(format!("{}: there is no trace in it", path.display()).into());
        }
        Ok(if self.addresses {
            trace
        } else {
            trace.masked()
        })
    }
}

/// The name of the recording of a file of scenarios: `NAME.trace` for `NAME.scenario.toml`.
fn recorded(file: &Path) -> Option<String> {
    let name = file.file_name()?.to_str()?;
    let name = name.strip_suffix(".scenario.toml").unwrap_or(name);
    Some(format!("{name}.trace"))
}

fn show(left: &str, right: &str, difference: &Difference) {
    if !difference.is_empty() {
        // That nobody reads on changes nothing about the answer.
        let _nobody_reads = write!(std::io::stdout(), "--- {left}\n+++ {right}\n{difference}");
    }
}
