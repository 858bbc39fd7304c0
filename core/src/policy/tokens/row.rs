//! How a token is packed.

use super::super::document::Expiry;
use super::super::side::Side;
use super::TokenRow;
use crate::id::IdCode;
use crate::time::Timestamp;

const PERSON_BITS: u32 = 22;
const EXPIRY_BITS: u32 = 38;
const NEVER: u64 = (1 << EXPIRY_BITS) - 1;
const ACTIVE: u64 = 1 << 60;
const HAS_VALID_FROM: u64 = 1 << 61;
const ON_A: u64 = 1 << 62;
const ON_B: u64 = 1 << 63;
const ON_BOTH: u64 = ON_A | ON_B;

/// One more than the highest index of a person that fits into a row.
pub(in super::super) const MAX_PERSONS: usize = 1 << PERSON_BITS;

/// A token without `valid_from`, or a free place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) hash: [u8; 32],
    /// The id; of a free place, one more than the place that is free after it.
    pub(super) id: u64,
    pub(super) word: Word,
}

/// Expiry, person, flags, and the sides that the row is on: on none, its place is free.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Word(u64);

impl Word {
    /// The word of a token, on no side.
    pub(super) fn of(token: &TokenRow) -> Self {
        let expiry = match token.expires_at {
            // Year 9999, the last that a timestamp can be, fits.
            Expiry::At(instant) => instant.as_secs().min(NEVER - 1),
            Expiry::Never => NEVER,
        };
        let active = if token.active { ACTIVE } else { 0 };
        let valid_from = token.valid_from.map_or(0, |_| HAS_VALID_FROM);
        Self(expiry | ((token.person as u64) << EXPIRY_BITS) | active | valid_from)
    }

    /// The token, if `valid_from` tells what it has.
    pub(super) fn token(
        self,
        id: u64,
        valid_from: impl FnOnce() -> Option<Timestamp>,
    ) -> Option<TokenRow> {
        let expiry = self.0 & NEVER;
        Some(TokenRow {
            id: IdCode::from_bits(id),
            person: self.person(),
            expires_at: if expiry == NEVER {
                Expiry::Never
            } else {
                Expiry::At(Timestamp::from_secs(expiry))
            },
            active: self.0 & ACTIVE != 0,
            valid_from: if self.has_valid_from() {
                Some(valid_from()?)
            } else {
                None
            },
        })
    }

    pub(super) fn person(self) -> usize {
        ((self.0 >> EXPIRY_BITS) as usize) & (MAX_PERSONS - 1)
    }

    pub(super) fn has_valid_from(self) -> bool {
        self.0 & HAS_VALID_FROM != 0
    }

    pub(super) fn is_taken(self) -> bool {
        self.0 & ON_BOTH != 0
    }

    pub(super) fn is_on(self, side: Side) -> bool {
        self.0 & bit(side) != 0
    }

    pub(super) fn on(self, side: Side) -> Self {
        Self(self.0 | bit(side))
    }

    pub(super) fn off(self, side: Side) -> Self {
        Self(self.0 & !bit(side))
    }

    pub(super) fn on_both(self) -> Self {
        Self(self.0 | ON_BOTH)
    }

    /// The same token on the sides of another row.
    pub(super) fn on_sides_of(self, other: Self) -> Self {
        Self((self.0 & !ON_BOTH) | (other.0 & ON_BOTH))
    }
}

fn bit(side: Side) -> u64 {
    match side {
        Side::A => ON_A,
        Side::B => ON_B,
    }
}
