//! `postern policy test`.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use postern::clock::now;
use postern::explain::explain;
use postern::prepared::Prepared;
use postern::scenario::{Case, Scenario};
use postern_core::time::Timestamp;
use serde::Serialize;

use super::{Failure, Verdict, print_json};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Scenario files
    #[arg(required = true)]
    scenarios: Vec<PathBuf>,
    /// Says nothing of cases that are as they should be
    #[arg(long, short)]
    quiet: bool,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct All {
    passed: usize,
    failed: usize,
    files: Vec<File>,
}

#[derive(Serialize)]
struct File {
    file: PathBuf,
    cases: Vec<Tried>,
}

#[derive(Serialize)]
struct Tried {
    name: String,
    ok: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    differences: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<String>,
}

impl Arguments {
    pub(crate) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let mut all = All {
            passed: 0,
            failed: 0,
            files: Vec::with_capacity(self.scenarios.len()),
        };
        for file in &self.scenarios {
            let said = |error: &dyn std::fmt::Display| Failure::Said(error.to_string());
            let scenario = Scenario::load(file).map_err(|error| said(&error))?;
            let prepared = scenario.prepare().map_err(|error| said(&error))?;
            let at = scenario.at.unwrap_or_else(now);
            let cases = scenario.cases.iter();
            let cases: Vec<_> = cases
                .map(|case| try_case(&prepared, &scenario, case, at))
                .collect();
            let failed = cases.iter().filter(|case| !case.ok).count();
            all.failed += failed;
            all.passed += cases.len() - failed;
            let file = File {
                file: file.clone(),
                cases,
            };
            if !self.json {
                self.print(out, &file)?;
            }
            all.files.push(file);
        }
        if self.json {
            print_json(out, &all)?;
        } else {
            writeln!(out, "{} passed, {} failed", all.passed, all.failed)?;
        }
        Ok(Verdict::good_if(all.failed == 0))
    }

    fn print(&self, out: &mut dyn Write, file: &File) -> Result<(), Failure> {
        writeln!(out, "{}", file.file.display())?;
        for case in &file.cases {
            if case.ok {
                if !self.quiet {
                    writeln!(out, "  ok      {}", case.name)?;
                }
                continue;
            }
            writeln!(out, "  FAILED  {}", case.name)?;
            for difference in &case.differences {
                writeln!(out, "          {difference}")?;
            }
            let explanation = case.explanation.as_deref().unwrap_or_default();
            for line in explanation.lines() {
                writeln!(out, "        | {line}")?;
            }
        }
        Ok(())
    }
}

fn try_case(prepared: &Prepared, scenario: &Scenario, case: &Case, at: Timestamp) -> Tried {
    let differences = match prepared.run_case(case, at) {
        Ok(observed) => case.expect.differences(&observed),
        Err(error) => vec![error.to_string()],
    };
    let ok = differences.is_empty();
    let explanation = if ok {
        None
    } else {
        explain(prepared, &scenario.policy, &case.caller, &case.request, at).ok()
    };
    Tried {
        name: case.name.clone(),
        ok,
        differences,
        explanation: explanation.map(|explanation| explanation.to_string()),
    }
}
