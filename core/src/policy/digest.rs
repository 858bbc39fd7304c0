//! The digest of a policy's state: a sum over its records, so that a change costs what it changes.
//!
//! It guards against bugs: two parties that applied the same changes have the same digest. It is no guard against
//! attackers, who can find records with a given sum; a signature is.

use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::hex;
use crate::json::text;

/// The sum modulo 2²⁵⁶ of the SHA-256 hashes of all records.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Digest([u64; 4]);

impl Digest {
    /// The digest as 64 lower-case hexadecimal digits, most significant first.
    pub fn to_hex(self) -> String {
        self.0
            .iter()
            .rev()
            .map(|limb| format!("{limb:016x}"))
            .collect()
    }

    /// Reads what [`Digest::to_hex`] wrote.
    pub fn from_hex(text: &str) -> Option<Self> {
        hex::parse(text).map(Self::from_bytes)
    }

    /// The digest as 32 bytes, most significant first.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let (words, _) = bytes.as_chunks_mut::<8>();
        for (word, limb) in words.iter_mut().zip(self.0.iter().rev()) {
            *word = limb.to_be_bytes();
        }
        bytes
    }

    /// What [`Digest::to_bytes`] gave.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let mut limbs = [0; 4];
        let (words, _) = bytes.as_chunks::<8>();
        for (limb, word) in limbs.iter_mut().rev().zip(words) {
            *limb = u64::from_be_bytes(*word);
        }
        Self(limbs)
    }

    /// Accounts for a record that was added.
    pub(super) fn add(&mut self, record: &RecordHash) {
        let mut carry = false;
        for (limb, addend) in self.0.iter_mut().zip(record.0) {
            (*limb, carry) = limb.carrying_add(addend, carry);
        }
    }

    /// Accounts for a record that was taken away.
    pub(super) fn subtract(&mut self, record: &RecordHash) {
        let mut borrow = false;
        for (limb, subtrahend) in self.0.iter_mut().zip(record.0) {
            (*limb, borrow) = limb.borrowing_sub(subtrahend, borrow);
        }
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_hex())
    }
}

text!(
    Digest,
    "a digest of 64 lower-case hexadecimal digits",
    |text: &str| Digest::from_hex(text).ok_or("it is not of 64 lower-case hexadecimal digits"),
    Self::default()
);

/// The hash of one record: its kind, its id and its content.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct RecordHash([u64; 4]);

impl RecordHash {
    pub(super) fn of(kind: &str, id: &str, content: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        for part in [kind.as_bytes(), id.as_bytes(), content] {
            // Lengths first, or two different records could hash the same bytes.
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let bytes: [u8; 32] = hasher.finalize().into();
        let (limbs, _) = bytes.as_chunks::<8>();
        let mut sum = [0; 4];
        for (limb, bytes) in sum.iter_mut().zip(limbs) {
            *limb = u64::from_le_bytes(*bytes);
        }
        Self(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_changes_does_not_matter_and_each_can_be_undone() {
        let (a, b) = (
            RecordHash::of("token", "t-1", b"x"),
            RecordHash::of("token", "t-2", b"y"),
        );
        let (mut one, mut other) = (Digest::default(), Digest::default());
        one.add(&a);
        one.add(&b);
        other.add(&b);
        other.add(&a);
        assert_eq!(one, other);
        assert_ne!(one, Digest::default());
        one.subtract(&a);
        one.subtract(&b);
        assert_eq!(one, Digest::default());
    }

    #[test]
    fn the_sum_carries_between_its_limbs_and_wraps_around() {
        let mut digest = Digest([u64::MAX; 4]);
        digest.add(&RecordHash([1, 0, 0, 0]));
        assert_eq!(digest, Digest::default());
        digest.subtract(&RecordHash([1, 0, 0, 0]));
        assert_eq!(digest.to_hex(), "f".repeat(64));
    }

    #[test]
    fn a_digest_is_read_back_as_it_was_written() {
        let mut digest = Digest::default();
        digest.add(&RecordHash::of("token", "t-1", b"x"));
        assert_eq!(Digest::from_hex(&digest.to_hex()), Some(digest));
        assert_eq!(Digest::from_bytes(digest.to_bytes()), digest);
        assert_eq!(Digest::from_hex(&"F".repeat(64)), None);
        assert_eq!(Digest::from_hex("00"), None);
    }

    #[test]
    fn a_byte_that_moves_between_fields_changes_the_hash() {
        assert_ne!(
            RecordHash::of("token", "ab", b"c").0,
            RecordHash::of("token", "a", b"bc").0
        );
    }
}
