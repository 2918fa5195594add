//! `handfast attempt`: how the latest attempts to connect went.

use clap::Subcommand;
use reqwest::Method;
use serde_json::Value;

use super::{
    client::ServerArgs,
    output::{OutputArgs, cell, print_json, print_table},
};

#[derive(Subcommand)]
pub(super) enum AttemptCommand {
    /// List the newest attempts.
    List {
        /// Only those for this connection
        connection_id: Option<String>,
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
}

const COLUMNS: [&str; 7] =
    ["created_at", "config_key", "connection_id", "origin", "state", "error", "message"];

pub(super) async fn run(
    AttemptCommand::List { connection_id, server, output }: AttemptCommand,
) -> anyhow::Result<()> {
    let query: Vec<_> = connection_id.iter().map(|id| ("connection_id", id.as_str())).collect();
    let answer = server.client().await?.send(Method::GET, &["attempts"], &query, None).await?;
    if output.json {
        return Ok(print_json(&answer)?);
    }
    let attempts = answer["attempts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let row = |attempt: &Value| COLUMNS.map(|name| cell(&attempt[name])).into();
    Ok(print_table(&COLUMNS, &attempts.iter().map(row).collect::<Vec<_>>())?)
}
