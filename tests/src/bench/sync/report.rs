//! Figures beside their goals.

use std::fmt;

/// What was measured.
#[derive(Debug, Default)]
pub(super) struct Report {
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    what: String,
    measured: String,
    goal: Option<(String, bool)>,
}

impl Report {
    /// A figure that has no goal of its own.
    pub(super) fn note(&mut self, what: impl Into<String>, measured: impl Into<String>) {
        self.add(what.into(), measured.into(), None);
    }

    /// A figure, its goal, and whether it meets it.
    pub(super) fn goal(
        &mut self,
        what: impl Into<String>,
        measured: impl Into<String>,
        goal: impl Into<String>,
        is_met: bool,
    ) {
        self.add(what.into(), measured.into(), Some((goal.into(), is_met)));
    }

    /// Whether all goals are met.
    pub(super) fn is_met(&self) -> bool {
        let mut goals = self.lines.iter().filter_map(|line| line.goal.as_ref());
        goals.all(|(_, is_met)| *is_met)
    }

    fn add(&mut self, what: String, measured: String, goal: Option<(String, bool)>) {
        // A long run that fails later has told this at least.
        eprintln!("{what}: {measured}");
        self.lines.push(Line {
            what,
            measured,
            goal,
        });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |cell: fn(&Line) -> usize| self.lines.iter().map(cell).max().unwrap_or(0);
        let (what, measured) = (
            width(|line| line.what.len()),
            width(|line| line.measured.len()),
        );
        for line in &self.lines {
            let goal = match &line.goal {
                Some((goal, true)) => format!("goal {goal}: met"),
                Some((goal, false)) => format!("goal {goal}: MISSED"),
                None => String::new(),
            };
            let row = format!("{:what$}  {:>measured$}  {goal}", line.what, line.measured);
            writeln!(f, "{}", row.trim_end())?;
        }
        Ok(())
    }
}

/// The value below which this share of the values is; 0 of none.
pub(super) fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (share * sorted.len() as f64).ceil() as usize;
    let place = place.clamp(1, sorted.len().max(1)) - 1;
    sorted.get(place).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_goal_that_is_missed_is_shown_and_fails_the_whole() {
        let mut report = Report::default();
        report.note("a", "1");
        report.goal("b", "2 s", "1 s", false);
        report.goal("c", "1 s", "1 s", true);
        assert!(!report.is_met());
        let text = report.to_string();
        assert!(text.contains("b  2 s  goal 1 s: MISSED\n"), "{text}");
        assert!(text.contains("c  1 s  goal 1 s: met\n"), "{text}");
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(&values, 0.99), 99.0);
        assert_eq!(percentile(&values, 1.0), 100.0);
        assert_eq!(percentile(&[], 0.5), 0.0);
    }
}
