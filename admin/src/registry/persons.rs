//! Roles and persons.

use postern_core::feed::{Deleted, Entry, Put};
use postern_core::policy::document::Person;
use postern_core::time::Timestamp;
use serde::Serialize;
use serde_json::json;
use sqlx::Row as _;

use super::change::stored;
use super::name::Name;
use super::{Change, Invalid, Kind, Registry, RegistryError, instant, new_id};

/// A person as an operator names one who is to be.
#[derive(Clone, Debug, Default)]
pub struct NewPerson {
    /// The id that goes into headers and logs; one is made if there is none.
    pub id: Option<String>,
    /// What people call them; unique.
    pub name: String,
    /// What they may do, through the audiences that name these roles.
    pub roles: Vec<String>,
}

/// What is to change of a person; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct PersonChange {
    /// The name.
    pub name: Option<String>,
    /// All roles.
    pub roles: Option<Vec<String>>,
    /// An inactive person's tokens are refused.
    pub active: Option<bool>,
}

/// What can be done to a person without saying more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PersonAction {
    /// All access tokens that were issued to them so far are void.
    EndSessions,
    /// They are deleted, if they have no tokens and are in no audience. Final.
    Delete,
}

impl PersonAction {
    /// As the audit log says it.
    fn as_str(self) -> &'static str {
        match self {
            Self::EndSessions => "person.end-sessions",
            Self::Delete => "person.delete",
        }
    }
}

/// A person as an operator sees one.
#[derive(Clone, Debug, Serialize)]
pub struct PersonView {
    /// The id.
    pub id: String,
    /// The name.
    pub name: String,
    /// Their roles.
    pub roles: Vec<String>,
    /// Whether their tokens are accepted.
    pub active: bool,
    /// Access tokens issued before are void.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Timestamp>,
    /// Since when the registry knows them.
    pub created_at: Timestamp,
}

impl Change {
    /// Adds a role.
    ///
    /// # Errors
    /// [`RegistryError::Exists`], [`RegistryError::Refused`].
    pub async fn add_role(&mut self, name: &str) -> Result<(), RegistryError> {
        if let Some(Some(_)) = self.record(Kind::Role, name).await? {
            return Err(exists(Kind::Role, name));
        }
        self.write(&Entry::Put(Put::Role(name.to_owned()))).await?;
        self.log("role.add", name, json!({})).await
    }

    /// Takes a role away that no person and no audience has.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`], [`RegistryError::Refused`].
    pub async fn delete_role(&mut self, name: &str) -> Result<(), RegistryError> {
        self.existing(Kind::Role, name).await?;
        self.write(&Entry::Delete(Deleted::Role(name.to_owned())))
            .await?;
        self.log("role.delete", name, json!({})).await
    }

    /// Adds a person, and returns the id.
    ///
    /// # Errors
    /// [`RegistryError::NameTaken`], [`RegistryError::Exists`], [`RegistryError::Deleted`] and those of the policy.
    pub async fn add_person(&mut self, new: NewPerson) -> Result<String, RegistryError> {
        let name = Name::parse(&new.name)?;
        self.free_name(Kind::Person, &name, None).await?;
        let id = match new.id {
            Some(id) => match self.record(Kind::Person, &id).await? {
                Some(Some(_)) => return Err(exists(Kind::Person, &id)),
                Some(None) => {
                    return Err(RegistryError::Deleted {
                        kind: Kind::Person,
                        id,
                    });
                }
                None => id,
            },
            None => new_id()?,
        };
        let person = Person {
            id: id.clone(),
            roles: new.roles,
            active: true,
            valid_from: None,
        };
        let detail = json!({"name": name.shown, "roles": person.roles});
        self.write_new(&Entry::Put(Put::Person(person))).await?;
        let now = stored(self.now());
        sqlx::query("INSERT INTO person (id, name, name_key, created_at) VALUES ($1, $2, $3, $4)")
            .bind(id.clone())
            .bind(name.shown)
            .bind(name.key)
            .bind(now)
            .execute(self.connection()?)
            .await?;
        self.log("person.add", &id, detail).await?;
        Ok(id)
    }

    /// Changes a person.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`], [`RegistryError::NameTaken`] and those of the policy.
    pub async fn change_person(
        &mut self,
        id: &str,
        change: PersonChange,
    ) -> Result<(), RegistryError> {
        let mut person = self.person(id).await?;
        let mut detail = serde_json::Map::new();
        if let Some(name) = change.name {
            let name = Name::parse(&name)?;
            self.free_name(Kind::Person, &name, Some(id)).await?;
            detail.insert("name".to_owned(), json!(name.shown));
            sqlx::query("UPDATE person SET name = $1, name_key = $2 WHERE id = $3")
                .bind(name.shown)
                .bind(name.key)
                .bind(id.to_owned())
                .execute(self.connection()?)
                .await?;
        }
        if let Some(roles) = change.roles {
            detail.insert("roles".to_owned(), json!(roles));
            person.roles = roles;
        }
        if let Some(active) = change.active {
            detail.insert("active".to_owned(), json!(active));
            if active != person.active {
                // Who comes back begins anew: what was issued before does not come back with them.
                person.valid_from = Some(self.next_issue());
            }
            person.active = active;
        }
        if detail.is_empty() {
            return Err(Invalid::new("", "there is nothing to change").into());
        }
        self.write(&Entry::Put(Put::Person(person))).await?;
        self.log("person.change", id, detail.into()).await
    }

