//! Time as the guests see it: a wall clock and a monotonic clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// 2026-01-01T00:00:00Z in nanoseconds: what a virtual wall clock starts at.
const DEFAULT_WALL: u64 = 1_767_225_600_000_000_000;
/// A monotonic clock does not start at zero on a real machine either.
const DEFAULT_MONOTONIC: u64 = 3_600_000_000_000;

/// A clock shared by all VMs of a host.
#[derive(Clone, Debug)]
pub(crate) struct Clock(Arc<Source>);

#[derive(Debug)]
enum Source {
    Virtual {
        wall: AtomicU64,
        monotonic: AtomicU64,
    },
    Real {
        start: Instant,
    },
}

impl Clock {
    pub(crate) fn simulated(wall: u64) -> Self {
        Self(Arc::new(Source::Virtual {
            wall: AtomicU64::new(wall),
            monotonic: AtomicU64::new(DEFAULT_MONOTONIC),
        }))
    }

    pub(crate) fn real() -> Self {
        Self(Arc::new(Source::Real {
            start: Instant::now(),
        }))
    }

    /// Nanoseconds since 1970.
    pub(crate) fn wall(&self) -> u64 {
        match &*self.0 {
            Source::Virtual { wall, .. } => wall.load(Ordering::Relaxed),
            Source::Real { .. } => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, nanoseconds),
        }
    }

    /// Nanoseconds since a fixed point in the past.
    pub(crate) fn monotonic(&self) -> u64 {
        match &*self.0 {
            Source::Virtual { monotonic, .. } => monotonic.load(Ordering::Relaxed),
            Source::Real { start } => {
                DEFAULT_MONOTONIC.saturating_add(nanoseconds(start.elapsed()))
            }
        }
    }

    /// Moves both virtual clocks forward to the monotonic instant `to`. A real clock moves by itself.
    pub(crate) fn advance_to(&self, to: u64) {
        if let Source::Virtual { wall, monotonic } = &*self.0 {
            let by = to.saturating_sub(monotonic.load(Ordering::Relaxed));
            monotonic.fetch_add(by, Ordering::Relaxed);
            wall.fetch_add(by, Ordering::Relaxed);
        }
    }

    /// Sets the virtual wall clock alone, as a clock correction does.
    pub(crate) fn set_wall(&self, to: u64) {
        if let Source::Virtual { wall, .. } = &*self.0 {
            wall.store(to, Ordering::Relaxed);
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::simulated(DEFAULT_WALL)
    }
}

/// The whole nanoseconds of a duration, capped at 584 years.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advancing_moves_both_clocks_and_setting_only_the_wall_clock() {
        let clock = Clock::simulated(1_000);
        let start = clock.monotonic();
        clock.advance_to(start + 7);
        assert_eq!((clock.wall(), clock.monotonic()), (1_007, start + 7));
        clock.set_wall(5);
        assert_eq!((clock.wall(), clock.monotonic()), (5, start + 7));
    }
}
