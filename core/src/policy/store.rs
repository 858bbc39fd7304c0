//! The records of a policy, changed one at a time.
//!
//! A change is checked against what it touches and applied as a whole or not at all. What only holds between many
//! records (routes, audiences, key periods) is checked once for the whole, in [`super::compiled`].

#[cfg(test)]
mod tests;

use serde::Serialize;

use super::audience::{Names, places};
use super::digest::{Digest, RecordHash};
use super::document::{Bypass, Expiry, Key, Person, PublicRoute, Service, Token};
use super::fault::{PolicyFault, PolicyRule};
use super::persons::{PersonRow, PersonTable};
use super::tokens::{MAX_PERSONS, TokenRow, TokenTable};
use crate::api_token::TokenHash;
use crate::id::{IdCode, IdTable, is_id, looks_secret};

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
    /// How many tokens each person has, by the person's place.
    tokens_of: Vec<u32>,
    /// Names with places, ascending. A place is never reused, since persons and audiences hold it.
    roles: Vec<(String, u32)>,
    next_role: u32,
    pub(super) keys: Vec<Key>,
    pub(super) services: Vec<Service>,
    pub(super) public: Vec<PublicRoute>,
    pub(super) bypass: Option<Bypass>,
    digest: Digest,
}

impl Store {
    /// Applies one change, or says what is wrong with it and changes nothing.
    pub fn apply(&mut self, change: Change<'_>) -> Result<(), Vec<PolicyFault>> {
        match change {
            Change::Put(Record::Role(name)) => self.put_role(name),
            Change::Put(Record::Person(person)) => self.put_person(person),
            Change::Put(Record::Key(key)) => self.put_key(key),
            Change::Put(Record::Token(token)) => self.put_token(token),
            Change::Put(Record::Service(service)) => self.put_service(service),
            Change::Put(Record::Public(route)) => self.put_public(route),
            Change::Put(Record::Bypass(bypass)) => self.put_bypass(bypass),
            Change::Delete(RecordId::Role(name)) => self.delete_role(name),
            Change::Delete(RecordId::Person(id)) => self.delete_person(id),
            Change::Delete(RecordId::Key(kid)) => self.delete_key(kid),
            Change::Delete(RecordId::Token(id)) => self.delete_token(id),
            Change::Delete(RecordId::Service(name)) => self.delete_service(name),
            Change::Delete(RecordId::Public(route)) => self.delete_public(route),
            Change::Delete(RecordId::Bypass) => self.delete_bypass(),
        }
    }

    /// The digest of all records.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The text of an id that this store gave.
    pub fn id_text(&self, id: IdCode) -> String {
        self.ids.text(id)
    }

    /// The code of an id, if it can be in this policy.
    pub(crate) fn id_code(&self, text: &str) -> Option<IdCode> {
        self.ids.code(text)
    }

    fn put_role(&mut self, name: &str) -> Result<(), Vec<PolicyFault>> {
        check_id("", name)?;
        if let Err(gap) = self.find_role(name) {
            let Some(next) = self.next_role.checked_add(1) else {
                return Err(vec![PolicyFault::new("", PolicyRule::Full("roles"))]);
            };
            self.roles.insert(gap, (name.to_owned(), self.next_role));
            self.next_role = next;
            self.digest.add(&RecordHash::of("role", name, b""));
        }
        Ok(())
    }

    fn delete_role(&mut self, name: &str) -> Result<(), Vec<PolicyFault>> {
        let Ok(at) = self.find_role(name) else {
            return Ok(());
        };
        let place = self.role_place(name);
        if place.is_some_and(|place| self.persons.has_role(place)) {
            return Err(vec![PolicyFault::new("", PolicyRule::RoleInUse)]);
        }
        self.roles.remove(at);
        self.digest.subtract(&RecordHash::of("role", name, b""));
        Ok(())
    }

    /// Where a role stands in `roles`, or would stand.
    fn find_role(&self, name: &str) -> Result<usize, usize> {
        self.roles
            .binary_search_by(|(other, _)| other.as_str().cmp(name))
    }

