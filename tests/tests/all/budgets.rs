//! What a request costs the filter, held to committed figures.

use std::path::Path;

use postern_tests::bench::budgets;
use postern_tests::{Result, artefacts};

#[test]
fn a_request_costs_what_its_budget_says() -> Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("budgets.json");
    let differences = budgets::differences(
        &budgets::read(&file)?,
        &budgets::measure(&artefacts::wasm()?)?,
    );
    assert!(
        differences.is_empty(),
        "the cost of a request has changed:\n{}\nIf that is what the change is worth, `cargo xtask bench --bless` writes \
         the new figures to tests/budgets.json.",
        differences.join("\n")
    );
    Ok(())
}
