//! What a request costs in the test host: instructions, host calls and copied bytes. These figures are the same on every
//! machine and in every run, so that a change that costs something cannot hide in noise.

use std::collections::BTreeMap;
use std::path::Path;

use postern_host::{Exchange, Host, Module, Request as HostRequest};
use serde_json::{Value, json};

use super::contestants::CONTESTANTS;
use super::population::{Population, Size};
use super::seeded::Seeded;
use super::traffic::Traffic;
use crate::fixture::ROOT_KEY_ENV;
use crate::message::Request;
use crate::{Error, Result};

/// 2090-01-01T00:00:00Z: an instant that every version of the filter takes for the present.
const CLOCK: u64 = 3_786_912_000;

/// How far fuel may be from its budget. Another version of the compiler moves it by less than one in a thousand.
const FUEL_TOLERANCE: f64 = 0.02;

/// What one request costs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cost {
    /// Fuel of all callbacks, roughly one unit for each wasm instruction.
    pub fuel: u64,
    /// Bytes that the host wrote into the guest's memory.
    pub to_guest: u64,
    /// Bytes that the host read from the guest's memory.
    pub from_guest: u64,
    /// Calls of host functions, by name.
    pub host_calls: BTreeMap<String, u64>,
}

/// The costs of all cases, by name.
pub type Costs = BTreeMap<String, Cost>;

/// Measures every contestant that is this project's filter.
///
/// # Errors
///
/// When the module does not load, or answers with a wrong status.
pub fn measure(wasm: &Path) -> Result<Costs> {
    let module = Module::from_file(wasm).map_err(|error| Error::Host(error.to_string()))?;
    let mut costs = Costs::new();
    for (size, chain) in [(Size::LARGE, "postern"), (Size::SMALL, "postern-small")] {
        let population = Population::new(size)?;
        for contestant in CONTESTANTS.iter().filter(|one| one.chain == chain) {
            let cost = cost(&module, &population, contestant.traffic, contestant.padding)?;
            costs.insert(contestant.name.to_owned(), cost);
        }
    }
    Ok(costs)
}

/// The second request: the first one finds nothing remembered and memory that has yet to grow.
fn cost(
    module: &Module,
    population: &Population,
    traffic: Traffic,
    padding: usize,
) -> Result<Cost> {
    let mut host = Host::builder(module)
        .environment(ROOT_KEY_ENV, population.root_key())
        .wall_clock_secs(CLOCK)
        .canary(false)
        .main_thread_vm(false)
        .build();
    let plugin = host
        .add_plugin(population.plugin_configuration().to_string())
        .map_err(|refused| Error::Host(refused.to_string()))?;
    let plan = traffic.plan(population, 2, padding, CLOCK, &mut Seeded::new(4))?;
    let place = usize::from(!traffic.repeats());
    let (Some(first), Some(second)) = (plan.first(), plan.get(place)) else {
        return Err(Error::Fixture("nothing is planned".to_owned()));
    };
    let mut last = None;
    for request in [first, second] {
        let exchange = host.request(plugin, convert(request));
        if exchange.status() != traffic.status() {
            return Err(Error::Host(format!(
                "{traffic:?}: {} {}, not {}",
                exchange.status(),
                exchange.details,
                traffic.status()
            )));
        }
        last = Some(exchange);
    }
    last.map(|exchange| sum(&exchange))
        .ok_or_else(|| Error::Fixture("nothing was sent".to_owned()))
}

fn sum(exchange: &Exchange) -> Cost {
    let mut host_calls = BTreeMap::new();
    for (function, calls) in exchange
        .callbacks
        .iter()
        .flat_map(|callback| &callback.host_calls)
    {
        *host_calls.entry((*function).to_owned()).or_insert(0) += u64::from(*calls);
    }
    Cost {
        fuel: exchange.fuel(),
        to_guest: exchange.copied().to_guest,
        from_guest: exchange.copied().from_guest,
        host_calls,
    }
}

fn convert(request: &Request) -> HostRequest {
    let mut converted = HostRequest::new(
        request.method.clone(),
        request.target.clone().unwrap_or_default(),
    )
    .authority(request.authority.clone().unwrap_or_default());
    for (name, value) in request.headers.iter() {
        converted = converted.header(name, value);
    }
    converted
}

/// The committed budgets.
///
/// # Errors
///
/// When the file is not there or not of its form.
pub fn read(file: &Path) -> Result<Costs> {
    let document: Value = serde_json::from_slice(&std::fs::read(file)?)?;
    let malformed = || Error::Fixture(format!("{} is no file of budgets", file.display()));
    let cases = document["cases"].as_object().ok_or_else(malformed)?;
    cases
        .iter()
        .map(|(name, case)| Ok((name.clone(), from_json(case).ok_or_else(malformed)?)))
        .collect()
}

