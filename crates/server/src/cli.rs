//! The command line.

mod attempt;
mod check;
mod client;
mod config;
mod connection;
mod event;
mod issuer;
mod key;
mod output;
mod providers;

use std::{ffi::OsString, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};

use crate::{
    config::{Config, ConfigArgs, ListenArgs},
    serve,
};

/// Connect your users' accounts at other services, and always have a fresh access token.
#[derive(Parser)]
#[command(name = "handfast", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Pizzly's spelling works too: config:list, connection:get.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 not allowed, 5 server not reached, 6 input refused.";

#[derive(Subcommand)]
enum Command {
    /// Run the server.
    Serve {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        listen: ListenArgs,
    },
    /// Read the configuration, reach the database, open the key, and say what is wrong.
    Check {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        output: output::OutputArgs,
    },
    /// Create, list, show, edit or delete integrations.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Make, list or revoke API keys; rotate the sealing keys.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Register clients of the issuer.
    #[command(subcommand)]
    Client(issuer::ClientCommand),
    /// Look after the issuer.
    #[command(subcommand)]
    Issuer(issuer::IssuerCommand),
    /// List the attempts to connect of the last minutes.
    #[command(subcommand)]
    Attempt(attempt::AttemptCommand),
    /// List events, and send webhooks again.
    #[command(subcommand)]
    Event(event::EventCommand),
    /// Print a script that completes commands in a shell.
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// List, show, delete, import or export connections.
    #[command(subcommand)]
    Connection(connection::ConnectionCommand),
    /// List, search or show the providers an integration can be made from.
    #[command(subcommand)]
    Providers(providers::ProvidersCommand),
}

/// Reads the command line and does what it says.
pub(crate) fn run() -> ExitCode {
    let Cli { command } = Cli::parse_from(in_our_spelling(std::env::args_os()));
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(execute(command)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("handfast: {error:#}");
            error
                .downcast_ref::<client::ClientError>()
                .map_or(ExitCode::FAILURE, client::ClientError::exit_code)
        }
    }
}

async fn execute(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve { config, listen } => serve::run(Config::load(&config, &listen)?).await,
        Command::Check { config, output } => check::run(&config, &output).await,
        Command::Config(command) => config::run(command).await,
        Command::Key(command) => key::run(command).await,
        Command::Client(command) => issuer::run_client(command).await,
        Command::Issuer(command) => issuer::run(command).await,
        Command::Attempt(command) => attempt::run(command).await,
        Command::Event(command) => event::run(command).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "handfast", &mut std::io::stdout());
            Ok(())
        }
        Command::Connection(command) => connection::run(command).await,
        Command::Providers(command) => providers::run(command),
    }
}

/// Pizzly writes `config:list` where we write `config list`.
fn in_our_spelling(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.collect();
    let split = args
        .get(1)
        .and_then(|first| first.to_str()?.split_once(':'))
        .map(|(noun, verb)| [noun.into(), verb.into()]);
    if let Some(words) = split {
        args.splice(1..2, words);
    }
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn pizzlys_spelling_means_the_same() {
        let given = ["handfast", "config:create", "a:b"].map(OsString::from);
        assert_eq!(in_our_spelling(given.into_iter()), ["handfast", "config", "create", "a:b"]);
    }
}
