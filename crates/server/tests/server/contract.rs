//! What runs on both databases: a module listed here runs on each.

use super::options;

mod api_keys;
mod connect_tokens;
mod connections;
mod integrations;
