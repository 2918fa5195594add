//! `handfast key`: API keys, and the key that seals what is stored.

use clap::Subcommand;
use handfast_broker::{ApiKeyScope, random_api_key};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    client::ServerArgs,
    output::{OutputArgs, cell, print_json, print_line, print_table},
};
use crate::system::SystemRandomness;

#[derive(Subcommand)]
pub(super) enum KeyCommand {
    /// Print a random key for `HANDFAST_API_KEY`; nothing is stored.
    New,
    /// Make a key and print it; it is not shown again.
    Create {
        /// What it is for, such as "backend"
        name: String,
        /// What it may do; repeatable, every scope if none is named
        #[arg(long = "scope", value_name = "SCOPE", value_parser = parse_scope)]
        scopes: Vec<ApiKeyScope>,
        /// After how many days it stops to work
        #[arg(long, value_name = "DAYS")]
        expires_in_days: Option<u32>,
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// List keys, also those that no longer work.
    List {
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Seal everything that is stored with a new key, while the server serves.
    Rotate {
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Revoke a key.
    Revoke {
        /// The id, as `handfast key list` shows it
        id: String,
        #[command(flatten)]
        server: ServerArgs,
    },
}

const COLUMNS: [&str; 7] = ["id", "name", "scopes", "hint", "created_at", "expires_at", "revoked_at"];

pub(super) async fn run(command: KeyCommand) -> anyhow::Result<()> {
    match command {
        KeyCommand::New => Ok(print_line(random_api_key(&SystemRandomness).expose())?),
        KeyCommand::Create { name, scopes, expires_in_days, server, output } => {
            let scopes = if scopes.is_empty() { ApiKeyScope::ALL.to_vec() } else { scopes };
            let expires_in = expires_in_days.map(|days| u64::from(days) * 24 * 60 * 60);
            let body = json!({"name": name, "scopes": scopes, "expires_in": expires_in});
            let client = server.client().await?;
            let answer = client.send(Method::POST, &["api_keys"], &[], Some(&body)).await?;
            if output.json {
                return Ok(print_json(&answer)?);
            }
            Ok(print_line(&cell(&answer["api_key"]))?)
        }
        KeyCommand::List { server, output } => {
            let answer = server.client().await?.send(Method::GET, &["api_keys"], &[], None).await?;
            if output.json {
                return Ok(print_json(&answer)?);
            }
            let keys = answer["api_keys"].as_array().map(Vec::as_slice).unwrap_or_default();
            let row = |key: &Value| COLUMNS.map(|name| cell(&key[name])).into();
            Ok(print_table(&COLUMNS, &keys.iter().map(row).collect::<Vec<_>>())?)
        }
        KeyCommand::Rotate { server, output } => {
            let client = server.client().await?;
            let (mut added_key, mut resealed) = (false, 0);
            loop {
                let answer =
                    client.send(Method::POST, &["sealing_keys", "rotate"], &[], Some(&json!({}))).await?;
                added_key |= answer["added_key"] == true;
                resealed += answer["resealed"].as_u64().unwrap_or_default();
                if answer["is_finished"] != false {
                    break;
                }
            }
            if output.json {
                return Ok(print_json(&json!({"added_key": added_key, "resealed": resealed}))?);
            }
            let added = if added_key { "A key was added" } else { "A run was gone on with" };
            Ok(print_line(&format!("{added}; {resealed} values were sealed anew."))?)
        }
        KeyCommand::Revoke { id, server } => {
            server.client().await?.send(Method::DELETE, &["api_keys", &id], &[], None).await?;
            Ok(print_line(&format!("The API key {id} is revoked."))?)
        }
    }
}

fn parse_scope(text: &str) -> Result<ApiKeyScope, String> {
    let known = || ApiKeyScope::ALL.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", ");
    let found = ApiKeyScope::ALL.iter().find(|scope| scope.as_str() == text);
    found.copied().ok_or_else(|| format!("it must be one of {}", known()))
}
