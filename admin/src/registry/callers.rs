//! Who may call the admin service: gateways and operators, each by a credential that is kept as a hash.

use postern_core::api_token::Caller;
use postern_core::time::Timestamp;
use serde::Serialize;
use serde_json::json;
use sqlx::Row as _;
use sqlx::any::AnyRow;
use zeroize::Zeroizing;

use super::change::stored;
use super::persons::{exists, not_found};
use super::{Change, Invalid, Kind, Registry, RegistryError, instant, new_id};
use crate::entropy::Entropy;

/// Credentials of one gateway that may be good at the same time: the old one and the new one, while it is changed.
pub const MAX_CREDENTIALS: usize = 2;

/// What an operator may do.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OperatorRole {
    /// Everything.
    Admin,
    /// Reading, the audit log included.
    Auditor,
}

impl OperatorRole {
    /// As it stands in the database and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Auditor => "auditor",
        }
    }

    /// Reads what [`as_str`](Self::as_str) writes.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Admin, Self::Auditor]
            .into_iter()
            .find(|role| role.as_str() == text)
    }
}

/// An operator.
#[derive(Clone, Debug, Serialize)]
pub struct OperatorView {
    /// The id, as the audit log shows it.
    pub id: String,
    /// What they may do.
    pub role: OperatorRole,
    /// Since when.
    pub created_at: Timestamp,
}

/// A gateway.
#[derive(Clone, Debug, Serialize)]
pub struct GatewayView {
    /// The id.
    pub id: String,
    /// Since when the registry knows it.
    pub created_at: Timestamp,
    /// Its credentials that are good.
    pub credentials: Vec<CredentialView>,
}

/// A credential of a gateway.
#[derive(Clone, Debug, Serialize)]
pub struct CredentialView {
    /// Its id, to revoke it by. It says nothing of the secret.
    pub id: String,
    /// Since when it is good.
    pub created_at: Timestamp,
}

/// A gateway that has proved who it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KnownGateway {
    /// Its id.
    pub gateway: String,
    /// The id of the credential that it used.
    pub credential: String,
}

/// A credential that was made: the only place where it stands.
pub struct NewCredential {
    /// Its id.
    pub id: String,
    /// The credential.
    pub secret: Zeroizing<String>,
}

impl Change {
    /// Adds a gateway, without a credential.
    ///
    /// # Errors
    /// [`RegistryError::Exists`], [`RegistryError::Deleted`], [`RegistryError::Invalid`].
    pub async fn add_gateway(&mut self, id: &str) -> Result<(), RegistryError> {
        check_id(id)?;
        let row = sqlx::query("SELECT removed_at FROM gateway WHERE id = $1")
            .bind(id.to_owned())
            .fetch_optional(self.connection()?)
            .await?;
        if let Some(row) = row {
            let removed: Option<i64> = row.try_get(0)?;
            return Err(match removed {
                Some(_) => RegistryError::Deleted {
                    kind: Kind::Gateway,
                    id: id.to_owned(),
                },
                None => exists(Kind::Gateway, id),
            });
        }
        let now = stored(self.now());
        sqlx::query("INSERT INTO gateway (id, created_at) VALUES ($1, $2)")
            .bind(id.to_owned())
            .bind(now)
            .execute(self.connection()?)
            .await?;
        self.log("gateway.add", id, json!({})).await
    }

    /// Makes a credential for a gateway.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`]; [`RegistryError::Invalid`] if it has [`MAX_CREDENTIALS`] already.
    pub async fn add_gateway_credential(
        &mut self,
        gateway: &str,
    ) -> Result<NewCredential, RegistryError> {
        self.existing_gateway(gateway).await?;
        let row = sqlx::query(
            "SELECT COUNT(*) FROM gateway_credential WHERE gateway = $1 AND revoked_at IS NULL",
        )
        .bind(gateway.to_owned())
        .fetch_one(self.connection()?)
        .await?;
        let count: i64 = row.try_get(0)?;
        if usize::try_from(count).unwrap_or(usize::MAX) >= MAX_CREDENTIALS {
            let reason = "the gateway has two credentials already; revoke one first";
            return Err(Invalid::new("gateway", reason).into());
        }
        let secret = Caller::Gateway.generate(&mut Entropy)?;
        let hash = Caller::Gateway
            .inspect(secret.as_bytes())
            .ok_or(postern_core::random::RandomFailed)?;
        let id = new_id()?;
        let now = stored(self.now());
        sqlx::query(
            "INSERT INTO gateway_credential (id, gateway, hash, created_at) VALUES ($1, $2, $3, $4)",
        )
        .bind(id.clone())
        .bind(gateway.to_owned())
        .bind(hash.as_bytes().to_vec())
        .bind(now)
        .execute(self.connection()?)
        .await?;
        self.log("gateway.credential.add", gateway, json!({"credential": id}))
            .await?;
        Ok(NewCredential { id, secret })
    }

