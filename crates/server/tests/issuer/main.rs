//! The issuer of the real binary, spoken to over HTTP as browsers, clients and applications speak to it.

/// Runs tests on an embedded SQLite and on PostgreSQL.
macro_rules! on_both_databases {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")] async fn $test() {
                super::$test(crate::world::issuer).await;
            })*
        }

        mod postgresql {
            $(#[tokio::test(flavor = "multi_thread")] async fn $test() {
                super::$test(crate::world::issuer_on_postgresql).await;
            })*
        }
    };
}

mod account;
mod authorize;
mod device;
#[path = "../support/postgres.rs"]
mod postgres;
mod proofs;
mod published_clients;
mod registration;
mod standards;
#[path = "../server/support.rs"]
#[expect(dead_code, reason = "the other tests of the binary use the rest of it")]
mod support;
mod tokens;
mod world;
