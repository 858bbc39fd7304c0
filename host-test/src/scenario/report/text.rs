//! A report for people.

use std::fmt::Write as _;

use super::{Failure, Outcome, Report};

pub(super) fn render(report: &Report) -> String {
    let mut text = String::new();
    for outcome in &report.scenarios {
        // Writing into a string cannot fail.
        let _ok = scenario(&mut text, outcome);
    }
    let passed = report.scenarios.iter().filter(|outcome| outcome.passed());
    let _ok = write!(
        text,
        "{} passed, {} failed",
        passed.count(),
        report.failed()
    );
    if report.errors() > 0 {
        let _ok = write!(text, ", {} could not be run", report.errors());
    }
    let _ok = writeln!(text, " ({} steps)", report.steps());
    text
}

fn scenario(text: &mut String, outcome: &Outcome) -> std::fmt::Result {
    let verdict = match outcome {
        Outcome { error: Some(_), .. } => "ERROR",
        outcome if outcome.passed() => "ok   ",
        _ => "FAIL ",
    };
    let file = outcome.file.display();
    writeln!(text, "{verdict} {file}: {}", outcome.name)?;
    if outcome.blessed > 0 {
        writeln!(text, "      {} expectations written", outcome.blessed)?;
    }
    if let Some(error) = &outcome.error {
        writeln!(text, "      {error}")?;
    }
    for line in &outcome.trace {
        writeln!(text, "      {line}")?;
    }
    for failure in &outcome.failures {
        self::failure(text, outcome, failure)?;
    }
    if !outcome.passed() && outcome.error.is_none() {
        writeln!(
            text,
            "    seed {}. To repeat it: postern-host run {file} --filter '{}' --seed {}\n",
            outcome.seed, outcome.name, outcome.seed
        )?;
    }
    Ok(())
}

fn failure(text: &mut String, outcome: &Outcome, failure: &Failure) -> std::fmt::Result {
    let title = &failure.title;
    match failure.step {
        0 => writeln!(text, "\n    start ({title})")?,
        step if step > outcome.steps => writeln!(text, "\n    {title}")?,
        step => writeln!(text, "\n    step {step} ({title})")?,
    }
    if failure.key.is_empty() {
        writeln!(text, "      {}", failure.observed)?;
    } else {
        writeln!(text, "      {}", failure.key)?;
        writeln!(text, "        expected: {}", failure.expected)?;
        writeln!(text, "        got:      {}", failure.observed)?;
    }
    for line in &failure.diff {
        writeln!(text, "          {line}")?;
    }
    if !failure.trace.is_empty() {
        writeln!(text, "      trace of the step:")?;
        for line in &failure.trace {
            writeln!(text, "        {line}")?;
        }
    }
    Ok(())
}
