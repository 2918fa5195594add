//! The issuer of the real binary, spoken to over HTTP as browsers, clients and applications speak to it. Each test runs
//! on both databases.

#![expect(clippy::duplicate_mod, reason = "the same tests run on both databases")]

mod database;
mod key;
#[path = "../support/postgres.rs"]
mod postgres;
mod published_clients;
mod site;
#[path = "../server/support.rs"]
#[expect(dead_code, reason = "the other tests of the binary use the rest of it")]
mod support;
mod world;

#[path = "."]
mod sqlite {
    const DATABASE: crate::database::Database = crate::database::Database::Sqlite;

    mod account;
    mod authorize;
    mod device;
    mod expiry;
    mod login;
    mod proofs;
    mod published_keys;
    mod registration;
    mod standards;
    mod tokens;
}

#[path = "."]
mod postgresql {
    const DATABASE: crate::database::Database = crate::database::Database::Postgresql;

    mod account;
    mod authorize;
    mod device;
    mod expiry;
    mod login;
    mod proofs;
    mod published_keys;
    mod registration;
    mod replicas;
    mod standards;
    mod tokens;
}
