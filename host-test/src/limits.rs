//! What a guest may use up, of its own machine and of the host's.

use std::time::Duration;

use wasmtime::{StoreLimits, StoreLimitsBuilder};

/// Fuel for one callback unless the builder says otherwise: some seconds of work.
const FUEL: u64 = 2_000_000_000;
/// Envoy's limit for one VM.
const MEMORY: usize = 1024 * 1024 * 1024;
/// The elements of a table: more than any compiler makes, and 8 MB at most.
const TABLE_ELEMENTS: usize = 1_000_000;
const TABLES: usize = 8;
/// What a callback may make the host keep: log lines, headers, values, calls.
const KEPT: usize = 64 * 1024 * 1024;
/// What a callback may make the host copy and look through: a second or so of its time.
const WORK: u64 = 4 * 1024 * 1024 * 1024;
/// What each host call costs the host at least, in bytes copied.
const CALL: u64 = 64;

/// What a guest may use up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Fuel for one callback, allocations during it included.
    pub(crate) fuel: u64,
    /// Bytes of linear memory.
    pub(crate) memory: usize,
    /// Time on the machine's clock for one callback, if it is bounded.
    pub(crate) time: Option<Duration>,
    /// Bytes that one callback may make the host keep.
    pub(crate) kept: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fuel: FUEL,
            memory: MEMORY,
            time: None,
            kept: KEPT,
        }
    }
}

impl Limits {
    pub(crate) fn store(self) -> StoreLimits {
        StoreLimitsBuilder::new()
            .memory_size(self.memory)
            // The ABI knows one memory; each further one would have the limit for itself.
            .memories(1)
            .table_elements(TABLE_ELEMENTS)
            .tables(TABLES)
            .build()
    }
}

/// What a running callback has used up of the host. Fuel does not count this: it is burned in the guest alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent {
    limit: usize,
    kept: usize,
    work: u64,
}

/// A callback that used up too much of the host.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Overspent {
    #[error("the callback made the host keep more than {0} bytes")]
    Kept(usize),
    #[error("the callback made the host copy and look through more than {WORK} bytes")]
    Work,
}

impl Spent {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limit: limits.kept,
            kept: 0,
            work: 0,
        }
    }

    /// Another callback begins.
    pub(crate) fn reset(&mut self) {
        (self.kept, self.work) = (0, 0);
    }

    /// A host function was called, and has to look through so many bytes.
    pub(crate) fn call(&mut self, bytes: usize) -> Result<(), Overspent> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.work = self.work.saturating_add(bytes.saturating_add(CALL));
        if self.work > WORK {
            Err(Overspent::Work)
        } else {
            Ok(())
        }
    }

    /// The host takes so many bytes from the guest, and may keep them.
    pub(crate) fn keep(&mut self, bytes: usize) -> Result<(), Overspent> {
        self.call(bytes)?;
        // What is kept has an administration too.
        let bytes = bytes.saturating_add(CALL.try_into().unwrap_or(usize::MAX));
        self.kept = self.kept.saturating_add(bytes);
        if self.kept > self.limit {
            Err(Overspent::Kept(self.limit))
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_and_what_is_looked_through_are_bounded_for_each_callback() {
        let mut spent = Spent::new(Limits::default());
        assert_eq!(spent.keep(KEPT), Err(Overspent::Kept(KEPT)));
        spent.reset();
        assert_eq!(spent.keep(KEPT / 2), Ok(()));
        assert_eq!(spent.keep(KEPT / 2), Err(Overspent::Kept(KEPT)));
        spent.reset();
        assert_eq!(spent.call(3 * 1024 * 1024 * 1024), Ok(()));
        assert_eq!(spent.call(1024 * 1024 * 1024), Err(Overspent::Work));
    }
}
