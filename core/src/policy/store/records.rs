//! Roles, persons and tokens.

use super::super::audience::places;
use super::super::digest::RecordHash;
use super::super::document::{Person, Token};
use super::super::fault::{PolicyFault, PolicyRule};
use super::super::persons::PersonRow;
use super::super::side::Target;
use super::super::tokens::{MAX_PERSONS, TokenRow};
use super::{On, Store, check_id, fault};
use crate::id::is_id;

impl Store {
    pub(super) fn put_role(&mut self, name: &str, on: On) -> Result<(), Vec<PolicyFault>> {
        check_id("", name)?;
        if self.roles.place(name, on.view).is_none() {
            if self.roles.place_for(name).is_none() {
                return fault("", PolicyRule::Full("roles"));
            }
            self.roles.set(name, true, on.sides);
            self.count(None, Some(&RecordHash::of("role", name, b"")), on);
        }
        Ok(())
    }

    pub(super) fn delete_role(&mut self, name: &str, on: On) -> Result<(), Vec<PolicyFault>> {
        let Some(place) = self.roles.place(name, on.view) else {
            return Ok(());
        };
        match on.target {
            Target::Both => {
                let mut persons = self.persons.iter(on.view);
                if persons.any(|person| person.roles.contains(&place)) {
                    return fault("", PolicyRule::RoleInUse);
                }
            }
            Target::Next => {
                self.reading.roles_open = true;
                self.reading.names_lost = true;
            }
        }
        self.roles.set(name, false, on.sides);
        self.count(Some(&RecordHash::of("role", name, b"")), None, on);
        Ok(())
    }

