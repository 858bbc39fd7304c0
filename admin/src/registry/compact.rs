//! Forgetting deletions that every gateway has long had.

use postern_core::time::Timestamp;
use serde_json::json;
use sqlx::Row as _;

use super::change::stored;
use super::{Actor, Change, Registry, RegistryError, number};

/// What was forgotten.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Compacted {
    /// Whoever has an older revision than this gets the whole policy.
    pub floor: u64,
    /// Deletions that are forgotten.
    pub deletions: u64,
}

impl Registry {
    /// Forgets the deletions that were made until an instant, if there are `at_least` so many. Gateways that were away
    /// since then read the whole policy when they come back. That an id was used, and a name given up, is not forgotten.
    ///
    /// # Errors
    /// [`RegistryError::Database`].
    pub async fn compact(
        &self,
        actor: Actor,
        until: Timestamp,
        at_least: u64,
    ) -> Result<Option<Compacted>, RegistryError> {
        let row = sqlx::query(
            "SELECT revision FROM audit WHERE at <= $1 AND revision > (SELECT floor FROM feed WHERE name = $2) \
             ORDER BY id DESC LIMIT 1",
        )
        .bind(stored(until))
        .bind(self.feed().to_owned())
        .fetch_optional(self.database().pool())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let floor: i64 = row.try_get(0)?;
        let row = sqlx::query("SELECT COUNT(*) FROM record WHERE body IS NULL AND revision <= $1")
            .bind(floor)
            .fetch_one(self.database().pool())
            .await?;
        if number(row.try_get(0)?) < at_least.max(1) {
            return Ok(None);
        }
        let compacted = self
            .change(actor, move |change| Box::pin(change.forget(floor)))
            .await?;
        Ok(Some(compacted))
    }
}

impl Change {
    async fn forget(&mut self, floor: i64) -> Result<Compacted, RegistryError> {
        // Of persons and tokens their own tables say that they were there; of a key nothing else does, and a key id must
        // not come to mean another key.
        let forgotten = sqlx::query(
            "DELETE FROM record WHERE body IS NULL AND revision <= $1 AND kind <> 'key'",
        )
        .bind(floor)
        .execute(self.connection()?)
        .await?;
        let feed = self.feed().to_owned();
        sqlx::query("UPDATE feed SET floor = $1 WHERE name = $2 AND floor < $1")
            .bind(floor)
            .bind(feed)
            .execute(self.connection()?)
            .await?;
        let compacted = Compacted {
            floor: number(floor),
            deletions: forgotten.rows_affected(),
        };
        let detail = json!({"floor": compacted.floor, "deletions": compacted.deletions});
        self.log("feed.compact", "", detail).await?;
        Ok(compacted)
    }
}
