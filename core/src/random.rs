//! Randomness as an argument: every rule that needs it asks a [`Random`], and its failure is an error.

use thiserror::Error;

/// A source of cryptographically secure random bytes, such as the host's `random_get`.
///
/// An implementation must not fall back to anything weaker when its source fails: it answers [`RandomFailed`], and the
/// request that needed the bytes gets 503.
pub trait Random {
    /// Fills all of `dest`.
    ///
    /// # Errors
    /// [`RandomFailed`] if the source did not deliver every byte; `dest` then holds nothing that may be used.
    fn fill(&mut self, dest: &mut [u8]) -> Result<(), RandomFailed>;
}

/// The source of randomness did not deliver, or delivered what no working source delivers.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the source of randomness failed; nothing was generated")]
pub struct RandomFailed;

#[cfg(test)]
pub(crate) mod fakes {
    use super::{Random, RandomFailed};

    /// Delivers the bytes of a fixed pseudo-random sequence, so that a test can be repeated.
    pub(crate) struct Sequence(u64);

    impl Sequence {
        pub(crate) fn from_seed(seed: u64) -> Self {
            Self(seed)
        }
    }

    impl Random for Sequence {
        fn fill(&mut self, dest: &mut [u8]) -> Result<(), RandomFailed> {
            for byte in dest {
                // SplitMix64 (public domain, Vigna 2015): enough spread for tests, no secret depends on it.
                self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
                let mut word = self.0;
                word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
                *byte = (word >> 56) as u8;
            }
            Ok(())
        }
    }

    /// Delivers one byte for ever, as a broken source does.
    pub(crate) struct Stuck(pub(crate) u8);

    impl Random for Stuck {
        fn fill(&mut self, dest: &mut [u8]) -> Result<(), RandomFailed> {
            dest.fill(self.0);
            Ok(())
        }
    }

    /// Never delivers.
    pub(crate) struct Failing;

    impl Random for Failing {
        fn fill(&mut self, _dest: &mut [u8]) -> Result<(), RandomFailed> {
            Err(RandomFailed)
        }
    }
}