    pub(super) fn put_person(&mut self, person: &Person, on: On) -> Result<(), Vec<PolicyFault>> {
        check_id("id", &person.id)?;
        let mut faults = Vec::new();
        let place = |name: &str| {
            let place = self.roles.place(name, on.view);
            if place.is_some() || on.target == Target::Both || !is_id(name) {
                return place;
            }
            self.reading.roles_open = true;
            self.roles.place_for(name)
        };
        let roles = places("roles", "role", &person.roles, place, &mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        let row = |id| PersonRow {
            id,
            active: person.active,
            valid_from: person.valid_from,
            roles,
        };
        let (id, place) = self.person_place_for("id", &person.id)?;
        let row = row(id);
        let old = self.persons.get(place, on.view);
        if old == Some(&row) {
            return Ok(());
        }
        let old = old.map(|old| self.person_hash(old));
        let new = self.person_hash(&row);
        if on.target == Target::Next && self.persons.get(place, self.now) == Some(&row) {
            self.persons.share(place, self.now);
        } else {
            self.persons.set(place, Some(row), on.sides);
        }
        self.count(old.as_ref(), Some(&new), on);
        Ok(())
    }

    pub(super) fn delete_person(&mut self, id: &str, on: On) -> Result<(), Vec<PolicyFault>> {
        let place = self.ids.code(id).and_then(|id| self.persons.place(id));
        let Some(place) = place else {
            return Ok(());
        };
        let Some(old) = self.persons.get(place, on.view) else {
            return Ok(());
        };
        let old = self.person_hash(old);
        match on.target {
            Target::Both => {
                let mut tokens = self.tokens.iter(on.view);
                if tokens.any(|token| token.person == place) {
                    return fault("", PolicyRule::PersonHasTokens);
                }
                self.persons.set(place, None, on.sides);
                self.persons.release(place);
            }
            Target::Next => {
                self.reading.persons_open = true;
                self.reading.names_lost = true;
                self.persons.set(place, None, on.sides);
            }
        }
        self.count(Some(&old), None, on);
        Ok(())
    }

    pub(super) fn put_token(&mut self, token: &Token, on: On) -> Result<(), Vec<PolicyFault>> {
        check_id("id", &token.id)?;
        if token.hash.is_well_known() {
            return fault("hash", PolicyRule::WellKnownHash);
        }
        let id = self.ids.code(&token.id);
        let is_staged = on.target == Target::Next;
        // In one epoch neither an id nor a hash comes to mean another token, so the policy that decides has a say.
        let views = if is_staged && !self.reading.is_new_epoch {
            [on.view, self.now]
        } else {
            [on.view; 2]
        };
        for view in views {
            if let Some(other) = self.tokens.by_hash(&token.hash, view)
                && id != Some(other.id)
            {
                return fault(
                    "hash",
                    PolicyRule::HashTaken(self.ids.text(other.id).to_string()),
                );
            }
        }
        let person = self.person_of_token(token, on)?;
        let Some(id) = self.ids.intern(&token.id) else {
            return fault("id", PolicyRule::Full("ids"));
        };
        let mut place = None;
        for view in [on.view, self.now] {
            let Some(found) = self.tokens.place_of(id, view).filter(|_| place.is_none()) else {
                continue;
            };
            let rule = if self.tokens.read(found, view).map(|row| row.person) != Some(person) {
                PolicyRule::PersonChanged
            } else if self.tokens.hash_at(found) != Some(token.hash) {
                PolicyRule::HashChanged
            } else {
                place = Some(found);
                continue;
            };
            // A token of before a restored backup is another one, which goes as this one comes.
            if views.contains(&view) {
                return fault(
                    match rule {
                        PolicyRule::PersonChanged => "person",
                        _ => "hash",
                    },
                    rule,
                );
            }
        }
        let row = TokenRow {
            id,
            person,
            expires_at: token.expires_at,
            active: token.active,
            valid_from: token.valid_from,
        };
        let old = place.and_then(|place| self.tokens.read(place, on.view));
        if old == Some(row) {
            return Ok(());
        }
        match place {
            Some(place) if is_staged => self.tokens.replace_next(place, &row),
            Some(place) => self.tokens.replace(place, &row),
            None if !self.tokens.has_room() => return fault("", PolicyRule::Full("tokens")),
            None => self.tokens.insert(&token.hash, &row, on.sides),
        }
        let old = old.map(|old| self.token_hash(&old, &token.hash));
        let new = self.token_hash(&row, &token.hash);
        self.count(old.as_ref(), Some(&new), on);
        Ok(())
    }

    pub(super) fn delete_token(&mut self, id: &str, on: On) -> Result<(), Vec<PolicyFault>> {
        let id = self.ids.code(id);
        let place = id.and_then(|id| self.tokens.place_of(id, on.view));
        let Some(place) = place else {
            return Ok(());
        };
        let old = self
            .tokens
            .read(place, on.view)
            .zip(self.tokens.hash_at(place));
        let old = old.map(|(row, hash)| self.token_hash(&row, &hash));
        match on.target {
            Target::Both => self.tokens.remove(place),
            Target::Next => self.tokens.remove_next(place),
        }
        self.count(old.as_ref(), None, on);
        Ok(())
    }

    /// The place of a token's person, who may still come if the policy is being read.
    fn person_of_token(&mut self, token: &Token, on: On) -> Result<usize, Vec<PolicyFault>> {
        let place = self
            .ids
            .code(&token.person)
            .and_then(|id| self.persons.place(id));
        if let Some(place) = place
            && self.persons.get(place, on.view).is_some()
        {
            return Ok(place);
        }
        if on.target == Target::Both || !is_id(&token.person) {
            return fault(
                "person",
                PolicyRule::Dangling {
                    kind: "person",
                    name: token.person.clone(),
                },
            );
        }
        self.reading.persons_open = true;
        let (_, place) = self.person_place_for("person", &token.person)?;
        Ok(place)
    }

    fn person_place_for(
        &mut self,
        member: &str,
        id: &str,
    ) -> Result<(crate::id::IdCode, usize), Vec<PolicyFault>> {
        let Some(id) = self.ids.intern(id) else {
            return fault(member, PolicyRule::Full("ids"));
        };
        if self.persons.place(id).is_none() && self.persons.used() >= MAX_PERSONS {
            return fault("", PolicyRule::Full("persons"));
        }
        Ok((id, self.persons.place_for(id)))
    }
}
