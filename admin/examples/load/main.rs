//! How much one admin process bears: API tokens generated a second, and gateways that wait for changes. It starts the
//! program as operators run it, and speaks to it over HTTP. `cargo xtask bench sync --only admin` builds both and runs it.

mod client;
mod disk;
mod gateways;
mod report;
mod service;
mod tokens;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Any failure ends the run: a figure without it would mean something else.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Measures one admin process.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    /// The program to measure
    #[arg(long)]
    pub(crate) admin: PathBuf,
    /// Where its database goes: a folder on the disk that is meant; what an earlier run left there is removed
    #[arg(long)]
    pub(crate) folder: PathBuf,
    /// For how long tokens are generated, in seconds, alone and together
    #[arg(long, default_value_t = 10)]
    pub(crate) seconds: u64,
    /// Callers that generate tokens at the same time
    #[arg(long, default_value_t = 32)]
    pub(crate) callers: usize,
    /// Gateways that wait for changes
    #[arg(long, default_value_t = 1_000)]
    pub(crate) gateways: usize,
    /// Changes that are made while they wait
    #[arg(long, default_value_t = 20)]
    pub(crate) changes: usize,
    /// API tokens in the policy beforehand
    #[arg(long, default_value_t = 10_000)]
    pub(crate) tokens: usize,
    /// Persons in the policy beforehand
    #[arg(long, default_value_t = 1_000)]
    pub(crate) persons: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("load: a goal was missed");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether all goals were met.
async fn run(arguments: &Arguments) -> Result<bool, Failure> {
    let mut service = service::Service::start(arguments).await?;
    println!(
        "One admin process, SQLite with synchronous=FULL; {} tokens of {} persons in the policy before",
        arguments.tokens, arguments.persons
    );
    let mut report = report::Report::default();
    tokens::measure(arguments, &service, &mut report).await?;
    gateways::measure(arguments, &service, &mut report).await?;
    service.stop().await?;
    service.verify().await?;
    Ok(report.print())
}
