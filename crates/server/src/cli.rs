//! The command line.

use clap::{Parser, Subcommand};

use crate::{
    config::{Config, ConfigArgs, ListenArgs},
    serve,
};

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
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        listen: ListenArgs,
    },
}

/// Reads the command line and does what it says.
pub(crate) fn run() -> anyhow::Result<()> {
    let Cli { command } = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match command {
        Command::Serve { config, listen } => runtime.block_on(serve::run(Config::load(&config, &listen)?)),
    }
}
