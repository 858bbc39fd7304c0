//! Figures beside their goals.

/// What was measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
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
    pub(crate) fn note(&mut self, what: impl Into<String>, measured: impl Into<String>) {
        self.lines.push(Line {
            what: what.into(),
            measured: measured.into(),
            goal: None,
        });
    }

    /// A figure, its goal, and whether it meets it.
    pub(crate) fn goal(
        &mut self,
        what: impl Into<String>,
        measured: impl Into<String>,
        goal: impl Into<String>,
        is_met: bool,
    ) {
        self.lines.push(Line {
            what: what.into(),
            measured: measured.into(),
            goal: Some((goal.into(), is_met)),
        });
    }

    /// Prints all figures; returns whether all goals are met.
    pub(crate) fn print(&self) -> bool {
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
            println!("{}", row.trim_end());
        }
        self.lines
            .iter()
            .all(|line| line.goal.as_ref().is_none_or(|(_, is_met)| *is_met))
    }
}

/// The value below which this share of the values is; 0 of none.
pub(crate) fn percentile(sorted: &[f64], share: f64) -> f64 {
    let place = (share * sorted.len() as f64).ceil() as usize;
    let place = place.clamp(1, sorted.len().max(1)) - 1;
    sorted.get(place).copied().unwrap_or(0.0)
}
