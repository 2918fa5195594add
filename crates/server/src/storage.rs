//! The database: embedded SQLite or PostgreSQL, one SQL text for both.

mod integrations;
mod key_proofs;

use sqlx::{PgPool, SqlitePool, migrate::Migrator};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// Runs one expression on whichever database is in use. The SQL text and the Rust text are the same; only the types
/// behind `$pool` differ.
macro_rules! on_either {
    ($storage:expr, $pool:ident => $body:expr) => {
        match $storage.database() {
            $crate::storage::Database::Sqlite($pool) => $body,
            $crate::storage::Database::Postgres($pool) => $body,
        }
    };
}
pub(crate) use on_either;

/// A pool of connections to one of the two databases.
#[derive(Clone, Debug)]
pub(crate) enum Database {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// Everything that is kept.
#[derive(Clone, Debug)]
pub(crate) struct Storage {
    database: Database,
}

impl Storage {
    /// Connects to `sqlite:..` or `postgres://..` and brings the schema up to date.
    pub(crate) async fn open(url: &str) -> Result<Self, sqlx::Error> {
        let database = if url.starts_with("sqlite:") {
            let options = url.parse::<sqlx::sqlite::SqliteConnectOptions>()?.create_if_missing(true);
            Database::Sqlite(SqlitePool::connect_with(options).await?)
        } else {
            Database::Postgres(PgPool::connect(url).await?)
        };
        let storage = Self { database };
        on_either!(storage, pool => MIGRATIONS.run(pool).await)?;
        Ok(storage)
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Asks the database for a sign of life.
    pub(crate) async fn ping(&self) -> Result<(), sqlx::Error> {
        on_either!(self, pool => sqlx::query("SELECT 1").execute(pool).await.map(drop))
    }
}
