//! `handfast connection`: what users have connected.

use clap::Subcommand;
use reqwest::Method;

use super::{client::ServerArgs, output::print_json};

#[derive(Subcommand)]
pub(super) enum ConnectionCommand {
    /// Show a connection with a fresh access token, as JSON.
    Get {
        /// The connection id that your application chose
        connection_id: String,
        /// The integration
        config_key: String,
        /// Renew the access token even if it is fresh
        #[arg(long)]
        force_refresh: bool,
        #[command(flatten)]
        server: ServerArgs,
    },
}

pub(super) async fn run(command: ConnectionCommand) -> anyhow::Result<()> {
    match command {
        ConnectionCommand::Get { connection_id, config_key, force_refresh, server } => {
            let mut query = vec![("config_key", config_key.as_str())];
            if force_refresh {
                query.push(("force_refresh", "true"));
            }
            let path = ["connections", connection_id.as_str()];
            let answer = server.client().await?.send(Method::GET, &path, &query, None).await?;
            Ok(print_json(&answer)?)
        }
    }
}
