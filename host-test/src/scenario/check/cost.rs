//! Comparing what callbacks cost.

use std::collections::{BTreeMap, BTreeSet};

use toml_edit::Value;

use super::super::bless::literal;
use super::super::format::{CallbackCostExpect, CostExpect, Number};
use super::Checker;
use crate::exchange::Callback;

/// How far fuel may be from what `--bless` wrote down, in percent. Another version of the compiler moves it by less.
const FUEL_TOLERANCE: f64 = 2.0;

/// What some callbacks cost together.
#[derive(Default)]
struct Cost {
    count: i64,
    fuel: i64,
    host_calls: BTreeMap<&'static str, i64>,
    to_guest: i64,
    from_guest: i64,
}

impl Cost {
    fn of<'a>(callbacks: impl Iterator<Item = &'a Callback>) -> Self {
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        callbacks.fold(Self::default(), |mut sum, callback| {
            sum.count += 1;
            sum.fuel = sum.fuel.saturating_add(number(callback.fuel));
            sum.to_guest = sum
                .to_guest
                .saturating_add(number(callback.copied.to_guest));
            sum.from_guest = sum
                .from_guest
                .saturating_add(number(callback.copied.from_guest));
            for (function, calls) in &callback.host_calls {
                *sum.host_calls.entry(function).or_default() += i64::from(*calls);
            }
            sum
        })
    }

    /// What the callbacks of each name cost, as it stands in a file.
    fn by_callback(callbacks: &[Callback]) -> Option<Value> {
        let names: BTreeSet<_> = callbacks.iter().map(|callback| callback.name).collect();
        let costs = names.into_iter().map(|name| {
            let cost = Self::of(callbacks.iter().filter(|callback| callback.name == name));
            let members = [
                ("count".to_owned(), literal::number(cost.count)),
                ("fuel".to_owned(), literal::near(cost.fuel, FUEL_TOLERANCE)),
                ("host_calls".to_owned(), cost.host_calls_literal()),
            ];
            (name.to_owned(), literal::table(members))
        });
        literal::some_table(costs)
    }

    fn calls(&self) -> i64 {
        self.host_calls.values().sum()
    }

    fn host_calls_literal(&self) -> Value {
        let calls = self.host_calls.iter();
        literal::table(calls.map(|(name, calls)| ((*name).to_owned(), literal::number(*calls))))
    }
}

impl Checker {
    pub(super) fn cost(&mut self, expect: &CostExpect, callbacks: &[Callback]) {
        let all = Cost::of(callbacks.iter());
        let CostExpect {
            fuel,
            calls,
            host_calls,
            bytes_to_guest,
            bytes_from_guest,
            callbacks: by_name,
        } = expect;
        if expect.says_nothing() {
            self.fill("fuel", literal::near(all.fuel, FUEL_TOLERANCE));
            self.fill("host_calls", all.host_calls_literal());
        }
        self.number("fuel", *fuel, Some(all.fuel));
        self.number("calls", *calls, Some(all.calls()));
        self.host_calls(host_calls.as_ref(), &all);
        self.number("bytes_to_guest", *bytes_to_guest, Some(all.to_guest));
        self.number("bytes_from_guest", *bytes_from_guest, Some(all.from_guest));
        let Some(by_name) = by_name else { return };
        if by_name.is_empty() {
            self.empty("callbacks", Cost::by_callback(callbacks));
            if callbacks.is_empty() && calls.is_none() {
                self.also("calls", literal::number(0));
            }
        }
        self.at("callbacks", |checker| {
            for (name, expect) in by_name {
                let cost = Cost::of(callbacks.iter().filter(|callback| callback.name == name));
                checker.at(name, |checker| checker.callback(expect, &cost));
            }
        });
    }

    fn callback(&mut self, expect: &CallbackCostExpect, cost: &Cost) {
        let CallbackCostExpect {
            count,
            fuel,
            calls,
            host_calls,
        } = expect;
        if expect.says_nothing() {
            self.fill("count", literal::number(cost.count));
            self.fill("fuel", literal::near(cost.fuel, FUEL_TOLERANCE));
            self.fill("host_calls", cost.host_calls_literal());
        }
        self.number("count", *count, Some(cost.count));
        // A bound on a callback that never came would hold whatever the callback does: `count = 0` says that none comes.
        let never_came = cost.count == 0 && count.is_none();
        let of = |expected: &Option<Number>, seen: i64| {
            let exact = matches!(expected, Some(Number::Exact(_)));
            (exact || !never_came).then_some(seen)
        };
        self.number("fuel", *fuel, of(fuel, cost.fuel));
        self.number("calls", *calls, of(calls, cost.calls()));
        self.host_calls(host_calls.as_ref(), cost);
    }

    /// These host functions and no others.
    fn host_calls(&mut self, expected: Option<&BTreeMap<String, Number>>, cost: &Cost) {
        let Some(expected) = expected else { return };
        self.at("host_calls", |checker| {
            for (function, number) in expected {
                let calls = cost.host_calls.get(function.as_str()).copied().unwrap_or(0);
                checker.number(function, Some(*number), Some(calls));
            }
            for (function, calls) in &cost.host_calls {
                if !expected.contains_key(*function) {
                    checker.number(function, Some(Number::Exact(0)), Some(*calls));
                }
            }
        });
    }
}
