//! Backups: made while the service runs, verified, and restored in an epoch of their own.

use std::fs;
use std::path::{Path, PathBuf};

use postern_core::policy::Digest;
use postern_core::time::Timestamp;
use serde::Serialize;
use sqlx::Row as _;

use crate::database::{Database, OpenError};
use crate::registry::{AuditLine, Registry, RegistryError};

/// Lines of the audit log that are shown as lost, at most.
const MAX_LOST: u32 = 1_000;

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

/// What a restored backup does not know.
#[derive(Clone, Debug, Serialize)]
pub struct Restored {
    /// The position after the restoration.
    pub now: Verified,
    /// The epoch and revision of the database that the backup took the place of, if there was one.
    pub before: Option<Verified>,
    /// What was done after the backup, the latest first, and is undone now.
    pub lost: Vec<AuditLine>,
    /// The database that the backup took the place of is kept here.
    pub kept: Option<PathBuf>,
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
    let registry = Registry::open(database.clone(), feed).await?;
    let found = registry.position();
    let stored = registry.read_log().await?.position().digest;
    if found.digest != stored {
        return Err(MaintenanceError::Digest {
            found: found.digest.to_hex(),
            stored: stored.to_hex(),
        });
    }
    Ok(verified(found.epoch, found.revision, found.digest))
}

/// Puts a backup in the place of the database at `target`, which is kept beside it, and begins a new epoch: gateways take
/// its revisions although they have seen higher ones. Nothing may have the database open.
///
/// # Errors
/// [`MaintenanceError`]; the database is as it was then.
pub async fn restore(
    backup: &Path,
    target: &Path,
    feed: &str,
    now: Timestamp,
) -> Result<Restored, MaintenanceError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| MaintenanceError::File { path, source }
    };
    let fresh = beside(target, "restoring");
    if fresh.exists() {
        return Err(MaintenanceError::Exists(fresh));
    }
    fs::copy(backup, &fresh).map_err(failed(backup))?;
    let prepared = prepare(&fresh, target, feed, now).await;
    let (verified, before, lost) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            remove(&fresh);
            return Err(error);
        }
    };
    let kept = before
        .is_some()
        .then(|| beside(target, &format!("before-{}", verified.epoch)));
    if let Some(kept) = &kept {
        for suffix in ["", "-wal", "-shm"] {
            let from = with_suffix(target, suffix);
            if from.exists() {
                fs::rename(&from, with_suffix(kept, suffix)).map_err(failed(&from))?;
            }
        }
    }
    fs::rename(&fresh, target).map_err(failed(target))?;
    Ok(Restored {
        now: verified,
        before,
        lost,
        kept,
    })
}

type Prepared = (Verified, Option<Verified>, Vec<AuditLine>);

/// Checks the copy and gives it its epoch.
async fn prepare(
    fresh: &Path,
    target: &Path,
    feed: &str,
    now: Timestamp,
) -> Result<Prepared, MaintenanceError> {
    let database = Database::open_file(fresh).await?;
    let backup = verify(&database, feed).await?;
    let (before, lost) = if target.exists() {
        let old = Database::open_file(target).await?;
        let old_registry = Registry::open(old.clone(), feed).await?;
        let position = old_registry.position();
        let latest = Registry::open(database.clone(), feed)
            .await?
            .audit(None, None, 1)
            .await?;
        let known = latest.first().map_or(0, |line| line.id);
        let mut lost = old_registry.audit(None, None, MAX_LOST).await?;
        lost.retain(|line| line.id > known);
        old.close().await;
        let before = verified(position.epoch, position.revision, position.digest);
        (Some(before), lost)
    } else {
        (None, Vec::new())
    };
    // A backup can be restored twice, and the database may be lost: the clock makes an epoch that no gateway has seen.
    let known = before
        .as_ref()
        .map_or(backup.epoch, |before| before.epoch.max(backup.epoch));
    let epoch = now.as_secs().max(known + 1);
    sqlx::query("UPDATE feed SET epoch = $1 WHERE name = $2")
        .bind(i64::try_from(epoch).unwrap_or(i64::MAX))
        .bind(feed.to_owned())
        .execute(database.pool())
        .await?;
    // All of it into the one file that is moved.
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(database.pool())
        .await?;
    database.close().await;
    Ok((Verified { epoch, ..backup }, before, lost))
}

fn verified(epoch: u64, revision: u64, digest: Digest) -> Verified {
    Verified {
        epoch,
        revision,
        digest: digest.to_hex(),
    }
}

fn beside(file: &Path, word: &str) -> PathBuf {
    with_suffix(file, &format!(".{word}"))
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Takes away what a failed restoration left.
fn remove(fresh: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let path = with_suffix(fresh, suffix);
        if path.exists()
            && let Err(error) = fs::remove_file(&path)
        {
            tracing::warn!(path = %path.display(), %error, "cannot be removed");
        }
    }
}
