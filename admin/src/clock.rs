//! The machine's clock.

use std::time::{SystemTime, UNIX_EPOCH};

use postern_core::time::Timestamp;

/// The time now, in whole seconds.
pub fn now() -> Timestamp {
    // A clock before 1970 gives 1970: heads that are issued then are refused by every gateway, which is told there.
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp::from_secs(since.map_or(0, |since| since.as_secs()))
}
