//! Randomness: the host's, through `getrandom`, so that every crate in the module draws from the same source.

use postern_core::random::{Random, RandomFailed};

/// The host's CSPRNG.
pub(crate) struct HostRandom;

impl Random for HostRandom {
    fn fill(&mut self, dest: &mut [u8]) -> Result<(), RandomFailed> {
        getrandom::fill(dest).map_err(|_| RandomFailed)
    }
}
