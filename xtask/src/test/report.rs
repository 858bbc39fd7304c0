//! The table at the end of a run.

use std::fmt;
use std::time::Duration;

use super::steps::Step;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    Passed,
    Failed,
    Skipped,
    NotRun,
}

/// What each step came to, and how long it took.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<(Step, Verdict, Duration)>,
    reasons: Vec<(Step, String)>,
}

impl Report {
    /// Notes a step that passed.
    pub(crate) fn passed(&mut self, step: Step, time: Duration) {
        self.rows.push((step, Verdict::Passed, time));
    }

    /// Notes a step that failed.
    pub(crate) fn failed(&mut self, step: Step, time: Duration) {
        self.rows.push((step, Verdict::Failed, time));
    }

    /// Notes a step that this machine cannot run.
    pub(crate) fn skip(&mut self, step: Step, time: Duration, reason: String) {
        self.rows.push((step, Verdict::Skipped, time));
        self.reasons.push((step, reason));
    }

    /// Notes the steps after the one that failed.
    pub(crate) fn not_run(&mut self, steps: &[Step]) {
        let rows = steps
            .iter()
            .map(|&step| (step, Verdict::NotRun, Duration::ZERO));
        self.rows.extend(rows);
    }

    /// How many were skipped.
    pub(crate) fn skipped(&self) -> usize {
        self.count(Verdict::Skipped)
    }

    /// Whether nothing failed, and, where skips fail, nothing was skipped.
    pub(crate) fn is_success(&self, skips_fail: bool) -> bool {
        self.count(Verdict::Failed) == 0 && !(skips_fail && self.skipped() > 0)
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.rows
            .iter()
            .filter(|(_, of_row, _)| *of_row == verdict)
            .count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (step, verdict, time) in &self.rows {
            let verdict = match verdict {
                Verdict::Passed => "passed",
                Verdict::Failed => "FAILED",
                Verdict::Skipped => "skipped",
                Verdict::NotRun => "not run",
            };
            writeln!(
                f,
                "{:<18} {verdict:<8} {:>7.1} s",
                step.name(),
                time.as_secs_f64()
            )?;
        }
        let total: Duration = self.rows.iter().map(|(_, _, time)| *time).sum();
        writeln!(f, "{:<27} {:>7.1} s", "in all", total.as_secs_f64())?;
        let reasons: Vec<_> = self
            .reasons
            .iter()
            .map(|(step, reason)| format!("{} ({reason})", step.name()))
            .collect();
        let skipped = if reasons.is_empty() {
            "none".to_owned()
        } else {
            reasons.join(", ")
        };
        writeln!(f, "skipped: {skipped}")?;
        writeln!(
            f,
            "steps: {} passed, {} failed, {} skipped",
            self.count(Verdict::Passed),
            self.count(Verdict::Failed),
            self.skipped()
        )
    }
}
