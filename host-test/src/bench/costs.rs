//! What callbacks cost.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::exchange::Callback;

/// The costs of one callback, each the mean over all its calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CallbackCosts {
    /// How often it was called for each request.
    pub calls: f64,
    /// Fuel: roughly one unit for each wasm instruction.
    pub fuel: f64,
    /// The most fuel that one call took.
    pub max_fuel: u64,
    /// How often it called each host function.
    pub host_calls: BTreeMap<String, f64>,
    /// Bytes that host functions wrote into the guest's memory.
    pub bytes_to_guest: f64,
    /// Bytes that host functions read from it.
    pub bytes_from_guest: f64,
    /// How often the host called the guest's allocator.
    pub allocations: f64,
    /// Bytes by which linear memory grew.
    pub memory_growth: f64,
}

/// What callbacks cost together.
#[derive(Debug, Default)]
pub(super) struct Costs {
    requests: u32,
    by_name: BTreeMap<&'static str, Sum>,
}

#[derive(Debug, Default)]
struct Sum {
    calls: u64,
    fuel: u64,
    max_fuel: u64,
    host_calls: BTreeMap<&'static str, u64>,
    to_guest: u64,
    from_guest: u64,
    allocations: u64,
    growth: u64,
}

impl Costs {
    /// The callbacks of one request.
    pub(super) fn add(&mut self, callbacks: &[Callback]) {
        self.requests += 1;
        for callback in callbacks {
            let sum = self.by_name.entry(callback.name).or_default();
            sum.calls += 1;
            sum.fuel += callback.fuel;
            sum.max_fuel = sum.max_fuel.max(callback.fuel);
            for (function, calls) in &callback.host_calls {
                *sum.host_calls.entry(function).or_default() += u64::from(*calls);
            }
            sum.to_guest += callback.copied.to_guest;
            sum.from_guest += callback.copied.from_guest;
            sum.allocations += u64::from(callback.allocations);
            sum.growth += callback.memory_growth;
        }
    }

    pub(super) fn means(&self) -> BTreeMap<String, CallbackCosts> {
        let means = self.by_name.iter().map(|(name, sum)| {
            let mean = |total: u64| ratio(total, sum.calls);
            let host_calls = sum
                .host_calls
                .iter()
                .map(|(function, calls)| ((*function).to_owned(), mean(*calls)))
                .collect();
            let costs = CallbackCosts {
                calls: ratio(sum.calls, u64::from(self.requests)),
                fuel: mean(sum.fuel),
                max_fuel: sum.max_fuel,
                host_calls,
                bytes_to_guest: mean(sum.to_guest),
                bytes_from_guest: mean(sum.from_guest),
                allocations: mean(sum.allocations),
                memory_growth: mean(sum.growth),
            };
            ((*name).to_owned(), costs)
        });
        means.collect()
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "sums of a hundred requests are far below 2 to the power of 53"
)]
fn ratio(total: u64, count: u64) -> f64 {
    if count == 0 {
        0.0
    } else {
        total as f64 / count as f64
    }
}
