//! What gateways report.

use postern_core::id::is_id;
use postern_core::time::Timestamp;
use serde_json::Value;
use sqlx::Row as _;

use super::change::stored;
use super::{Actor, Change, Registry, RegistryError, instant, number};

/// Virtual machines of one gateway whose reports are kept: the latest ones.
const MAX_VMS: i64 = 64;

/// Tokens whose use one report may tell.
const MAX_USED: usize = 1_000;

/// A change has this many seconds to be in force, before a gateway that lacks it counts as behind.
const SLACK: i64 = 10;

/// How a virtual machine of a gateway is, of its last report.
#[derive(Clone, Debug)]
pub struct Health {
    /// The gateway.
    pub gateway: String,
    /// When the report came.
    pub received_at: Timestamp,
    /// As in [`Report`].
    pub behind: u64,
}

/// The last report of a virtual machine of a gateway.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Report {
    /// The gateway.
    pub gateway: String,
    /// The virtual machine, by the name that it gave itself.
    pub vm: String,
    /// When it came.
    pub received_at: Timestamp,
    /// How many changes it lacked then, beside those that were too new for it to have them.
    pub behind: u64,
    /// What it says.
    pub body: Value,
}

impl Report {
    /// A number that it says, or 0.
    pub fn number(&self, member: &str) -> u64 {
        self.body.get(member).and_then(Value::as_u64).unwrap_or(0)
    }

    /// What went wrong last, and when, in words.
    pub fn last_error(&self) -> Option<String> {
        let error = self.body.get("last_error")?;
        let member = |name: &str| error.get(name).and_then(Value::as_str);
        Some(format!("{} {}", member("at")?, member("text")?))
    }
}

impl Registry {
    /// Keeps a report of a gateway, and what it says of the use of tokens.
    ///
    /// # Errors
    /// [`RegistryError::Busy`] if changes wait that matter more; [`RegistryError::Database`].
    pub async fn report(&self, gateway: &str, report: Value) -> Result<(), RegistryError> {
        let actor = Actor {
            operator: gateway.to_owned(),
            address: "gateway".to_owned(),
        };
        let gateway = gateway.to_owned();
        let mut report = report;
        // Kept with the tokens themselves; in the report it would be most of its length.
        let used = report
            .as_object_mut()
            .and_then(|members| members.remove("last_used"));
        self.change_if_idle(actor, move |change| {
            Box::pin(async move {
                change.keep_report(&gateway, &report).await?;
                change.keep_uses(&gateway, used.as_ref()).await
            })
        })
        .await
    }

    /// The last reports of all gateways.
    ///
    /// # Errors
    /// [`RegistryError::Database`].
    pub async fn reports(&self) -> Result<Vec<Report>, RegistryError> {
        let rows = sqlx::query(
            "SELECT gateway, vm, received_at, body, behind FROM gateway_status ORDER BY gateway, vm",
        )
        .fetch_all(self.database().pool())
        .await?;
        let report = |row: &sqlx::any::AnyRow| {
            let body: String = row.try_get(3)?;
            Ok(Report {
                gateway: row.try_get(0)?,
                vm: row.try_get(1)?,
                received_at: instant(row.try_get(2)?),
                behind: number(row.try_get(4)?),
                body: serde_json::from_str(&body).unwrap_or(Value::String(body)),
            })
        };
        rows.iter().map(report).collect()
    }

    /// How all gateways are, without what they say in words: for what asks often.
    ///
    /// # Errors
    /// [`RegistryError::Database`].
    pub async fn health(&self) -> Result<Vec<Health>, RegistryError> {
        let rows = sqlx::query("SELECT gateway, received_at, behind FROM gateway_status")
            .fetch_all(self.database().pool())
            .await?;
        let health = |row: &sqlx::any::AnyRow| {
            Ok(Health {
                gateway: row.try_get(0)?,
                received_at: instant(row.try_get(1)?),
                behind: number(row.try_get(2)?),
            })
        };
        rows.iter().map(health).collect()
    }
}

impl Change {
    async fn keep_report(&mut self, gateway: &str, report: &Value) -> Result<(), RegistryError> {
        let vm = report.get("vm").and_then(Value::as_str).unwrap_or("");
        let vm = if is_id(vm) { vm } else { "unnamed" };
        let now = self.now();
        let behind = self.behind(report).await?;
        sqlx::query(
            "INSERT INTO gateway_status (gateway, vm, received_at, body, behind) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (gateway, vm) DO UPDATE SET received_at = excluded.received_at, body = excluded.body, \
             behind = excluded.behind",
        )
        .bind(gateway.to_owned())
        .bind(vm.to_owned())
        .bind(stored(now))
        .bind(report.to_string())
        .bind(behind)
        .execute(self.connection()?)
        .await?;
        sqlx::query(
            "DELETE FROM gateway_status WHERE gateway = $1 AND vm NOT IN (SELECT vm FROM gateway_status \
             WHERE gateway = $1 ORDER BY received_at DESC, vm LIMIT $2)",
        )
        .bind(gateway.to_owned())
        .bind(MAX_VMS)
        .execute(self.connection()?)
        .await?;
        Ok(())
    }

    async fn keep_uses(
        &mut self,
        gateway: &str,
        used: Option<&Value>,
    ) -> Result<(), RegistryError> {
        let now = self.now();
        let used = used.and_then(Value::as_object);
        for (token, at) in used.into_iter().flatten().take(MAX_USED) {
            let at = at.as_str().and_then(|at| Timestamp::parse(at).ok());
            // A gateway whose clock is ahead must not make a token look used in the future.
            let Some(at) = at.map(|at| at.min(now)) else {
                continue;
            };
            sqlx::query(
                "UPDATE token SET last_used_at = $1, last_used_on = $2 \
                 WHERE id = $3 AND (last_used_at IS NULL OR last_used_at < $1)",
            )
            .bind(stored(at))
            .bind(gateway.to_owned())
            .bind(token.clone())
            .execute(self.connection()?)
            .await?;
        }
        Ok(())
    }

    /// How many changes a gateway lacks that it could have.
    async fn behind(&mut self, report: &Value) -> Result<i64, RegistryError> {
        let due = stored(self.now()).saturating_sub(SLACK);
        let row = sqlx::query("SELECT revision FROM audit WHERE at <= $1 ORDER BY id DESC LIMIT 1")
            .bind(due)
            .fetch_optional(self.connection()?)
            .await?;
        let due: i64 = row.map_or(Ok(0), |row| row.try_get(0))?;
        let is_current = report.get("epoch").and_then(Value::as_u64) == Some(self.epoch());
        let has = report.get("revision").and_then(Value::as_i64);
        let has = has.filter(|_| is_current).unwrap_or(0);
        Ok(due.saturating_sub(has).max(0))
    }
}