/// Writes the budgets.
///
/// # Errors
///
/// When the file cannot be written.
pub fn write(file: &Path, costs: &Costs) -> Result<()> {
    let cases: BTreeMap<&String, Value> = costs
        .iter()
        .map(|(name, cost)| (name, to_json(cost)))
        .collect();
    let document = json!({
        "about": "What a request costs in the test host; see docs/performance.md. Written by cargo xtask bench --bless.",
        "cases": cases,
    });
    let mut text = serde_json::to_string_pretty(&document)?;
    text.push('\n');
    std::fs::write(file, text)?;
    Ok(())
}

/// Every difference that matters, in a sentence each. Cheaper is a difference too: a gain that no budget knows can be lost
/// again unseen.
pub fn differences(budgets: &Costs, measured: &Costs) -> Vec<String> {
    let mut lines = Vec::new();
    for name in budgets.keys().filter(|name| !measured.contains_key(*name)) {
        lines.push(format!("{name}: there is a budget, and no such case"));
    }
    for (name, cost) in measured {
        match budgets.get(name) {
            None => lines.push(format!("{name}: there is no budget")),
            Some(budget) => lines.extend(
                compare(budget, cost)
                    .into_iter()
                    .map(|line| format!("{name}: {line}")),
            ),
        }
    }
    lines
}

fn compare(budget: &Cost, cost: &Cost) -> Vec<String> {
    let mut lines = Vec::new();
    let (before, after) = (budget.fuel as f64, cost.fuel as f64);
    if (after - before).abs() > before * FUEL_TOLERANCE {
        lines.push(format!(
            "fuel {}, and the budget is {} ({:+.1} %)",
            cost.fuel,
            budget.fuel,
            (after / before - 1.0) * 100.0
        ));
    }
    for (what, budget, cost) in [
        ("bytes to the guest", budget.to_guest, cost.to_guest),
        ("bytes from the guest", budget.from_guest, cost.from_guest),
    ] {
        if budget != cost {
            lines.push(format!("{cost} {what}, and the budget is {budget}"));
        }
    }
    let functions = budget.host_calls.keys().chain(cost.host_calls.keys());
    for function in functions.collect::<std::collections::BTreeSet<_>>() {
        let calls = |costs: &Cost| costs.host_calls.get(function).copied().unwrap_or_default();
        let (budget, cost) = (calls(budget), calls(cost));
        if budget != cost {
            lines.push(format!(
                "{cost} calls of {function}, and the budget is {budget}"
            ));
        }
    }
    lines
}

fn to_json(cost: &Cost) -> Value {
    json!({
        "fuel": cost.fuel,
        "bytes_to_guest": cost.to_guest,
        "bytes_from_guest": cost.from_guest,
        "host_calls": cost.host_calls,
    })
}

fn from_json(case: &Value) -> Option<Cost> {
    Some(Cost {
        fuel: case["fuel"].as_u64()?,
        to_guest: case["bytes_to_guest"].as_u64()?,
        from_guest: case["bytes_from_guest"].as_u64()?,
        host_calls: case["host_calls"]
            .as_object()?
            .iter()
            .map(|(function, calls)| Some((function.clone(), calls.as_u64()?)))
            .collect::<Option<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(fuel: u64, to_guest: u64, calls: u64) -> Costs {
        let cost = Cost {
            fuel,
            to_guest,
            from_guest: 10,
            host_calls: BTreeMap::from([("proxy_log".to_owned(), calls)]),
        };
        BTreeMap::from([("seen".to_owned(), cost)])
    }

    #[test]
    fn fuel_has_two_percent_to_move_in_both_directions_and_not_more() {
        let budgets = costs(10_000, 5, 1);
        for within in [9_800, 10_000, 10_200] {
            assert_eq!(differences(&budgets, &costs(within, 5, 1)), [""; 0]);
        }
        for (beyond, percent) in [(9_799, "-2.0 %"), (10_201, "+2.0 %"), (20_000, "+100.0 %")] {
            let lines = differences(&budgets, &costs(beyond, 5, 1));
            assert!(lines.len() == 1 && lines[0].contains(percent), "{lines:?}");
        }
    }

    #[test]
    fn one_host_call_or_one_byte_more_is_a_difference() {
        let budgets = costs(10_000, 5, 1);
        assert_eq!(
            differences(&budgets, &costs(10_000, 6, 2)),
            [
                "seen: 6 bytes to the guest, and the budget is 5",
                "seen: 2 calls of proxy_log, and the budget is 1"
            ]
        );
    }

    #[test]
    fn a_case_without_budget_and_a_budget_without_case_are_differences() {
        let some = costs(1, 1, 1);
        assert_eq!(
            differences(&Costs::new(), &some),
            ["seen: there is no budget"]
        );
        assert_eq!(
            differences(&some, &Costs::new()),
            ["seen: there is a budget, and no such case"]
        );
    }

    #[test]
    fn budgets_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("budgets.json");
        let written = costs(10_000, 5, 1);
        write(&file, &written).expect("written");
        assert_eq!(read(&file).expect("read"), written);
    }
}
