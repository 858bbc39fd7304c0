//! Which worker asks the feed.

use super::super::freshness::Freshness;
use super::super::moment::Moment;
use super::{SharedData, Shelf};

/// How long a lease holds unless it is renewed, in milliseconds: three ticks of a second.
pub const LEASE: u64 = 3_000;

/// A worker of a gateway: 16 random bytes, drawn when it starts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Worker(pub [u8; 16]);

/// Whether this worker is to ask the feed now. Takes or renews the lease if it can; call it once a tick.
///
/// The lease spares requests, and safety never depends on it: two workers that both ask are harmless. So whoever finds
/// that shared data cannot be used asks, and so does one whose policy is no longer fresh, whoever holds the lease: the
/// holder may be stuck, or be no worker of ours.
pub fn holds_lease(
    data: &mut dyn SharedData,
    shelf: Shelf,
    worker: Worker,
    now: Moment,
    freshness: Freshness,
) -> bool {
    let key = shelf.lease();
    let unchanged = match data.get(&key) {
        Err(_) => return true,
        Ok(None) => None,
        Ok(Some((value, unchanged))) => {
            let holder = parse(&value).filter(|(_, until)| is_valid(*until, now));
            if holder.is_some_and(|(holder, _)| holder != worker) {
                return matches!(freshness, Freshness::Late | Freshness::Stale);
            }
            Some(unchanged)
        }
    };
    let mut value = worker.0.to_vec();
    value.extend(now.after(LEASE).as_millis().to_be_bytes());
    data.set(&key, &value, unchanged).unwrap_or(true)
}

/// A lease that is over, or that ends later than any that is given now, is none.
fn is_valid(until: Moment, now: Moment) -> bool {
    until > now && until <= now.after(LEASE)
}

fn parse(value: &[u8]) -> Option<(Worker, Moment)> {
    let (worker, until) = value.split_first_chunk()?;
    let until = u64::from_be_bytes(until.try_into().ok()?);
    Some((Worker(*worker), Moment::from_millis(until)))
}
