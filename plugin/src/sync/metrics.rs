//! Metrics of policy sync. `docs/metrics.md` lists them.

use postern_core::feed::InForce;
use postern_core::gate::Gate;
use postern_core::time::Timestamp;

use super::troubles::Kind;
use crate::host::{self, Status};
use crate::metrics::note;

type Metric = Result<u32, Status>;

/// The gauges.
pub(super) struct SyncMetrics {
    revision: Metric,
    epoch: Metric,
    age: Metric,
    source: Metric,
    last_error: Metric,
    shared_bytes: Metric,
    errors: [Metric; Kind::ALL.len()],
    counters: [Metric; Count::ALL.len()],
    policy: [Metric; 5],
    counts: [u64; Count::ALL.len()],
}

/// What is counted, beside what goes wrong.
#[derive(Clone, Copy)]
pub(super) enum Count {
    Polls,
    Pages,
    PagesRefused,
    PagesShared,
    PoliciesRefused,
    Reports,
    Dropped,
}

impl Count {
    const ALL: [&str; 7] = [
        "polls",
        "pages",
        "pages_refused",
        "pages_shared",
        "policies_refused",
        "reports",
        "dropped",
    ];
}

/// Where the policy in force was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Origin {
    None,
    Feed,
    Shared,
}

impl Origin {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Feed => "feed",
            Self::Shared => "shared",
        }
    }
}

impl SyncMetrics {
    pub(super) fn define() -> Self {
        let gauge = |name: &str| host::define_gauge(&format!("postern.{name}"));
        let counter = |name: &str| host::define_counter(&format!("postern.sync.{name}"));
        Self {
            revision: gauge("sync.revision"),
            epoch: gauge("sync.epoch"),
            age: gauge("sync.age"),
            source: gauge("sync.source"),
            last_error: gauge("sync.last_error"),
            shared_bytes: gauge("sync.shared_bytes"),
            errors: Kind::ALL.map(|(_, name)| counter(&format!("errors.{name}"))),
            counters: Count::ALL.map(counter),
            policy: [
                "policy.tokens",
                "policy.methods",
                "policy.since",
                "keys",
                "roots.missing",
            ]
            .map(gauge),
            counts: [0; Count::ALL.len()],
        }
    }

    /// Another policy is in force.
    pub(super) fn switched(
        &self,
        in_force: &InForce,
        origin: Origin,
        gate: &Gate,
        wall: Option<Timestamp>,
    ) {
        let policy = gate.policy();
        record(&self.revision, in_force.position.revision);
        record(&self.epoch, in_force.position.epoch);
        record(&self.source, origin as u64);
        let values = [
            policy.token_count() as u64,
            policy.method_count() as u64,
            wall.map_or(0, Timestamp::as_secs),
            policy.keys().len() as u64,
            gate.keys().missing_roots().count() as u64,
        ];
        for (gauge, value) in self.policy.iter().zip(values) {
            record(gauge, value);
        }
    }

    /// Seconds since the last contact.
    pub(super) fn age(&self, seconds: u64) {
        record(&self.age, seconds);
    }

    /// What this worker has put into shared data.
    pub(super) fn shared_bytes(&self, bytes: u64) {
        record(&self.shared_bytes, bytes);
    }

    /// Something went wrong.
    pub(super) fn went_wrong(&self, kind: Kind, wall: Option<Timestamp>) {
        if let Some(&Ok(counter)) = self.errors.get(kind as usize) {
            note(host::add(counter, 1));
        }
        record(&self.last_error, wall.map_or(0, Timestamp::as_secs));
    }

    pub(super) fn count(&mut self, what: Count) {
        self.add(what, 1);
    }

    pub(super) fn add(&mut self, what: Count, number: u64) {
        if number == 0 {
            // Envoy refuses to add nothing.
            return;
        }
        if let Some(count) = self.counts.get_mut(what as usize) {
            *count = count.saturating_add(number);
        }
        if let (Some(&Ok(counter)), Ok(number)) =
            (self.counters.get(what as usize), i64::try_from(number))
        {
            note(host::add(counter, number));
        }
    }

    /// What this worker has counted.
    pub(super) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Count::ALL.into_iter().zip(self.counts)
    }
}

fn record(gauge: &Metric, value: u64) {
    if let Ok(gauge) = *gauge {
        note(host::record(gauge, value));
    }
}
