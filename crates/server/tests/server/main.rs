//! The real binary, started as users start it.

mod api_keys;
mod cli;
mod connect_tokens;
mod guards;
mod integrations;
mod providers;
mod start;
mod support;
