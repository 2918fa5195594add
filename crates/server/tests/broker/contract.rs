//! What runs on both databases: a module listed here runs on each.

use super::DATABASE;

mod connect;
mod connect_options;
mod connect_tokens;
mod defects;
mod flows;
mod form;
mod hostile;
mod keep_alive;
mod oauth1;
mod sealed;
mod shutdown;
mod tokens;
mod webhooks;