    fn put_person(&mut self, person: &Person) -> Result<(), Vec<PolicyFault>> {
        check_id("id", &person.id)?;
        let mut faults = Vec::new();
        let roles = places(
            "roles",
            "role",
            &person.roles,
            |name| self.role_place(name),
            &mut faults,
        );
        if !faults.is_empty() {
            return Err(faults);
        }
        let Some(id) = self.ids.intern(&person.id) else {
            return Err(vec![PolicyFault::new("id", PolicyRule::Full("ids"))]);
        };
        let old = self.persons.place(id);
        if old.is_none() && self.persons.len() >= MAX_PERSONS {
            return Err(vec![PolicyFault::new("", PolicyRule::Full("persons"))]);
        }
        if let Some(hash) = old.and_then(|place| self.person_hash(place)) {
            self.digest.subtract(&hash);
        }
        self.persons.put(PersonRow {
            id,
            active: person.active,
            valid_from: person.valid_from,
            roles,
        });
        if let Some(hash) = self
            .persons
            .place(id)
            .and_then(|place| self.person_hash(place))
        {
            self.digest.add(&hash);
        }
        Ok(())
    }

    fn delete_person(&mut self, id: &str) -> Result<(), Vec<PolicyFault>> {
        let Some((id, place)) = self
            .ids
            .code(id)
            .and_then(|id| Some((id, self.persons.place(id)?)))
        else {
            return Ok(());
        };
        if self.tokens_of.get(place).is_some_and(|count| *count > 0) {
            return Err(vec![PolicyFault::new("", PolicyRule::PersonHasTokens)]);
        }
        if let Some(hash) = self.person_hash(place) {
            self.digest.subtract(&hash);
        }
        self.persons.remove(id);
        Ok(())
    }

    fn put_token(&mut self, token: &Token) -> Result<(), Vec<PolicyFault>> {
        check_id("id", &token.id)?;
        let fault = |member: &str, rule| Err(vec![PolicyFault::new(member, rule)]);
        if token.hash.is_well_known() {
            return fault("hash", PolicyRule::WellKnownHash);
        }
        let Some(person) = self
            .ids
            .code(&token.person)
            .and_then(|id| self.persons.place(id))
        else {
            return fault(
                "person",
                PolicyRule::Dangling {
                    kind: "person",
                    name: token.person.clone(),
                },
            );
        };
        if let Some(other) = self.tokens.by_hash(&token.hash)
            && self.ids.code(&token.id) != Some(other.id)
        {
            return fault("hash", PolicyRule::HashTaken(self.ids.text(other.id)));
        }
        let Some(id) = self.ids.intern(&token.id) else {
            return fault("id", PolicyRule::Full("ids"));
        };
        match self.tokens.by_id(id) {
            Some(old) if old.person != person => return fault("person", PolicyRule::PersonChanged),
            Some(_) if self.tokens.hash_of(id).as_ref() != Some(&token.hash) => {
                return fault("hash", PolicyRule::HashChanged);
            }
            Some(_) => self.forget_token(id),
            None if !self.tokens.has_room() => return fault("", PolicyRule::Full("tokens")),
            None => {}
        }
        let row = TokenRow {
            id,
            person,
            expires_at: token.expires_at,
            active: token.active,
            valid_from: token.valid_from,
        };
        self.tokens.insert(&token.hash, row);
        if self.tokens_of.len() <= person {
            self.tokens_of.resize(person + 1, 0);
        }
        if let Some(count) = self.tokens_of.get_mut(person) {
            *count += 1;
        }
        self.digest.add(&self.token_hash(&row, &token.hash));
        Ok(())
    }

    fn delete_token(&mut self, id: &str) -> Result<(), Vec<PolicyFault>> {
        if let Some(id) = self.ids.code(id) {
            self.forget_token(id);
        }
        Ok(())
    }

    fn forget_token(&mut self, id: IdCode) {
        let (Some(row), Some(hash)) = (self.tokens.by_id(id), self.tokens.hash_of(id)) else {
            return;
        };
        self.digest.subtract(&self.token_hash(&row, &hash));
        self.tokens.remove(id);
        if let Some(count) = self.tokens_of.get_mut(row.person) {
            *count -= 1;
        }
    }

    fn put_key(&mut self, key: &Key) -> Result<(), Vec<PolicyFault>> {
        check_id("kid", &key.kid)?;
        check_id("root", &key.root)?;
        self.delete_key(&key.kid)?;
        self.digest.add(&document_hash("key", &key.kid, key));
        self.keys.push(key.clone());
        Ok(())
    }

