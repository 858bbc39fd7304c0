//! How old what a gateway decides from may be.

use super::moment::{Moment, millis};
use crate::time::{Seconds, Timestamp};

/// A gateway's clock that shows less than a head's `issued_at` by more than this is not to be trusted: one of the two
/// clocks is wrong, and what has expired cannot be told.
pub const CLOCK_DOUBT: Seconds = Seconds::new(15 * 60);

/// After which time without contact something happens. Contact is the sending of a request by whose answer the policy in
/// force was the feed's latest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Patience {
    /// From then on the policy is called late: an alarm, and nothing else.
    pub warn_after: Seconds,
    /// From then on nothing is decided. So no revocation takes longer to hold, whatever is down.
    pub deny_after: Seconds,
}

/// How old the policy in force is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Freshness {
    /// There is none yet.
    Never,
    /// It may be decided from.
    Fresh,
    /// It may be decided from, and somebody should look why there is no contact.
    Late,
    /// It is too old to be decided from.
    Stale,
}

impl Freshness {
    /// Judges the time since the last contact. A contact in the future is none: it is not of this process's clock.
    #[must_use]
    pub fn of(contact: Option<Moment>, now: Moment, patience: Patience) -> Self {
        let Some(contact) = contact else {
            return Self::Never;
        };
        match now.since(contact) {
            None => Self::Stale,
            Some(age) if age >= millis(patience.deny_after) => Self::Stale,
            Some(age) if age >= millis(patience.warn_after) => Self::Late,
            Some(_) => Self::Fresh,
        }
    }

    /// Whether requests may be decided.
    #[must_use]
    pub fn may_decide(self) -> bool {
        matches!(self, Self::Fresh | Self::Late)
    }
}

/// Whether the wall clock is too far behind the publisher's to be trusted.
#[must_use]
pub fn is_clock_doubtful(wall: Timestamp, issued_at: Timestamp) -> bool {
    wall < issued_at.saturating_sub(CLOCK_DOUBT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        warn_after: Seconds::new(300),
        deny_after: Seconds::new(3600),
    };

    #[test]
    fn a_policy_is_late_and_stale_from_the_millisecond_on() {
        let contact = Moment::from_millis(5_000);
        let at = |age| Freshness::of(Some(contact), contact.after(age), PATIENCE);
        assert_eq!(at(0), Freshness::Fresh);
        assert_eq!(at(299_999), Freshness::Fresh);
        assert_eq!(at(300_000), Freshness::Late);
        assert_eq!(at(3_599_999), Freshness::Late);
        assert_eq!(at(3_600_000), Freshness::Stale);
        assert!(at(300_000).may_decide() && !at(3_600_000).may_decide());
    }

    #[test]
    fn without_contact_and_with_one_in_the_future_nothing_is_decided() {
        let now = Moment::from_millis(5_000);
        assert_eq!(Freshness::of(None, now, PATIENCE), Freshness::Never);
        let future = Freshness::of(Some(now.after(1)), now, PATIENCE);
        assert_eq!(future, Freshness::Stale);
        assert!(!Freshness::Never.may_decide());
    }

    #[test]
    fn a_clock_is_doubtful_more_than_15_minutes_behind_the_publisher() {
        let issued = Timestamp::from_secs(1_800_000_000);
        assert!(!is_clock_doubtful(
            Timestamp::from_secs(1_800_000_000 - 900),
            issued
        ));
        assert!(is_clock_doubtful(
            Timestamp::from_secs(1_800_000_000 - 901),
            issued
        ));
        assert!(!is_clock_doubtful(Timestamp::MAX, issued));
    }
}
