//! A call of a host function, as it was made and answered.

use crate::functions::Function;

/// A call that has answered.
pub(super) struct Made<'a> {
    pub(super) function: Function,
    pub(super) args: &'a [u64],
    pub(super) memory: &'a [u8],
    pub(super) code: u32,
}

impl Made<'_> {
    pub(super) fn word(&self, index: usize) -> u32 {
        self.args
            .get(index)
            .map_or(0, |word| u32::try_from(*word).unwrap_or(u32::MAX))
    }

    /// The bytes whose address is this argument, and whose length is the next.
    pub(super) fn bytes(&self, index: usize) -> &[u8] {
        let start = usize::try_from(self.word(index)).unwrap_or(usize::MAX);
        let length = usize::try_from(self.word(index + 1)).unwrap_or(usize::MAX);
        let end = start.saturating_add(length);
        self.memory.get(start..end).unwrap_or_default()
    }

    pub(super) fn text(&self, index: usize) -> String {
        const SHOWN: usize = 100;
        let bytes = self.bytes(index);
        String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]).into_owned()
    }

    /// The word that the call left at the address in this argument.
    pub(super) fn result(&self, index: usize) -> u32 {
        let start = usize::try_from(self.word(index)).unwrap_or(usize::MAX);
        self.memory
            .get(start..)
            .and_then(<[u8]>::first_chunk::<4>)
            .map_or(0, |word| u32::from_le_bytes(*word))
    }
}
