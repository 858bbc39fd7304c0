//! One change of the registry: a transaction of the database and of the policy in memory.

use postern_core::feed::Entry;
use postern_core::time::Timestamp;
use serde_json::Value;
use sqlx::{Any, AnyConnection, Row as _, Transaction};
use tokio::sync::OwnedMutexGuard;

use super::mirror::Mirror;
use super::records::{Kind, RecordKey, from_body, to_body};
use super::{Position, Registry, RegistryError};
use crate::clock;

/// Who makes a change, and from where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Actor {
    /// The id of the operator.
    pub operator: String,
    /// The address of the caller, or `local` for the command line.
    pub address: String,
}

/// A change that is being made. Dropped without [`commit`](Self::commit), it has not happened.
#[must_use = "a change that is not committed does not happen"]
pub struct Change {
    registry: Registry,
    transaction: Option<Transaction<'static, Any>>,
    mirror: OwnedMutexGuard<Mirror>,
    actor: Actor,
    now: Timestamp,
    epoch: i64,
    revision: i64,
}

impl Change {
    pub(super) async fn begin(
        registry: &Registry,
        mut mirror: OwnedMutexGuard<Mirror>,
        actor: Actor,
    ) -> Result<Self, RegistryError> {
        let mut transaction = registry.database.pool().begin().await?;
        // A write to begin with, so that the lock is there before anything is read that the change rests on.
        let row = sqlx::query(
            "UPDATE feed SET revision = revision WHERE name = $1 RETURNING epoch, revision",
        )
        .bind(registry.feed())
        .fetch_one(&mut *transaction)
        .await?;
        let (epoch, revision): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        mirror.catch_up(&mut transaction, epoch, revision).await?;
        Ok(Self {
            registry: registry.clone(),
            transaction: Some(transaction),
            mirror,
            actor,
            now: clock::now(),
            epoch,
            revision,
        })
    }

    /// The instant that the change says it was made at.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The state of a record: `None` if there never was one, `Some(None)` once it is deleted.
    pub(super) async fn record(
        &mut self,
        kind: Kind,
        id: &str,
    ) -> Result<Option<Option<Entry>>, RegistryError> {
        let row = sqlx::query("SELECT body FROM record WHERE kind = $1 AND id = $2")
            .bind(kind.as_str())
            .bind(id)
            .fetch_optional(self.connection()?)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let body: Option<String> = row.try_get(0)?;
        Ok(Some(match body {
            Some(body) => Some(from_body(kind, id, &body)?),
            None => None,
        }))
    }

    /// Makes a change of the policy that takes the place of what is there.
    pub(super) async fn write(&mut self, entry: &Entry) -> Result<(), RegistryError> {
        let key = RecordKey::of(entry);
        let before = self.record(key.kind, &key.id).await?;
        let may_come_back = matches!(
            key.kind,
            Kind::Role | Kind::Service | Kind::Public | Kind::Bypass
        );
        if matches!(before, Some(None)) && !may_come_back {
            return Err(RegistryError::Deleted {
                kind: key.kind,
                id: key.id,
            });
        }
        self.write_new(entry).await
    }

    /// As [`write`](Self::write), for a record that is known not to have been deleted.
    pub(super) async fn write_new(&mut self, entry: &Entry) -> Result<(), RegistryError> {
        let key = RecordKey::of(entry);
        self.mirror.stage(entry)?;
        self.revision += 1;
        let body = matches!(entry, Entry::Put(_)).then(|| to_body(entry));
        let revision = self.revision;
        sqlx::query(
            "INSERT INTO record (kind, id, revision, body) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (kind, id) DO UPDATE SET revision = excluded.revision, body = excluded.body",
        )
        .bind(key.kind.as_str())
        .bind(key.id)
        .bind(revision)
        .bind(body)
        .execute(self.connection()?)
        .await?;
        Ok(())
    }

    /// Adds a line to the audit log. `detail` must hold no secret.
    pub(super) async fn log(
        &mut self,
        action: &'static str,
        subject: &str,
        detail: Value,
    ) -> Result<(), RegistryError> {
        let at = stored(self.now);
        let (operator, address) = (self.actor.operator.clone(), self.actor.address.clone());
        let revision = self.revision;
        sqlx::query(
            "INSERT INTO audit (id, at, operator, address, action, subject, detail, revision) \
             SELECT COALESCE(MAX(id), 0) + 1, $1, $2, $3, $4, $5, $6, $7 FROM audit",
        )
        .bind(at)
        .bind(operator)
        .bind(address)
        .bind(action)
        .bind(subject)
        .bind(detail.to_string())
        .bind(revision)
        .execute(self.connection()?)
        .await?;
        Ok(())
    }

    /// Makes it so, in the database and for all gateways, or says why not.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] if the policy that results has faults, [`RegistryError::Database`]; nothing has happened
    /// then.
    pub async fn commit(mut self) -> Result<Position, RegistryError> {
        self.mirror.check()?;
        let (revision, feed) = (self.revision, self.registry.feed().to_owned());
        if revision != self.mirror.revision() {
            let digest = self.mirror.checked_digest().to_hex();
            sqlx::query("UPDATE feed SET revision = $1, digest = $2 WHERE name = $3")
                .bind(revision)
                .bind(digest)
                .bind(feed)
                .execute(self.connection()?)
                .await?;
        }
        let transaction = self.transaction.take().ok_or(sqlx::Error::PoolClosed)?;
        // Whether a commit that failed has happened is known only from the database.
        if let Err(error) = transaction.commit().await {
            self.mirror.spoil();
            return Err(error.into());
        }
        self.mirror.switch(self.epoch, revision)?;
        let position = self.mirror.position();
        self.registry.announce(position);
        Ok(position)
    }

    pub(super) fn connection(&mut self) -> Result<&mut AnyConnection, RegistryError> {
        match &mut self.transaction {
            Some(transaction) => Ok(&mut **transaction),
            None => Err(sqlx::Error::PoolClosed.into()),
        }
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        // The transaction is rolled back by its own drop.
        self.mirror.abort();
    }
}

/// An instant as the database keeps it: seconds since 1970.
pub(super) fn stored(instant: Timestamp) -> i64 {
    i64::try_from(instant.as_secs()).unwrap_or(i64::MAX)
}
