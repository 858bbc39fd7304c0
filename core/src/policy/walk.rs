//! All records of a policy, one after the other.

use super::compiled::Policy;
use super::document::{Person, Token};
use super::side::Side;
use super::store::Record;

/// How far a walk over a policy has come.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Cursor {
    list: usize,
    at: usize,
}

/// The first of the lists in which places move when a record goes. Persons and tokens, which come before, keep theirs.
const LISTS: usize = 2;

impl Cursor {
    /// Notes that another policy is in force. What did not change is still shown, at least once; what did may be shown as
    /// it was, or not at all.
    pub fn policy_changed(&mut self) {
        if self.list > LISTS {
            *self = Self { list: LISTS, at: 0 };
        }
        self.at = if self.list == LISTS { 0 } else { self.at };
    }
}

impl Policy {
    /// Shows the next record, in no order that means anything. Returns whether the end is not reached; a step may pass over
    /// a place that is free without showing any record.
    pub fn visit_next(&self, cursor: &mut Cursor, visit: &mut dyn FnMut(Record<'_>)) -> bool {
        let side = self.store.now();
        let lists = self.store.lists(side);
        loop {
            let at = cursor.at;
            let is_there = match cursor.list {
                0 => (at < self.store.persons.end()).then(|| {
                    if let Some(person) = self.person_at(at, side) {
                        visit(Record::Person(&person));
                    }
                }),
                1 => (at < self.store.tokens.end()).then(|| {
                    if let Some(token) = self.token_at(at, side) {
                        visit(Record::Token(&token));
                    }
                }),
                LISTS => self.store.roles.iter().nth(at).map(|(name, place)| {
                    if self.store.roles.missing(place, side).is_none() {
                        visit(Record::Role(name));
                    }
                }),
                3 => lists.keys.get(at).map(|key| visit(Record::Key(key))),
                4 => {
                    let service = lists.services.get(at);
                    service.map(|kept| visit(Record::Service(&kept.service)))
                }
                5 => lists
                    .public
                    .get(at)
                    .map(|route| visit(Record::Public(route))),
                6 => {
                    let bypass = lists.bypass.as_ref().filter(|_| at == 0);
                    bypass.map(|bypass| visit(Record::Bypass(bypass)))
                }
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
            id: self.store.id_text(person.id).to_string(),
            roles: roles.map(|(name, _)| name.to_owned()).collect(),
            active: person.active,
            valid_from: person.valid_from,
        })
    }

    fn token_at(&self, place: usize, side: Side) -> Option<Token> {
        let token = self.store.tokens.read(place, side)?;
        let person = self.store.persons.id_at(token.person)?;
        Some(Token {
            id: self.store.id_text(token.id).to_string(),
            person: self.store.id_text(person).to_string(),
            hash: self.store.tokens.hash_at(place)?,
            expires_at: token.expires_at,
            active: token.active,
            valid_from: token.valid_from,
        })
    }
}
