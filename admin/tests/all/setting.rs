//! A registry in a file of its own.

use postern_admin::database::Database;
use postern_admin::registry::persons::NewPerson;
use postern_admin::registry::tokens::{Ends, Issued, NewToken};
use postern_admin::registry::{Actor, Change, Registry, RegistryError};
use tempfile::TempDir;

/// A registry, and the folder that its file is in.
pub(crate) struct Setting {
    pub(crate) registry: Registry,
    pub(crate) folder: TempDir,
}

impl Setting {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let registry = open(&folder).await;
        Self { registry, folder }
    }

    /// As another process opens it.
    pub(crate) async fn opened_again(&self) -> Registry {
        open(&self.folder).await
    }

    pub(crate) async fn begin(&self) -> Change {
        begin(&self.registry).await
    }

    /// A person with a name like the id.
    pub(crate) async fn person(&self, id: &str) {
        let mut change = self.begin().await;
        let person = NewPerson {
            id: Some(id.to_owned()),
            name: format!("person {id}"),
            roles: Vec::new(),
        };
        change.add_person(person).await.expect("a person");
        change.commit().await.expect("committed");
    }

    pub(crate) async fn token(&self, name: &str, person: &str) -> Issued {
        let mut change = self.begin().await;
        let token = change
            .generate_token(new_token(name, person))
            .await
            .expect("a token");
        change.commit().await.expect("committed");
        token
    }

    pub(crate) async fn refused_token(&self, name: &str, person: &str) -> RegistryError {
        let mut change = self.begin().await;
        change
            .generate_token(new_token(name, person))
            .await
            .expect_err("refused")
    }
}

pub(crate) fn new_token(name: &str, person: &str) -> NewToken {
    NewToken {
        name: name.to_owned(),
        person: person.to_owned(),
        ends: Ends::InDays(30),
    }
}

pub(crate) async fn begin(registry: &Registry) -> Change {
    let actor = Actor {
        operator: "ada".to_owned(),
        address: "local".to_owned(),
    };
    registry.begin(actor).await.expect("a change begins")
}

async fn open(folder: &TempDir) -> Registry {
    let database = Database::open_file(&folder.path().join("postern.db"))
        .await
        .expect("a database");
    Registry::open(database, "default")
        .await
        .expect("a registry")
}
