//! `postern policy check`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use postern::check::{Code, Kind, Report, Subject};
use postern::clock::now;
use postern_core::time::Timestamp;
use serde::Serialize;

use super::{Failure, Verdict, print_json, timestamp};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Policies, or whole plugin configurations with `policy.inline`
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The plugin configuration that the policies are for, where it is in a file of its own
    #[arg(long)]
    gateway: Option<PathBuf>,
    /// The instant to check for, such as 2027-01-01T00:00:00Z; now if there is none
    #[arg(long, value_parser = timestamp)]
    at: Option<Timestamp>,
    /// Ends with 1 if there are warnings
    #[arg(long)]
    deny_warnings: bool,
    /// Says nothing of warnings of this kind, such as never-expires
    #[arg(long, value_name = "CODE", value_parser = code)]
    allow: Vec<Code>,
    /// Prints one JSON object on standard output
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct All<'r> {
    ok: bool,
    files: &'r [Report],
}

impl Arguments {
    pub(crate) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let at = self.at.unwrap_or_else(now);
        let mut reports = Vec::with_capacity(self.files.len());
        for file in &self.files {
            let subject = Subject::read(file, self.gateway.as_deref())
                .map_err(|error| Failure::Said(error.to_string()))?;
            let mut report = subject.check(at);
            report
                .warnings
                .retain(|warning| !warning.code.is_some_and(|code| self.allow.contains(&code)));
            reports.push(report);
        }
        let counts = |report: &Report| {
            self.deny_warnings && !report.warnings.is_empty() || !report.faults.is_empty()
        };
        let good = !reports.iter().any(counts);
        if self.json {
            let all = All {
                ok: good,
                files: &reports,
            };
            print_json(out, &all)?;
        } else {
            for report in &reports {
                print(out, report)?;
            }
        }
        Ok(Verdict::good_if(good))
    }
}

/// Faults and the verdict on standard output, warnings and notes on standard error.
fn print(out: &mut dyn Write, report: &Report) -> Result<(), Failure> {
    for fault in &report.faults {
        writeln!(out, "{fault}")?;
    }
    out.flush()?;
    let mut err = io::stderr().lock();
    for warning in &report.warnings {
        writeln!(err, "warning: {warning}")?;
    }
    for note in &report.notes {
        writeln!(err, "note: {}: {note}", report.file.display())?;
    }
    let kind = match report.kind {
        Kind::Policy => "policy",
        Kind::Configuration => "configuration",
    };
    writeln!(
        out,
        "{}: {kind}: {}, {}",
        report.file.display(),
        count(report.faults.len(), "fault"),
        count(report.warnings.len(), "warning")
    )?;
    Ok(())
}

fn count(number: usize, what: &str) -> String {
    match number {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

fn code(text: &str) -> Result<Code, String> {
    let known = Code::ALL.iter().find(|code| code.as_str() == text);
    known.copied().ok_or_else(|| {
        let codes: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        format!("the kinds are {}", codes.join(", "))
    })
}
