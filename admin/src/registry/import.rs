//! A policy that was written by hand, taken into the registry.

use std::fmt;

use postern_core::feed::{Entry, Put};
use postern_core::policy::document::{Document, Expiry, Person, Token};
use postern_core::time::Timestamp;
use serde_json::json;

use super::change::stored;
use super::name::Name;
use super::records::{RecordKey, to_body};
use super::tokens::Origin;
use super::{Change, Invalid, Kind, RegistryError};

/// Changed records that the line of the audit log names, at most.
const MAX_NAMED: usize = 1_000;

/// What a document may do beside adding and changing records.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Allowed {
    /// It may bring tokens that the registry does not know: it has their hashes alone, so somebody must vouch that none of
    /// the tokens behind them can be guessed.
    pub vouched: bool,
    /// It may make good again what the registry has deactivated, ended or voided, as a document from before that would.
    pub revived: bool,
}

/// What was taken over.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Imported {
    /// Roles that were not there.
    pub roles: usize,
    /// Persons that were not there.
    pub persons: usize,
    /// Tokens that were not there.
    pub tokens: usize,
    /// All other records.
    pub others: usize,
}

impl fmt::Display for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} new role(s), {} new person(s), {} new token(s), {} service(s), route(s) and key(s)",
            self.roles, self.persons, self.tokens, self.others
        )
    }
}

impl Change {
    /// Puts every record of a document. A person or token that the registry does not know yet gets its id for a name.
    ///
    /// # Errors
    /// [`RegistryError::Invalid`] for what is not allowed, [`RegistryError::NameTaken`], [`RegistryError::Deleted`], and
    /// those of the policy.
    pub async fn import(
        &mut self,
        document: Document,
        allowed: Allowed,
    ) -> Result<Imported, RegistryError> {
        if document.format != Document::FORMAT {
            let reason = format!(
                "format {} is unknown; this version reads format {}",
                document.format,
                Document::FORMAT
            );
            return Err(Invalid::new("format", reason).into());
        }
        let mut imported = Imported::default();
        let mut changed = Changed::default();
        for role in document.roles {
            imported.roles += usize::from(self.record(Kind::Role, &role).await?.is_none());
            self.put(Put::Role(role), &mut changed).await?;
        }
        for person in document.persons {
            let id = person.id.clone();
            let before = self.record(Kind::Person, &id).await?;
            if let Some(Some(Entry::Put(Put::Person(before)))) = &before
                && !allowed.revived
            {
                check_person(before, &person)?;
            }
            let is_new = before.is_none();
            self.put(Put::Person(person), &mut changed).await?;
            if is_new {
                let name = Name::parse(&id)?;
                self.free_name(Kind::Person, &name, None).await?;
                let now = stored(self.now());
                sqlx::query(
                    "INSERT INTO person (id, name, name_key, created_at) VALUES ($1, $2, $3, $4)",
                )
                .bind(id)
                .bind(name.shown)
                .bind(name.key)
                .bind(now)
                .execute(self.connection()?)
                .await?;
                imported.persons += 1;
            }
        }
        for token in document.tokens {
            let (id, person) = (token.id.clone(), token.person.clone());
            let hash = token.hash.as_bytes().to_vec();
            let before = self.record(Kind::Token, &id).await?;
            if let Some(Some(Entry::Put(Put::Token(before)))) = &before {
                check_identity(before, &token)?;
                if !allowed.revived {
                    check_token(before, &token)?;
                }
            }
            let is_new = before.is_none();
            if is_new && !allowed.vouched {
                let reason = "the registry does not know this token, and a hash does not say whether the token behind it can \
                              be guessed; import it with `token import`, which reads the token, or say --vouch";
                return Err(Invalid::new(format!("tokens[{id}].hash"), reason).into());
            }
            self.put(Put::Token(token), &mut changed).await?;
            if is_new {
                let name = Name::parse(&id)?;
                self.free_name(Kind::Token, &name, None).await?;
                self.add_token_row(&id, &person, name, hash, Origin::Vouched)
                    .await?;
                imported.tokens += 1;
            }
        }
        let keys = document.keys.into_iter().map(Put::Key);
        let services = document.services.into_iter().map(Put::Service);
        let public = document.public.into_iter().map(Put::Public);
        let bypass = document.bypass.into_iter().map(Put::Bypass);
        for put in keys.chain(services).chain(public).chain(bypass) {
            self.put(put, &mut changed).await?;
            imported.others += 1;
        }
        let detail = json!({
            "roles": imported.roles,
            "persons": imported.persons,
            "tokens": imported.tokens,
            "others": imported.others,
            "vouched": allowed.vouched,
            "revived": allowed.revived,
            "changed": changed.names,
            "changed_count": changed.count,
        });
        self.log("policy.import", "", detail).await?;
        Ok(imported)
    }

    /// Puts a record, and remembers it if another one of its name was there.
    async fn put(&mut self, put: Put, changed: &mut Changed) -> Result<(), RegistryError> {
        let entry = Entry::Put(put);
        let key = RecordKey::of(&entry);
        if let Some(Some(before)) = self.record(key.kind, &key.id).await?
            && to_body(&before) != to_body(&entry)
        {
            changed.count += 1;
            if changed.names.len() < MAX_NAMED {
                changed.names.push(key.path());
            }
        }
        self.write(&entry).await
    }
}

/// Records that were there and are another now.
#[derive(Default)]
struct Changed {
    names: Vec<String>,
    count: usize,
}

/// A token is known by its hash, and made for a person: another one of either is another token.
fn check_identity(before: &Token, after: &Token) -> Result<(), Invalid> {
    let path = format!("tokens[{}]", after.id);
    if before.hash != after.hash {
        let reason = "the registry has another hash for this token, and it never changes";
        return Err(Invalid::new(format!("{path}.hash"), reason));
    }
    if before.person != after.person {
        let reason = "the registry has this token for another person, and that never changes";
        return Err(Invalid::new(format!("{path}.person"), reason));
    }
    Ok(())
}

fn check_token(before: &Token, after: &Token) -> Result<(), Invalid> {
    let path = format!("tokens[{}]", after.id);
    let is_later = match (before.expires_at, after.expires_at) {
        (Expiry::At(before), Expiry::At(after)) => after > before,
        (Expiry::At(_), Expiry::Never) => true,
        (Expiry::Never, _) => false,
    };
    if is_later {
        return Err(revived(format!("{path}.expires_at"), "ends earlier"));
    }
    check_active(&path, before.active, after.active)?;
    check_valid_from(&path, before.valid_from, after.valid_from)
}

fn check_person(before: &Person, after: &Person) -> Result<(), Invalid> {
    let path = format!("persons[{}]", after.id);
    check_active(&path, before.active, after.active)?;
    check_valid_from(&path, before.valid_from, after.valid_from)
}

fn check_active(path: &str, before: bool, after: bool) -> Result<(), Invalid> {
    if after && !before {
        return Err(revived(format!("{path}.active"), "is deactivated"));
    }
    Ok(())
}

fn check_valid_from(
    path: &str,
    before: Option<Timestamp>,
    after: Option<Timestamp>,
) -> Result<(), Invalid> {
    if after < before {
        let words = "has access tokens that are void up to a later instant";
        return Err(revived(format!("{path}.valid_from"), words));
    }
    Ok(())
}

fn revived(path: String, words: &str) -> Invalid {
    let reason = format!(
        "it {words} in the registry: a document from before that would make it good again; if that is wanted, say --revive"
    );
    Invalid::new(path, reason)
}
