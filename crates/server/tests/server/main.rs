//! The real binary, started as users start it.

mod api_keys;
mod cli;
mod connect_tokens;
mod connections;
mod guards;
mod integrations;
mod openapi;
mod operation;
mod providers;
mod start;
#[path = "../support/postgres.rs"]
mod postgres;
mod support;
mod webhooks;
