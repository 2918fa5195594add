//! The broker over HTTP: the real binary on a free port, a provider that answers as it is told, a browser made of
//! headers. What stands in `contract.rs` runs on both databases.

#![expect(clippy::duplicate_mod, reason = "the same tests run on both databases")]

mod application;
mod browser;
mod oauth1_provider;
#[path = "../support/postgres.rs"]
mod postgres_server;
mod provider;
mod server;

#[path = "."]
mod sqlite {
    const DATABASE: crate::server::Database = crate::server::Database::Sqlite;

    #[path = "contract.rs"]
    mod contract;
    mod embedded;
}

#[path = "."]
mod postgres {
    const DATABASE: crate::server::Database = crate::server::Database::Postgres;

    #[path = "contract.rs"]
    mod contract;
    mod replicas;
}
