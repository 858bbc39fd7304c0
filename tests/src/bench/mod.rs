//! What a request costs: Postern and its peers side by side in one real Envoy ([`rounds`]), and instruction by instruction
//! in the test host ([`budgets`]).
//!
//! `docs/performance.md` says how the figures come about and what they mean.

pub mod budgets;
pub mod contestants;
pub mod cpu;
pub mod gateway;
pub mod load;
mod machine;
pub mod population;
pub mod report;
pub mod results;
pub mod rounds;
pub mod seeded;
pub mod statistics;
pub mod sync;
pub mod traffic;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Parser;

use crate::fixture::Entropy;
use crate::{Error, Result};
use contestants::Modules;
use cpu::Cpus;
use gateway::{Gateway, Setup};
use population::{Population, Size};
use results::Results;
use rounds::Plan;

/// Measures what a request costs.
#[derive(Debug, Parser)]
#[command(name = "postern-bench")]
pub struct Arguments {
    /// The filter.
    #[arg(long)]
    pub wasm: PathBuf,
    /// Measure in the test host, write this file of budgets, and do nothing else.
    #[arg(long, value_name = "FILE")]
    pub bless: Option<PathBuf>,
    /// Envoy.
    #[arg(long, required_unless_present = "bless")]
    pub envoy: Option<PathBuf>,
    /// Where results go, with Envoy's whole configuration and log.
    #[arg(long, required_unless_present = "bless")]
    pub output: Option<PathBuf>,
    /// Rounds, beside one to warm up.
    #[arg(long, default_value_t = 31, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub rounds: u64,
    /// Requests of each contestant in each round.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(100..=1_000_000))]
    pub requests: u64,
    /// Only this contestant, and those that it is compared with; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// What the order of contestants follows from; drawn anew without this.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Write the results as JSON to this file too.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Put table and chart into the documentation in this folder.
    #[arg(long, value_name = "FOLDER")]
    pub publish: Option<PathBuf>,
}

/// Runs the bench.
///
/// # Errors
///
/// When Envoy does not start or answers anything wrongly, or a file cannot be written.
pub async fn run(arguments: &Arguments) -> Result<()> {
    if let Some(file) = &arguments.bless {
        return bless(&arguments.wasm, file);
    }
    let (Some(envoy), Some(output)) = (&arguments.envoy, &arguments.output) else {
        return Err(Error::Fixture(
            "--envoy and --output are missing".to_owned(),
        ));
    };
    let results = measure(arguments, envoy, output).await?;
    let page = format!(
        "{}\n{}",
        report::table(&results),
        report::circumstances(&results)
    );
    print!("\n{page}");

    let json = serde_json::to_vec_pretty(&results.to_json())?;
    let chart = output.join("bench.svg");
    std::fs::write(output.join("bench.md"), page)?;
    std::fs::write(output.join("bench.json"), &json)?;
    std::fs::write(&chart, report::chart(&results))?;
    if let Some(file) = &arguments.json {
        std::fs::write(file, &json)?;
    }
    println!("\nchart: {}", chart.display());
    if let Some(docs) = &arguments.publish {
        report::publish(&results, docs)?;
        println!("published in {}", docs.display());
    }
    Ok(())
}

async fn measure(arguments: &Arguments, envoy: &Path, output: &Path) -> Result<Results> {
    let plan = Plan {
        rounds: usize::try_from(arguments.rounds).unwrap_or(usize::MAX),
        requests: usize::try_from(arguments.requests).unwrap_or(usize::MAX),
        seed: match arguments.seed {
            Some(seed) => seed,
            None => fresh_seed()?,
        },
    };
    let contestants = contestants::select(&arguments.only)?;
    let cpus = Cpus::choose()?;
    std::fs::create_dir_all(output)?;
    let modules = Modules {
        postern: arguments.wasm.clone(),
        floor: output.join("floor.wasm"),
        same_calls: output.join("same_calls.wasm"),
    };
    for (file, text) in [
        (&modules.floor, contestants::FLOOR),
        (&modules.same_calls, contestants::SAME_CALLS),
    ] {
        let module = wat::parse_str(text)
            .map_err(|error| Error::Fixture(format!("{}: {error}", file.display())))?;
        std::fs::write(file, module)?;
    }
    let mut populations = BTreeMap::new();
    for size in [Size::LARGE, Size::SMALL] {
        populations.insert(size, Population::new(size)?);
    }

    println!(
        "{} contestants, {} rounds of {} requests, seed {}; Envoy on CPU {}, load on CPU {}",
        contestants.len(),
        plan.rounds,
        plan.requests,
        plan.seed,
        cpus.envoy,
        cpus.generator
    );
    cpus.bind_self()?;
    let setup = Setup {
        binary: envoy,
        modules: &modules,
        populations: &populations,
        cpus,
        folder: output,
    };
    let mut gateway = Gateway::start(&setup, &contestants).await?;
    let turns = rounds::run(&mut gateway, &populations, &contestants, &plan, |round| {
        eprintln!("round {round} of {}", plan.rounds);
    })?;
    let circumstances = machine::circumstances(&arguments.wasm, envoy, plan, gateway.resident()?)?;
    Results::new(circumstances, &contestants, &turns)
}

/// Small enough to be read out and typed in again.
fn fresh_seed() -> Result<u64> {
    use postern_core::random::Random as _;
    let mut bytes = [0; 4];
    Entropy
        .fill(&mut bytes)
        .map_err(|fault| Error::Fixture(fault.to_string()))?;
    Ok(u64::from(u32::from_le_bytes(bytes)))
}

fn bless(wasm: &Path, file: &Path) -> Result<()> {
    let measured = budgets::measure(wasm)?;
    // Without a file that can be read, everything is new.
    let before = budgets::read(file).unwrap_or_default();
    for line in budgets::differences(&before, &measured) {
        println!("{line}");
    }
    budgets::write(file, &measured)?;
    println!("{} cases written to {}", measured.len(), file.display());
    Ok(())
}
