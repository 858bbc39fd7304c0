//! The database: where it is, how it is opened, and the tables in it.

use std::path::Path;
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AnyPool, Executor as _};

/// The tables, as they came to be. SQLite and PostgreSQL read the same files.
static MIGRATIONS: Migrator = sqlx::migrate!();

/// What a connection to SQLite begins with. `FULL` in WAL mode: what was acknowledged survives a loss of power
/// (<https://sqlite.org/pragma.html#pragma_synchronous>).
const SQLITE: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                      PRAGMA busy_timeout = 10000; PRAGMA journal_size_limit = 67108864";

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
        // The path goes into a URL, where `%`, `?` and `#` mean something else.
        let escaped = path
            .to_string_lossy()
            .replace('%', "%25")
            .replace('?', "%3f")
            .replace('#', "%23");
        Self::open(&format!("sqlite://{escaped}?mode=rwc")).await
    }

    async fn open(url: &str) -> Result<Self, OpenError> {
        sqlx::any::install_default_drivers();
        let pool = AnyPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(Duration::from_secs(30))
            .after_connect(|connection, _| {
                Box::pin(async move {
                    connection.execute(SQLITE).await?;
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
        Ok(Self { pool })
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
