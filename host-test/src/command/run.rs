//! `postern-host run`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, ValueEnum};
use postern_host::scenario::{self, Format, Options};
use postern_host::{Allowance, Profile};

use super::output;

/// The exit code when scenarios ran and some failed.
const FAILED: u8 = 1;
/// The exit code when something could not be run, as for wrong arguments.
const UNUSABLE: u8 = 2;

/// Run scenario files. Exits with 0 if all passed, 1 if some failed, and 2 if some could not be run.
#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// Scenario files, and folders in which all files `*.scenario.toml` are run.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// How many scenarios run at a time; 0: as many as there are processors.
    #[arg(long, value_name = "N", default_value_t = 0)]
    jobs: usize,
    /// The start of the random numbers, whatever the files say.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Run only scenarios with this in their name.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// The module, whatever the files say.
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// The host to behave as, whatever the files say: envoy, ngx-wasm-module, traffic-server, mosn, apisix or service-extensions.
    #[arg(long, value_name = "HOST")]
    profile: Option<Profile>,
    /// Take modules with an extended ABI version, such as 0.2.100, for ones of 0.2.1, whatever the files say.
    #[arg(long)]
    abi_lenient: bool,
    /// A finding that is accepted in all scenarios, such as PH014 or PH014@proxy_on_log. Can be given several times.
    #[arg(long, value_name = "CODE")]
    allow: Vec<Allowance>,
    /// Repeat each request with bytes that are not UTF-8 in one place after another, and report what kills the filter (PH026).
    #[arg(long)]
    hostile_bytes: bool,
    /// Write what came into the files: in place of exact expectations that differ, and where an expectation is empty.
    #[arg(long)]
    bless: bool,
    /// Show every crossing between host and guest.
    #[arg(long)]
    trace: bool,
    /// Run each scenario so many times, and tell on standard error how many steps that were in a second.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_once)]
    repeat: usize,
    /// The form of the report.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: FormatName,
    /// Write the report into this file; the standard output then has it as text.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

fn at_least_once(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum FormatName {
    #[default]
    Text,
    Json,
    Junit,
}

impl From<FormatName> for Format {
    fn from(name: FormatName) -> Self {
        match name {
            FormatName::Text => Self::Text,
            FormatName::Json => Self::Json,
            FormatName::Junit => Self::JUnit,
        }
    }
}

impl RunArgs {
    pub(crate) fn run(self) -> ExitCode {
        let mut options = Options::default();
        options.jobs = self.jobs;
        options.seed = self.seed;
        options.filter = self.filter;
        options.module = self.module;
        options.profile = self.profile;
        options.abi_lenient = self.abi_lenient;
        options.allow = self.allow;
        options.hostile_bytes = self.hostile_bytes;
        options.bless = self.bless;
        options.trace = self.trace;
        options.repeat = self.repeat;
        let started = Instant::now();
        let report = match scenario::run_files(&self.paths, &options) {
            Ok(report) => report,
            Err(error) => return unusable(&error),
        };
        if self.repeat > 1 {
            let steps = report.steps().saturating_mul(self.repeat);
            let seconds = started.elapsed().as_secs_f64();
            eprintln!(
                "{steps} steps in {seconds:.2} s, {:.0} in a second",
                steps as f64 / seconds
            );
        }
        let rendered = report.render(self.format.into());
        let shown = match self.output {
            None => rendered,
            Some(path) => {
                if let Err(error) = std::fs::write(&path, rendered) {
                    return unusable(&format!("{}: {error}", path.display()));
                }
                report.to_string()
            }
        };
        if let Err(error) = output::write(shown) {
            return unusable(&error);
        }
        if report.errors() > 0 {
            ExitCode::from(UNUSABLE)
        } else if report.passed() {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(FAILED)
        }
    }
}

fn unusable(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("postern-host: {error}");
    ExitCode::from(UNUSABLE)
}
