//! What is known of a policy that is read from a feed. `docs/metrics.md` lists it.

use postern_core::feed::InForce;
use postern_core::gate::Gate;

use crate::host::{self, Status};
use crate::metrics::note;

/// What is known of a policy that is read from a feed. Gauges show the worker that recorded last; each has the same policy
/// within moments.
pub(crate) struct SyncMetrics {
    gauges: [Result<u32, Status>; 7],
    counters: [Result<u32, Status>; 5],
}

/// The gauges' places.
const REVISION: usize = 0;
const EPOCH: usize = 1;
const AGE: usize = 2;

impl SyncMetrics {
    pub(crate) fn define() -> Self {
        Self {
            gauges: [
                "postern.sync.revision",
                "postern.sync.epoch",
                "postern.sync.age",
                "postern.policy.tokens",
                "postern.policy.methods",
                "postern.policy.since",
                "postern.keys",
            ]
            .map(host::define_gauge),
            counters: [
                "postern.sync.polls",
                "postern.sync.pages",
                "postern.sync.pages_refused",
                "postern.sync.policies_refused",
                "postern.sync.failures",
            ]
            .map(host::define_counter),
        }
    }

    /// Another policy is in force.
    pub(crate) fn switched(&self, in_force: &InForce, gate: &Gate) {
        let policy = gate.policy();
        self.record(REVISION, in_force.position.revision);
        self.record(EPOCH, in_force.position.epoch);
        self.record(3, policy.token_count() as u64);
        self.record(4, policy.method_count() as u64);
        self.record(5, in_force.issued_at.as_secs());
        self.record(6, policy.keys().len() as u64);
    }

    /// Seconds since the last contact.
    pub(crate) fn age(&self, seconds: u64) {
        self.record(AGE, seconds);
    }

    /// A head was asked for.
    pub(crate) fn polled(&self) {
        self.increment(0);
    }

    /// A page has come.
    pub(crate) fn page_applied(&self) {
        self.increment(1);
    }

    /// A page could not be used.
    pub(crate) fn page_refused(&self) {
        self.increment(2);
    }

    /// A policy was refused.
    pub(crate) fn refused(&self) {
        self.increment(3);
    }

    /// A request failed, or its answer was not believed.
    pub(crate) fn failed(&self) {
        self.increment(4);
    }

    fn record(&self, place: usize, value: u64) {
        if let Some(&Ok(gauge)) = self.gauges.get(place) {
            note(host::record(gauge, value));
        }
    }

    fn increment(&self, place: usize) {
        if let Some(&Ok(counter)) = self.counters.get(place) {
            note(host::increment(counter));
        }
    }
}
