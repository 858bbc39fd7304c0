//! Sets of bytes that requests are read with.

/// A set of bytes. Whether it has one is a single load, however optimised the build is: each byte of each token and path
/// is looked up.
pub(crate) struct ByteSet([bool; 256]);

impl ByteSet {
    /// ASCII letters, digits and `others`.
    #[expect(
        clippy::indexing_slicing,
        reason = "sets are constants, and there an index out of range does not compile"
    )]
    pub(crate) const fn alphanumeric_and(others: &[u8]) -> Self {
        let mut set = [false; 256];
        let mut byte = 0;
        while byte < set.len() {
            set[byte] = (byte as u8).is_ascii_alphanumeric();
            byte += 1;
        }
        let mut at = 0;
        while at < others.len() {
            set[others[at] as usize] = true;
            at += 1;
        }
        Self(set)
    }

    /// Whether the set has `byte`.
    pub(crate) fn contains(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte)).is_some_and(|is_in| *is_in)
    }

    /// Whether the set has all of `bytes`.
    pub(crate) fn contains_all(&self, bytes: &[u8]) -> bool {
        bytes.iter().all(|&byte| self.contains(byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_letters_digits_and_what_it_was_given() {
        static SET: ByteSet = ByteSet::alphanumeric_and(b"-\xff");
        let members: Vec<u8> = (0..=255).filter(|&byte| SET.contains(byte)).collect();
        let expected = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz\xff";
        assert_eq!(members, expected);
        assert!(SET.contains_all(b"a-Z9") && SET.contains_all(b"") && !SET.contains_all(b"a z"));
    }
}