    /// Refuses a credential of a gateway from now on.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`].
    pub async fn revoke_gateway_credential(&mut self, id: &str) -> Result<(), RegistryError> {
        let now = stored(self.now());
        let row = sqlx::query(
            "UPDATE gateway_credential SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL RETURNING gateway",
        )
        .bind(now)
        .bind(id.to_owned())
        .fetch_optional(self.connection()?)
        .await?;
        let gateway: String = row
            .ok_or_else(|| not_found(Kind::Credential, id))?
            .try_get(0)?;
        self.log(
            "gateway.credential.revoke",
            &gateway,
            json!({"credential": id}),
        )
        .await
    }

    /// Takes a gateway away, and its credentials with it. Final.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`].
    pub async fn remove_gateway(&mut self, id: &str) -> Result<(), RegistryError> {
        self.existing_gateway(id).await?;
        let now = stored(self.now());
        sqlx::query("UPDATE gateway SET removed_at = $1 WHERE id = $2")
            .bind(now)
            .bind(id.to_owned())
            .execute(self.connection()?)
            .await?;
        sqlx::query(
            "UPDATE gateway_credential SET revoked_at = $1 WHERE gateway = $2 AND revoked_at IS NULL",
        )
        .bind(now)
        .bind(id.to_owned())
        .execute(self.connection()?)
        .await?;
        self.log("gateway.remove", id, json!({})).await
    }

    /// Adds an operator, and returns the credential.
    ///
    /// # Errors
    /// [`RegistryError::Exists`], [`RegistryError::Invalid`].
    pub async fn add_operator(
        &mut self,
        id: &str,
        role: OperatorRole,
    ) -> Result<Zeroizing<String>, RegistryError> {
        check_id(id)?;
        let there = sqlx::query("SELECT id FROM operator WHERE id = $1")
            .bind(id.to_owned())
            .fetch_optional(self.connection()?)
            .await?;
        if there.is_some() {
            return Err(exists(Kind::Operator, id));
        }
        let secret = Caller::Operator.generate(&mut Entropy)?;
        let hash = Caller::Operator
            .inspect(secret.as_bytes())
            .ok_or(postern_core::random::RandomFailed)?;
        let now = stored(self.now());
        sqlx::query("INSERT INTO operator (id, role, hash, created_at) VALUES ($1, $2, $3, $4)")
            .bind(id.to_owned())
            .bind(role.as_str())
            .bind(hash.as_bytes().to_vec())
            .bind(now)
            .execute(self.connection()?)
            .await?;
        self.log("operator.add", id, json!({"role": role})).await?;
        Ok(secret)
    }

    /// Refuses an operator from now on. The id stays taken, since the audit log names it.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`].
    pub async fn revoke_operator(&mut self, id: &str) -> Result<(), RegistryError> {
        let now = stored(self.now());
        let done =
            sqlx::query("UPDATE operator SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL")
                .bind(now)
                .bind(id.to_owned())
                .execute(self.connection()?)
                .await?;
        if done.rows_affected() == 0 {
            return Err(not_found(Kind::Operator, id));
        }
        self.log("operator.revoke", id, json!({})).await
    }

    async fn existing_gateway(&mut self, id: &str) -> Result<(), RegistryError> {
        let row = sqlx::query("SELECT id FROM gateway WHERE id = $1 AND removed_at IS NULL")
            .bind(id.to_owned())
            .fetch_optional(self.connection()?)
            .await?;
        row.map(|_| ()).ok_or_else(|| not_found(Kind::Gateway, id))
    }
}

