//! The real binary, started as users start it.

mod cli;
mod guards;
mod integrations;
mod providers;
mod start;
mod support;
