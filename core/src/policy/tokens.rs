//! API tokens as the filter keeps them: 48 bytes a token, a million of them without a second thought.
//!
//! A row holds the whole hash, the id as a number, and one word for person, expiry and flags. Two indices find rows by
//! hash (the exchange) and by id (every call with an access token).

use subtle::ConstantTimeEq as _;

use super::document::Expiry;
use super::slots::{MAX_PLACES, SlotIndex, spread};
use crate::api_token::TokenHash;
use crate::id::IdCode;
use crate::time::Timestamp;

/// Rows are stored in blocks of this many, so that growth never copies what is there.
const BLOCK: usize = 4096;

const PERSON_BITS: u32 = 22;
const EXPIRY_BITS: u32 = 38;
const NEVER: u64 = (1 << EXPIRY_BITS) - 1;
const ACTIVE: u64 = 1 << 60;
const HAS_VALID_FROM: u64 = 1 << 61;
const TAKEN: u64 = 1 << 62;

/// One more than the highest index of a person that fits into a row.
pub(super) const MAX_PERSONS: usize = 1 << PERSON_BITS;

/// A token as it is in force.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TokenRow {
    /// Its id.
    pub id: IdCode,
    /// The place of its person.
    pub(super) person: usize,
    /// When it ends.
    pub expires_at: Expiry,
    /// Whether it is active.
    pub active: bool,
    /// Access tokens issued before this instant are void.
    pub valid_from: Option<Timestamp>,
}

/// All tokens of a policy.
#[derive(Debug, Default)]
pub(super) struct TokenTable {
    blocks: Vec<Vec<Row>>,
    free: Vec<u32>,
    by_hash: SlotIndex,
    by_id: SlotIndex,
    /// By place, ascending. Few tokens have one, so it is not part of a row.
    valid_from: Vec<(u32, Timestamp)>,
    len: usize,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    hash: [u8; 32],
    id: u64,
    /// Expiry, person and flags.
    word: u64,
}

impl TokenTable {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether another token fits.
    pub(super) fn has_room(&self) -> bool {
        self.len < MAX_PLACES
    }

    /// The token with this hash. The comparison of the whole hash takes constant time.
    pub(super) fn by_hash(&self, hash: &TokenHash) -> Option<TokenRow> {
        let is_it = |place| {
            self.row(place)
                .is_some_and(|row| bool::from(row.hash.ct_eq(hash.as_bytes())))
        };
        self.by_hash
            .find(hash_key(hash.as_bytes()), is_it)
            .and_then(|place| self.read(place))
    }

    /// The token with this id.
    pub(super) fn by_id(&self, id: IdCode) -> Option<TokenRow> {
        self.place_of(id).and_then(|place| self.read(place))
    }

    /// The hash of the token with this id.
    pub(super) fn hash_of(&self, id: IdCode) -> Option<TokenHash> {
        let row = self.place_of(id).and_then(|place| self.row(place))?;
        Some(TokenHash::from_bytes(row.hash))
    }

    /// Adds a token whose id and hash are both new; the caller has made sure of that and of [`Self::has_room`].
    pub(super) fn insert(&mut self, hash: &TokenHash, token: TokenRow) {
        let place = self.free.pop().map_or(self.len, |place| place as usize);
        let row = Row {
            hash: *hash.as_bytes(),
            id: token.id.to_bits(),
            word: pack(&token),
        };
        if place / BLOCK == self.blocks.len() {
            // The first block grows by itself, so that a small policy stays small.
            self.blocks.push(if place == 0 {
                Vec::new()
            } else {
                Vec::with_capacity(BLOCK)
            });
        }
        let Some(block) = self.blocks.get_mut(place / BLOCK) else {
            return;
        };
        match block.get_mut(place % BLOCK) {
            Some(free) => *free = row,
            None => block.push(row),
        }
        if let Some(instant) = token.valid_from {
            let gap = self.valid_from_at(place).unwrap_or_else(|gap| gap);
            self.valid_from.insert(gap, (place as u32, instant));
        }
        let blocks = &self.blocks;
        self.by_hash.insert(hash_key(&row.hash), place, &|place| {
            row_in(blocks, place).map_or(0, |row| hash_key(&row.hash))
        });
        self.by_id.insert(spread(row.id), place, &|place| {
            row_in(blocks, place).map_or(0, |row| spread(row.id))
        });
        self.len += 1;
    }

    /// Takes a token away.
    pub(super) fn remove(&mut self, id: IdCode) {
        let Some(place) = self.place_of(id) else {
            return;
        };
        let Some(row) = self.row(place).copied() else {
            return;
        };
        let blocks = &self.blocks;
        self.by_hash.remove(hash_key(&row.hash), place, &|place| {
            row_in(blocks, place).map_or(0, |row| hash_key(&row.hash))
        });
        self.by_id.remove(spread(row.id), place, &|place| {
            row_in(blocks, place).map_or(0, |row| spread(row.id))
        });
        if let Some(row) = self
            .blocks
            .get_mut(place / BLOCK)
            .and_then(|block| block.get_mut(place % BLOCK))
        {
            *row = Row {
                hash: [0; 32],
                id: 0,
                word: 0,
            };
        }
        if let Ok(at) = self.valid_from_at(place) {
            self.valid_from.remove(at);
        }
        self.free.push(place as u32);
        self.len -= 1;
    }

