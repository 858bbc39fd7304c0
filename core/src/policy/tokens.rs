//! API tokens as the filter keeps them: 48 bytes a token, a million of them without a second thought.
//!
//! A row holds the whole hash, the id as a number, and one word for person, expiry and flags. Two indices find rows by
//! hash (the exchange) and by id (every call with an access token).
//!
//! A table holds two policies at once: see [`Side`]. A row says which of them it is on, and what they say otherwise of
//! one token stands beside its block, so that a second policy that differs little costs little.

mod block;
mod row;

use subtle::ConstantTimeEq as _;

use self::block::{BLOCK, Block};
pub(super) use self::row::MAX_PERSONS;
use self::row::{Row, Word};
use super::document::Expiry;
use super::side::{Side, Sided};
use crate::api_token::TokenHash;
use crate::id::IdCode;
use crate::slots::{MAX_PLACES, SlotIndex, spread};
use crate::time::Timestamp;

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

/// All tokens of two policies.
#[derive(Debug, Default)]
pub(super) struct TokenTable {
    blocks: Vec<Block>,
    /// One more than the place that is used next, before the table grows; the free places are a list through the rows.
    free: u64,
    by_hash: SlotIndex,
    by_id: SlotIndex,
    counts: Sided<usize>,
    /// The side that the blocks' other words are for: that of the policy that is being read, or was read last.
    next: Side,
}

impl TokenTable {
    /// How many tokens a side has.
    pub(super) fn len(&self, side: Side) -> usize {
        *self.counts.get(side)
    }

    /// Whether another row fits.
    pub(super) fn has_room(&self) -> bool {
        self.free != 0 || self.end() < MAX_PLACES
    }

    /// The token with this hash. The comparison of the whole hash takes constant time.
    pub(super) fn by_hash(&self, hash: &TokenHash, side: Side) -> Option<TokenRow> {
        let is_it = |place| {
            self.row(place).is_some_and(|row| {
                row.word.is_on(side) && bool::from(row.hash.ct_eq(hash.as_bytes()))
            })
        };
        let place = self.by_hash.find(hash_key(hash.as_bytes()), is_it)?;
        self.read(place, side)
    }

    /// The token with this id.
    pub(super) fn by_id(&self, id: IdCode, side: Side) -> Option<TokenRow> {
        self.read(self.place_of(id, side)?, side)
    }

    /// Where the token with this id is.
    pub(super) fn place_of(&self, id: IdCode, side: Side) -> Option<usize> {
        let bits = id.to_bits();
        self.by_id.find(spread(bits), |place| {
            self.row(place)
                .is_some_and(|row| row.word.is_on(side) && row.id == bits)
        })
    }

    /// What a side says of the row at a place, if it has it.
    pub(super) fn read(&self, place: usize, side: Side) -> Option<TokenRow> {
        let block = self.blocks.get(place / BLOCK)?;
        block.read(place % BLOCK, side, self.next)
    }

    /// The hash of the row at a place.
    pub(super) fn hash_at(&self, place: usize) -> Option<TokenHash> {
        self.row(place).map(|row| TokenHash::from_bytes(row.hash))
    }

    /// Every token of a side, in no order.
    pub(super) fn iter(&self, side: Side) -> impl Iterator<Item = TokenRow> {
        (0..self.end()).filter_map(move |place| self.read(place, side))
    }

    /// One more than the last place.
    pub(super) fn end(&self) -> usize {
        let full = self.blocks.len().saturating_sub(1) * BLOCK;
        full + self.blocks.last().map_or(0, |block| block.rows.len())
    }

