//! Streams that wait for the rest of a form.
//!
//! A host that hands no body over would hold such a stream for ever (Envoy does, unless the plugin's configuration has
//! `allow_on_headers_stop_iteration`), and a slow client would hold it for as long as it likes: so each has its time.

use std::cell::RefCell;

/// The most streams that wait at once, in a root context.
const MAX_HELD: usize = 256;

/// How long a form may take, in nanoseconds.
const PATIENCE: u64 = 10_000_000_000;

/// The streams that wait, by context id, each with the instant of the monotonic clock at which its time is over.
#[derive(Default)]
pub(crate) struct Held(RefCell<Vec<(u32, u64)>>);

impl Held {
    /// Whether another stream may wait; if so, it is waiting from now on.
    pub(crate) fn hold(&self, context: u32, now: u64) -> bool {
        let Ok(mut held) = self.0.try_borrow_mut() else {
            return false;
        };
        if held.len() >= MAX_HELD {
            return false;
        }
        held.push((context, now.saturating_add(PATIENCE)));
        true
    }

    /// A stream waits no longer; it need not have waited.
    pub(crate) fn release(&self, context: u32) {
        if let Ok(mut held) = self.0.try_borrow_mut() {
            held.retain(|&(other, _)| other != context);
        }
    }

    /// Those whose time is over. They wait no longer.
    pub(crate) fn overdue(&self, now: u64) -> Vec<u32> {
        let Ok(mut held) = self.0.try_borrow_mut() else {
            return Vec::new();
        };
        let overdue = held
            .iter()
            .filter(|&&(_, end)| end <= now)
            .map(|&(context, _)| context)
            .collect();
        held.retain(|&(_, end)| end > now);
        overdue
    }
}
