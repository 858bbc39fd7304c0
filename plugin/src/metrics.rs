//! Counters, one for each reason, and gauges of what a root context decides from. `docs/metrics.md` lists them.

use postern_core::gate::Gate;
use postern_core::reason::Reason;
use postern_core::time::Timestamp;

use crate::host::{self, Level, Status};

/// The metrics of one root context. Those of all root contexts and VMs with the same name are one in the host: counters
/// add up, and a gauge shows what was recorded last.
pub(crate) struct Metrics {
    decided: Counters,
    shadowed: Counters,
}

/// A counter for each reason, at the reason's index.
struct Counters(Vec<Result<u32, Status>>);

impl Metrics {
    /// Defines all metrics, so that each is there before its first request, and records what has come into force `now`.
    /// A host without metrics has none; requests are decided all the same.
    ///
    /// Gauges are recorded here and never again: an old root context, which may live for as long as its listener drains,
    /// has nothing to say over the new one. Without a clock that is to be trusted, the instant stays at 0, which any
    /// alarm takes for long ago.
    pub(crate) fn define(gate: &Gate, now: Option<Timestamp>) -> Self {
        let policy = gate.policy();
        let keys = gate.keys();
        for (name, value) in [
            ("postern.policy.tokens", policy.token_count() as u64),
            ("postern.policy.methods", policy.method_count() as u64),
            ("postern.policy.since", now.map_or(0, Timestamp::as_secs)),
            ("postern.keys", policy.keys().len() as u64),
            ("postern.roots.missing", keys.missing_roots().count() as u64),
        ] {
            note(host::define_gauge(name).and_then(|gauge| host::record(gauge, value)));
        }
        Self {
            decided: Counters::define("postern.requests."),
            shadowed: Counters::define("postern.shadow."),
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
            note(host::add(counter, 1));
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
pub(crate) fn note(result: Result<(), Status>) {
    if let Err(status) = result {
        host::log(
            Level::Warn,
            &format!("postern: a metric could not be kept: {status:?}"),
        );
    }
}
