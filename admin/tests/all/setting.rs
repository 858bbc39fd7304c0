//! A registry in a file of its own.

use postern_admin::database::Database;
use postern_admin::registry::callers::NewCredential;
use postern_admin::registry::persons::NewPerson;
use postern_admin::registry::tokens::{Ends, Issued, NewToken, TokenAction};
use postern_admin::registry::{Actor, Change, Registry, RegistryError, Work};
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
        let registry = open(&self.folder).await;
        registry.load().await.expect("a policy");
        registry
    }

    pub(crate) async fn change<F, T>(&self, work: F) -> Result<T, RegistryError>
    where
        F: for<'c> FnOnce(&'c mut Change) -> Work<'c, T> + Send + 'static,
        T: Send + 'static,
    {
        self.registry.change(ada(), work).await
    }

    /// A person with a name like the id.
    pub(crate) async fn person(&self, id: &str) {
        let person = NewPerson {
            id: Some(id.to_owned()),
            name: format!("person {id}"),
            roles: Vec::new(),
        };
        let added = self.change(|change| Box::pin(change.add_person(person)));
        added.await.expect("a person");
    }

    pub(crate) async fn token(&self, name: &str, person: &str) -> Issued {
        let issued = generate(&self.registry, new_token(name, person)).await;
        issued.expect("a token")
    }

    pub(crate) async fn refused_token(&self, name: &str, person: &str) -> RegistryError {
        let issued = generate(&self.registry, new_token(name, person)).await;
        issued.expect_err("refused")
    }

    pub(crate) async fn act(&self, id: &str, action: TokenAction) -> Result<(), RegistryError> {
        let id = id.to_owned();
        self.change(move |change| Box::pin(async move { change.act_on_token(&id, action).await }))
            .await
    }

    /// A gateway, with its first credential.
    pub(crate) async fn gateway(&self, id: &str) -> NewCredential {
        let id = id.to_owned();
        let added = self.change(move |change| {
            Box::pin(async move {
                change.add_gateway(&id).await?;
                change.add_gateway_credential(&id).await
            })
        });
        added.await.expect("a gateway")
    }
}

pub(crate) fn new_token(name: &str, person: &str) -> NewToken {
    NewToken {
        name: name.to_owned(),
        person: person.to_owned(),
        ends: Ends::InDays(30),
    }
}

pub(crate) async fn generate(registry: &Registry, new: NewToken) -> Result<Issued, RegistryError> {
    registry
        .change(ada(), |change| Box::pin(change.generate_token(new)))
        .await
}

pub(crate) fn ada() -> Actor {
    Actor {
        operator: "ada".to_owned(),
        address: "local".to_owned(),
    }
}

async fn open(folder: &TempDir) -> Registry {
    let database = Database::open_file(&folder.path().join("postern.db"))
        .await
        .expect("a database");
    Registry::open(database, "default")
        .await
        .expect("a registry")
}
