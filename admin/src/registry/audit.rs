//! The audit log.

use postern_core::time::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sqlx::Row as _;

use super::{Registry, RegistryError, instant, number};

/// A line of the audit log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditLine {
    /// Counts from 1.
    pub id: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub operator: String,
    /// From where.
    pub address: String,
    /// What was done.
    pub action: String,
    /// To what.
    pub subject: String,
    /// How.
    pub detail: Value,
    /// The revision of the policy after it.
    pub revision: u64,
}

impl Registry {
    /// Lines before `before`, the latest first, at most `limit`; about one subject, if one is named.
    ///
    /// # Errors
    /// [`RegistryError::Database`].
    pub async fn audit(
        &self,
        subject: Option<&str>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<AuditLine>, RegistryError> {
        let before = before.and_then(|before| i64::try_from(before).ok());
        let rows = sqlx::query(
            "SELECT id, at, operator, address, action, subject, detail, revision FROM audit \
             WHERE id < $1 AND ($2 IS NULL OR subject = $2) ORDER BY id DESC LIMIT $3",
        )
        .bind(before.unwrap_or(i64::MAX))
        .bind(subject.map(ToOwned::to_owned))
        .bind(i64::from(limit))
        .fetch_all(self.database().pool())
        .await?;
        rows.iter().map(line).collect()
    }

    /// Lines after `after`, the earliest first, at most `limit`.
    pub(crate) async fn audit_after(
        &self,
        after: u64,
        limit: u32,
    ) -> Result<Vec<AuditLine>, RegistryError> {
        let rows = sqlx::query(
            "SELECT id, at, operator, address, action, subject, detail, revision FROM audit \
             WHERE id > $1 ORDER BY id LIMIT $2",
        )
        .bind(i64::try_from(after).unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(self.database().pool())
        .await?;
        rows.iter().map(line).collect()
    }
}

fn line(row: &sqlx::any::AnyRow) -> Result<AuditLine, RegistryError> {
    let detail: String = row.try_get(6)?;
    Ok(AuditLine {
        id: number(row.try_get(0)?),
        at: instant(row.try_get(1)?),
        operator: row.try_get(2)?,
        address: row.try_get(3)?,
        action: row.try_get(4)?,
        subject: row.try_get(5)?,
        // Only this program writes here; a line that another hand spoilt is still shown as what it is.
        detail: serde_json::from_str(&detail).unwrap_or(Value::String(detail)),
        revision: number(row.try_get(7)?),
    })
}
