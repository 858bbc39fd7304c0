//! The policy as a compacted log: the last state of each record, in the order of the changes.

use postern_core::feed::Entry;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::{Kind, Position, Registry, RegistryError, number};
use crate::database::Session;

/// Records that are read at once.
pub(super) const CHUNK: i64 = 5_000;

/// What to read of the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Log {
    /// Everything.
    WithDeletions,
    /// Only records that are there: all that whoever begins with nothing needs.
    WithoutDeletions,
}

/// Reads the log as it was at one position.
pub struct LogReader {
    // Without it, a record that was changed since would be missing: it has a later revision then.
    session: Session,
    position: Position,
    floor: u64,
}

impl LogReader {
    pub(super) async fn begin(registry: &Registry) -> Result<Self, RegistryError> {
        let mut session = Session::begin(registry.database()).await?;
        let position = super::position(session.connection()?, registry.feed()).await?;
        let floor = super::stand(session.connection()?, registry.feed())
            .await?
            .floor;
        Ok(Self {
            position,
            floor: number(floor),
            session,
        })
    }

    /// Ends the reading; without it, the connection is not used again.
    ///
    /// # Errors
    /// [`RegistryError::Database`].
    pub async fn end(self) -> Result<(), RegistryError> {
        Ok(self.session.commit().await?)
    }

    /// Where the feed stands.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Whoever has an older revision than this gets the whole policy, since deletions before it are forgotten.
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// How many records the policy has.
    ///
    /// # Errors
    /// [`RegistryError::Database`].
    pub async fn record_count(&mut self) -> Result<u64, RegistryError> {
        let row = sqlx::query("SELECT COUNT(*) FROM record WHERE body IS NOT NULL")
            .fetch_one(self.session.connection()?)
            .await?;
        Ok(number(row.try_get(0)?))
    }

    /// The records that were last changed after a revision, with their revisions: the first some thousand of them, and none
    /// once there are no more.
    ///
    /// # Errors
    /// [`RegistryError::Database`], [`RegistryError::Corrupt`].
    pub async fn after(
        &mut self,
        revision: u64,
        log: Log,
    ) -> Result<Vec<(u64, Entry)>, RegistryError> {
        let query = match log {
            Log::WithDeletions => {
                "SELECT revision, kind, id, body FROM record WHERE revision > $1 ORDER BY revision LIMIT $2"
            }
            Log::WithoutDeletions => {
                "SELECT revision, kind, id, body FROM record \
                 WHERE revision > $1 AND body IS NOT NULL ORDER BY revision LIMIT $2"
            }
        };
        let rows = sqlx::query(query)
            .bind(i64::try_from(revision).unwrap_or(i64::MAX))
            .bind(CHUNK)
            .fetch_all(self.session.connection()?)
            .await?;
        rows.iter().map(entry).collect()
    }
}

fn entry(row: &AnyRow) -> Result<(u64, Entry), RegistryError> {
    let (kind, id): (String, String) = (row.try_get(1)?, row.try_get(2)?);
    let body: Option<String> = row.try_get(3)?;
    let entry = Kind::read(&kind, &id, body.as_deref())?;
    Ok((number(row.try_get(0)?), entry))
}
