//! Persons as the filter keeps them, and the roles that they have.

use super::slots::{SlotIndex, spread};
use crate::id::IdCode;
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

/// All persons of a policy. A person keeps its place for life, since tokens and audiences refer to it.
#[derive(Debug, Default)]
pub(super) struct PersonTable {
    rows: Vec<Option<PersonRow>>,
    free: Vec<usize>,
    by_id: SlotIndex,
}

impl PersonTable {
    pub(super) fn len(&self) -> usize {
        self.rows.len() - self.free.len()
    }

    pub(super) fn place(&self, id: IdCode) -> Option<usize> {
        self.by_id.find(spread(id.to_bits()), |place| {
            self.get(place).is_some_and(|person| person.id == id)
        })
    }

    pub(super) fn get(&self, place: usize) -> Option<&PersonRow> {
        self.rows.get(place)?.as_ref()
    }

    /// Whether any person has the role at this place.
    pub(super) fn has_role(&self, role: u32) -> bool {
        self.rows
            .iter()
            .flatten()
            .any(|person| person.roles.contains(&role))
    }

    /// Adds a person, or replaces the one with the same id.
    pub(super) fn put(&mut self, person: PersonRow) {
        let id = person.id;
        if let Some(row) = self.place(id).and_then(|place| self.rows.get_mut(place)) {
            *row = Some(person);
            return;
        }
        let place = self.free.pop().unwrap_or(self.rows.len());
        match self.rows.get_mut(place) {
            Some(row) => *row = Some(person),
            None => self.rows.push(Some(person)),
        }
        let rows = &self.rows;
        self.by_id
            .insert(spread(id.to_bits()), place, &|place| key(rows, place));
    }

    pub(super) fn remove(&mut self, id: IdCode) {
        let Some(place) = self.place(id) else {
            return;
        };
        let rows = &self.rows;
        self.by_id
            .remove(spread(id.to_bits()), place, &|place| key(rows, place));
        if let Some(row) = self.rows.get_mut(place) {
            *row = None;
        }
        self.free.push(place);
    }
}

fn key(rows: &[Option<PersonRow>], place: usize) -> u64 {
    let row = rows.get(place).and_then(Option::as_ref);
    row.map_or(0, |person| spread(person.id.to_bits()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(number: u64) -> PersonRow {
        PersonRow {
            id: IdCode::from_bits(number),
            active: true,
            valid_from: None,
            roles: Box::default(),
        }
    }

    #[test]
    fn a_person_keeps_its_place_when_it_changes() {
        let mut table = PersonTable::default();
        table.put(person(1));
        table.put(person(2));
        let place = table.place(IdCode::from_bits(1)).unwrap();
        table.put(PersonRow {
            active: false,
            ..person(1)
        });
        assert_eq!(table.place(IdCode::from_bits(1)), Some(place));
        assert!(!table.get(place).unwrap().active);
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn a_place_that_became_free_is_used_again() {
        let mut table = PersonTable::default();
        table.put(person(1));
        table.remove(IdCode::from_bits(1));
        assert_eq!(table.place(IdCode::from_bits(1)), None);
        table.put(person(2));
        assert_eq!(table.rows.len(), 1);
        assert_eq!(table.len(), 1);
    }
}
