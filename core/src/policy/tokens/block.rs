//! A block of rows, and what the policy that is being read says otherwise of them.

use super::super::side::Side;
use super::TokenRow;
use super::row::{Row, Word};
use crate::time::Timestamp;

/// Rows are stored in blocks of this many, so that growth never copies what is there.
pub(super) const BLOCK: usize = 4096;

/// Up to [`BLOCK`] rows.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) rows: Vec<Row>,
    valid_from: Instants,
    /// What the other policy says of rows that both have, where that differs. A token's id, hash and person never
    /// change, so this is the rest. Boxed, since most blocks have none.
    next: Option<Box<Next>>,
    /// Whether any row may be on one side only, or there is a `next`.
    pub(super) is_split: bool,
}

#[derive(Debug, Default)]
struct Next {
    /// By row; the empty word where both policies say the same.
    words: Vec<Word>,
    valid_from: Instants,
}

impl Block {
    /// A block with room for all its rows, or one that grows by itself, so that a small policy stays small.
    pub(super) fn new(is_first: bool) -> Self {
        Self {
            rows: Vec::with_capacity(if is_first { 0 } else { BLOCK }),
            ..Self::default()
        }
    }

    /// What one side says of a row. `next` is the side that [`Self::set_next`] is for.
    pub(super) fn read(&self, at: usize, side: Side, next: Side) -> Option<TokenRow> {
        let row = self.rows.get(at).filter(|row| row.word.is_on(side))?;
        if side == next
            && let Some(next) = &self.next
            && let Some(word) = next.words.get(at).filter(|word| word.is_taken())
        {
            return word.token(row.id, || next.valid_from.get(at));
        }
        row.word.token(row.id, || self.valid_from.get(at))
    }

    /// Writes what both sides say of a row, or the one side that it is on.
    pub(super) fn set(&mut self, at: usize, token: &TokenRow) {
        if let Some(row) = self.rows.get_mut(at) {
            row.word = Word::of(token).on_sides_of(row.word);
            self.valid_from.set(at, token.valid_from);
        }
    }

    /// Writes what the next side alone says of a row that is on both.
    pub(super) fn set_next(&mut self, at: usize, token: &TokenRow) {
        self.is_split = true;
        let next = self.next.get_or_insert_default();
        if next.words.len() <= at {
            next.words.resize(at + 1, Word::default());
        }
        if let Some(word) = next.words.get_mut(at) {
            *word = Word::of(token).on_both();
        }
        next.valid_from.set(at, token.valid_from);
    }

    /// Forgets that the next side says anything else of a row.
    pub(super) fn unset_next(&mut self, at: usize) {
        if let Some(next) = &mut self.next {
            if let Some(word) = next.words.get_mut(at) {
                *word = Word::default();
            }
            next.valid_from.set(at, None);
        }
    }

    /// Forgets the `valid_from` of a place that becomes free.
    pub(super) fn clear(&mut self, at: usize) {
        self.valid_from.set(at, None);
        self.unset_next(at);
    }

    /// Takes all rows from a side.
    pub(super) fn take_off(&mut self, side: Side) {
        for row in &mut self.rows {
            row.word = row.word.off(side);
        }
        self.is_split = true;
    }

    /// Makes both sides say what `now` says. Rows that `now` does not have are left to the caller. `next` is as in
    /// [`Self::read`].
    pub(super) fn settle(&mut self, now: Side, next: Side) {
        let other = self.next.take().filter(|_| now == next);
        for row in &mut self.rows {
            if row.word.is_on(now) {
                row.word = row.word.on_both();
            }
        }
        if let Some(other) = other {
            let mut valid_from = Instants::default();
            for (at, row) in self.rows.iter_mut().enumerate() {
                let said = other.words.get(at).filter(|word| word.is_taken());
                let instants = match said {
                    Some(word) if row.word.is_on(now) => {
                        row.word = *word;
                        &other.valid_from
                    }
                    _ => &self.valid_from,
                };
                if row.word.is_taken() && row.word.has_valid_from() {
                    valid_from.push(at, instants.get(at));
                }
            }
            self.valid_from = valid_from;
        }
        self.is_split = false;
    }
}

/// The `valid_from` of rows, ascending by row. Few tokens have one, so it is not part of a row.
#[derive(Debug, Default)]
struct Instants(Vec<u64>);

/// A row's number is above this many bits of an instant: the last of year 9999 has 38.
const INSTANT_BITS: u32 = 40;

impl Instants {
    fn get(&self, at: usize) -> Option<Timestamp> {
        let found = self.find(at).ok()?;
        let packed = self.0.get(found)?;
        Some(Timestamp::from_secs(packed & ((1 << INSTANT_BITS) - 1)))
    }

    fn set(&mut self, at: usize, instant: Option<Timestamp>) {
        match (self.find(at), instant) {
            (Ok(found), Some(instant)) => {
                if let Some(packed) = self.0.get_mut(found) {
                    *packed = pack(at, instant);
                }
            }
            (Err(gap), Some(instant)) => self.0.insert(gap, pack(at, instant)),
            (Ok(found), None) => {
                self.0.remove(found);
            }
            (Err(_), None) => {}
        }
    }

    /// Adds that of a row after all that are there.
    fn push(&mut self, at: usize, instant: Option<Timestamp>) {
        self.0.extend(instant.map(|instant| pack(at, instant)));
    }

    fn find(&self, at: usize) -> Result<usize, usize> {
        self.0
            .binary_search_by(|packed| ((packed >> INSTANT_BITS) as usize).cmp(&at))
    }
}

fn pack(at: usize, instant: Timestamp) -> u64 {
    ((at as u64) << INSTANT_BITS) | instant.as_secs()
}
