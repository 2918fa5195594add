//! `handfast connection`: what users have connected.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Write},
    path::PathBuf,
};

use anyhow::{Context, bail};
use clap::Subcommand;
use reqwest::Method;
use serde_json::Value;

use super::{
    client::ServerArgs,
    output::{OutputArgs, cell, print_json, print_line, print_table},
};

/// How many lines of an import go out at once.
const BATCH: usize = 500;

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
    /// List connections, oldest first, without credentials.
    List {
        /// Connections of this integration
        #[arg(long, value_name = "CONFIG_KEY")]
        config_key: Option<String>,
        /// Connections in this state: `active` or `needs_reconnect`
        #[arg(long)]
        status: Option<String>,
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Delete a connection, and revoke it at the provider where it knows how.
    Delete {
        /// The connection id that your application chose
        connection_id: String,
        /// The integration
        config_key: String,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Import connections from another system, one JSON object a line; run it again if it was interrupted.
    Import {
        /// The file, or - for standard input
        file: PathBuf,
        /// Put the imported connections in the place of those that are there already
        #[arg(long)]
        replace: bool,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Print connections with their tokens as `import` takes them.
    Export {
        /// Connections of this integration
        #[arg(long, value_name = "CONFIG_KEY")]
        config_key: Option<String>,
        #[command(flatten)]
        server: ServerArgs,
    },
}

const COLUMNS: [&str; 5] = ["connection_id", "config_key", "status", "created_at", "updated_at"];

pub(super) async fn run(command: ConnectionCommand) -> anyhow::Result<()> {
    match command {
        ConnectionCommand::Get { connection_id, config_key, force_refresh, server } => {
            let mut query = vec![("config_key", config_key.as_str())];
            if force_refresh {
                query.push(("force_refresh", "true"));
            }
            let path = ["connections", connection_id.as_str()];
            let answer = server.client_alone().await?.send(Method::GET, &path, &query, None).await?;
            Ok(print_json(&answer)?)
        }
        ConnectionCommand::List { config_key, status, server, output } => {
            list(config_key.as_deref(), status.as_deref(), server, &output).await
        }
        ConnectionCommand::Delete { connection_id, config_key, server } => {
            let path = ["connections", connection_id.as_str()];
            let query = [("config_key", config_key.as_str())];
            let answer = server.client_alone().await?.send(Method::DELETE, &path, &query, None).await?;
            let at_provider = match answer["revocation"].as_str() {
                Some("revoked") => "The provider revoked it.".to_owned(),
                Some("failed") => format!("The provider did not revoke it: {}.", cell(&answer["reason"])),
                _ => "The provider offers no revocation.".to_owned(),
            };
            Ok(print_line(&format!("The connection is deleted. {at_provider}"))?)
        }
        ConnectionCommand::Import { file, replace, server } => import(file, replace, server).await,
        ConnectionCommand::Export { config_key, server } => export(config_key, server).await,
    }
}

async fn list(
    config_key: Option<&str>,
    status: Option<&str>,
    server: ServerArgs,
    output: &OutputArgs,
) -> anyhow::Result<()> {
    let client = server.client_alone().await?;
    let mut connections: Vec<Value> = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let given = [
            ("config_key", config_key),
            ("status", status),
            ("cursor", cursor.as_deref()),
            ("limit", Some("200")),
        ];
        let query: Vec<_> = given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let page = client.send(Method::GET, &["connections"], &query, None).await?;
        connections.extend(page["connections"].as_array().cloned().unwrap_or_default());
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    if output.json {
        return Ok(print_json(&Value::from(connections))?);
    }
    let rows: Vec<_> = connections.iter().map(|one| COLUMNS.map(|name| cell(&one[name])).into()).collect();
    Ok(print_table(&COLUMNS, &rows)?)
}

async fn import(file: PathBuf, replace: bool, server: ServerArgs) -> anyhow::Result<()> {
    let client = server.client_alone().await?;
    let mut reader: Box<dyn BufRead> = if file.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(
            File::open(&file).with_context(|| format!("{} cannot be read", file.display()))?,
        ))
    };
    let query: &[(&str, &str)] = if replace { &[("existing", "replace")] } else { &[] };
    let (mut sent, mut failed) = (0_u64, 0_u64);
    loop {
        let mut lines = String::new();
        let mut count = 0;
        while count < BATCH && reader.read_line(&mut lines)? > 0 {
            count += 1;
        }
        if count == 0 {
            break;
        }
        let batch = client.import(query, lines).await;
        let report = batch.with_context(|| format!("stopped at line {}; run the command again", sent + 1))?;
        for failure in report["failures"].as_array().into_iter().flatten() {
            let line = sent + failure["line"].as_u64().unwrap_or_default();
            eprintln!("line {line}: {} ({})", cell(&failure["detail"]), cell(&failure["code"]));
        }
        let number = |name: &str| report[name].as_u64().unwrap_or_default();
        failed += number("failed");
        sent += count as u64;
        eprintln!(
            "{sent} lines: {} created, {} replaced, {} kept, {} failed in the last {count}",
            number("created"),
            number("replaced"),
            number("kept"),
            number("failed")
        );
    }
    if failed > 0 {
        bail!("{failed} of {sent} lines were not imported; mend and import them again");
    }
    Ok(print_line(&format!("{sent} lines are imported."))?)
}

async fn export(config_key: Option<String>, server: ServerArgs) -> anyhow::Result<()> {
    let client = server.client_alone().await?;
    let mut query: Vec<(String, String)> =
        config_key.into_iter().map(|key| ("config_key".to_owned(), key)).collect();
    query.push(("limit".to_owned(), "200".to_owned()));
    loop {
        let (lines, next) = client.export(&query).await?;
        io::stdout().write_all(lines.as_bytes())?;
        let Some(next) = next else { return Ok(()) };
        query = next;
    }
}