    /// Adds a token that is new to the sides it is added to; the caller has made sure of that and of [`Self::has_room`].
    pub(super) fn insert(&mut self, hash: &TokenHash, token: &TokenRow, sides: &[Side]) {
        let place = self.take_place();
        let mut word = Word::of(token);
        for &side in sides {
            word = word.on(side);
            *self.counts.get_mut(side) += 1;
        }
        let row = Row {
            hash: *hash.as_bytes(),
            id: token.id.to_bits(),
            word,
        };
        if place / BLOCK == self.blocks.len() {
            self.blocks.push(Block::new(place == 0));
        }
        let Some(block) = self.blocks.get_mut(place / BLOCK) else {
            return;
        };
        match block.rows.get_mut(place % BLOCK) {
            Some(free) => *free = row,
            None => block.rows.push(row),
        }
        block.set(place % BLOCK, token);
        block.is_split |= sides.len() == 1;
        let blocks = &self.blocks;
        self.by_hash.insert(hash_key(&row.hash), place, &|place| {
            row_in(blocks, place).map_or(0, |row| hash_key(&row.hash))
        });
        self.by_id.insert(spread(row.id), place, &|place| {
            row_in(blocks, place).map_or(0, |row| spread(row.id))
        });
    }

    /// Changes what is said of the token at a place, on all sides that have it.
    pub(super) fn replace(&mut self, place: usize, token: &TokenRow) {
        if let Some(block) = self.blocks.get_mut(place / BLOCK) {
            block.set(place % BLOCK, token);
        }
    }

    /// Changes what the next side says of the token at a place; it then has it, whether it had it before or not.
    pub(super) fn replace_next(&mut self, place: usize, token: &TokenRow) {
        let (now, next) = (self.next.other(), self.next);
        let Some(row) = self.row(place).copied() else {
            return;
        };
        if !row.word.is_on(now) {
            return self.replace(place, token);
        }
        if !row.word.is_on(next) {
            *self.counts.get_mut(next) += 1;
        }
        let is_same = self.read(place, now).as_ref() == Some(token);
        let Some(block) = self.blocks.get_mut(place / BLOCK) else {
            return;
        };
        if let Some(row) = block.rows.get_mut(place % BLOCK) {
            row.word = row.word.on(next);
        }
        if is_same {
            block.unset_next(place % BLOCK);
        } else {
            block.set_next(place % BLOCK, token);
        }
    }

    /// Takes the token at a place away from all sides.
    pub(super) fn remove(&mut self, place: usize) {
        let Some(row) = self.row(place).copied() else {
            return;
        };
        for side in [Side::A, Side::B] {
            if row.word.is_on(side) {
                *self.counts.get_mut(side) -= 1;
            }
        }
        self.release(place, &row);
    }

    /// Takes the token at a place away from the next side.
    pub(super) fn remove_next(&mut self, place: usize) {
        let next = self.next;
        let Some(row) = self.row(place).copied() else {
            return;
        };
        if !row.word.is_on(next.other()) {
            return self.remove(place);
        }
        if let Some(block) = self.blocks.get_mut(place / BLOCK)
            && let Some(row) = block.rows.get_mut(place % BLOCK)
            && row.word.is_on(next)
        {
            row.word = row.word.off(next);
            block.is_split = true;
            block.unset_next(place % BLOCK);
            *self.counts.get_mut(next) -= 1;
        }
    }

    /// Begins another policy beside the one of side `now`, as a copy of it. Both sides are the same so far.
    pub(super) fn begin(&mut self, now: Side) {
        self.next = now.other();
    }

    /// How many blocks there are: the steps of the next two functions.
    pub(super) fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Takes all tokens of a block from the next side, before a policy is read as a whole.
    pub(super) fn clear_block(&mut self, number: usize) {
        let next = self.next;
        if let Some(block) = self.blocks.get_mut(number) {
            let had = block.rows.iter().filter(|row| row.word.is_on(next)).count();
            block.take_off(next);
            *self.counts.get_mut(next) -= had;
        }
    }

