//! The database: embedded SQLite or PostgreSQL, one SQL text for both.

mod api_keys;
mod attempts;
mod connect_tokens;
mod connection_cache;
mod connection_list;
mod connections;
mod devices;
mod events;
mod gauges;
mod idle_connections;
mod integrations;
mod issuer;
mod key_proofs;
mod sealed;

use core::time::Duration;
use std::{
    fs::{File, TryLockError},
    path::Path,
    sync::Arc,
};

use anyhow::{Context, bail};
use handfast_broker::StoreError;
use handfast_protocol::ConnectionId;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{
    Connection as _, Executor, PgPool, SqlitePool,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use connection_cache::{Change, ConnectionCache};
pub(crate) use sealed::SEALED_COLUMNS;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// How many threads read an embedded database at once; one of them at a time writes. Each has a cache of its own.
const SQLITE_CONNECTIONS: u32 = 4;

/// How much of the file each of them keeps at hand: half a megabyte, in SQLite's words. The system keeps the rest.
const SQLITE_CACHE: &str = "-500";

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
    /// Only where this process serves, and from an embedded database.
    alone: Option<Arc<Alone>>,
}

/// What being the only server on a database allows.
#[derive(Debug)]
struct Alone {
    connections: ConnectionCache,
    /// Locked while it is open.
    _lock: File,
}

impl Storage {
    /// Connects to `sqlite:..` or `postgres://..` and brings the schema up to date.
    pub(crate) async fn open(url: &str) -> Result<Self, sqlx::Error> {
        let database = if url.starts_with("sqlite:") {
            let pool = SqlitePoolOptions::new().max_connections(SQLITE_CONNECTIONS);
            let pool = pool.connect_with(sqlite_options(url)?).await?;
            migrate_embedded(&pool).await?;
            Database::Sqlite(pool)
        } else {
            let pool = PgPool::connect(url).await?;
            MIGRATIONS.run(&pool).await?;
            Database::Postgres(pool)
        };
        Ok(Self { database, delivers_events: false, alone: None })
    }

    /// Claims an embedded database for this process, which serves from it: a second one is refused.
    pub(crate) fn claimed(self) -> anyhow::Result<Self> {
        let Database::Sqlite(pool) = &self.database else { return Ok(self) };
        let lock = lock_beside(pool.connect_options().get_filename())?;
        let alone = Alone { connections: ConnectionCache::default(), _lock: lock };
        Ok(Self { alone: Some(Arc::new(alone)), ..self })
    }

    /// Whether this process has claimed its database, or shares it by design.
    pub(crate) fn is_claimed(&self) -> bool {
        self.alone.is_some() || !self.is_embedded()
    }

    /// Whether the database lies in a file.
    pub(crate) fn is_embedded(&self) -> bool {
        matches!(self.database, Database::Sqlite(_))
    }

    fn cache(&self) -> Option<&ConnectionCache> {
        self.alone.as_ref().map(|alone| &alone.connections)
    }

    /// To be held while a connection of this id is written.
    fn changing<'a>(&'a self, connection_id: &'a ConnectionId) -> Option<Change<'a>> {
        self.cache().map(|cache| cache.change(connection_id))
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

/// Locks the file beside an embedded database. The system lets go of it when the process ends, however it ends.
fn lock_beside(database: &Path) -> anyhow::Result<File> {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    let file = File::options().create(true).write(true).truncate(false).open(&name);
    let file = file.with_context(|| format!("{} cannot be opened", name.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "another handfast serves from {}; end it first, give this one its own folder with --data-dir, or use PostgreSQL \
             for several servers on one database",
            database.display()
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("{} cannot be locked", name.display()))
        }
    }
}

/// A schema that a power cut takes back is simply made again, so it need not reach the disk at once. That of a new file is
/// made in one transaction: of two processes that start on it one waits, and nothing is written twice.
async fn migrate_embedded(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    let mut connection = pool.acquire().await?;
    connection.execute("PRAGMA synchronous = NORMAL").await?;
    let tables = "SELECT COUNT(*) FROM sqlite_schema";
    if sqlx::query_scalar::<_, i64>(tables).fetch_one(&mut *connection).await? == 0 {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        MIGRATIONS.run(&mut *transaction).await?;
        transaction.commit().await?;
    } else {
        MIGRATIONS.run(&mut *connection).await?;
    }
    connection.execute("PRAGMA synchronous = FULL").await?;
    Ok(())
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
        .pragma("cache_size", SQLITE_CACHE)
        .busy_timeout(Duration::from_secs(10)))
}

fn to_json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(StoreError::new)
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(StoreError::new)
}
