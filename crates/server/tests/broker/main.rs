//! The broker over HTTP: the real binary on a free port, a provider that answers as it is told, a browser made of
//! headers. Each test runs on both databases.

#![expect(clippy::duplicate_mod, reason = "the same tests run on both databases")]

mod browser;
mod oauth1_provider;
#[path = "../support/postgres.rs"]
mod postgres_server;
mod provider;
mod server;

#[path = "."]
mod sqlite {
    const DATABASE: crate::server::Database = crate::server::Database::Sqlite;

    #[path = "connect.rs"]
    mod connect;
    #[path = "connect_options.rs"]
    mod connect_options;
    #[path = "defects.rs"]
    mod defects;
    #[path = "flows.rs"]
    mod flows;
    #[path = "form.rs"]
    mod form;
    #[path = "hostile.rs"]
    mod hostile;
    #[path = "oauth1.rs"]
    mod oauth1;
    #[path = "sealed.rs"]
    mod sealed;
    #[path = "tokens.rs"]
    mod tokens;
}

#[path = "."]
mod postgres {
    const DATABASE: crate::server::Database = crate::server::Database::Postgres;

    #[path = "connect.rs"]
    mod connect;
    #[path = "flows.rs"]
    mod flows;
    #[path = "hostile.rs"]
    mod hostile;
    #[path = "replicas.rs"]
    mod replicas;
    #[path = "tokens.rs"]
    mod tokens;
}
