//! A report as JSON.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Outcome, Report};

/// What came of running scenarios.
#[derive(Serialize, JsonSchema)]
#[schemars(title = "A report of postern-host run", deny_unknown_fields)]
struct Summary<'a> {
    /// Whether everything was as it should be in all scenarios.
    passed: bool,
    /// How many scenarios failed.
    failed: usize,
    /// How many scenarios could not be run.
    errors: usize,
    /// How many steps all scenarios have.
    steps: usize,
    /// What came of each scenario, in the order of files and scenarios.
    scenarios: &'a [Outcome],
}

pub(super) fn render(report: &Report) -> String {
    let summary = Summary {
        passed: report.passed(),
        failed: report.failed(),
        errors: report.errors(),
        steps: report.steps(),
        scenarios: &report.scenarios,
    };
    // Only keys that are no text could not be written, and there are none.
    let value = serde_json::to_value(&summary).unwrap_or_default();
    format!("{value:#}\n")
}

pub(super) fn schema() -> serde_json::Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    let generator = settings.into_generator();
    generator.into_root_schema_for::<Summary<'_>>().to_value()
}
