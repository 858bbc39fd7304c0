//! The machine's clock.

use std::time::{SystemTime, UNIX_EPOCH};

use postern_core::time::Timestamp;

/// The time now.
pub fn now() -> Timestamp {
    // Before 1970 there are no policies; every date of one is in the future then, and it is told so.
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp::from_secs(since.map_or(0, |since| since.as_secs()))
}
