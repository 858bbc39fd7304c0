//! What was measured, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::Options;
use super::costs::CallbackCosts;
use super::subject::Subject;
use super::time::Took;

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Requests in one round of one subject.
    pub requests: u32,
    /// Rounds of each subject.
    pub rounds: u32,
    /// Calls a second of a function that does nothing, straight on wasmtime with its fuel renewed.
    pub bare_call: Rate,
    /// The guest that does nothing, in this host.
    pub empty: SubjectReport,
    /// The modules, in the order in which they were named.
    pub subjects: Vec<SubjectReport>,
}

/// How many a second of processor time, or of plain time where the system does not tell the other: the median of all
/// rounds, and the slowest and fastest of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Rate {
    /// The median.
    pub median: f64,
    /// The slowest round.
    pub min: f64,
    /// The fastest round.
    pub max: f64,
    /// The median by the clock on the wall.
    pub elapsed_median: f64,
}

/// What was measured of one module.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SubjectReport {
    /// The file, or the name of a built-in guest.
    pub name: String,
    /// Milliseconds to compile it.
    pub compile_ms: Option<f64>,
    /// Milliseconds to load it once it had been compiled, from the cache.
    pub cached_ms: Option<f64>,
    /// Milliseconds from a compiled module to one that has accepted its configuration, the trial in a VM of its own included.
    pub start_ms: f64,
    /// Requests a second.
    pub rate: Rate,
    /// How many findings the diagnostics have.
    pub findings: usize,
    /// The costs of each callback that ran for requests.
    pub callbacks: BTreeMap<String, CallbackCosts>,
}

impl Report {
    pub(super) fn new(options: &Options, subjects: Vec<Subject>, bare_call: Vec<Took>) -> Self {
        let requests = options.requests;
        let mut reports = subjects
            .into_iter()
            .map(|subject| SubjectReport::new(subject, requests));
        let empty = reports.next().expect("the empty guest is always measured");
        Self {
            requests,
            rounds: options.rounds,
            bare_call: Rate::new(requests, bare_call),
            empty,
            subjects: reports.collect(),
        }
    }

    /// The report as JSON.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("names and numbers are JSON");
        text.push('\n');
        text
    }
}

impl Rate {
    fn new(requests: u32, rounds: Vec<Took>) -> Self {
        let elapsed: Vec<Duration> = rounds.iter().map(|took| took.elapsed).collect();
        let busy: Vec<Duration> = rounds.iter().filter_map(|took| took.busy).collect();
        // A round without the one is not compared with rounds that have it.
        let complete = busy.len() == rounds.len();
        let rates = rates(requests, if complete { &busy } else { &elapsed });
        Self {
            median: middle(&rates),
            min: rates.first().copied().unwrap_or(0.0),
            max: rates.last().copied().unwrap_or(0.0),
            elapsed_median: middle(&self::rates(requests, &elapsed)),
        }
    }
}

/// The rates of all rounds, the slowest first.
fn rates(requests: u32, rounds: &[Duration]) -> Vec<f64> {
    let mut rates: Vec<f64> = rounds
        .iter()
        .map(|took| f64::from(requests) / took.as_secs_f64())
        .collect();
    rates.sort_by(f64::total_cmp);
    rates
}

fn middle(rates: &[f64]) -> f64 {
    rates.get(rates.len() / 2).copied().unwrap_or(0.0)
}

impl SubjectReport {
    fn new(subject: Subject, requests: u32) -> Self {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1_000.0;
        Self {
            compile_ms: subject.load.map(|load| milliseconds(load.compiled)),
            cached_ms: subject.load.and_then(|load| load.cached).map(milliseconds),
            start_ms: milliseconds(subject.start),
            rate: Rate::new(requests, subject.rounds),
            findings: subject.findings,
            callbacks: subject.costs.means(),
            name: subject.name,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} rounds of {} requests each; a second of processor time: median, slowest and fastest round",
            self.rounds, self.requests
        )?;
        let bare = self.bare_call.median;
        writeln!(
            f,
            "\n{:<32} {:>12} {:>22} {:>10}",
            "", "a second", "", "of empty"
        )?;
        line(
            f,
            "bare wasmtime call",
            self.bare_call,
            bare / self.empty.rate.median,
        )?;
        for subject in std::iter::once(&self.empty).chain(&self.subjects) {
            let ratio = subject.rate.median / self.empty.rate.median;
            line(f, &subject.name, subject.rate, ratio)?;
        }
        if let [first, second] = self.subjects.as_slice() {
            let ratio = second.rate.median / first.rate.median;
            writeln!(
                f,
                "\nThe second module does {ratio:.3} requests for each of the first."
            )?;
        }
        for subject in &self.subjects {
            write!(f, "\n{subject}")?;
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, rate: Rate, ratio: f64) -> fmt::Result {
    writeln!(
        f,
        "{name:<32} {:>12.0} {:>10.0} {:>10.0}  {ratio:>10.3}",
        rate.median, rate.min, rate.max
    )
}

impl fmt::Display for SubjectReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: start {:.2} ms", self.name, self.start_ms)?;
        if let Some(compile) = self.compile_ms {
            write!(f, ", compile {compile:.1} ms")?;
        }
        if let Some(cached) = self.cached_ms {
            write!(f, ", load from cache {cached:.2} ms")?;
        }
        writeln!(f, ", {} findings", self.findings)?;
        writeln!(
            f,
            "  {:<28} {:>6} {:>10} {:>10} {:>9} {:>9} {:>7} {:>7}",
            "callback", "calls", "fuel", "max fuel", "bytes in", "bytes out", "malloc", "grown"
        )?;
        for (name, costs) in &self.callbacks {
            writeln!(
                f,
                "  {name:<28} {:>6} {:>10} {:>10} {:>9} {:>9} {:>7} {:>7}",
                short(costs.calls),
                short(costs.fuel),
                costs.max_fuel,
                short(costs.bytes_to_guest),
                short(costs.bytes_from_guest),
                short(costs.allocations),
                short(costs.memory_growth)
            )?;
            for (function, calls) in &costs.host_calls {
                writeln!(f, "    {:<26} {:>6}", function, short(*calls))?;
            }
        }
        Ok(())
    }
}

/// A number without decimals it does not have.
fn short(number: f64) -> String {
    if number.fract() == 0.0 {
        format!("{number:.0}")
    } else {
        format!("{number:.2}")
    }
}
