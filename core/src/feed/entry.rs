//! The lines of a page: changes in the policy's own vocabulary.

use crate::json::{Faults, Place, Read, deserializable, variant, word};
use crate::policy::document::{Bypass, Key, Person, PublicRoute, Service, Token};
use crate::policy::{Change, Record, RecordId};

/// One change, as it is read from a page. It is written from a [`Change`].
#[derive(Clone, Debug)]
pub enum Entry {
    /// A record is added, or takes the place of the one with the same id.
    Put(Put),
    /// A record is taken away.
    Delete(Deleted),
}

/// A record that is put.
#[derive(Clone, Debug)]
pub enum Put {
    /// A role, by name.
    Role(String),
    /// A person.
    Person(Person),
    /// A key.
    Key(Key),
    /// An API token.
    Token(Token),
    /// A service with its methods.
    Service(Service),
    /// A public route.
    Public(PublicRoute),
    /// Who is exempt from audiences.
    Bypass(Bypass),
}

/// A record that is taken away, by what it is known by.
#[derive(Clone, Debug)]
pub enum Deleted {
    /// A role's name.
    Role(String),
    /// A person's id.
    Person(String),
    /// A key's kid.
    Key(String),
    /// A token's id.
    Token(String),
    /// A service's name.
    Service(String),
    /// The public route itself.
    Public(PublicRoute),
    /// There is one at most.
    Bypass,
}

impl Entry {
    /// The change that the entry says.
    #[must_use]
    pub fn change(&self) -> Change<'_> {
        match self {
            Self::Put(put) => Change::Put(match put {
                Put::Role(name) => Record::Role(name),
                Put::Person(person) => Record::Person(person),
                Put::Key(key) => Record::Key(key),
                Put::Token(token) => Record::Token(token),
                Put::Service(service) => Record::Service(service),
                Put::Public(route) => Record::Public(route),
                Put::Bypass(bypass) => Record::Bypass(bypass),
            }),
            Self::Delete(deleted) => Change::Delete(match deleted {
                Deleted::Role(name) => RecordId::Role(name),
                Deleted::Person(id) => RecordId::Person(id),
                Deleted::Key(kid) => RecordId::Key(kid),
                Deleted::Token(id) => RecordId::Token(id),
                Deleted::Service(name) => RecordId::Service(name),
                Deleted::Public(route) => RecordId::Public(route),
                Deleted::Bypass => RecordId::Bypass,
            }),
        }
    }
}

deserializable!(Entry);

impl Read for Entry {
    fn read(place: &Place<'_>, faults: &mut Faults) -> Self {
        match variant(place, &["put", "delete"], faults) {
            Some(("put", record)) => Self::Put(Put::read(&record, faults)),
            Some((_, id)) => Self::Delete(Deleted::read(&id, faults)),
            None => Self::Delete(Deleted::Bypass),
        }
    }
}

impl Read for Put {
    fn read(place: &Place<'_>, faults: &mut Faults) -> Self {
        let known = &[
            "role", "person", "key", "token", "service", "public", "bypass",
        ];
        let Some((kind, record)) = variant(place, known, faults) else {
            return Self::Role(String::new());
        };
        match kind {
            "role" => Self::Role(Read::read(&record, faults)),
            "person" => Self::Person(Read::read(&record, faults)),
            "key" => Self::Key(Read::read(&record, faults)),
            "token" => Self::Token(Read::read(&record, faults)),
            "service" => Self::Service(Read::read(&record, faults)),
            "public" => Self::Public(Read::read(&record, faults)),
            _ => Self::Bypass(Read::read(&record, faults)),
        }
    }
}

impl Read for Deleted {
    fn read(place: &Place<'_>, faults: &mut Faults) -> Self {
        if place.is_text() {
            word(place, &["bypass"], faults);
            return Self::Bypass;
        }
        let known = &["role", "person", "key", "token", "service", "public"];
        let Some((kind, id)) = variant(place, known, faults) else {
            return Self::Bypass;
        };
        if kind == "public" {
            return Self::Public(Read::read(&id, faults));
        }
        let id = String::read(&id, faults);
        match kind {
            "role" => Self::Role(id),
            "person" => Self::Person(id),
            "key" => Self::Key(id),
            "token" => Self::Token(id),
            _ => Self::Service(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_change_is_read_as_it_is_written() {
        for line in [
            r#"{"put":{"role":"r"}}"#,
            r#"{"put":{"person":{"id":"p","roles":["r"],"active":true,"valid_from":"2026-11-02T00:00:00Z"}}}"#,
            r#"{"put":{"key":{"kid":"k","root":"r1","active_from":"2026-11-01T00:00:00Z"}}}"#,
            r#"{"put":{"token":{"id":"t","person":"p","hash":"sha256:4f0c2d1b8e6a97350f1d2c3b4a5968778695a4b3c2d1e0f00112233445566778","expires_at":"never","active":false}}}"#,
            r#"{"put":{"service":{"name":"s","hosts":["a"],"base_path":"/s","forward":"strip","accept":["access"],"case":"sensitive","preflight":"refuse","audience":{"mode":"unrestricted"},"methods":[]}}}"#,
            r#"{"put":{"public":{"http":["GET"],"path":"/x","authorization":"strip"}}}"#,
            r#"{"put":{"bypass":{"role":"r"}}}"#,
            r#"{"delete":{"role":"r"}}"#,
            r#"{"delete":{"person":"p"}}"#,
            r#"{"delete":{"key":"k"}}"#,
            r#"{"delete":{"token":"t"}}"#,
            r#"{"delete":{"service":"s"}}"#,
            r#"{"delete":{"public":{"http":["GET"],"path":"/x","authorization":"strip"}}}"#,
            r#"{"delete":"bypass"}"#,
        ] {
            let entry: Entry = serde_json::from_str(line).unwrap();
            assert_eq!(serde_json::to_string(&entry.change()).unwrap(), line);
        }
    }
}
