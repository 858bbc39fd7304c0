//! The records of a policy, changed one at a time.
//!
//! A change is checked against what it touches and applied as a whole or not at all. What only holds between many
//! records (routes, audiences, key periods) is checked once for the whole, in [`super::compiled`].
//!
//! A store can hold the policy that is being read beside the one that decides: see [`Side`]. Changes of the former may
//! come in any order, so what they name is looked for at the end.

mod hashes;
mod lists;
mod records;
#[cfg(test)]
mod tests;

use serde::Serialize;

pub(super) use self::lists::{KeptService, Lists};
use super::audience::Names;
use super::digest::{Digest, RecordHash};
use super::document::{Bypass, Document, Key, Person, PublicRoute, Service, Token};
use super::fault::{PolicyFault, PolicyRule};
use super::persons::PersonTable;
use super::roles::RoleTable;
use super::side::{Side, Sided, Target};
use super::tokens::TokenTable;
use crate::id::{Id, IdCode, IdTable, IdText, is_id, looks_secret};

/// One step from a policy to the next.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
#[serde(rename_all = "snake_case")]
pub enum Change<'a> {
    /// A record is added, or takes the place of the one with the same id.
    Put(Record<'a>),
    /// A record is taken away; taking away what is not there is no fault.
    Delete(RecordId<'a>),
}

/// A record of a policy, as it is written.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
#[serde(rename_all = "snake_case")]
pub enum Record<'a> {
    /// A role, by name.
    Role(&'a str),
    /// A person.
    Person(&'a Person),
    /// A key.
    Key(&'a Key),
    /// An API token.
    Token(&'a Token),
    /// A service with its methods.
    Service(&'a Service),
    /// A public route.
    Public(&'a PublicRoute),
    /// Who is exempt from audiences.
    Bypass(&'a Bypass),
}

/// What a record is known by.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
#[serde(rename_all = "snake_case")]
pub enum RecordId<'a> {
    /// A role's name.
    Role(&'a str),
    /// A person's id.
    Person(&'a str),
    /// A key's kid.
    Key(&'a str),
    /// A token's id.
    Token(&'a str),
    /// A service's name.
    Service(&'a str),
    /// A public route, which has no other name than itself.
    Public(&'a PublicRoute),
    /// There is one at most.
    Bypass,
}

/// All records of a policy.
#[derive(Debug, Default)]
pub struct Store {
    ids: IdTable,
    pub(super) tokens: TokenTable,
    pub(super) persons: PersonTable,
    pub(super) roles: RoleTable,
    lists: Sided<Lists>,
    digests: Sided<Digest>,
    /// The side of the policy that decides.
    now: Side,
    /// What is known of the policy that is being read.
    pub(super) reading: Reading,
}

/// What the changes of a policy that is being read have left to be checked.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// Ids and hashes may mean something else than in the policy that decides.
    pub(super) is_new_epoch: bool,
    /// A token may name a person that is not there.
    pub(super) persons_open: bool,
    /// A person may name a role that is not there.
    pub(super) roles_open: bool,
    /// A person or a role has gone, which an audience may name that did not change itself.
    pub(super) names_lost: bool,
}

/// Where a change goes.
#[derive(Clone, Copy)]
struct On {
    target: Target,
    /// The side that tells what is there already.
    view: Side,
    sides: &'static [Side],
}

impl Store {
    /// Applies one change, or says what is wrong with it and changes nothing.
    pub fn apply(&mut self, change: Change<'_>) -> Result<(), Vec<PolicyFault>> {
        let on = On {
            target: Target::Both,
            view: self.now,
            sides: &[Side::A, Side::B],
        };
        self.change(change, on)
    }

    /// Applies one change to the policy that is being read. What the change names need not be there yet.
    pub(super) fn stage(&mut self, change: Change<'_>) -> Result<(), Vec<PolicyFault>> {
        let view = self.next();
        let on = On {
            target: Target::Next,
            view,
            sides: match view {
                Side::A => &[Side::A],
                Side::B => &[Side::B],
            },
        };
        self.change(change, on)
    }

    fn change(&mut self, change: Change<'_>, on: On) -> Result<(), Vec<PolicyFault>> {
        match change {
            Change::Put(Record::Role(name)) => self.put_role(name, on),
            Change::Put(Record::Person(person)) => self.put_person(person, on),
            Change::Put(Record::Key(key)) => self.put_key(key, on),
            Change::Put(Record::Token(token)) => self.put_token(token, on),
            Change::Put(Record::Service(service)) => self.put_service(service, on),
            Change::Put(Record::Public(route)) => self.put_public(route, on),
            Change::Put(Record::Bypass(bypass)) => self.put_bypass(bypass, on),
            Change::Delete(RecordId::Role(name)) => self.delete_role(name, on),
            Change::Delete(RecordId::Person(id)) => self.delete_person(id, on),
            Change::Delete(RecordId::Key(kid)) => self.delete_key(kid, on),
            Change::Delete(RecordId::Token(id)) => self.delete_token(id, on),
            Change::Delete(RecordId::Service(name)) => self.delete_service(name, on),
            Change::Delete(RecordId::Public(route)) => self.delete_public(route, on),
            Change::Delete(RecordId::Bypass) => self.delete_bypass(on),
        }
    }

    /// The digest of all records.
    pub fn digest(&self) -> Digest {
        *self.digests.get(self.now)
    }

    /// The digest of the policy that is being read.
    pub(super) fn next_digest(&self) -> Digest {
        *self.digests.get(self.next())
    }

    /// The text of an id that this store gave.
    pub fn id_text(&self, id: IdCode) -> IdText<'_> {
        self.ids.text(id)
    }

    /// The code of an id that has been read, if it can be in this policy.
    pub(crate) fn code_of(&self, id: &Id) -> Option<IdCode> {
        self.ids.code_of(id)
    }

    /// The code of an id, if it can be in this policy.
    pub(crate) fn id_code(&self, text: &str) -> Option<IdCode> {
        self.ids.code(text)
    }

    /// The side of the policy that decides.
    pub(super) fn now(&self) -> Side {
        self.now
    }

    /// The side of the policy that is being read.
    pub(super) fn next(&self) -> Side {
        self.now.other()
    }

    /// The records that are few.
    pub(super) fn lists(&self, side: Side) -> &Lists {
        self.lists.get(side)
    }

    /// Puts the lists of a document in place of those that came of applying it, so that places in them are those in the
    /// document.
    pub(super) fn show_lists_of(&mut self, document: &Document) {
        *self.lists.get_mut(self.now) = Lists::of(document);
    }

    /// Begins to read another policy beside the one that decides. It starts as a copy of that one; or, if it is read
    /// `from_nothing`, without lists, and [`TokenTable::clear_block`] and [`PersonTable::set`] take away the rest.
    pub(super) fn begin(&mut self, from_nothing: bool, is_new_epoch: bool) {
        let next = self.next();
        self.reading = Reading {
            is_new_epoch,
            ..Reading::default()
        };
        self.tokens.begin(self.now);
        if from_nothing {
            *self.lists.get_mut(next) = Lists::default();
            *self.digests.get_mut(next) = Digest::default();
            self.roles.clear(next);
            // Tokens and persons that are not read again are gone, and so may roles be that audiences name.
            self.reading.names_lost = true;
        }
    }

    /// Lets the policy that was read decide. What is left of the other one goes by settling.
    pub(super) fn switch(&mut self) {
        self.now = self.next();
    }

    /// Ends the presence of two policies, once tokens and persons are settled.
    pub(super) fn settled(&mut self) {
        self.tokens.settled(self.now);
        self.persons.settled();
        self.roles.settle(self.now);
        self.lists.copy_from(self.now);
        self.digests.copy_from(self.now);
    }

    fn count(&mut self, old: Option<&RecordHash>, new: Option<&RecordHash>, on: On) {
        for &side in on.sides {
            let digest = self.digests.get_mut(side);
            if let Some(old) = old {
                digest.subtract(old);
            }
            if let Some(new) = new {
                digest.add(new);
            }
        }
    }
}

/// The names that a side has.
pub(super) struct NamesOf<'a> {
    pub(super) store: &'a Store,
    pub(super) side: Side,
}

impl Names for NamesOf<'_> {
    fn person_place(&self, id: &str) -> Option<u32> {
        let place = self.store.persons.place(self.store.ids.code(id)?)?;
        self.store.persons.get(place, self.side)?;
        u32::try_from(place).ok()
    }

    fn role_place(&self, name: &str) -> Option<u32> {
        self.store.roles.place(name, self.side)
    }
}

fn check_id(member: &str, text: &str) -> Result<(), Vec<PolicyFault>> {
    if looks_secret(text) {
        return fault(member, PolicyRule::LooksSecret);
    }
    if is_id(text) {
        return Ok(());
    }
    fault(member, PolicyRule::Id(text.to_owned()))
}

fn fault<T>(member: &str, rule: PolicyRule) -> Result<T, Vec<PolicyFault>> {
    Err(vec![PolicyFault::new(member, rule)])
}
