//! What the package is tried with: a server that speaks the connect protocol and does whatever the test clicks.

mod server;

pub use server::Server;
