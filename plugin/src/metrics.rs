//! Counters, one for each reason, and gauges of what a root context decides from. `docs/metrics.md` lists them.

use postern_core::gate::Gate;
use postern_core::reason::Reason;

use crate::host::{self, Level, Status};

/// The metrics of one root context. Those of all root contexts and VMs with the same name are one in the host: counters
/// add up, and a gauge shows what was recorded last.
pub(crate) struct Metrics {
    decided: Counters,
    shadowed: Counters,
    age: Result<u32, Status>,
}

/// A counter for each reason, at the reason's index.
struct Counters(Vec<Result<u32, Status>>);

impl Metrics {
    /// Defines all metrics, so that each is there before its first request. A host without metrics has none; requests
    /// are decided all the same.
    pub(crate) fn define(gate: &Gate) -> Self {
        let policy = gate.policy();
        let keys = gate.keys();
        for (name, value) in [
            ("postern.policy.tokens", policy.token_count()),
            ("postern.policy.methods", policy.method_count()),
            ("postern.keys", policy.keys().len()),
            ("postern.roots.missing", keys.missing_roots().count()),
        ] {
            note(host::define_gauge(name).and_then(|gauge| host::record(gauge, value as u64)));
        }
        Self {
            decided: Counters::define("postern.requests."),
            shadowed: Counters::define("postern.shadow."),
            age: host::define_gauge("postern.policy.age"),
        }
    }

    /// Counts a request.
    pub(crate) fn count(&self, reason: Reason, shadow: bool) {
        let counters = if shadow {
            &self.shadowed
        } else {
            &self.decided
        };
        if let Some(&Ok(counter)) = counters.0.get(reason.index()) {
            note(host::increment(counter));
        }
    }

    /// Records how long the policy has been in force, in seconds.
    pub(crate) fn set_age(&self, seconds: u64) {
        if let Ok(gauge) = self.age {
            note(host::record(gauge, seconds));
        }
    }
}

impl Counters {
    fn define(prefix: &str) -> Self {
        let name = |reason: &Reason| format!("{prefix}{}", reason.as_str());
        Self(
            Reason::ALL
                .iter()
                .map(|reason| host::define_counter(&name(reason)))
                .collect(),
        )
    }
}

/// A metric that cannot be kept is no reason to refuse a request; it is said in the log.
fn note(result: Result<(), Status>) {
    if let Err(status) = result {
        host::log(
            Level::Warn,
            &format!("postern: a metric could not be kept: {status:?}"),
        );
    }
}
