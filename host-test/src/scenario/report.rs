//! What came of running scenarios, and how that is written down.

mod json;
mod junit;
mod text;

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

/// What came of running scenarios, in the order of files and scenarios.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// What came of each scenario.
    pub scenarios: Vec<Outcome>,
}

/// What came of one scenario.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(deny_unknown_fields)]
#[non_exhaustive]
pub struct Outcome {
    /// The file.
    pub file: PathBuf,
    /// The scenario's name.
    pub name: String,
    /// The start of its random numbers.
    pub seed: u64,
    /// How many steps it has, the start not counted.
    pub steps: usize,
    /// What was not as it should be.
    pub failures: Vec<Failure>,
    /// Why it could not be run at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How many expectations were written into the file.
    #[serde(skip_serializing_if = "is_zero")]
    pub blessed: usize,
    /// Every crossing between host and guest, if that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<String>,
}

/// Something that was not as it should be.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(deny_unknown_fields)]
#[non_exhaustive]
pub struct Failure {
    /// The step, counted from 1; 0 for the start, and one more than there are steps for everything together.
    pub step: usize,
    /// The step's name, or what happens in it.
    pub title: String,
    /// The key of the expectation, such as `upstream.headers.x-a`; empty for a step that could not be done.
    pub key: String,
    /// What was to come.
    pub expected: String,
    /// What came.
    pub observed: String,
    /// The two side by side, where they are lists or have several lines: marked with `-` what was to come and did not, with `+`
    /// what came.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diff: Vec<String>,
    /// What crossed between host and guest in the step, shortened in the middle.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<String>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object, of the form that [`report_schema`] has.
    Json,
    /// The XML that CI systems read.
    JUnit,
}

/// The JSON Schema of reports in [`Format::Json`] (draft 2020-12).
pub fn report_schema() -> serde_json::Value {
    json::schema()
}

impl Outcome {
    /// Whether everything was as it should be.
    pub fn passed(&self) -> bool {
        self.failures.is_empty() && self.error.is_none()
    }
}

impl Report {
    /// Whether everything was as it should be in all scenarios.
    pub fn passed(&self) -> bool {
        self.scenarios.iter().all(Outcome::passed)
    }

    /// How many scenarios failed.
    pub fn failed(&self) -> usize {
        let failed = |outcome: &&Outcome| !outcome.failures.is_empty() && outcome.error.is_none();
        self.scenarios.iter().filter(failed).count()
    }

    /// How many scenarios could not be run.
    pub fn errors(&self) -> usize {
        let errors = self
            .scenarios
            .iter()
            .filter(|outcome| outcome.error.is_some());
        errors.count()
    }

    /// How many steps all scenarios have.
    pub fn steps(&self) -> usize {
        self.scenarios.iter().map(|outcome| outcome.steps).sum()
    }

    /// The report in this form. It holds no times, so that equal runs have equal reports.
    pub fn render(&self, format: Format) -> String {
        match format {
            Format::Text => text::render(self),
            Format::Json => json::render(self),
            Format::JUnit => junit::render(self),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Format::Text))
    }
}
