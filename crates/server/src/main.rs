//! The `handfast` binary: adapters around the broker and the issuer; it decides nothing itself.

mod app;
mod cli;
mod config;
mod demo;
mod http;
mod issuer;
mod key_file;
mod refresher;
mod rotation;
mod serve;
mod storage;
mod system;
mod token_client;
mod webhooks;

fn main() -> std::process::ExitCode {
    cli::run()
}
