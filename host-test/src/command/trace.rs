//! `postern-host trace`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use postern_host::scenario::{self, compare};

use super::output;

/// The exit code when something could not be run, as for wrong arguments.
const UNUSABLE: u8 = 2;

/// Print what crosses the boundary between host and guest in scenarios, in the format of Envoy's `wasm:trace` log. Comments
/// (`# …`) say where a step begins and what came of it.
#[derive(Args, Debug)]
pub(crate) struct TraceArgs {
    /// Scenario files, and folders with such files (`*.scenario.toml`).
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Write addresses in the guest's memory as `*`.
    #[arg(long)]
    mask: bool,
    /// Only scenarios with this in their name.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
}

impl TraceArgs {
    pub(crate) fn run(&self) -> ExitCode {
        match self.print() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("postern-host: {error}");
                ExitCode::from(UNUSABLE)
            }
        }
    }

    fn print(&self) -> Result<(), Box<dyn std::error::Error>> {
        let mut found = false;
        for file in scenario::find(&self.paths)? {
            let mut scenarios = scenario::load(&file)?;
            if let Some(filter) = &self.filter {
                scenarios.retain(|scenario| scenario.name.contains(filter.as_str()));
            }
            let traces = compare::in_host(&scenarios)?;
            for (scenario, trace) in scenarios.iter().zip(traces) {
                let trace = if self.mask { trace.masked() } else { trace };
                let (file, name) = (file.display(), &scenario.name);
                output::write(format_args!("# {file}: {name}\n{trace}"))?;
                found = true;
            }
        }
        if let Some(filter) = self.filter.as_ref().filter(|_| !found) {
            return Err(format!("no scenario has `{filter}` in its name").into());
        }
        Ok(())
    }
}
