//! Putting a backup in the place of the database.

use std::fs;
use std::path::{Path, PathBuf};

use postern_core::time::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::{MaintenanceError, Verified, verified, verify};
use crate::database::{Database, Lock};
use crate::registry::{Actor, AuditLine, Registry, RegistryError};

/// Lines of the audit log that are shown as lost, at most.
const MAX_LOST: u32 = 1_000;

/// What restoring a backup would undo.
#[derive(Clone, Debug, Serialize)]
pub struct Prospect {
    /// What the backup holds.
    pub backup: Verified,
    /// What the database holds that the backup would take the place of, if there is one that can be read.
    pub before: Option<Verified>,
    /// Why the database cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
    /// What was done and is not in the backup, the latest first, and would be undone: the latest 1,000 at most.
    pub lost: Vec<AuditLine>,
    /// How much more was done before those.
    pub lost_more: u64,
    /// Gateways that have more than the backup, by what they last reported: they decide by it until they hear of the new
    /// epoch.
    pub ahead: Vec<Ahead>,
}

/// A gateway that has more than a backup.
#[derive(Clone, Debug, Serialize)]
pub struct Ahead {
    /// The gateway.
    pub gateway: String,
    /// Its virtual machine.
    pub vm: String,
    /// The epoch that it had.
    pub epoch: u64,
    /// The revision that it had.
    pub revision: u64,
    /// When it said so.
    pub reported_at: Timestamp,
}

/// What was done.
#[derive(Clone, Debug, Serialize)]
pub struct Restored {
    /// What was undone.
    #[serde(flatten)]
    pub prospect: Prospect,
    /// The position after the restoration.
    pub now: Verified,
    /// The database that the backup took the place of is kept here.
    pub kept: Option<PathBuf>,
}

/// Looks at what [`restore`] would undo, and changes nothing.
///
/// # Errors
/// [`MaintenanceError`] if the backup is not one that could be restored.
pub async fn look(backup: &Path, target: &Path, feed: &str) -> Result<Prospect, MaintenanceError> {
    // Others may look at the same time.
    let suffix = format!(".restoring-{}", std::process::id());
    let copy = Copy::of(backup, target, &suffix)?;
    let database = Database::open_unlocked(&copy.file, None).await?;
    let prospect = compare(&database, target, feed).await;
    database.close().await;
    prospect
}

/// Puts a backup in the place of the database at `target`, which is kept beside it, and begins a new epoch: gateways take
/// its revisions although they have seen higher ones.
///
/// # Errors
/// [`MaintenanceError::InUse`] if anything has the database open, and others; the database is as it was then.
pub async fn restore(
    backup: &Path,
    target: &Path,
    feed: &str,
    actor: &Actor,
    now: Timestamp,
) -> Result<Restored, MaintenanceError> {
    // A service that went on with the file that is moved away would answer changes that nobody finds again.
    let _alone = Lock::alone(target)?;
    let copy = Copy::of(backup, target, ".restoring")?;
    let database = Database::open_unlocked(&copy.file, None).await?;
    let prospect = compare(&database, target, feed).await?;
    // A backup can be restored twice, and the database may be lost: the clock makes an epoch that no gateway has seen.
    let known = prospect.before.as_ref().map_or(0, |before| before.epoch);
    let epoch = now.as_secs().max(known.max(prospect.backup.epoch) + 1);
    let raised = sqlx::query("UPDATE feed SET epoch = $1 WHERE name = $2")
        .bind(i64::try_from(epoch).unwrap_or(i64::MAX))
        .bind(feed.to_owned())
        .execute(database.pool())
        .await?;
    if raised.rows_affected() != 1 {
        let words = format!("the epoch of the feed \"{feed}\" cannot be raised");
        return Err(MaintenanceError::Damaged(words));
    }
    let detail = json!({"epoch": epoch, "backup": backup.display().to_string()});
    let at = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    log(&database, feed, actor, at, detail).await?;
    // All of it into the one file that is moved.
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(database.pool())
        .await?;
    database.close().await;
    let kept = target
        .exists()
        .then(|| with_suffix(target, &format!(".before-{epoch}")));
    if let Some(kept) = &kept {
        if kept.exists() {
            return Err(MaintenanceError::Exists(kept.clone()));
        }
        // Linked, not moved: there is a database under the name at every instant, whatever ends this process.
        fs::hard_link(target, kept)
            .or_else(|_no_links_here| fs::copy(target, kept).map(drop))
            .map_err(failed(kept))?;
        // Left by a database that cannot be read; SQLite would take them for those of the one that comes.
        for suffix in ["-wal", "-shm"] {
            let from = with_suffix(target, suffix);
            if from.exists() {
                fs::rename(&from, with_suffix(kept, suffix)).map_err(failed(&from))?;
            }
        }
    }
    let written = fs::File::open(&copy.file).and_then(|file| file.sync_all());
    written.map_err(failed(&copy.file))?;
    fs::rename(&copy.file, target).map_err(failed(target))?;
    let folder = match target.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let written = fs::File::open(folder).and_then(|folder| folder.sync_all());
    written.map_err(failed(folder))?;
    Ok(Restored {
        now: Verified {
            epoch,
            ..prospect.backup.clone()
        },
        prospect,
        kept,
    })
}

