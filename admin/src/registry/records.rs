//! The records of the policy, as rows of the database.

use std::fmt;

use postern_core::feed::{Deleted, Entry, Put};

use super::RegistryError;

/// What an operator handles.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Kind {
    /// A role.
    Role,
    /// A person.
    Person,
    /// A signing key, by name.
    Key,
    /// An API token.
    Token,
    /// A service.
    Service,
    /// A public route.
    Public,
    /// The role that is exempt from audiences.
    Bypass,
    /// A gateway.
    Gateway,
    /// A credential of a gateway.
    Credential,
    /// An operator.
    Operator,
    /// A record of a kind that this version does not know.
    Record,
}

impl Kind {
    /// As it stands in the database and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Person => "person",
            Self::Key => "key",
            Self::Token => "token",
            Self::Service => "service",
            Self::Public => "public",
            Self::Bypass => "bypass",
            Self::Gateway => "gateway",
            Self::Credential => "credential",
            Self::Operator => "operator",
            Self::Record => "record",
        }
    }

    /// Reads a row of the database.
    pub(crate) fn read(kind: &str, id: &str, body: Option<&str>) -> Result<Entry, RegistryError> {
        let known = Self::parse(kind).ok_or_else(|| RegistryError::Corrupt {
            kind: Self::Record,
            id: id.to_owned(),
            reason: format!("its kind \"{kind}\" is unknown"),
        })?;
        match body {
            Some(body) => from_body(known, id, body),
            None => known.deletion(id),
        }
    }

    /// The kind of a record of the policy.
    fn parse(text: &str) -> Option<Self> {
        let records = [
            Self::Role,
            Self::Person,
            Self::Key,
            Self::Token,
            Self::Service,
            Self::Public,
            Self::Bypass,
        ];
        records.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The deletion of a record of the policy.
    fn deletion(self, id: &str) -> Result<Entry, RegistryError> {
        let name = id.to_owned();
        Ok(Entry::Delete(match self {
            Self::Role => Deleted::Role(name),
            Self::Person => Deleted::Person(name),
            Self::Key => Deleted::Key(name),
            Self::Token => Deleted::Token(name),
            Self::Service => Deleted::Service(name),
            Self::Bypass => Deleted::Bypass,
            Self::Public => match serde_json::from_str(id) {
                Ok(route) => Deleted::Public(route),
                Err(error) => return Err(corrupt(self, id, &error)),
            },
            Self::Gateway | Self::Credential | Self::Operator | Self::Record => {
                return Err(RegistryError::Corrupt {
                    kind: self,
                    id: name,
                    reason: "a policy has no such records".to_owned(),
                });
            }
        }))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "public route",
            other => other.as_str(),
        })
    }
}

/// What names a record in the database.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct RecordKey {
    pub(crate) kind: Kind,
    pub(crate) id: String,
}

impl RecordKey {
    pub(crate) fn of(entry: &Entry) -> Self {
        let (kind, id) = match entry {
            Entry::Put(Put::Role(name)) | Entry::Delete(Deleted::Role(name)) => {
                (Kind::Role, name.clone())
            }
            Entry::Put(Put::Person(person)) => (Kind::Person, person.id.clone()),
            Entry::Delete(Deleted::Person(id)) => (Kind::Person, id.clone()),
            Entry::Put(Put::Key(key)) => (Kind::Key, key.kid.clone()),
            Entry::Delete(Deleted::Key(kid)) => (Kind::Key, kid.clone()),
            Entry::Put(Put::Token(token)) => (Kind::Token, token.id.clone()),
            Entry::Delete(Deleted::Token(id)) => (Kind::Token, id.clone()),
            Entry::Put(Put::Service(service)) => (Kind::Service, service.name.clone()),
            Entry::Delete(Deleted::Service(name)) => (Kind::Service, name.clone()),
            // A public route has no other name than itself.
            Entry::Put(Put::Public(route)) | Entry::Delete(Deleted::Public(route)) => (
                Kind::Public,
                serde_json::to_string(route).unwrap_or_default(),
            ),
            Entry::Put(Put::Bypass(_)) | Entry::Delete(Deleted::Bypass) => {
                (Kind::Bypass, String::new())
            }
        };
        Self { kind, id }
    }

    /// Where the record stands in a policy, as the faults of a policy name it.
    pub(crate) fn path(&self) -> String {
        let list = match self.kind {
            Kind::Bypass => return "bypass".to_owned(),
            Kind::Public => "public",
            Kind::Role => "roles",
            Kind::Person => "persons",
            Kind::Key => "keys",
            Kind::Token => "tokens",
            Kind::Service => "services",
            Kind::Gateway => "gateways",
            Kind::Credential => "credentials",
            Kind::Operator => "operators",
            Kind::Record => "records",
        };
        format!("{list}[{}]", self.id)
    }
}

/// The entry as the database keeps it: the line of a feed's page.
pub(super) fn to_body(entry: &Entry) -> String {
    // Members are texts, whole numbers and lists of them, so there is nothing that could fail; an empty line would be
    // refused when it is read.
    serde_json::to_string(&entry.change()).unwrap_or_default()
}

/// Reads what [`to_body`] wrote.
pub(super) fn from_body(kind: Kind, id: &str, body: &str) -> Result<Entry, RegistryError> {
    serde_json::from_str(body).map_err(|error| corrupt(kind, id, &error))
}

fn corrupt(kind: Kind, id: &str, error: &serde_json::Error) -> RegistryError {
    RegistryError::Corrupt {
        kind,
        id: id.to_owned(),
        reason: error.to_string(),
    }
}
