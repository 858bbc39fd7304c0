//! Who has a database open.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// A lock on a database, for as long as it lives: shared by all that have it open, or held alone by what puts another in
/// its place. It is on a file beside the database, since closing a file of the database itself would end SQLite's own locks
/// on it (<https://sqlite.org/howtocorrupt.html>, section 2.2).
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "the lock ends when the file is closed")] File);

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Others have the database open.
    #[error("{} is in use: stop the service, and end all commands that use it", .0.display())]
    InUse(PathBuf),
    /// A backup is taking the place of the database.
    #[error("a backup is being restored to {}", .0.display())]
    Restoring(PathBuf),
    /// The file of the lock cannot be made.
    #[error("{}: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Lock {
    /// Beside others that have the database open.
    pub(crate) fn shared(database: &Path) -> Result<Self, LockError> {
        let (file, path) = open(database)?;
        match file.try_lock_shared() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(LockError::Restoring(database.to_owned())),
            Err(TryLockError::Error(source)) => Err(LockError::File { path, source }),
        }
    }

    /// Alone.
    pub(crate) fn alone(database: &Path) -> Result<Self, LockError> {
        let (file, path) = open(database)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(LockError::InUse(database.to_owned())),
            Err(TryLockError::Error(source)) => Err(LockError::File { path, source }),
        }
    }
}

fn open(database: &Path) -> Result<(File, PathBuf), LockError> {
    let mut path = database.as_os_str().to_owned();
    path.push("-lock");
    let path = PathBuf::from(path);
    let opened = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path);
    match opened {
        Ok(file) => Ok((file, path)),
        Err(source) => Err(LockError::File { path, source }),
    }
}
