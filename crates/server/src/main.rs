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
mod workers;

/// The system's own slows down where many small pieces of many sizes come and go, as they do in answers.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run()
}