impl Registry {
    /// The gateway whose credential this is.
    ///
    /// # Errors
    /// [`RegistryError::Database`].
    pub async fn gateway_by_credential(
        &self,
        credential: &[u8],
    ) -> Result<Option<KnownGateway>, RegistryError> {
        // Looked up by hash: what the time of it tells is nothing about any credential that is good.
        let Some(hash) = Caller::Gateway.inspect(credential) else {
            return Ok(None);
        };
        let row = sqlx::query(
            "SELECT gateway, id FROM gateway_credential WHERE hash = $1 AND revoked_at IS NULL",
        )
        .bind(hash.as_bytes().to_vec())
        .fetch_optional(self.database().pool())
        .await?;
        let known = |row: AnyRow| {
            Ok(KnownGateway {
                gateway: row.try_get(0)?,
                credential: row.try_get(1)?,
            })
        };
        row.map(known).transpose()
    }

    /// The operator whose credential this is.
    ///
    /// # Errors
    /// [`RegistryError::Database`].
    pub async fn operator_by_credential(
        &self,
        credential: &[u8],
    ) -> Result<Option<OperatorView>, RegistryError> {
        let Some(hash) = Caller::Operator.inspect(credential) else {
            return Ok(None);
        };
        let row = sqlx::query(
            "SELECT id, role, created_at FROM operator WHERE hash = $1 AND revoked_at IS NULL",
        )
        .bind(hash.as_bytes().to_vec())
        .fetch_optional(self.database().pool())
        .await?;
        row.as_ref().map(operator).transpose()
    }

    /// All operators that may call.
    ///
    /// # Errors
    /// [`RegistryError::Database`].
    pub async fn operators(&self) -> Result<Vec<OperatorView>, RegistryError> {
        let rows = sqlx::query(
            "SELECT id, role, created_at FROM operator WHERE revoked_at IS NULL ORDER BY id",
        )
        .fetch_all(self.database().pool())
        .await?;
        rows.iter().map(operator).collect()
    }

    /// All gateways, with their credentials.
    ///
    /// # Errors
    /// [`RegistryError::Database`].
    pub async fn gateways(&self) -> Result<Vec<GatewayView>, RegistryError> {
        let rows = sqlx::query(
            "SELECT g.id, g.created_at, c.id, c.created_at FROM gateway g \
             LEFT JOIN gateway_credential c ON c.gateway = g.id AND c.revoked_at IS NULL \
             WHERE g.removed_at IS NULL ORDER BY g.id, c.created_at, c.id",
        )
        .fetch_all(self.database().pool())
        .await?;
        let mut gateways: Vec<GatewayView> = Vec::new();
        for row in rows {
            let id: String = row.try_get(0)?;
            if gateways.last().is_none_or(|last| last.id != id) {
                gateways.push(GatewayView {
                    id,
                    created_at: instant(row.try_get(1)?),
                    credentials: Vec::new(),
                });
            }
            let credential: Option<String> = row.try_get(2)?;
            let since: Option<i64> = row.try_get(3)?;
            if let (Some(id), Some(since), Some(gateway)) = (credential, since, gateways.last_mut())
            {
                gateway.credentials.push(CredentialView {
                    id,
                    created_at: instant(since),
                });
            }
        }
        Ok(gateways)
    }
}

fn operator(row: &AnyRow) -> Result<OperatorView, RegistryError> {
    let (id, role): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    let role = OperatorRole::parse(&role).ok_or_else(|| RegistryError::Corrupt {
        kind: Kind::Operator,
        id: id.clone(),
        reason: format!("its role \"{role}\" is unknown"),
    })?;
    Ok(OperatorView {
        id,
        role,
        created_at: instant(row.try_get(2)?),
    })
}

fn check_id(id: &str) -> Result<(), Invalid> {
    if !postern_core::id::is_id(id) {
        return Err(Invalid::new(
            "id",
            "use 1 to 64 of the characters A-Z a-z 0-9 . _ -",
        ));
    }
    if postern_core::id::looks_secret(id) {
        return Err(Invalid::new(
            "id",
            "this begins as a secret does; an id is shown and logged",
        ));
    }
    Ok(())
}
