//! Reports to the admin service: one every minute, and soon after something has changed. They are dropped rather than
//! queued.

use postern_core::feed::{InForce, Moment, Report, Uses};
use postern_core::time::Timestamp;

use super::metrics::{Count, Origin, SyncMetrics};
use super::troubles::Troubles;
use crate::entropy::HostRandom;

/// Between two reports, in milliseconds.
const PERIOD: u64 = 60_000;

/// Between two reports, at least, however much changes.
const PACE: u64 = 10_000;

/// Reports of workers that started together, or heard the same news, are spread over so many milliseconds.
const SPREAD: u64 = 5_000;

/// When a report is due, and what goes into it.
pub(super) struct Reports {
    vm: String,
    due: Moment,
    sent: Option<Moment>,
    /// Whether the one before is still under way.
    is_under_way: bool,
    pub(super) uses: Uses,
    dropped: u64,
}

impl Reports {
    pub(super) fn of(vm: String, now: Moment) -> Self {
        Self {
            vm,
            due: now.after(PACE + spread()),
            sent: None,
            is_under_way: false,
            uses: Uses::default(),
            dropped: 0,
        }
    }

    /// Something has changed that should be known soon.
    pub(super) fn hasten(&mut self, now: Moment) {
        let earliest = self.sent.map_or(now, |sent| sent.after(PACE).max(now));
        self.due = self.due.min(earliest.after(spread()));
    }

    /// The next report, if it is due.
    pub(super) fn next(
        &mut self,
        now: Moment,
        in_force: Option<&InForce>,
        origin: Origin,
        troubles: &Troubles,
        metrics: &mut SyncMetrics,
    ) -> Option<String> {
        if now < self.due {
            return None;
        }
        self.due = now.after(PERIOD - SPREAD + spread());
        if self.is_under_way {
            metrics.count(Count::Dropped);
            return None;
        }
        let dropped = self.uses.dropped();
        metrics.add(Count::Dropped, dropped.saturating_sub(self.dropped));
        self.dropped = dropped;
        let counts: Vec<_> = metrics.counts().collect();
        let age = in_force.and_then(|in_force| now.since(in_force.contact));
        let report = Report {
            vm: &self.vm,
            version: env!("CARGO_PKG_VERSION"),
            in_force,
            origin: origin.as_str(),
            age: age.map(|age| age / 1000),
            last_error: troubles.last(),
            counts: &counts,
        };
        let (json, left_out) = report.to_json(self.uses.take());
        metrics.add(Count::Dropped, left_out);
        self.is_under_way = true;
        self.sent = Some(now);
        Some(json)
    }

    /// The report that was under way has arrived, or has not.
    pub(super) fn ended(&mut self) {
        self.is_under_way = false;
    }

    /// A token was used.
    pub(super) fn used(&mut self, token: &str, at: Timestamp) {
        self.uses.note(token, at);
    }
}

/// A part of [`SPREAD`] at random; without randomness none, and reports come together.
fn spread() -> u64 {
    let mut bytes = [0; 2];
    let drawn = postern_core::random::Random::fill(&mut HostRandom, &mut bytes);
    drawn.map_or(0, |()| {
        (u64::from(u16::from_le_bytes(bytes)) * SPREAD) >> 16
    })
}
