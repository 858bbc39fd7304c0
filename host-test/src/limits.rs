//! What a guest may use up, of its own machine and of the host's.

use std::time::Duration;

use wasmtime::{ResourceLimiter, StoreLimits, StoreLimitsBuilder, Trap};

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
/// What each host call costs the host at least, in bytes copied. Calls that copy little, such as those for random numbers, take some
/// microseconds in an unoptimized build: one callback has a million of them.
const CALL: u64 = 4096;
/// What the host needs to keep anything at all, in bytes.
const KEPT_AT_LEAST: usize = 64;

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
    pub(crate) fn store(self) -> Growth {
        let limits = StoreLimitsBuilder::new()
            .memory_size(self.memory)
            // The ABI knows one memory; each further one would have the limit for itself.
            .memories(1)
            .table_elements(TABLE_ELEMENTS)
            .tables(TABLES)
            .build();
        Growth {
            limits,
            memory: self.memory,
            refused: None,
        }
    }

    /// Which limit a callback ran into, if it was one: its size, its unit, and the key that sets it.
    pub(crate) fn reached(self, error: &wasmtime::Error, growth: &Growth) -> Option<String> {
        match (error.downcast_ref(), growth.refused) {
            (Some(Trap::OutOfFuel), _) => Some(format!(
                "the limit is {} units of fuel for one callback: fuel_per_callback",
                self.fuel
            )),
            (Some(Trap::Interrupt), _) => self.time.map(|time| {
                let time = humantime::format_duration(time);
                format!("the limit is {time} for one callback: callback_time_limit")
            }),
            (_, Some(wanted)) => Some(format!(
                "the guest asked for {wanted} bytes of memory, and the limit is {}: memory_limit",
                self.memory
            )),
            _ => None,
        }
    }
}

/// How memory and tables grow in one VM.
pub(crate) struct Growth {
    limits: StoreLimits,
    memory: usize,
    /// How much memory the running callback would have had, if it wanted too much. A guest that gets none mostly dies of
    /// something that does not say so.
    refused: Option<usize>,
}

impl Growth {
    /// Another callback begins.
    pub(crate) fn reset(&mut self) {
        self.refused = None;
    }
}

impl ResourceLimiter for Growth {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > self.memory {
            self.refused = Some(desired);
        }
        self.limits.memory_growing(current, desired, maximum)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.limits.memory_grow_failed(error)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.limits.table_growing(current, desired, maximum)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.limits.table_grow_failed(error)
    }

    fn instances(&self) -> usize {
        self.limits.instances()
    }

    fn tables(&self) -> usize {
        self.limits.tables()
    }

    fn memories(&self) -> usize {
        self.limits.memories()
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
    #[error("the callback made the host keep more than {0} bytes (host_memory_per_callback)")]
    Kept(usize),
    #[error(
        "the callback made the host copy and look through more than {WORK} bytes (a fixed limit)"
    )]
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
        let bytes = bytes.saturating_add(KEPT_AT_LEAST);
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
