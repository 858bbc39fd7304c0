//! A policy that was written by hand, taken into the registry.

use std::fmt;

use postern_core::feed::{Entry, Put};
use postern_core::policy::document::Document;
use serde_json::json;

use super::change::stored;
use super::name::Name;
use super::tokens::Origin;
use super::{Change, Invalid, Kind, RegistryError};

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
    /// [`RegistryError::NameTaken`], [`RegistryError::Deleted`], and those of the policy.
    pub async fn import(&mut self, document: Document) -> Result<Imported, RegistryError> {
        if document.format != Document::FORMAT {
            let reason = format!(
                "format {} is unknown; this version reads format {}",
                document.format,
                Document::FORMAT
            );
            return Err(Invalid::new("format", reason).into());
        }
        let mut imported = Imported::default();
        for role in document.roles {
            imported.roles += usize::from(self.record(Kind::Role, &role).await?.is_none());
            self.write(&Entry::Put(Put::Role(role))).await?;
        }
        for person in document.persons {
            let id = person.id.clone();
            let is_new = self.record(Kind::Person, &id).await?.is_none();
            self.write(&Entry::Put(Put::Person(person))).await?;
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
            let is_new = self.record(Kind::Token, &id).await?.is_none();
            self.write(&Entry::Put(Put::Token(token))).await?;
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
            self.write(&Entry::Put(put)).await?;
            imported.others += 1;
        }
        let detail = json!({
            "roles": imported.roles,
            "persons": imported.persons,
            "tokens": imported.tokens,
            "others": imported.others,
        });
        self.log("policy.import", "", detail).await?;
        Ok(imported)
    }
}
