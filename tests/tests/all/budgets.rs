//! What a request costs the filter, held to committed figures.

use std::path::Path;

use postern_host::{Host, Module, Request};
use postern_tests::bench::{budgets, contestants};
use postern_tests::{Error, Result, artefacts};

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

#[test]
fn the_contestant_with_the_same_calls_makes_those_of_a_token_seen_before() -> Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("budgets.json");
    let budgets = budgets::read(&file)?;
    let fault = |error: &dyn std::fmt::Display| Error::Fixture(error.to_string());
    let module = wat::parse_str(contestants::SAME_CALLS).map_err(|error| fault(&error))?;
    let module = Module::compile(&module).map_err(|error| fault(&error))?;
    let mut host = Host::builder(&module).canary(false).build();
    let plugin = host.add_plugin("").map_err(|error| fault(&error))?;
    let exchange = host.request(plugin, Request::new("GET", "/"));
    assert_eq!(exchange.status(), 200);
    let mut calls = std::collections::BTreeMap::new();
    for callback in &exchange.callbacks {
        for (function, count) in &callback.host_calls {
            *calls.entry((*function).to_owned()).or_insert(0) += u64::from(*count);
        }
    }
    let seen = &budgets["seen"];
    assert_eq!(calls, seen.host_calls);
    assert_eq!(exchange.copied().from_guest, seen.from_guest);
    Ok(())
}