async fn compare(
    database: &Database,
    target: &Path,
    feed: &str,
) -> Result<Prospect, MaintenanceError> {
    let mut prospect = Prospect {
        backup: verify(database, feed).await?,
        before: None,
        unreadable: None,
        lost: Vec::new(),
        lost_more: 0,
        ahead: Vec::new(),
    };
    if !target.exists() {
        return Ok(prospect);
    }
    let registry = Registry::open_existing(database.clone(), feed).await?;
    match compare_with(&mut prospect, &registry, target, feed).await {
        Ok(()) => Ok(prospect),
        // It is a backup of something else.
        Err(MaintenanceError::Registry(RegistryError::UnknownFeed { asked, known }))
            if !known.is_empty() =>
        {
            Err(RegistryError::UnknownFeed { asked, known }.into())
        }
        // A backup is restored when the database is damaged, too.
        Err(error) => {
            prospect.unreadable = Some(error.to_string());
            Ok(prospect)
        }
    }
}

async fn compare_with(
    prospect: &mut Prospect,
    backup: &Registry,
    target: &Path,
    feed: &str,
) -> Result<(), MaintenanceError> {
    let old = Database::open_unlocked(target, None).await?;
    let registry = Registry::open_existing(old.clone(), feed).await?;
    let position = registry.position();
    prospect.before = Some(verified(position.epoch, position.revision, position.digest));
    let common = common(backup, &registry).await?;
    prospect.lost = registry.audit(None, None, MAX_LOST).await?;
    let latest = prospect.lost.first().map_or(0, |line| line.id);
    prospect.lost.retain(|line| line.id > common);
    prospect.lost_more = (latest - common.min(latest)).saturating_sub(prospect.lost.len() as u64);
    for report in registry.reports().await? {
        let (epoch, revision) = (report.number("epoch"), report.number("revision"));
        if (epoch, revision) > (prospect.backup.epoch, prospect.backup.revision) {
            prospect.ahead.push(Ahead {
                gateway: report.gateway,
                vm: report.vm,
                epoch,
                revision,
                reported_at: report.received_at,
            });
        }
    }
    old.close().await;
    Ok(())
}

/// The id of the last line that two audit logs have in common from their beginnings. Lines count anew after a backup was
/// restored, so an id alone does not say which line it is.
async fn common(one: &Registry, other: &Registry) -> Result<u64, MaintenanceError> {
    let mut common = 0;
    loop {
        let (ours, theirs) = (
            one.audit_after(common, MAX_LOST).await?,
            other.audit_after(common, MAX_LOST).await?,
        );
        let pairs = ours.iter().zip(&theirs);
        let equal = pairs.take_while(|(our, their)| our == their).count();
        if let Some(last) = equal.checked_sub(1).and_then(|last| ours.get(last)) {
            common = last.id;
        }
        if equal == 0 || equal < ours.len() {
            return Ok(common);
        }
    }
}

/// Says in the audit log of the database that takes the other's place that it was restored.
async fn log(
    database: &Database,
    feed: &str,
    actor: &Actor,
    at: i64,
    detail: Value,
) -> Result<(), MaintenanceError> {
    sqlx::query(
        "INSERT INTO audit (id, at, operator, address, action, subject, detail, revision) \
         SELECT COALESCE((SELECT MAX(id) FROM audit), 0) + 1, $1, $2, $3, 'feed.restore', name, $4, revision \
         FROM feed WHERE name = $5",
    )
    .bind(at)
    .bind(actor.operator.clone())
    .bind(actor.address.clone())
    .bind(detail.to_string())
    .bind(feed.to_owned())
    .execute(database.pool())
    .await?;
    Ok(())
}

/// What a database is made of.
const FILES: [&str; 3] = ["", "-wal", "-shm"];

/// A copy of a backup beside the database, on the same disk, so that it can be moved there; gone when it is not.
struct Copy {
    file: PathBuf,
}

impl Copy {
    fn of(backup: &Path, target: &Path, suffix: &str) -> Result<Self, MaintenanceError> {
        let copy = Self {
            file: with_suffix(target, suffix),
        };
        // Of a process that was killed.
        for suffix in FILES {
            let path = with_suffix(&copy.file, suffix);
            if path.exists() {
                fs::remove_file(&path).map_err(failed(&path))?;
            }
        }
        fs::copy(backup, &copy.file).map_err(failed(backup))?;
        Ok(copy)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        for suffix in FILES {
            let path = with_suffix(&self.file, suffix);
            if path.exists()
                && let Err(error) = fs::remove_file(&path)
            {
                tracing::warn!(path = %path.display(), %error, "cannot be removed");
            }
        }
    }
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> MaintenanceError + use<> {
    let path = path.to_owned();
    move |source| MaintenanceError::File { path, source }
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
