//! Memory: addresses that guests pass, blocks that they give to the host, and what they never free.

use std::collections::BTreeMap;

use super::signatures::{Argument, arguments};
use super::{Code, Recorder};
use crate::functions::Function;
use crate::state::VmState;

/// Where a leak is spoken of: so many blocks and bytes of streams that have ended, none of which was ever used again. A
/// sound allocator has free blocks lying about too, but never that much, since it gives them out before it takes new ones.
const LEAKED_BLOCKS: usize = 64;
const LEAKED_BYTES: u64 = 64 * 1024;
/// A guest may warm up: tables and caches grow during the first streams.
const WARM_UP_STREAMS: u64 = 32;
/// So often must memory grow after that, while no stream is open, before it is spoken of.
const GROWTHS: u32 = 8;

/// The blocks that the guest's allocator gave the host in stream callbacks.
#[derive(Debug, Default)]
pub(super) struct Allocations {
    /// The last one, for the checks of the call that it was made for: address and length.
    last: Option<(u32, u32)>,
    /// By address: length, and whether the stream has ended.
    blocks: BTreeMap<u32, (u32, bool)>,
    ended_blocks: usize,
    ended_bytes: u64,
    told: bool,
}

/// How linear memory grows from one moment without streams to the next.
#[derive(Debug, Default)]
pub(super) struct Growth {
    streams: u64,
    size: usize,
    growths: u32,
}

impl Allocations {
    /// A block that is given out again was freed.
    fn add(&mut self, address: u32, length: u32) {
        self.last = Some((address, length));
        let end = address.saturating_add(length);
        while let Some((&start, &(size, ended))) = self.blocks.range(..end).next_back()
            && start.saturating_add(size) > address
        {
            self.blocks.remove(&start);
            if ended {
                self.ended_blocks -= 1;
                self.ended_bytes -= u64::from(size);
            }
        }
        self.blocks.insert(address, (length, false));
    }

    /// No stream is open: all blocks should be free now.
    fn end(&mut self) {
        if self.ended_blocks == self.blocks.len() {
            return;
        }
        for (length, ended) in self.blocks.values_mut() {
            if !std::mem::replace(ended, true) {
                self.ended_blocks += 1;
                self.ended_bytes += u64::from(*length);
            }
        }
    }

    fn leaks(&mut self) -> bool {
        let leaks =
            !self.told && self.ended_blocks >= LEAKED_BLOCKS && self.ended_bytes >= LEAKED_BYTES;
        self.told |= leaks;
        leaks
    }
}

impl Recorder {
    pub(super) fn allocated(&mut self, state: &VmState, address: u32, length: u32, memory: usize) {
        let end = usize::try_from(u64::from(address) + u64::from(length)).unwrap_or(usize::MAX);
        if address == 0 {
            let detail = format!("null for {length} bytes");
            self.find(state, Code::BadAllocation, None, detail);
        } else if end > memory {
            let detail = format!("{length} bytes that end behind the memory");
            self.find(state, Code::BadAllocation, None, detail);
        } else if state.stream().is_some() {
            self.allocations.add(address, length);
        } else {
            self.allocations.last = Some((address, length));
        }
    }

    /// The addresses among the arguments of a call that has answered.
    pub(super) fn addresses(&mut self, state: &VmState, function: Function, args: &[u64]) {
        let word = |index: usize| {
            args.get(index)
                .map_or(0, |word| u32::try_from(*word).unwrap_or(u32::MAX))
        };
        let block = self.allocations.last.take();
        for argument in arguments(function) {
            match *argument {
                Argument::Name(_, length) if word(length) == 0 => {
                    self.find(state, Code::EmptyName, Some(function), String::new());
                }
                Argument::Bytes(address, length) | Argument::Name(address, length)
                    if word(address) == 0 && word(length) > 0 =>
                {
                    let detail = format!("argument {}: {} bytes", address + 1, word(length));
                    self.find(state, Code::NullPointer, Some(function), detail);
                }
                Argument::Result(address) => {
                    if word(address) == 0 {
                        let detail = format!("argument {}: a result", address + 1);
                        self.find(state, Code::NullPointer, Some(function), detail);
                    }
                    if let Some((start, length)) = block
                        && (start..start.saturating_add(length)).contains(&word(address))
                    {
                        let detail = format!(
                            "a block of {length} bytes with argument {} in it",
                            address + 1
                        );
                        self.find(state, Code::BadAllocation, Some(function), detail);
                    }
                }
                Argument::Bytes(..) | Argument::Name(..) => {}
            }
        }
    }

    /// A stream begins, and there is no other: all that were there have ended.
    pub(super) fn begins_alone(&mut self, state: &VmState) {
        let memory = self.memory;
        self.allocations.end();
        if self.allocations.leaks() {
            let (blocks, bytes) = (self.allocations.ended_blocks, self.allocations.ended_bytes);
            let detail = format!("{blocks} blocks, {bytes} bytes");
            self.find(state, Code::BuffersNotFreed, None, detail);
        }
        let growth = &mut self.growth;
        growth.streams += 1;
        if memory > growth.size {
            growth.size = memory;
            if growth.streams > WARM_UP_STREAMS {
                growth.growths += 1;
                if growth.growths == GROWTHS {
                    let detail = format!("{memory} bytes after {} streams", growth.streams);
                    self.find(state, Code::MemoryGrows, None, detail);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_is_given_out_again_is_no_leak() {
        let mut allocations = Allocations::default();
        for _ in 0..1_000 {
            allocations.add(4_096, 2_000);
            allocations.add(6_096, 10);
            allocations.end();
        }
        assert_eq!(
            (allocations.ended_blocks, allocations.ended_bytes),
            (2, 2_010)
        );
        assert!(!allocations.leaks());
        allocations.add(5_000, 2_000);
        assert_eq!(allocations.ended_blocks, 0);
    }

    #[test]
    fn blocks_that_never_come_back_are_a_leak_and_told_once() {
        let mut allocations = Allocations::default();
        for number in 0..64 {
            allocations.add(4_096 + number * 1_024, 1_024);
            assert!(!allocations.leaks());
            allocations.end();
        }
        assert!(allocations.leaks());
        assert!(!allocations.leaks());
    }
}
