//! The database: embedded SQLite or PostgreSQL, one SQL text for both.

mod api_keys;
mod attempts;
mod connect_tokens;
mod connection_list;
mod connections;
mod events;
mod integrations;
mod issuer;
mod key_proofs;

use core::time::Duration;

use handfast_broker::StoreError;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{
    PgPool, SqlitePool,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

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
    /// Whether events are to be delivered, or only listed.
    delivers_events: bool,
}

impl Storage {
    /// Connects to `sqlite:..` or `postgres://..` and brings the schema up to date.
    pub(crate) async fn open(url: &str) -> Result<Self, sqlx::Error> {
        let database = if url.starts_with("sqlite:") {
            let options = sqlite_options(url)?;
            Database::Sqlite(SqlitePool::connect_with(options).await?)
        } else {
            Database::Postgres(PgPool::connect(url).await?)
        };
        let storage = Self { database, delivers_events: false };
        on_either!(storage, pool => MIGRATIONS.run(pool).await)?;
        Ok(storage)
    }

    /// Makes the events that happen from now on due for delivery.
    pub(crate) fn delivering_events(self) -> Self {
        Self { delivers_events: true, ..self }
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Asks the database for a sign of life.
    pub(crate) async fn ping(&self) -> Result<(), sqlx::Error> {
        on_either!(self, pool => sqlx::query("SELECT 1").execute(pool).await.map(drop))
    }
}

/// Readers and one writer work side by side, and a commit survives a power cut: a rotated refresh token that is lost cannot
/// be had again.
fn sqlite_options(url: &str) -> Result<SqliteConnectOptions, sqlx::Error> {
    let options = url.parse::<SqliteConnectOptions>()?;
    Ok(options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(10)))
}

fn to_json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(StoreError::new)
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(StoreError::new)
}
