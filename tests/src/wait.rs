//! Bounded polling: how a test waits for another process without betting on how fast it is.

use std::time::{Duration, Instant};

use crate::{Error, Result};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(15);

/// How long anything may take on a busy machine. Only a hang reaches it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Looks again and again until `look` finds something.
///
/// # Errors
///
/// [`Error::Late`] after [`PATIENCE`]; and whatever `look` fails with.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if start.elapsed() > PATIENCE {
            return Err(Error::Late {
                what: what.to_owned(),
                seconds: PATIENCE.as_secs(),
            });
        }
        tokio::time::sleep(PAUSE).await;
    }
}
