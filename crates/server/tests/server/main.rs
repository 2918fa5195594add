//! The real binary, started as users start it.

mod api_keys;
mod cli;
mod connect_tokens;
mod connections;
mod guards;
mod integrations;
mod openapi;
mod operation;
#[path = "../support/postgres.rs"]
mod postgres;
mod providers;
mod start;
mod support;
mod webhooks;
