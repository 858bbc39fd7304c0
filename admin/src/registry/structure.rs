//! What the API is and who may call it: services, public routes, signing keys, and the role that is exempt.

use postern_core::feed::{Deleted, Entry, Put};
use postern_core::policy::document::{Audience, Bypass, Document, Key, PublicRoute, Service};
use serde_json::json;
use sqlx::Row as _;

use super::log::Log;
use super::records::RecordKey;
use super::{Change, Invalid, Kind, Registry, RegistryError};

impl Change {
    /// Adds a service with its methods and audiences, or puts it in the place of the one of its name.
    ///
    /// # Errors
    /// Those of the policy, when it is committed.
    pub async fn put_service(&mut self, service: Service) -> Result<(), RegistryError> {
        let (name, detail) = (service.name.clone(), json!(service));
        self.write(&Entry::Put(Put::Service(service))).await?;
        self.log("service.put", &name, detail).await
    }

    /// Takes a service away.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`].
    pub async fn delete_service(&mut self, name: &str) -> Result<(), RegistryError> {
        self.existing(Kind::Service, name).await?;
        self.write(&Entry::Delete(Deleted::Service(name.to_owned())))
            .await?;
        self.log("service.delete", name, json!({})).await
    }

    /// Says who may call a service, or one method of it. A method without an audience of its own (`None`) has the service's.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`] for the service, [`RegistryError::Invalid`] for the method or for a service without an
    /// audience, and those of the policy.
    pub async fn set_audience(
        &mut self,
        service: &str,
        method: Option<&str>,
        audience: Option<Audience>,
    ) -> Result<(), RegistryError> {
        let Entry::Put(Put::Service(mut record)) = self.existing(Kind::Service, service).await?
        else {
            return Err(super::persons::not_found(Kind::Service, service));
        };
        let detail = json!({"method": method, "audience": audience});
        match (method, audience) {
            (Some(name), audience) => {
                let found = record.methods.iter_mut().find(|method| method.name == name);
                let reason = "the service has no method of this name";
                found
                    .ok_or_else(|| Invalid::new("method", reason))?
                    .audience = audience;
            }
            (None, Some(audience)) => record.audience = audience,
            (None, None) => {
                return Err(Invalid::new("audience", "a service must have one").into());
            }
        }
        self.write(&Entry::Put(Put::Service(record))).await?;
        self.log("audience.set", service, detail).await
    }

    /// Adds a route that needs no credential.
    ///
    /// # Errors
    /// Those of the policy, when it is committed.
    pub async fn put_public(&mut self, route: PublicRoute) -> Result<(), RegistryError> {
        let (path, detail) = (route.path.clone(), json!(route));
        self.write(&Entry::Put(Put::Public(route))).await?;
        self.log("public.put", &path, detail).await
    }

    /// Takes a public route away.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`].
    pub async fn delete_public(&mut self, route: PublicRoute) -> Result<(), RegistryError> {
        let path = route.path.clone();
        let entry = Entry::Delete(Deleted::Public(route));
        self.existing(Kind::Public, &RecordKey::of(&entry).id)
            .await?;
        self.write(&entry).await?;
        self.log("public.delete", &path, json!({})).await
    }

    /// Adds a signing key by name, or changes when it is good. Its secret is with the gateways alone.
    ///
    /// # Errors
    /// Those of the policy, when it is committed; [`RegistryError::Deleted`] for a key id that was there before.
    pub async fn put_key(&mut self, key: Key) -> Result<(), RegistryError> {
        let (kid, detail) = (key.kid.clone(), json!(key));
        self.write(&Entry::Put(Put::Key(key))).await?;
        self.log("key.put", &kid, detail).await
    }

    /// Takes a signing key away. Final.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`].
    pub async fn delete_key(&mut self, kid: &str) -> Result<(), RegistryError> {
        self.existing(Kind::Key, kid).await?;
        self.write(&Entry::Delete(Deleted::Key(kid.to_owned())))
            .await?;
        self.log("key.delete", kid, json!({})).await
    }

    /// Exempts a role from all audiences that do not say `enforce`, or nobody.
    ///
    /// # Errors
    /// Those of the policy, when it is committed.
    pub async fn set_bypass(&mut self, bypass: Option<Bypass>) -> Result<(), RegistryError> {
        let detail = json!(bypass);
        match bypass {
            Some(bypass) => self.write(&Entry::Put(Put::Bypass(bypass))).await?,
            None => self.write(&Entry::Delete(Deleted::Bypass)).await?,
        }
        self.log("bypass.set", "", detail).await
    }
}

impl Registry {
    /// The whole policy as a document, such as a file holds, and its revision.
    ///
    /// # Errors
    /// [`RegistryError::Database`], [`RegistryError::Corrupt`].
    pub async fn document(&self) -> Result<(u64, Document), RegistryError> {
        let mut log = self.read_log().await?;
        let mut document = Document {
            format: Document::FORMAT,
            ..Document::default()
        };
        let mut after = 0;
        loop {
            let entries = log.after(after, Log::WithoutDeletions).await?;
            let Some((last, _)) = entries.last() else {
                let revision = log.position().revision;
                log.end().await?;
                return Ok((revision, document));
            };
            after = *last;
            for (_, entry) in entries {
                let Entry::Put(put) = entry else { continue };
                match put {
                    Put::Role(role) => document.roles.push(role),
                    Put::Person(person) => document.persons.push(person),
                    Put::Key(key) => document.keys.push(key),
                    Put::Token(token) => document.tokens.push(token),
                    Put::Service(service) => document.services.push(service),
                    Put::Public(route) => document.public.push(route),
                    Put::Bypass(bypass) => document.bypass = Some(bypass),
                }
            }
        }
    }

    /// A service by name.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`], [`RegistryError::Database`].
    pub async fn service(&self, name: &str) -> Result<Service, RegistryError> {
        let row = sqlx::query(
            "SELECT body FROM record WHERE kind = 'service' AND id = $1 AND body IS NOT NULL",
        )
        .bind(name)
        .fetch_optional(self.database().pool())
        .await?;
        let row = row.ok_or_else(|| super::persons::not_found(Kind::Service, name))?;
        let body: String = row.try_get(0)?;
        match Kind::read(Kind::Service.as_str(), name, Some(&body))? {
            Entry::Put(Put::Service(service)) => Ok(service),
            _ => Err(super::persons::not_found(Kind::Service, name)),
        }
    }

    /// All records of a kind, by id: services, keys, public routes. Not for persons and tokens, of which there are many.
    ///
    /// # Errors
    /// [`RegistryError::Database`], [`RegistryError::Corrupt`].
    pub async fn records(&self, kind: Kind) -> Result<Vec<Put>, RegistryError> {
        let rows = sqlx::query(
            "SELECT id, body FROM record WHERE kind = $1 AND body IS NOT NULL ORDER BY id",
        )
        .bind(kind.as_str())
        .fetch_all(self.database().pool())
        .await?;
        let mut records = Vec::with_capacity(rows.len());
        for row in rows {
            let (id, body): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            if let Entry::Put(put) = Kind::read(kind.as_str(), &id, Some(&body))? {
                records.push(put);
            }
        }
        Ok(records)
    }
}
