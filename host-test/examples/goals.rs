//! What the host is to be able to do, measured and set beside it: requests a second, the start of a filter, steps of scenarios.
//!
//! `cargo xtask bench host` builds this as it is shipped and runs it. It exits with 1 if a goal is missed. Times depend on the
//! machine and on what else it does, so that no test looks at them.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use postern_host::Request;
use postern_host::bench;
use postern_host::scenario;

/// Requests a second on one core for a filter that reads one header.
const REQUESTS: f64 = 300_000.0;
/// Milliseconds from the file of a filter, compiled before, to its first callback.
const START: f64 = 10.0;
/// Steps of scenarios a second, one scenario at a time.
const STEPS: f64 = 1_000.0;

/// How often the scenarios are played.
const REPEAT: usize = 100;

/// What the command line says.
#[derive(Parser)]
struct Arguments {
    /// The filter.
    #[arg(long, value_name = "FILE")]
    wasm: PathBuf,
    /// Its configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// A variable of the environment that it sees.
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,
    /// The clock on its wall, in seconds of Unix time.
    #[arg(long, value_name = "SECONDS")]
    wall_clock: Option<u64>,
    /// The path of the request that it gets, and its authority.
    #[arg(long, default_value = "/")]
    path: String,
    #[arg(long, default_value = "localhost")]
    authority: String,
    /// The folder with the scenarios that are played.
    #[arg(long, value_name = "FOLDER")]
    scenarios: PathBuf,
    /// Where compiled code is kept.
    #[arg(long, value_name = "FOLDER")]
    cache: PathBuf,
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE belongs here")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// A figure and its goal.
struct Goal {
    name: &'static str,
    measured: f64,
    goal: f64,
    unit: &'static str,
    /// Whether more is better.
    more: bool,
}

impl Goal {
    fn reached(&self) -> bool {
        if self.more {
            self.measured >= self.goal
        } else {
            self.measured <= self.goal
        }
    }

    fn line(&self) -> String {
        let sign = if self.more { "≥" } else { "≤" };
        let verdict = if self.reached() { "reached" } else { "MISSED" };
        let (measured, goal) = (shown(self.measured), shown(self.goal));
        format!(
            "{:<56} {measured:>9}  {sign} {goal:>7} {:<11} {verdict}",
            self.name, self.unit
        )
    }
}

fn shown(number: f64) -> String {
    if number < 100.0 {
        format!("{number:.1}")
    } else {
        format!("{number:.0}")
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::parse();
    let goals = [requests()?, start(&arguments)?, steps(&arguments)?];
    for goal in &goals {
        println!("{}", goal.line());
    }
    Ok(if goals.iter().all(Goal::reached) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Fuel, memory limit and diagnostics are on, the trace is off.
fn requests() -> Result<Goal, Box<dyn Error>> {
    let mut options = bench::Options::default();
    options.requests = 100_000;
    let report = bench::run(&options)?;
    let one_header = report.subjects.first().ok_or("nothing was measured")?;
    Ok(Goal {
        name: "requests for a filter that reads one header, one core",
        measured: one_header.rate.median,
        goal: REQUESTS,
        unit: "a second",
        more: true,
    })
}

fn start(arguments: &Arguments) -> Result<Goal, Box<dyn Error>> {
    let mut options = bench::Options::default();
    options.modules = vec![arguments.wasm.clone()];
    options.configuration = fs::read(&arguments.config)?;
    options.environment.clone_from(&arguments.env);
    "goals".clone_into(&mut options.vm_id);
    options.wall_clock = arguments.wall_clock;
    options.request = Request::get(&arguments.path).authority(&arguments.authority);
    options.cache = Some(std::path::absolute(&arguments.cache)?);
    (options.warm_up, options.requests, options.rounds) = (10, 10, 1);
    let report = bench::run(&options)?;
    let filter = report.subjects.first().ok_or("nothing was measured")?;
    let cached = filter.cached_ms.ok_or("there is no compiled code")?;
    Ok(Goal {
        name: "the filter: from its file to a ready VM",
        measured: cached + filter.start_ms,
        goal: START,
        unit: "ms",
        more: false,
    })
}

fn steps(arguments: &Arguments) -> Result<Goal, Box<dyn Error>> {
    let mut options = scenario::Options::default();
    options.jobs = 1;
    options.repeat = REPEAT;
    options.module = Some(arguments.wasm.clone());
    let begun = Instant::now();
    let report = scenario::run_files(std::slice::from_ref(&arguments.scenarios), &options)?;
    let seconds = begun.elapsed().as_secs_f64();
    if !report.passed() {
        return Err(format!("the scenarios fail:\n{report}").into());
    }
    let steps = u32::try_from(report.steps() * REPEAT)?;
    Ok(Goal {
        name: "steps of the scenarios of the filter, its compilation in it",
        measured: f64::from(steps) / seconds,
        goal: STEPS,
        unit: "a second",
        more: true,
    })
}
