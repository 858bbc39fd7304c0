//! A report as JSON.

use serde_json::json;

use super::Report;

pub(super) fn render(report: &Report) -> String {
    let value = json!({
        "passed": report.passed(),
        "failed": report.failed(),
        "errors": report.errors(),
        "steps": report.steps(),
        "scenarios": report.scenarios,
    });
    format!("{value:#}\n")
}
