//! `handfast event`: what happened, and webhooks made once more.

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    client::ServerArgs,
    output::{OutputArgs, cell, print_json, print_line, print_table},
};

#[derive(Subcommand)]
pub(super) enum EventCommand {
    /// List the newest events.
    List {
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Deliver an event once more.
    Replay {
        /// The id, as `handfast event list` shows it
        id: String,
        #[command(flatten)]
        server: ServerArgs,
    },
}

const COLUMNS: [&str; 8] =
    ["id", "type", "config_key", "connection_id", "reason", "created_at", "deliveries", "delivered_at"];

pub(super) async fn run(command: EventCommand) -> anyhow::Result<()> {
    match command {
        EventCommand::List { server, output } => {
            let answer = server.client().await?.send(Method::GET, &["events"], &[], None).await?;
            if output.json {
                return Ok(print_json(&answer)?);
            }
            let events = answer["events"].as_array().map(Vec::as_slice).unwrap_or_default();
            let row = |event: &Value| COLUMNS.map(|name| cell(&event[name])).into();
            Ok(print_table(&COLUMNS, &events.iter().map(row).collect::<Vec<_>>())?)
        }
        EventCommand::Replay { id, server } => {
            let path = ["events", id.as_str(), "replay"];
            server.client().await?.send(Method::POST, &path, &[], Some(&json!({}))).await?;
            Ok(print_line(&format!("The event {id} will be delivered once more."))?)
        }
    }
}