    /// Every token, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = TokenRow> {
        let places = self
            .blocks
            .iter()
            .enumerate()
            .flat_map(|(block, rows)| (0..rows.len()).map(move |row| block * BLOCK + row));
        places.filter_map(|place| self.read(place))
    }

    fn place_of(&self, id: IdCode) -> Option<usize> {
        let bits = id.to_bits();
        self.by_id.find(spread(bits), |place| {
            self.row(place).is_some_and(|row| row.id == bits)
        })
    }

    /// Where a place stands in `valid_from`, or would stand.
    fn valid_from_at(&self, place: usize) -> Result<usize, usize> {
        self.valid_from
            .binary_search_by(|(other, _)| (*other as usize).cmp(&place))
    }

    fn row(&self, place: usize) -> Option<&Row> {
        row_in(&self.blocks, place)
    }

    fn read(&self, place: usize) -> Option<TokenRow> {
        let row = self.row(place).filter(|row| row.word & TAKEN != 0)?;
        let expiry = row.word & NEVER;
        Some(TokenRow {
            id: IdCode::from_bits(row.id),
            person: ((row.word >> EXPIRY_BITS) as usize) & (MAX_PERSONS - 1),
            expires_at: if expiry == NEVER {
                Expiry::Never
            } else {
                Expiry::At(Timestamp::from_secs(expiry))
            },
            active: row.word & ACTIVE != 0,
            valid_from: if row.word & HAS_VALID_FROM == 0 {
                None
            } else {
                let at = self.valid_from_at(place).ok()?;
                self.valid_from.get(at).map(|(_, instant)| *instant)
            },
        })
    }
}

fn row_in(blocks: &[Vec<Row>], place: usize) -> Option<&Row> {
    blocks.get(place / BLOCK)?.get(place % BLOCK)
}

fn pack(token: &TokenRow) -> u64 {
    let expiry = match token.expires_at {
        // Year 9999, the last that a timestamp can be, fits.
        Expiry::At(instant) => instant.as_secs().min(NEVER - 1),
        Expiry::Never => NEVER,
    };
    let flags = if token.active { ACTIVE } else { 0 }
        | if token.valid_from.is_some() {
            HAS_VALID_FROM
        } else {
            0
        };
    expiry | ((token.person as u64) << EXPIRY_BITS) | flags | TAKEN
}

fn hash_key(hash: &[u8; 32]) -> u64 {
    hash.first_chunk()
        .map_or(0, |start| u64::from_le_bytes(*start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u64) -> TokenHash {
        TokenHash::of(&number.to_le_bytes())
    }

    fn row(number: u64) -> TokenRow {
        TokenRow {
            id: IdCode::from_bits(number),
            person: (number % 1000) as usize,
            expires_at: if number.is_multiple_of(3) {
                Expiry::Never
            } else {
                Expiry::At(Timestamp::from_secs(number))
            },
            active: !number.is_multiple_of(5),
            valid_from: number
                .is_multiple_of(7)
                .then(|| Timestamp::from_secs(number + 1)),
        }
    }

    #[test]
    fn every_member_of_a_token_survives_its_packing() {
        let mut table = TokenTable::default();
        let last = Timestamp::parse("9999-12-31T23:59:59Z").unwrap();
        let token = TokenRow {
            person: MAX_PERSONS - 1,
            expires_at: Expiry::At(last),
            valid_from: Some(last),
            ..row(1)
        };
        table.insert(&hash(1), token);
        assert_eq!(table.by_hash(&hash(1)), Some(token));
        assert_eq!(table.by_id(token.id), Some(token));
        assert_eq!(table.hash_of(token.id), Some(hash(1)));
    }

    #[test]
    fn ten_thousand_tokens_are_found_by_hash_and_id_and_gone_once_removed() {
        let mut table = TokenTable::default();
        for number in 0..10_000 {
            table.insert(&hash(number), row(number));
        }
        for number in (0..10_000).step_by(2) {
            table.remove(IdCode::from_bits(number));
        }
        assert_eq!(table.len(), 5_000);
        assert_eq!(table.iter().count(), 5_000);
        for number in 0..10_000_u64 {
            let expected = (!number.is_multiple_of(2)).then(|| row(number));
            assert_eq!(table.by_hash(&hash(number)), expected);
            assert_eq!(table.by_id(IdCode::from_bits(number)), expected);
        }
    }

    #[test]
    fn room_that_became_free_is_used_again() {
        let mut table = TokenTable::default();
        for round in 0..100 {
            for number in 0..50 {
                table.insert(&hash(number + round), row(number + round));
            }
            for number in 0..50 {
                table.remove(IdCode::from_bits(number + round));
            }
        }
        assert_eq!(table.blocks.iter().map(Vec::len).sum::<usize>(), 50);
    }

    #[test]
    fn a_row_takes_48_bytes() {
        assert_eq!(size_of::<Row>(), 48);
    }
}
