//! The registry: everything that operators know and decide, and the changes they make.
//!
//! [`Registry::change`] makes a [`Change`]; it becomes visible, in the policy too, as a whole.

mod audit;
pub mod callers;
mod change;
mod compact;
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
mod writer;

use std::sync::Arc;

use postern_core::id::number_to_text;
use postern_core::policy::Digest;
use postern_core::random::{Random as _, RandomFailed};
use postern_core::time::Timestamp;
use sqlx::{AnyConnection, Row as _};
use tokio::sync::{Mutex, watch};

use crate::counters::Counters;
use crate::database::{Database, Session};
use crate::entropy::Entropy;

pub use audit::AuditLine;
pub use change::{Actor, Change};
pub use compact::Compacted;
pub use error::{Invalid, RegistryError};
pub use import::{Allowed, Imported};
pub use log::{Log, LogReader};
pub use records::Kind;
pub use status::{Health, Report};
pub use token_list::{TokenFilter, TokenState, TokenView};
pub use writer::Work;

use mirror::{Mirror, Stand};
use writer::Commands;

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
    shared: Arc<Shared>,
    commands: Commands,
}

/// What changes and those who read have in common.
#[derive(Debug)]
struct Shared {
    database: Database,
    feed: String,
    mirror: Arc<Mutex<Mirror>>,
    position: watch::Sender<Position>,
    counters: Counters,
}

impl Registry {
    /// Opens the registry of the feed in a database, and makes the feed if the database is new. The policy is read into
    /// memory when it is first needed, since most commands need none of it.
    ///
    /// # Errors
    /// [`RegistryError::UnknownFeed`] if the database has a feed of another name, [`RegistryError::Database`].
    pub async fn open(database: Database, feed: &str) -> Result<Self, RegistryError> {
        // A name with a slip of the pen must not become a feed: nothing would be in it, and nobody would read it.
        sqlx::query(
            "INSERT INTO feed (name, epoch, revision, digest, floor) SELECT $1, 1, 0, $2, 0 \
             WHERE NOT EXISTS (SELECT 1 FROM feed)",
        )
        .bind(feed)
        .bind(Digest::default().to_hex())
        .execute(database.pool())
        .await?;
        Self::open_existing(database, feed).await
    }

    /// As [`open`](Self::open), for a database that is not new.
    ///
    /// # Errors
    /// [`RegistryError::UnknownFeed`], [`RegistryError::Database`].
    pub async fn open_existing(database: Database, feed: &str) -> Result<Self, RegistryError> {
        let names = sqlx::query("SELECT name FROM feed ORDER BY name")
            .fetch_all(database.pool())
            .await?;
        let names: Result<Vec<String>, _> = names.iter().map(|row| row.try_get(0)).collect();
        let names = names?;
        if names.iter().all(|name| name != feed) {
            return Err(RegistryError::UnknownFeed {
                asked: feed.to_owned(),
                known: names,
            });
        }
        let mut session = Session::begin(&database).await?;
        let position = position(session.connection()?, feed).await?;
        session.commit().await?;
        let shared = Arc::new(Shared {
            database,
            feed: feed.to_owned(),
            position: watch::Sender::new(position),
            mirror: Arc::default(),
            counters: Counters::default(),
        });
        let (commands, receiver) = Commands::new();
        tokio::spawn(writer::run(Arc::clone(&shared), receiver));
        Ok(Self { shared, commands })
    }

    /// Reads the policy into memory, and says where it stands by what was read.
    ///
    /// # Errors
    /// [`RegistryError::Database`], or [`RegistryError::Refused`] if the database holds a policy that this version of
    /// `postern-core` refuses.
    pub async fn load(&self) -> Result<Position, RegistryError> {
        let mut mirror = self.shared.mirror.lock().await;
        let mut session = Session::begin(&self.shared.database).await?;
        let stand = stand(session.connection()?, self.feed()).await?;
        mirror.catch_up(session.connection()?, stand).await?;
        session.commit().await?;
        self.shared.announce(mirror.position());
        Ok(mirror.position())
    }

    /// Makes a change: what `work` does is done as a whole or not at all, and visible to all, in the policy too, when this
    /// returns. Changes are made one after another; that of a caller who goes away is made all the same.
    ///
    /// # Errors
    /// Those of `work`; [`RegistryError::Refused`] if the policy that results has faults; [`RegistryError::Database`] and
    /// [`RegistryError::Full`]. Nothing has happened then.
    pub async fn change<F, T>(&self, actor: Actor, work: F) -> Result<T, RegistryError>
    where
        F: for<'c> FnOnce(&'c mut Change) -> Work<'c, T> + Send + 'static,
        T: Send + 'static,
    {
        self.commands.make(actor, work).await
    }

    /// As [`change`](Self::change), for what can wait till later when much is to be done.
    async fn change_if_idle<F, T>(&self, actor: Actor, work: F) -> Result<T, RegistryError>
    where
        F: for<'c> FnOnce(&'c mut Change) -> Work<'c, T> + Send + 'static,
        T: Send + 'static,
    {
        self.commands.make_if_idle(actor, work).await
    }

    /// The name of the feed.
    pub fn feed(&self) -> &str {
        &self.shared.feed
    }

    /// What was counted since the start of the process.
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// Changes that wait for their turn.
    pub fn waiting(&self) -> usize {
        self.commands.waiting()
    }

    /// Where the feed stands, as far as this process knows.
    pub fn position(&self) -> Position {
        *self.shared.position.borrow()
    }

    /// Tells of every new position.
    pub fn watch(&self) -> watch::Receiver<Position> {
        self.shared.position.subscribe()
    }

    /// Looks whether another process has changed the registry, and tells those who watch.
    ///
    /// # Errors
    /// [`RegistryError::Database`].
    pub async fn refresh(&self) -> Result<Position, RegistryError> {
        let row = sqlx::query("SELECT epoch, revision FROM feed WHERE name = $1")
            .bind(self.feed())
            .fetch_one(self.shared.database.pool())
            .await?;
        let (epoch, revision): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        let known = self.position();
        if (number(epoch), number(revision)) != (known.epoch, known.revision) {
            // From the database once more: the writer of this process may have gone on before the lock was there.
            return self.load().await;
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
        &self.shared.database
    }
}

impl Shared {
    fn announce(&self, position: Position) {
        self.position.send_if_modified(|known| {
            let is_new = *known != position;
            *known = position;
            is_new
        });
    }
}

/// Where a feed stands by what the database says of it.
async fn position(connection: &mut AnyConnection, feed: &str) -> Result<Position, RegistryError> {
    let row = sqlx::query("SELECT epoch, revision, digest FROM feed WHERE name = $1")
        .bind(feed)
        .fetch_one(connection)
        .await?;
    let digest: String = row.try_get(2)?;
    let digest = Digest::from_hex(&digest).ok_or_else(|| RegistryError::Corrupt {
        kind: Kind::Record,
        id: feed.to_owned(),
        reason: "the digest of the feed is not of 64 hexadecimal digits".to_owned(),
    })?;
    Ok(Position {
        epoch: number(row.try_get(0)?),
        revision: number(row.try_get(1)?),
        digest,
    })
}

/// Where a feed stands in the database.
async fn stand(connection: &mut AnyConnection, feed: &str) -> Result<Stand, RegistryError> {
    let row = sqlx::query("SELECT epoch, revision, floor FROM feed WHERE name = $1")
        .bind(feed)
        .fetch_one(connection)
        .await?;
    Ok(Stand::read(&row)?)
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
