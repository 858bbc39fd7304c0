//! Random bytes: the same in every run, or the machine's.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A source of random bytes for one VM.
#[derive(Clone, Debug)]
pub(crate) enum Entropy {
    /// A generator with a known start, so that a run can be repeated.
    Seeded(SplitMix),
    /// The generator of the operating system.
    Real,
}

impl Entropy {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self::Seeded(SplitMix(seed))
    }

    /// Fills `bytes`; false if the operating system has no randomness to give.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) -> bool {
        match self {
            Self::Seeded(generator) => {
                for chunk in bytes.chunks_mut(8) {
                    chunk.copy_from_slice(&generator.next().to_le_bytes()[..chunk.len()]);
                }
                true
            }
            Self::Real => getrandom::fill(bytes).is_ok(),
        }
    }

    /// A version 4 UUID (RFC 9562, section 5.4), as Envoy makes for `x-request-id`.
    pub(crate) fn uuid(&mut self) -> String {
        let mut bytes = [0; 16];
        // Without randomness the id is all zeros: no request must fail for an id that is for logs only.
        let _filled = self.fill(&mut bytes);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let mut text = String::with_capacity(36);
        for (index, byte) in bytes.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            for digit in [byte >> 4, byte & 0x0f] {
                text.push(char::from(HEX[usize::from(digit)]));
            }
        }
        text
    }
}

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014). Not for secrets.
#[derive(Clone, Debug)]
pub(crate) struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
        let draw = |seed| {
            let mut bytes = [0; 19];
            assert!(Entropy::seeded(seed).fill(&mut bytes));
            bytes
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn the_generator_is_splitmix64() {
        // First output for seed 0 of the reference implementation.
        assert_eq!(SplitMix(0).next(), 0xe220_a839_7b1d_cdaf);
    }
}
