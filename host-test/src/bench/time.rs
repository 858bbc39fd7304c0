//! The time that a round takes: the processor's, where the system tells it, since other programs want the machine too.

use std::time::{Duration, Instant};

/// A running measurement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timer {
    start: Instant,
    busy: Option<Duration>,
}

/// What one round took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Took {
    /// By the clock on the wall.
    pub(super) elapsed: Duration,
    /// On the processor; `None` where the system does not tell.
    pub(super) busy: Option<Duration>,
}

impl Timer {
    pub(super) fn start() -> Self {
        Self {
            start: Instant::now(),
            busy: thread_time(),
        }
    }

    pub(super) fn stop(self) -> Took {
        let busy = match (self.busy, thread_time()) {
            (Some(before), Some(after)) => Some(after.saturating_sub(before)),
            _ => None,
        };
        Took {
            elapsed: self.start.elapsed(),
            // The kernel counts in steps of some milliseconds: a round shorter than that took no time.
            busy: busy.filter(|busy| !busy.is_zero()),
        }
    }
}

/// The time that this thread was on a processor (Linux: the first number of `schedstat`, in nanoseconds).
fn thread_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_sleeps_is_not_busy() {
        let timer = Timer::start();
        std::thread::sleep(Duration::from_millis(30));
        let took = timer.stop();
        assert!(took.elapsed >= Duration::from_millis(30));
        assert!(
            took.busy
                .is_none_or(|busy| busy < Duration::from_millis(30))
        );
    }
}
