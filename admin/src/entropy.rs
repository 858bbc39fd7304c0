//! The operating system's randomness.

use postern_core::random::{Random, RandomFailed};

/// The operating system's source of cryptographically secure random bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Entropy;

impl Random for Entropy {
    fn fill(&mut self, dest: &mut [u8]) -> Result<(), RandomFailed> {
        getrandom::fill(dest).map_err(|_| RandomFailed)
    }
}
