//! Persons as the filter keeps them, and the roles that they have.

use std::sync::Arc;

use super::side::{Side, Sided};
use crate::id::IdCode;
use crate::slots::{SlotIndex, spread};
use crate::time::Timestamp;

/// A person as they are in force.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PersonRow {
    /// The person's id.
    pub id: IdCode,
    /// Whether the person's tokens are accepted at all.
    pub active: bool,
    /// Access tokens issued before this instant are void.
    pub valid_from: Option<Timestamp>,
    /// The places of the person's roles, ascending.
    pub(super) roles: Box<[u32]>,
}

/// All persons of two policies. A person keeps its place for life, since tokens and audiences refer to it.
#[derive(Debug, Default)]
pub(super) struct PersonTable {
    slots: Vec<Slot>,
    free: Vec<usize>,
    by_id: SlotIndex,
    /// Whether the sides may differ.
    is_split: bool,
}

/// A place. One without rows is free, or waits for a person that tokens name already.
#[derive(Debug)]
struct Slot {
    /// `None` of a free place.
    id: Option<IdCode>,
    rows: Sided<Option<Arc<PersonRow>>>,
}

impl PersonTable {
    /// How many places are not free.
    pub(super) fn used(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// The place of a person of any side, or that a token names.
    pub(super) fn place(&self, id: IdCode) -> Option<usize> {
        self.by_id.find(spread(id.to_bits()), |place| {
            self.slots
                .get(place)
                .is_some_and(|slot| slot.id == Some(id))
        })
    }

    /// The id that belongs to a place.
    pub(super) fn id_at(&self, place: usize) -> Option<IdCode> {
        self.slots.get(place)?.id
    }

    /// The person at a place.
    pub(super) fn get(&self, place: usize, side: Side) -> Option<&PersonRow> {
        self.slots.get(place)?.rows.get(side).as_deref()
    }

    /// The persons of a side.
    pub(super) fn iter(&self, side: Side) -> impl Iterator<Item = &PersonRow> {
        (0..self.end()).filter_map(move |place| self.get(place, side))
    }

    /// One more than the last place.
    pub(super) fn end(&self) -> usize {
        self.slots.len()
    }

    /// The place of an id, which is taken if the id has none.
    pub(super) fn place_for(&mut self, id: IdCode) -> usize {
        if let Some(place) = self.place(id) {
            return place;
        }
        let slot = Slot {
            id: Some(id),
            rows: Sided::default(),
        };
        let place = self.free.pop().unwrap_or(self.slots.len());
        match self.slots.get_mut(place) {
            Some(free) => *free = slot,
            None => self.slots.push(slot),
        }
        let slots = &self.slots;
        self.by_id
            .insert(spread(id.to_bits()), place, &|place| key(slots, place));
        self.is_split = true;
        place
    }

    /// Says who is at a place, on these sides.
    pub(super) fn set(&mut self, place: usize, row: Option<PersonRow>, sides: &[Side]) {
        let Some(slot) = self.slots.get_mut(place) else {
            return;
        };
        let row = row.map(Arc::new);
        for &side in sides {
            slot.rows.get_mut(side).clone_from(&row);
        }
        self.is_split |= sides.len() == 1;
    }

    /// Says that the other side has the same person at a place as side `now`.
    pub(super) fn share(&mut self, place: usize, now: Side) {
        if let Some(slot) = self.slots.get_mut(place) {
            slot.rows.copy_from(now);
        }
    }

    /// Frees a place without rows.
    pub(super) fn release(&mut self, place: usize) {
        let Some(id) = self.id_at(place) else {
            return;
        };
        let slots = &self.slots;
        self.by_id
            .remove(spread(id.to_bits()), place, &|place| key(slots, place));
        if let Some(slot) = self.slots.get_mut(place) {
            slot.id = None;
        }
        self.free.push(place);
    }

    /// Whether any place may have to be settled.
    pub(super) fn is_split(&self) -> bool {
        self.is_split
    }

    /// Makes a place say on both sides what side `now` says; one of which that says nothing becomes free.
    pub(super) fn settle_place(&mut self, place: usize, now: Side) {
        if let Some(slot) = self.slots.get_mut(place) {
            slot.rows.copy_from(now);
            if slot.id.is_some() && slot.rows.get(now).is_none() {
                self.release(place);
            }
        }
    }

    /// Ends the presence of two policies, once all places are settled.
    pub(super) fn settled(&mut self) {
        self.is_split = false;
    }
}

fn key(slots: &[Slot], place: usize) -> u64 {
    let id = slots.get(place).and_then(|slot| slot.id);
    id.map_or(0, |id| spread(id.to_bits()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: &[Side] = &[Side::A, Side::B];

    fn id(number: u64) -> IdCode {
        IdCode::from_bits(number)
    }

    fn put(table: &mut PersonTable, number: u64, active: bool, sides: &[Side]) -> usize {
        let place = table.place_for(id(number));
        let row = PersonRow {
            id: id(number),
            active,
            valid_from: None,
            roles: Box::default(),
        };
        table.set(place, Some(row), sides);
        place
    }

    #[test]
    fn a_person_keeps_its_place_when_it_changes_on_either_side() {
        let mut table = PersonTable::default();
        put(&mut table, 1, true, BOTH);
        let place = put(&mut table, 2, true, BOTH);
        assert_eq!(put(&mut table, 2, false, &[Side::B]), place);
        assert_eq!(table.place(id(2)), Some(place));
        assert!(table.get(place, Side::A).unwrap().active);
        assert!(!table.get(place, Side::B).unwrap().active);
        assert_eq!(table.used(), 2);
    }

    #[test]
    fn a_place_that_no_side_has_any_more_is_used_again() {
        let mut table = PersonTable::default();
        let place = put(&mut table, 1, true, BOTH);
        table.set(place, None, &[Side::B]);
        table.settle_place(place, Side::A);
        assert!(table.get(place, Side::B).is_some());
        table.set(place, None, &[Side::B]);
        table.settle_place(place, Side::B);
        assert_eq!(table.place(id(1)), None);
        assert_eq!(put(&mut table, 2, true, BOTH), place);
        assert_eq!((table.used(), table.end()), (1, 1));
    }
}
