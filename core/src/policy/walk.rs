//! All records of a policy, one after the other.

use super::compiled::Policy;
use super::document::{Person, Token};
use super::side::Side;
use super::store::Record;

/// How far a walk over a policy has come. It is good for as long as the policy does not change.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Cursor {
    list: usize,
    at: usize,
}

impl Policy {
    /// Shows the next record, in the order of references: what a record names comes before it. Returns whether there was
    /// one. A step may pass over a place that is free without showing any.
    pub fn visit_next(&self, cursor: &mut Cursor, visit: &mut dyn FnMut(Record<'_>)) -> bool {
        let side = self.store.now();
        let lists = self.store.lists(side);
        loop {
            let at = cursor.at;
            let is_there = match cursor.list {
                0 => self.store.roles.iter().nth(at).map(|(name, place)| {
                    if self.store.roles.missing(place, side).is_none() {
                        visit(Record::Role(name));
                    }
                }),
                1 => (at < self.store.persons.end()).then(|| {
                    if let Some(person) = self.person_at(at, side) {
                        visit(Record::Person(&person));
                    }
                }),
                2 => lists.keys.get(at).map(|key| visit(Record::Key(key))),
                3 => {
                    let service = lists.services.get(at);
                    service.map(|kept| visit(Record::Service(&kept.service)))
                }
                4 => lists
                    .public
                    .get(at)
                    .map(|route| visit(Record::Public(route))),
                5 => {
                    let bypass = lists.bypass.as_ref().filter(|_| at == 0);
                    bypass.map(|bypass| visit(Record::Bypass(bypass)))
                }
                6 => (at < self.store.tokens.end()).then(|| {
                    if let Some(token) = self.token_at(at, side) {
                        visit(Record::Token(&token));
                    }
                }),
                _ => return false,
            };
            if is_there.is_some() {
                cursor.at += 1;
                return true;
            }
            *cursor = Cursor {
                list: cursor.list + 1,
                at: 0,
            };
        }
    }

    fn person_at(&self, place: usize, side: Side) -> Option<Person> {
        let person = self.store.persons.get(place, side)?;
        let roles = self.store.roles.iter();
        let roles = roles.filter(|(_, place)| person.roles.contains(place));
        Some(Person {
            id: self.store.id_text(person.id),
            roles: roles.map(|(name, _)| name.to_owned()).collect(),
            active: person.active,
            valid_from: person.valid_from,
        })
    }

    fn token_at(&self, place: usize, side: Side) -> Option<Token> {
        let token = self.store.tokens.read(place, side)?;
        let person = self.store.persons.id_at(token.person)?;
        Some(Token {
            id: self.store.id_text(token.id),
            person: self.store.id_text(person),
            hash: self.store.tokens.hash_at(place)?,
            expires_at: token.expires_at,
            active: token.active,
            valid_from: token.valid_from,
        })
    }
}
