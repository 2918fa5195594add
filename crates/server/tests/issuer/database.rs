//! The two databases: servers on either, and a look into what they keep.

use sqlx::{Connection, PgConnection, SqliteConnection};

use crate::{
    support::{API_KEY, Options, Server},
    world::LOGIN_URL,
};

/// Where a test's server keeps everything.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Database {
    /// In a file of its data folder.
    Sqlite,
    /// In a new database of the test program's own server.
    Postgresql,
}

impl Database {
    fn options(self) -> Options {
        match self {
            Self::Sqlite => Options::new(),
            Self::Postgresql => {
                Options::new().variable("HANDFAST_DATABASE_URL", &crate::postgres::new_database())
            }
        }
    }

    /// An issuer whose login URL is the page of an application that nobody runs: the tests play it.
    pub(crate) fn issuer(self) -> Options {
        self.options().variable("HANDFAST_API_KEY", API_KEY).variable("HANDFAST_ISSUER_LOGIN_URL", LOGIN_URL)
    }

    /// A demonstration.
    pub(crate) fn demo(self) -> Options {
        self.options().argument("--demo")
    }

    /// Runs statements on what the server keeps, one after the other; how many rows each changed.
    pub(crate) async fn execute(self, server: &Server, statements: &[&'static str]) -> Vec<u64> {
        let mut changed = Vec::new();
        match self {
            Self::Sqlite => {
                let file = server.data_dir().join("handfast.db");
                let mut connection =
                    SqliteConnection::connect(&format!("sqlite:{}", file.display())).await.unwrap();
                for statement in statements {
                    let done = sqlx::query(*statement).execute(&mut connection).await.unwrap();
                    changed.push(done.rows_affected());
                }
            }
            Self::Postgresql => {
                let mut variables = server.variables.iter();
                let (_, url) = variables.find(|(name, _)| name == "HANDFAST_DATABASE_URL").unwrap();
                let mut connection = PgConnection::connect(url).await.unwrap();
                for statement in statements {
                    let done = sqlx::query(*statement).execute(&mut connection).await.unwrap();
                    changed.push(done.rows_affected());
                }
            }
        }
        changed
    }
}