    /// Does to a person what needs no more to be said.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`], [`RegistryError::Deleted`], [`RegistryError::Refused`].
    pub async fn act_on_person(
        &mut self,
        id: &str,
        action: PersonAction,
    ) -> Result<(), RegistryError> {
        let mut person = self.person(id).await?;
        match action {
            PersonAction::EndSessions => {
                person.valid_from = Some(self.next_issue());
                self.write(&Entry::Put(Put::Person(person))).await?;
            }
            PersonAction::Delete => {
                self.write(&Entry::Delete(Deleted::Person(id.to_owned())))
                    .await?;
                let now = stored(self.now());
                sqlx::query("UPDATE person SET name_key = NULL, deleted_at = $1 WHERE id = $2")
                    .bind(now)
                    .bind(id.to_owned())
                    .execute(self.connection()?)
                    .await?;
            }
        }
        self.log(action.as_str(), id, json!({})).await
    }

    pub(super) async fn person(&mut self, id: &str) -> Result<Person, RegistryError> {
        match self.existing(Kind::Person, id).await? {
            Entry::Put(Put::Person(person)) => Ok(person),
            _ => Err(not_found(Kind::Person, id)),
        }
    }

    /// A record that is there.
    pub(super) async fn existing(&mut self, kind: Kind, id: &str) -> Result<Entry, RegistryError> {
        match self.record(kind, id).await? {
            Some(Some(entry)) => Ok(entry),
            Some(None) if matches!(kind, Kind::Person | Kind::Token) => {
                Err(RegistryError::Deleted {
                    kind,
                    id: id.to_owned(),
                })
            }
            _ => Err(not_found(kind, id)),
        }
    }

    /// The next instant that no access token has been issued at: their `iat` counts whole seconds.
    pub(super) fn next_issue(&self) -> Timestamp {
        Timestamp::from_secs(self.now().as_secs().saturating_add(1))
    }

    /// Refuses a name that another one has.
    pub(super) async fn free_name(
        &mut self,
        kind: Kind,
        name: &Name,
        except: Option<&str>,
    ) -> Result<(), RegistryError> {
        let query = match kind {
            Kind::Token => "SELECT id FROM token WHERE name_key = $1",
            _ => "SELECT id FROM person WHERE name_key = $1",
        };
        let holder = sqlx::query(query)
            .bind(name.key.clone())
            .fetch_optional(self.connection()?)
            .await?;
        let Some(holder) = holder else { return Ok(()) };
        let holder: String = holder.try_get(0)?;
        if Some(holder.as_str()) == except {
            return Ok(());
        }
        Err(RegistryError::NameTaken { kind, holder })
    }
}

impl Registry {
    /// All roles, by name.
    ///
    /// # Errors
    /// [`RegistryError::Database`].
    pub async fn roles(&self) -> Result<Vec<String>, RegistryError> {
        let rows = sqlx::query(
            "SELECT id FROM record WHERE kind = 'role' AND body IS NOT NULL ORDER BY id",
        )
        .fetch_all(self.database().pool())
        .await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// A person by id.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`], [`RegistryError::Database`].
    pub async fn person(&self, id: &str) -> Result<PersonView, RegistryError> {
        let row = sqlx::query(
            "SELECT p.id, p.name, p.created_at, r.body FROM person p \
             JOIN record r ON r.kind = 'person' AND r.id = p.id WHERE p.id = $1 AND r.body IS NOT NULL",
        )
        .bind(id)
        .fetch_optional(self.database().pool())
        .await?;
        view(&row.ok_or_else(|| not_found(Kind::Person, id))?)
    }

    /// Persons whose id comes after `after`, by id, at most `limit`.
    ///
    /// # Errors
    /// [`RegistryError::Database`].
    pub async fn persons(&self, after: &str, limit: u32) -> Result<Vec<PersonView>, RegistryError> {
        let rows = sqlx::query(
            "SELECT p.id, p.name, p.created_at, r.body FROM person p \
             JOIN record r ON r.kind = 'person' AND r.id = p.id \
             WHERE p.id > $1 AND r.body IS NOT NULL ORDER BY p.id LIMIT $2",
        )
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(self.database().pool())
        .await?;
        rows.iter().map(view).collect()
    }
}

fn view(row: &sqlx::any::AnyRow) -> Result<PersonView, RegistryError> {
    let (id, body): (String, String) = (row.try_get(0)?, row.try_get(3)?);
    match super::records::from_body(Kind::Person, &id, &body)? {
        Entry::Put(Put::Person(person)) => Ok(PersonView {
            id,
            name: row.try_get(1)?,
            roles: person.roles,
            active: person.active,
            valid_from: person.valid_from,
            created_at: instant(row.try_get(2)?),
        }),
        _ => Err(not_found(Kind::Person, &id)),
    }
}

pub(super) fn not_found(kind: Kind, id: &str) -> RegistryError {
    RegistryError::NotFound {
        kind,
        id: id.to_owned(),
    }
}

pub(super) fn exists(kind: Kind, id: &str) -> RegistryError {
    RegistryError::Exists {
        kind,
        id: id.to_owned(),
    }
}
