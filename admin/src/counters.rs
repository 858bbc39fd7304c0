//! What the service counts, for [`/metrics`](crate::http).

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were since the start of the process.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All that is counted since the start of the process.
#[derive(Debug, Default)]
pub struct Counters {
    /// Changes that were made.
    pub made: Counter,
    /// Changes that were refused for what they asked.
    pub refused: Counter,
    /// Changes that failed for want of a working database.
    pub failed: Counter,
    /// Transactions that changes were made in.
    pub commits: Counter,
    /// Heads that were sent.
    pub heads: Counter,
    /// Pages that were sent.
    pub pages: Counter,
    /// Pages that were asked for and not there.
    pub pages_missing: Counter,
    /// Reports of gateways that were kept.
    pub reports: Counter,
    /// Reports that were dropped, since changes waited that matter more.
    pub reports_dropped: Counter,
    /// Requests without a credential that is good.
    pub unauthorized: Counter,
}
