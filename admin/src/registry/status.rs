//! What gateways report.

use postern_core::id::is_id;
use postern_core::time::Timestamp;
use serde_json::Value;
use sqlx::Row as _;

use super::change::stored;
use super::{Actor, Change, Registry, RegistryError, instant};

/// Virtual machines of one gateway whose reports are kept: the latest ones.
const MAX_VMS: i64 = 64;

/// Tokens whose use one report may tell.
const MAX_USED: usize = 1_000;

/// The last report of a virtual machine of a gateway.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Report {
    /// The gateway.
    pub gateway: String,
    /// The virtual machine, by the name that it gave itself.
    pub vm: String,
    /// When it came.
    pub received_at: Timestamp,
    /// What it says.
    pub body: Value,
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
        self.change_if_idle(actor, move |change| {
            Box::pin(async move { change.keep_report(&gateway, &report).await })
        })
        .await
    }

    /// The last reports of all gateways.
    ///
    /// # Errors
    /// [`RegistryError::Database`].
    pub async fn reports(&self) -> Result<Vec<Report>, RegistryError> {
        let rows = sqlx::query(
            "SELECT gateway, vm, received_at, body FROM gateway_status ORDER BY gateway, vm",
        )
        .fetch_all(self.database().pool())
        .await?;
        let report = |row: &sqlx::any::AnyRow| {
            let body: String = row.try_get(3)?;
            Ok(Report {
                gateway: row.try_get(0)?,
                vm: row.try_get(1)?,
                received_at: instant(row.try_get(2)?),
                body: serde_json::from_str(&body).unwrap_or(Value::String(body)),
            })
        };
        rows.iter().map(report).collect()
    }
}

impl Change {
    async fn keep_report(&mut self, gateway: &str, report: &Value) -> Result<(), RegistryError> {
        let vm = report.get("vm").and_then(Value::as_str).unwrap_or("");
        let vm = if is_id(vm) { vm } else { "unnamed" };
        let now = self.now();
        sqlx::query(
            "INSERT INTO gateway_status (gateway, vm, received_at, body) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (gateway, vm) DO UPDATE SET received_at = excluded.received_at, body = excluded.body",
        )
        .bind(gateway.to_owned())
        .bind(vm.to_owned())
        .bind(stored(now))
        .bind(report.to_string())
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
        let used = report.get("last_used").and_then(Value::as_object);
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
}
