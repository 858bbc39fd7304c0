//! When a gateway's clock is not to be trusted. Expiry is decided by it, so then nothing is decided.

use std::cell::Cell;

use crate::policy::CLOCK_SKEW;
use crate::time::Timestamp;

/// No release of this program is older than this, so a clock that shows less is wrong: it stands at zero after a start
/// without a battery, for example. Moved forward with each release.
pub const EARLIEST: Timestamp = Timestamp::from_secs(1_793_491_200);

/// Watches the wall clock of one plugin configuration.
#[derive(Debug, Default)]
pub struct ClockGuard {
    latest: Cell<Option<Timestamp>>,
}

impl ClockGuard {
    /// Takes a reading; `None` if it is before [`EARLIEST`], or more than a minute before the latest one: a clock that
    /// went back would bring expired tokens back to life.
    pub fn check(&self, now: Timestamp) -> Option<Timestamp> {
        let latest = self.latest.get().map_or(now, |latest| latest.max(now));
        if now < EARLIEST || now.saturating_add(CLOCK_SKEW) < latest {
            return None;
        }
        self.latest.set(Some(latest));
        Some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(EARLIEST.as_secs() + secs)
    }

    #[test]
    fn a_clock_before_the_build_is_doubtful() {
        assert_eq!(EARLIEST.to_string(), "2026-11-01T00:00:00Z");
        let guard = ClockGuard::default();
        assert_eq!(guard.check(Timestamp::from_secs(0)), None);
        assert_eq!(
            guard.check(Timestamp::from_secs(EARLIEST.as_secs() - 1)),
            None
        );
        assert_eq!(guard.check(EARLIEST), Some(EARLIEST));
    }

    #[test]
    fn a_clock_that_went_back_by_more_than_a_minute_is_doubtful_until_it_has_caught_up() {
        let guard = ClockGuard::default();
        assert_eq!(guard.check(at(1000)), Some(at(1000)));
        assert_eq!(guard.check(at(940)), Some(at(940)));
        assert_eq!(guard.check(at(939)), None);
        assert_eq!(guard.check(at(941)), Some(at(941)));
    }
}
