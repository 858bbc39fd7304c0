//! `postern-host lint`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use postern_host::Severity;
use postern_host::lint::{self, Lint, Report};

use super::output;

/// Not a module, or not to be read.
const UNREADABLE: u8 = 2;

/// Look at a module without running it: what it needs, what each host would do about it, and what is odd.
#[derive(Args, Debug)]
pub(crate) struct LintArgs {
    /// The module (.wasm, or .wat in text).
    #[arg(value_name = "FILE")]
    module: PathBuf,
    /// A finding that is accepted, such as PL009 or not-portable. Can be given several times.
    #[arg(long, value_name = "LINT")]
    allow: Vec<Lint>,
    /// The exit code is 1 from this severity on.
    #[arg(long, value_name = "SEVERITY", value_enum, default_value_t = Deny::Error)]
    deny: Deny,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Deny {
    Error,
    Warning,
    Info,
}

impl From<Deny> for Severity {
    fn from(deny: Deny) -> Self {
        match deny {
            Deny::Error => Self::Error,
            Deny::Warning => Self::Warning,
            Deny::Info => Self::Info,
        }
    }
}

pub(crate) fn run(args: LintArgs) -> ExitCode {
    match report(&args).and_then(|report| show(&args, &report).map(|()| report)) {
        Ok(report) => {
            if report.worst() >= Some(args.deny.into()) {
                ExitCode::FAILURE
            } else {
                ExitCode::SUCCESS
            }
        }
        Err(error) => {
            eprintln!("postern-host: {}: {error}", args.module.display());
            ExitCode::from(UNREADABLE)
        }
    }
}

fn show(args: &LintArgs, report: &Report) -> Result<(), String> {
    let shown = if args.json {
        output::write(report.to_json())
    } else {
        output::write(report)
    };
    shown.map_err(|error| error.to_string())
}

fn report(args: &LintArgs) -> Result<Report, String> {
    let wasm = std::fs::read(&args.module).map_err(|error| error.to_string())?;
    let mut report = lint::lint(wasm).map_err(|error| error.to_string())?;
    report
        .findings
        .retain(|finding| !args.allow.contains(&finding.lint));
    Ok(report)
}
