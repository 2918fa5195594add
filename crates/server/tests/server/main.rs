//! The real binary, started as users start it. What stands in `contract.rs` runs on both databases.

#![expect(clippy::duplicate_mod, reason = "the same tests run on both databases")]

mod cli;
mod guards;
mod openapi;
mod operation;
#[path = "../support/postgres.rs"]
mod postgres_server;
mod providers;
mod start;
mod support;

#[path = "."]
mod sqlite {
    use crate::support::Options;

    fn options() -> Options {
        Options::new()
    }

    #[path = "contract.rs"]
    mod contract;
}

#[path = "."]
mod postgres {
    use crate::{postgres_server, support::Options};

    fn options() -> Options {
        Options::new().variable("HANDFAST_DATABASE_URL", &postgres_server::new_database())
    }

    #[path = "contract.rs"]
    mod contract;
}
