//! The command line.

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::{app::App, http, storage::Storage};

/// Connect your users' accounts at other services, and always have a fresh access token.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server.
    Serve {
        /// The port to listen on, on loopback.
        #[arg(long, default_value_t = 3004)]
        port: u16,
    },
}

/// Reads the command line and does what it says.
pub(crate) fn run() -> anyhow::Result<()> {
    let Cli { command } = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match command {
        Command::Serve { port } => runtime.block_on(serve(port)),
    }
}

async fn serve(port: u16) -> anyhow::Result<()> {
    tracing_subscriber::fmt().init();
    let storage = Storage::open("sqlite::memory:").await?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port))
        .await
        .with_context(|| format!("port {port} cannot be listened on; choose another with --port"))?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    axum::serve(listener, http::router(App::new(storage))).await?;
    Ok(())
}
