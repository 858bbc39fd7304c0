//! How long to wait after failures.

use super::moment::millis;
use crate::random::{Random, RandomFailed};
use crate::time::Seconds;

/// After the first failure.
const FIRST: u64 = 1_000;

/// After many.
const LONGEST: u64 = 30_000;

/// The most that is made of a server's `Retry-After`: nothing that is not signed can keep a gateway away for longer.
const LONGEST_ASKED_FOR: u64 = 5 * 60 * 1000;

/// Counts failures in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Notes a failure, and says how many milliseconds to wait: twice as long each time, and at random between half of
    /// that and all of it, so that gateways which failed together do not come back together. A server that asks for more
    /// gets it.
    pub(super) fn failed(
        &mut self,
        retry_after: Option<Seconds>,
        random: &mut dyn Random,
    ) -> Result<u64, RandomFailed> {
        let span = FIRST
            .checked_shl(self.failures)
            .map_or(LONGEST, |span| span.min(LONGEST));
        self.failures = (self.failures + 1).min(16);
        let asked = retry_after.map_or(0, millis).min(LONGEST_ASKED_FOR);
        // Also what the server asks for is spread, upwards.
        Ok((span / 2 + jitter(span / 2, random)?).max(asked + jitter(asked / 4, random)?))
    }

    /// Notes that all is well again.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Failures since then.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }
}

/// A number of milliseconds from 0 to `span`.
pub(super) fn jitter(span: u64, random: &mut dyn Random) -> Result<u64, RandomFailed> {
    let mut bytes = [0; 4];
    random.fill(&mut bytes)?;
    let part = u64::from(u32::from_le_bytes(bytes));
    Ok((span.saturating_mul(part)) >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::fakes::{Sequence, Stuck};

    fn waits(count: usize, random: &mut dyn Random) -> Vec<u64> {
        let mut backoff = Backoff::default();
        (0..count)
            .map(|_| backoff.failed(None, random).unwrap())
            .collect()
    }

    #[test]
    fn each_failure_doubles_the_wait_up_to_30_seconds() {
        let longest = waits(40, &mut Stuck(0xff));
        assert_eq!(longest[..6], [999, 1999, 3999, 7999, 15999, 29999]);
        assert!(longest[6..].iter().all(|&wait| wait == 29_999));
        let shortest = waits(40, &mut Stuck(0));
        assert_eq!(shortest[..6], [500, 1000, 2000, 4000, 8000, 15000]);
    }

    #[test]
    fn waits_of_gateways_that_failed_together_differ() {
        let all: std::collections::BTreeSet<_> = (0..50)
            .map(|seed| waits(6, &mut Sequence::from_seed(seed))[5])
            .collect();
        assert!(all.len() > 45, "{}", all.len());
    }

    #[test]
    fn a_server_is_given_the_time_it_asks_for_but_not_hours() {
        let mut backoff = Backoff::default();
        let mut wait = |secs| {
            backoff
                .failed(Some(Seconds::new(secs)), &mut Stuck(0))
                .unwrap()
        };
        assert_eq!(wait(60), 60_000);
        assert_eq!(wait(86_400), 300_000);
        assert_eq!(wait(0), 2_000);
    }

    #[test]
    fn after_a_success_it_begins_anew() {
        let mut backoff = Backoff::default();
        for _ in 0..5 {
            backoff.failed(None, &mut Stuck(0)).unwrap();
        }
        backoff.succeeded();
        assert_eq!(backoff.failed(None, &mut Stuck(0)), Ok(500));
    }
}
