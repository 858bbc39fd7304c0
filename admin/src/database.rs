//! The database: where it is, how it is opened, and the tables in it.

mod lock;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use lock::Lock;
pub use lock::LockError;

use sqlx::any::AnyPoolOptions;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, Connection as _, Executor as _};

/// The tables, as they came to be. SQLite and PostgreSQL read the same files.
static MIGRATIONS: Migrator = sqlx::migrate!();

/// What a connection to SQLite begins with. `FULL` in WAL mode: what was acknowledged survives a loss of power
/// (<https://sqlite.org/pragma.html#pragma_synchronous>).
const SQLITE: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                      PRAGMA busy_timeout = 10000; PRAGMA journal_size_limit = 67108864";

/// SQLite's pages have 4,096 bytes unless it is told otherwise (<https://sqlite.org/pragma.html#pragma_page_size>).
const PAGES_PER_MIB: u64 = 256;

/// No statement changes or takes away what the audit log says, whoever writes it.
const SQLITE_AUDIT: &str = "CREATE TRIGGER IF NOT EXISTS audit_keeps_rows BEFORE DELETE ON audit \
                            BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END; \
                            CREATE TRIGGER IF NOT EXISTS audit_keeps_values BEFORE UPDATE ON audit \
                            BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END";

/// Connections that only read. There is one writer at a time in any case.
const CONNECTIONS: u32 = 8;

/// An open database.
#[derive(Clone, Debug)]
pub struct Database {
    pool: AnyPool,
    /// Held as long as the database is open, so that nothing else takes its place meanwhile.
    _lock: Option<Arc<Lock>>,
}

/// Why a database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file or server is not there, or not to be had.
    #[error("the database cannot be opened: {0}")]
    Connect(#[source] sqlx::Error),
    /// The database was written by a newer version.
    #[error(
        "the database was written by a newer version of postern-admin (migration {0}); run that version, or restore a backup"
    )]
    Newer(i64),
    /// A backup is being restored to it, or the lock on it cannot be had.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// A migration failed; the database is as before.
    #[error("the database could not be brought up to this version, and is as it was: {0}")]
    Migrate(#[source] MigrateError),
}

impl Database {
    /// Opens the SQLite file at `path`, and makes it if there is none.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open_file(path: &Path) -> Result<Self, OpenError> {
        Self::open_file_up_to(path, None).await
    }

    /// As [`open_file`](Self::open_file), for a file that must not grow beyond so many MiB.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open_file_up_to(path: &Path, max_size: Option<u32>) -> Result<Self, OpenError> {
        let lock = Lock::shared(path)?;
        let mut database = Self::open_unlocked(path, max_size).await?;
        database._lock = Some(Arc::new(lock));
        Ok(database)
    }

    /// As [`open_file_up_to`](Self::open_file_up_to), for whoever holds the lock, or a file that nobody else knows.
    pub(crate) async fn open_unlocked(
        path: &Path,
        max_size: Option<u32>,
    ) -> Result<Self, OpenError> {
        // The path goes into a URL, where `%`, `?` and `#` mean something else.
        let escaped = path
            .to_string_lossy()
            .replace('%', "%25")
            .replace('?', "%3f")
            .replace('#', "%23");
        let mut settings = SQLITE.to_owned();
        if let Some(max_size) = max_size {
            // https://sqlite.org/pragma.html#pragma_max_page_count: for each connection, and never less than there is.
            let pages = u64::from(max_size) * PAGES_PER_MIB;
            settings.push_str(&format!("; PRAGMA max_page_count = {pages}"));
        }
        Self::open(&format!("sqlite://{escaped}?mode=rwc"), settings).await
    }

    async fn open(url: &str, settings: String) -> Result<Self, OpenError> {
        sqlx::any::install_default_drivers();
        // The pool tries again for as long as it waits, whatever is wrong, and then says no more than that it has waited.
        match first_connection(url, &settings).await {
            Err(error) if !is_busy(&error) => return Err(OpenError::Connect(error)),
            _ => {}
        }
        let pool = AnyPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(Duration::from_secs(30))
            .after_connect(move |connection, _| {
                let settings = sqlx::AssertSqlSafe(settings.clone());
                Box::pin(async move {
                    connection.execute(settings).await?;
                    Ok(())
                })
            })
            .connect(url)
            .await
            .map_err(OpenError::Connect)?;
        MIGRATIONS.run(&pool).await.map_err(|error| match error {
            MigrateError::VersionMissing(version) => OpenError::Newer(version),
            other => OpenError::Migrate(other),
        })?;
        pool.execute(SQLITE_AUDIT)
            .await
            .map_err(OpenError::Connect)?;
        Ok(Self { pool, _lock: None })
    }

    /// The connections.
    pub(crate) fn pool(&self) -> &AnyPool {
        &self.pool
    }

    /// Waits for all connections to be given back and closes them.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

async fn first_connection(url: &str, settings: &str) -> Result<(), sqlx::Error> {
    let mut connection = AnyConnection::connect(url).await?;
    connection
        .execute(sqlx::AssertSqlSafe(settings.to_owned()))
        .await?;
    connection.close().await
}

/// Whether another process has the file for a moment (`SQLITE_BUSY`, <https://sqlite.org/rescode.html#busy>).
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.and_then(|code| code.parse::<u32>().ok())
        .is_some_and(|code| code & 0xff == 5)
}

/// A transaction, with the connection that it is on.
///
/// If anything fails in it, or it is dropped, the connection is closed, which ends the transaction for certain. What SQLite
/// leaves open after an error, and what it has rolled back by itself, differs from error to error
/// (<https://sqlite.org/lang_transaction.html>, 3), and the pool's own transactions keep count of what they think is open: after
/// one failed write, later ones were acknowledged that never reached the disk.
#[derive(Debug)]
pub(crate) struct Session {
    connection: Option<PoolConnection<Any>>,
}

impl Session {
    /// Begins a transaction.
    pub(crate) async fn begin(database: &Database) -> Result<Self, sqlx::Error> {
        let mut session = Self {
            connection: Some(database.pool.acquire().await?),
        };
        session.execute("BEGIN").await?;
        Ok(session)
    }

    /// The connection, for statements in the transaction.
    pub(crate) fn connection(&mut self) -> Result<&mut AnyConnection, sqlx::Error> {
        match &mut self.connection {
            Some(connection) => Ok(&mut **connection),
            None => Err(sqlx::Error::PoolClosed),
        }
    }

    /// Executes a statement.
    pub(crate) async fn execute(&mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        sqlx::query(statement).execute(self.connection()?).await?;
        Ok(())
    }

    /// Ends the transaction: what was done in it is on the disk then.
    pub(crate) async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.execute("COMMIT").await?;
        // Nothing is open on it, so it may be used again.
        drop(self.connection.take());
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(connection.detach());
        }
    }
}