    /// Makes a block say on both sides what side `now` says. Returns how many rows became free.
    pub(super) fn settle_block(&mut self, number: usize, now: Side) -> usize {
        let next = self.next;
        let Some(block) = self.blocks.get_mut(number).filter(|block| block.is_split) else {
            return 0;
        };
        block.settle(now, next);
        let places = number * BLOCK..number * BLOCK + block.rows.len();
        let mut released = 0;
        for place in places {
            if let Some(row) = self.row(place).copied()
                && row.word.is_taken()
                && !row.word.is_on(now)
            {
                self.release(place, &row);
                released += 1;
            }
        }
        released
    }

    /// Ends the presence of two policies, once all blocks are settled.
    pub(super) fn settled(&mut self, now: Side) {
        self.counts.copy_from(now);
    }

    fn take_place(&mut self) -> usize {
        let Some(place) = self.free.checked_sub(1) else {
            return self.end();
        };
        let place = place as usize;
        self.free = self.row(place).map_or(0, |row| row.id);
        place
    }

    fn release(&mut self, place: usize, row: &Row) {
        let blocks = &self.blocks;
        self.by_hash.remove(hash_key(&row.hash), place, &|place| {
            row_in(blocks, place).map_or(0, |row| hash_key(&row.hash))
        });
        self.by_id.remove(spread(row.id), place, &|place| {
            row_in(blocks, place).map_or(0, |row| spread(row.id))
        });
        let next_free = self.free;
        if let Some(block) = self.blocks.get_mut(place / BLOCK) {
            block.clear(place % BLOCK);
            if let Some(row) = block.rows.get_mut(place % BLOCK) {
                *row = Row {
                    hash: [0; 32],
                    id: next_free,
                    word: Word::default(),
                };
                self.free = place as u64 + 1;
            }
        }
    }

    fn row(&self, place: usize) -> Option<&Row> {
        row_in(&self.blocks, place)
    }
}

fn row_in(blocks: &[Block], place: usize) -> Option<&Row> {
    blocks.get(place / BLOCK)?.rows.get(place % BLOCK)
}

fn hash_key(hash: &[u8; 32]) -> u64 {
    hash.first_chunk()
        .map_or(0, |start| u64::from_le_bytes(*start))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: &[Side] = &[Side::A, Side::B];

    fn remove(table: &mut TokenTable, number: u64) {
        let place = table.place_of(IdCode::from_bits(number), Side::A);
        table.remove(place.unwrap());
    }

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
        table.insert(&hash(1), &token, BOTH);
        assert_eq!(table.by_hash(&hash(1), Side::A), Some(token));
        assert_eq!(table.by_id(token.id, Side::A), Some(token));
        let place = table.place_of(token.id, Side::A).unwrap();
        assert_eq!(table.hash_at(place), Some(hash(1)));
    }

    #[test]
    fn ten_thousand_tokens_are_found_by_hash_and_id_and_gone_once_removed() {
        let mut table = TokenTable::default();
        for number in 0..10_000 {
            table.insert(&hash(number), &row(number), BOTH);
        }
        for number in (0..10_000).step_by(2) {
            remove(&mut table, number);
        }
        assert_eq!(table.len(Side::A), 5_000);
        assert_eq!(table.iter(Side::A).count(), 5_000);
        for number in 0..10_000_u64 {
            let expected = (!number.is_multiple_of(2)).then(|| row(number));
            assert_eq!(table.by_hash(&hash(number), Side::A), expected);
            assert_eq!(table.by_id(IdCode::from_bits(number), Side::A), expected);
        }
    }

    #[test]
    fn room_that_became_free_is_used_again() {
        let mut table = TokenTable::default();
        for round in 0..100 {
            for number in 0..50 {
                table.insert(&hash(number + round), &row(number + round), BOTH);
            }
            for number in 0..50 {
                remove(&mut table, number + round);
            }
        }
        assert_eq!(table.end(), 50);
    }

    #[test]
    fn a_row_takes_48_bytes() {
        assert_eq!(size_of::<Row>(), 48);
    }
}
