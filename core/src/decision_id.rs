//! Ids of decisions: what a caller can quote and an operator can find in the access log.

use std::cell::Cell;
use std::fmt;

use crate::id::NumberText;
use crate::random::{Random, RandomFailed};

/// The id of one decision. It is no secret and proves nothing; it only has to be rare.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DecisionId(NumberText);

impl DecisionId {
    /// The id as text: 13 characters.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The text's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Makes decision ids without asking the host for randomness each time: a random start, then counting. Two sequences
/// meet about as rarely as two random ids would.
#[derive(Debug)]
pub struct DecisionIds(Cell<u64>);

impl DecisionIds {
    /// A sequence with a random start.
    pub fn seeded(random: &mut dyn Random) -> Result<Self, RandomFailed> {
        let mut seed = [0; 8];
        random.fill(&mut seed)?;
        Ok(Self(Cell::new(u64::from_le_bytes(seed))))
    }

    /// The next id.
    pub fn next_id(&self) -> DecisionId {
        self.0.set(self.0.get().wrapping_add(1));
        DecisionId(NumberText::new(self.0.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ones;

    impl Random for Ones {
        fn fill(&mut self, dest: &mut [u8]) -> Result<(), RandomFailed> {
            dest.fill(0xff);
            Ok(())
        }
    }

    #[test]
    fn ids_of_one_sequence_differ_also_where_the_counter_wraps_around() {
        let ids = DecisionIds::seeded(&mut Ones).unwrap();
        let ids: std::collections::BTreeSet<_> =
            (0..100).map(|_| ids.next_id().to_string()).collect();
        assert_eq!(ids.len(), 100);
        assert!(ids.contains("0000000000000"));
    }
}
