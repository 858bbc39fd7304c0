//! The registry: everything that operators know and decide, and the changes they make.
//!
//! [`Registry::begin`] starts a [`Change`]; what is done with it becomes visible, in the policy too, when it is committed.

mod audit;
pub mod callers;
mod change;
mod error;
mod import;
mod log;
mod mirror;
mod name;
pub mod persons;
mod records;
mod status;
mod structure;
mod token_list;
pub mod tokens;

use std::sync::Arc;

use postern_core::id::number_to_text;
use postern_core::policy::Digest;
use postern_core::random::{Random as _, RandomFailed};
use postern_core::time::Timestamp;
use sqlx::Row as _;
use tokio::sync::{Mutex, watch};

use crate::database::Database;
use crate::entropy::Entropy;

pub use audit::AuditLine;
pub use change::{Actor, Change};
pub use error::{Invalid, RegistryError};
pub use import::Imported;
pub use log::{Log, LogReader};
pub use records::Kind;
pub use status::Report;
pub use token_list::{TokenFilter, TokenState, TokenView};

use mirror::Mirror;

/// Where a feed stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Position {
    /// Grows when the feed begins anew from a backup.
    pub epoch: u64,
    /// Grows with every changed record.
    pub revision: u64,
    /// The digest of the whole policy.
    pub digest: Digest,
}

/// The registry over a database.
#[derive(Clone, Debug)]
pub struct Registry {
    database: Database,
    feed: Arc<str>,
    mirror: Arc<Mutex<Mirror>>,
    position: watch::Sender<Position>,
}

impl Registry {
    /// Opens the registry of one feed in a database, and makes the feed if there is none.
    ///
    /// # Errors
    /// [`RegistryError::Database`], or [`RegistryError::Refused`] if the database holds a policy that this version of
    /// `postern-core` refuses.
    pub async fn open(database: Database, feed: &str) -> Result<Self, RegistryError> {
        sqlx::query("INSERT INTO feed (name, epoch, revision, digest, floor) VALUES ($1, 1, 0, $2, 0) ON CONFLICT DO NOTHING")
            .bind(feed)
            .bind(Digest::default().to_hex())
            .execute(database.pool())
            .await?;
        let mut mirror = Mirror::default();
        let mut connection = database.pool().acquire().await?;
        let row = sqlx::query("SELECT epoch, revision FROM feed WHERE name = $1")
            .bind(feed)
            .fetch_one(&mut *connection)
            .await?;
        mirror
            .catch_up(&mut connection, row.try_get(0)?, row.try_get(1)?)
            .await?;
        drop(connection);
        let position = mirror.position();
        Ok(Self {
            database,
            feed: feed.into(),
            mirror: Arc::new(Mutex::new(mirror)),
            position: watch::Sender::new(position),
        })
    }

    /// Starts a change. There is one at a time: others wait here.
    ///
    /// # Errors
    /// [`RegistryError::Database`].
    pub async fn begin(&self, actor: Actor) -> Result<Change, RegistryError> {
        let mirror = Arc::clone(&self.mirror).lock_owned().await;
        Change::begin(self, mirror, actor).await
    }

    /// The name of the feed.
    pub fn feed(&self) -> &str {
        &self.feed
    }

    /// Where the feed stands, as far as this process knows.
    pub fn position(&self) -> Position {
        *self.position.borrow()
    }

    /// Tells of every new position.
    pub fn watch(&self) -> watch::Receiver<Position> {
        self.position.subscribe()
    }

    /// Looks whether another process has changed the registry, and tells those who watch.
    ///
    /// # Errors
    /// [`RegistryError::Database`].
    pub async fn refresh(&self) -> Result<Position, RegistryError> {
        let row = sqlx::query("SELECT epoch, revision FROM feed WHERE name = $1")
            .bind(&*self.feed)
            .fetch_one(self.database.pool())
            .await?;
        let (epoch, revision): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        let known = self.position();
        if (number(epoch), number(revision)) != (known.epoch, known.revision) {
            let mut mirror = self.mirror.lock().await;
            let mut connection = self.database.pool().acquire().await?;
            mirror.catch_up(&mut connection, epoch, revision).await?;
            self.announce(mirror.position());
        }
        Ok(self.position())
    }

    /// Starts to read the log. What is read belongs together, whatever is changed meanwhile.
    ///
    /// # Errors
    /// [`RegistryError::Database`].
    pub async fn read_log(&self) -> Result<LogReader, RegistryError> {
        LogReader::begin(self).await
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    fn announce(&self, position: Position) {
        self.position.send_if_modified(|known| {
            let is_new = *known != position;
            *known = position;
            is_new
        });
    }
}

/// Numbers of the database are signed, and what is kept there never is.
fn number(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or_default()
}

/// An instant of the database.
fn instant(stored: i64) -> Timestamp {
    Timestamp::from_secs(number(stored))
}

/// A new id: a random number of 63 bits, so that none is met twice.
fn new_id() -> Result<String, RandomFailed> {
    let mut bytes = [0; 8];
    Entropy.fill(&mut bytes)?;
    Ok(number_to_text(u64::from_le_bytes(bytes)))
}
