//! The broker over HTTP: the real binary on a free port, a provider that answers as it is told, a browser made of headers.

mod browser;
mod provider;
mod server;

mod connect;
mod hostile;
mod tokens;
