//! One change of the registry: a transaction of the database and of the policy in memory.

use std::sync::Arc;

use postern_core::feed::{Entry, MAX_PAGE, PageWriter};
use postern_core::time::Timestamp;
use serde_json::Value;
use sqlx::{AnyConnection, Row as _};
use tokio::sync::OwnedMutexGuard;

use super::mirror::{Mirror, Stand};
use super::records::{Kind, RecordKey, from_body, to_body};
use super::writer::Command;
use super::{Invalid, RegistryError, Shared, number};
use crate::clock;
use crate::database::Session;

/// Who makes a change, and from where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Actor {
    /// The id of the operator.
    pub operator: String,
    /// The address of the caller, or `local` for the command line.
    pub address: String,
}

/// A change that is being made, by what [`Registry::change`](super::Registry::change) is told to do with it. Several that
/// are asked for at the same time share one transaction of the database, and each has a savepoint of its own.
pub struct Change {
    shared: Arc<Shared>,
    session: Option<Session>,
    mirror: OwnedMutexGuard<Mirror>,
    actor: Actor,
    now: Timestamp,
    epoch: i64,
    /// Of the policy as the database has it.
    base: i64,
    /// Of the policy with all that was done so far.
    revision: i64,
}

impl Change {
    /// Begins a transaction, and waits for the lock that only one has.
    pub(super) async fn begin(
        shared: &Arc<Shared>,
        mut mirror: OwnedMutexGuard<Mirror>,
        actor: Actor,
    ) -> Result<Self, RegistryError> {
        let mut session = Session::begin(&shared.database).await?;
        // A write to begin with, so that the lock is there before anything is read that the change rests on.
        let row = sqlx::query(
            "UPDATE feed SET revision = revision WHERE name = $1 RETURNING epoch, revision, floor",
        )
        .bind(shared.feed.clone())
        .fetch_one(session.connection()?)
        .await?;
        let stand = Stand::read(&row)?;
        mirror.catch_up(session.connection()?, stand).await?;
        Ok(Self {
            shared: Arc::clone(shared),
            session: Some(session),
            mirror,
            actor,
            now: clock::now(),
            epoch: stand.epoch,
            base: stand.revision,
            revision: stand.revision,
        })
    }

    /// Does one command, all of it or nothing.
    ///
    /// # Errors
    /// Those of the command, and [`RegistryError::Refused`] if the policy that results has faults.
    pub(super) async fn attempt(&mut self, command: &mut dyn Command) -> Result<(), RegistryError> {
        command.actor().clone_into(&mut self.actor);
        self.now = clock::now();
        let before = self.revision;
        self.execute("SAVEPOINT command").await?;
        let done = match command.run(self).await {
            Ok(()) => self.check_policy(),
            Err(error) => Err(error),
        };
        match done {
            Ok(()) => self.execute("RELEASE SAVEPOINT command").await,
            Err(error) => {
                self.mirror.abort();
                self.revision = before;
                if !error.is_of_the_database() {
                    self.execute("ROLLBACK TO SAVEPOINT command").await?;
                    self.execute("RELEASE SAVEPOINT command").await?;
                }
                Err(error)
            }
        }
    }

    /// Makes it so, in the database and for all gateways.
    ///
    /// # Errors
    /// [`RegistryError::Database`], [`RegistryError::Full`]; nothing has happened then.
    pub(super) async fn commit(mut self) -> Result<(), RegistryError> {
        if self.revision != self.base {
            let (revision, feed) = (self.revision, self.shared.feed.clone());
            let digest = self.mirror.position().digest.to_hex();
            sqlx::query("UPDATE feed SET revision = $1, digest = $2 WHERE name = $3")
                .bind(revision)
                .bind(digest)
                .bind(feed)
                .execute(self.connection()?)
                .await?;
        }
        let session = self.session.take().ok_or(sqlx::Error::PoolClosed)?;
        session.commit().await?;
        self.base = self.revision;
        self.shared.announce(self.mirror.position());
        Ok(())
    }

    /// Checks the policy with what was done, and lets it be the policy for what follows in the same transaction.
    fn check_policy(&mut self) -> Result<(), RegistryError> {
        self.mirror.check()?;
        self.mirror.switch(self.epoch, self.revision)
    }

    async fn execute(&mut self, statement: &'static str) -> Result<(), RegistryError> {
        let session = self.session.as_mut().ok_or(sqlx::Error::PoolClosed)?;
        Ok(session.execute(statement).await?)
    }

    /// The revision of the policy with what was done so far.
    pub fn revision(&self) -> u64 {
        number(self.revision)
    }

    /// The instant that the change says it was made at.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The epoch of the feed.
    pub(super) fn epoch(&self) -> u64 {
        number(self.epoch)
    }

    /// The name of the feed.
    pub(super) fn feed(&self) -> &str {
        &self.shared.feed
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
        let Some(row) = row else {
            return Ok(self.was_there(kind, id).await?.then_some(None));
        };
        let body: Option<String> = row.try_get(0)?;
        Ok(Some(match body {
            Some(body) => Some(from_body(kind, id, &body)?),
            None => None,
        }))
    }

    /// Whether there was a record whose deletion is forgotten.
    async fn was_there(&mut self, kind: Kind, id: &str) -> Result<bool, RegistryError> {
        let query = match kind {
            Kind::Person => "SELECT 1 FROM person WHERE id = $1 AND deleted_at IS NOT NULL",
            Kind::Token => "SELECT 1 FROM token WHERE id = $1 AND deleted_at IS NOT NULL",
            _ => return Ok(false),
        };
        let row = sqlx::query(query)
            .bind(id.to_owned())
            .fetch_optional(self.connection()?)
            .await?;
        Ok(row.is_some())
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
        let body = matches!(entry, Entry::Put(_)).then(|| to_body(entry));
        if body.as_ref().is_some_and(|body| body.len() > MAX_PAGE / 2) {
            check_length(&key, entry)?;
        }
        self.mirror.stage(entry, &key)?;
        self.revision += 1;
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

    pub(super) fn connection(&mut self) -> Result<&mut AnyConnection, RegistryError> {
        let session = self.session.as_mut().ok_or(sqlx::Error::PoolClosed)?;
        Ok(session.connection()?)
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        // The session ends by its own drop. Whether a commit that failed has happened is known only from the database.
        if self.revision != self.base {
            self.mirror.spoil();
        }
        self.mirror.abort();
    }
}

/// A record that no page can hold would stop the feed for all gateways.
fn check_length(key: &RecordKey, entry: &Entry) -> Result<(), RegistryError> {
    let mut page = PageWriter::new();
    let pushed = page.push(entry.change()).map(|_| ());
    Ok(pushed.map_err(|fault| Invalid::new(key.path(), fault.to_string()))?)
}

/// An instant as the database keeps it: seconds since 1970.
pub(super) fn stored(instant: Timestamp) -> i64 {
    i64::try_from(instant.as_secs()).unwrap_or(i64::MAX)
}
