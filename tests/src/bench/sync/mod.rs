//! What policy sync does in a real Envoy beside a real admin service, each figure beside its goal. `docs/scale.md` has the
//! figures.

mod changes;
mod delay;
mod memory;
mod policy;
mod report;
mod setting;
mod size;
mod traffic;
mod workers;

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::Result;
use report::Report;

/// What is measured on its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Part {
    /// One change until it is in force in every worker, and how often the admin service is asked.
    Delay,
    /// A large policy: first sync, memory, traffic meanwhile, lookups, recovery from a trap.
    Size,
    /// Many small changes: memory, and VMs that were started anew.
    Changes,
}

/// Measures policy sync in Envoy.
#[derive(Debug, Parser)]
#[command(name = "postern-bench-sync")]
pub struct Arguments {
    /// What is measured.
    #[arg(long, value_enum)]
    pub part: Part,
    /// The admin service.
    #[arg(long)]
    pub admin: PathBuf,
    /// Envoy.
    #[arg(long)]
    pub envoy: PathBuf,
    /// The filter that reads its policy from a feed.
    #[arg(long)]
    pub wasm: PathBuf,
    /// The same, which traps on demand.
    #[arg(long)]
    pub trap_wasm: PathBuf,
    /// Changes that are made [default: 102 for their delay, 10000 for the memory that they take].
    #[arg(long)]
    pub changes: Option<usize>,
    /// API tokens in the policy, where size is measured.
    #[arg(long, default_value_t = 1_000_000)]
    pub tokens: usize,
    /// Persons in the policy, where size is measured.
    #[arg(long, default_value_t = 10_000)]
    pub persons: usize,
    /// Methods in the policy, where size is measured.
    #[arg(long, default_value_t = 1_000)]
    pub methods: usize,
}

/// Measures, and prints. Returns whether all goals were met.
///
/// # Errors
///
/// When a process does not start or answers anything wrongly: a figure would mean something else then.
pub async fn run(arguments: &Arguments) -> Result<bool> {
    let mut report = Report::default();
    println!("load average before: {}", load_average()?);
    match arguments.part {
        Part::Delay => delay::measure(arguments, &mut report).await?,
        Part::Size => size::measure(arguments, &mut report).await?,
        Part::Changes => changes::measure(arguments, &mut report).await?,
    }
    println!("load average after: {}", load_average()?);
    print!("{report}");
    Ok(report.is_met())
}

/// Over one, five and fifteen minutes: what else the machine does is in every figure.
fn load_average() -> Result<String> {
    let text = std::fs::read_to_string("/proc/loadavg")?;
    let figures: Vec<&str> = text.split(' ').take(3).collect();
    Ok(figures.join(" "))
}