    fn delete_key(&mut self, kid: &str) -> Result<(), Vec<PolicyFault>> {
        if let Some(at) = self.keys.iter().position(|key| key.kid == kid) {
            let old = self.keys.remove(at);
            self.digest.subtract(&document_hash("key", kid, &old));
        }
        Ok(())
    }

    fn put_service(&mut self, service: &Service) -> Result<(), Vec<PolicyFault>> {
        check_id("name", &service.name)?;
        self.delete_service(&service.name)?;
        self.digest
            .add(&document_hash("service", &service.name, service));
        self.services.push(service.clone());
        Ok(())
    }

    fn delete_service(&mut self, name: &str) -> Result<(), Vec<PolicyFault>> {
        if let Some(at) = self
            .services
            .iter()
            .position(|service| service.name == name)
        {
            let old = self.services.remove(at);
            self.digest.subtract(&document_hash("service", name, &old));
        }
        Ok(())
    }

    fn put_public(&mut self, route: &PublicRoute) -> Result<(), Vec<PolicyFault>> {
        if !self.public.contains(route) {
            self.digest
                .add(&document_hash("public", &route.path, route));
            self.public.push(route.clone());
        }
        Ok(())
    }

    fn delete_public(&mut self, route: &PublicRoute) -> Result<(), Vec<PolicyFault>> {
        if let Some(at) = self.public.iter().position(|candidate| candidate == route) {
            self.public.remove(at);
            self.digest
                .subtract(&document_hash("public", &route.path, route));
        }
        Ok(())
    }

    fn put_bypass(&mut self, bypass: &Bypass) -> Result<(), Vec<PolicyFault>> {
        self.delete_bypass()?;
        self.digest.add(&document_hash("bypass", "", bypass));
        self.bypass = Some(bypass.clone());
        Ok(())
    }

    fn delete_bypass(&mut self) -> Result<(), Vec<PolicyFault>> {
        if let Some(old) = self.bypass.take() {
            self.digest.subtract(&document_hash("bypass", "", &old));
        }
        Ok(())
    }

    fn person_hash(&self, place: usize) -> Option<RecordHash> {
        let person = self.persons.get(place)?;
        let mut content = vec![u8::from(person.active)];
        content.extend(
            person
                .valid_from
                .map_or(0, |instant| instant.as_secs() + 1)
                .to_be_bytes(),
        );
        // By name, since another party may have met the roles in another order.
        for (name, place) in &self.roles {
            if person.roles.contains(place) {
                content.extend(name.as_bytes());
                content.push(b'\n');
            }
        }
        Some(RecordHash::of(
            "person",
            &self.ids.text(person.id),
            &content,
        ))
    }

    fn token_hash(&self, token: &TokenRow, hash: &TokenHash) -> RecordHash {
        let mut content = hash.as_bytes().to_vec();
        let expiry = match token.expires_at {
            Expiry::At(instant) => instant.as_secs(),
            Expiry::Never => u64::MAX,
        };
        content.extend(expiry.to_be_bytes());
        content.extend(
            token
                .valid_from
                .map_or(0, |instant| instant.as_secs() + 1)
                .to_be_bytes(),
        );
        content.push(u8::from(token.active));
        content.extend(
            self.persons
                .get(token.person)
                .map_or_else(String::new, |person| self.ids.text(person.id))
                .as_bytes(),
        );
        RecordHash::of("token", &self.ids.text(token.id), &content)
    }
}

impl Names for Store {
    fn person_place(&self, id: &str) -> Option<u32> {
        let place = self.ids.code(id).and_then(|id| self.persons.place(id))?;
        u32::try_from(place).ok()
    }

    fn role_place(&self, name: &str) -> Option<u32> {
        let at = self.find_role(name).ok()?;
        self.roles.get(at).map(|(_, place)| *place)
    }
}

fn check_id(member: &str, text: &str) -> Result<(), Vec<PolicyFault>> {
    if looks_secret(text) {
        return Err(vec![PolicyFault::new(member, PolicyRule::LooksSecret)]);
    }
    if is_id(text) {
        return Ok(());
    }
    Err(vec![PolicyFault::new(
        member,
        PolicyRule::Id(text.to_owned()),
    )])
}

/// The hash of a record that is kept as it was written. Serialising these types cannot fail: their maps have text keys
/// and their numbers are whole.
fn document_hash(kind: &str, id: &str, record: &impl serde::Serialize) -> RecordHash {
    RecordHash::of(kind, id, &serde_json::to_vec(record).unwrap_or_default())
}
