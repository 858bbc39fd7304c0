//! Backups: made while the service runs, verified, and [restored](restore()) in an epoch of their own.

mod restore;

use std::fs;
use std::path::{Path, PathBuf};

use postern_core::policy::Digest;
use serde::Serialize;
use sqlx::Row as _;

use crate::database::{Database, LockError, OpenError};
use crate::registry::{Registry, RegistryError};

pub use restore::{Ahead, Prospect, Restored, look, restore};

/// Why there is no backup, or none that is good.
#[derive(Debug, thiserror::Error)]
pub enum MaintenanceError {
    /// A file is where none should be.
    #[error("{} is there already; it is left as it is", .0.display())]
    Exists(PathBuf),
    /// A file cannot be read or written.
    #[error("{}: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is damaged.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// The policy is not the one that was written.
    #[error("the policy has the digest {found}, and the database says {stored}")]
    Digest {
        /// Of the records.
        found: String,
        /// As it was written.
        stored: String,
    },
    /// Something has the database open.
    #[error(transparent)]
    InUse(#[from] LockError),
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be read as a registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The database did not do what it was asked.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
}

/// What a verified database holds.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Verified {
    /// The epoch.
    pub epoch: u64,
    /// The revision.
    pub revision: u64,
    /// The policy's digest.
    pub digest: String,
}

/// Writes a copy of the database, as it is at one instant, to a new file. The service may go on.
///
/// # Errors
/// [`MaintenanceError`].
pub async fn backup(database: &Database, file: &Path) -> Result<(), MaintenanceError> {
    if file.exists() {
        return Err(MaintenanceError::Exists(file.to_owned()));
    }
    // https://sqlite.org/lang_vacuum.html#vacuuminto: a snapshot in one transaction.
    sqlx::query("VACUUM INTO $1")
        .bind(file.to_string_lossy().into_owned())
        .execute(database.pool())
        .await?;
    let opened = fs::File::open(file).and_then(|file| file.sync_all());
    opened.map_err(|source| MaintenanceError::File {
        path: file.to_owned(),
        source,
    })
}

/// Checks the file, reads the whole policy from it, and compares its digest.
///
/// # Errors
/// [`MaintenanceError::Damaged`], [`MaintenanceError::Digest`], and whatever keeps the policy from being read.
pub async fn verify(database: &Database, feed: &str) -> Result<Verified, MaintenanceError> {
    let rows = sqlx::query("PRAGMA integrity_check")
        .fetch_all(database.pool())
        .await?;
    for row in rows {
        let line: String = row.try_get(0)?;
        if line != "ok" {
            return Err(MaintenanceError::Damaged(line));
        }
    }
    let registry = Registry::open_existing(database.clone(), feed).await?;
    let found = registry.load().await?;
    let log = registry.read_log().await?;
    let stored = log.position().digest;
    log.end().await?;
    if found.digest != stored {
        return Err(MaintenanceError::Digest {
            found: found.digest.to_hex(),
            stored: stored.to_hex(),
        });
    }
    Ok(verified(found.epoch, found.revision, found.digest))
}

fn verified(epoch: u64, revision: u64, digest: Digest) -> Verified {
    Verified {
        epoch,
        revision,
        digest: digest.to_hex(),
    }
}
