//! `handfast config`: integrations.

use std::io::Read;

use anyhow::Context;
use clap::{Args, Subcommand};
use handfast_protocol::Scopes;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{
    client::ServerArgs,
    output::{OutputArgs, cell, print_json, print_line, print_table},
};

#[derive(Subcommand)]
pub(super) enum ConfigCommand {
    /// Create an integration.
    Create(CreateArgs),
    /// List integrations.
    List {
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Show an integration.
    Get {
        /// What you call it
        config_key: String,
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Edit an integration; what is left out stays as it is.
    Edit(EditArgs),
    /// Delete an integration that has no connections.
    Delete {
        /// What you call it
        config_key: String,
        #[command(flatten)]
        server: ServerArgs,
    },
}

#[derive(Args)]
pub(super) struct CreateArgs {
    /// What you call it: letters, digits, dots, underscores, tildes or hyphens
    config_key: String,
    /// The provider, as the catalogue or the server's configuration names it
    provider: String,
    /// The client id that the provider gave you
    client_id: String,
    /// The client secret; - reads it from standard input, "" is none
    client_secret: String,
    /// What to ask for, separated by commas
    #[arg(default_value = "")]
    scopes: String,
    #[command(flatten)]
    more: MoreArgs,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Args)]
pub(super) struct EditArgs {
    /// What you call it
    config_key: String,
    /// The provider, as the catalogue or the server's configuration names it
    provider: Option<String>,
    /// The client id that the provider gave you
    client_id: Option<String>,
    /// The client secret; - reads it from standard input, "" is none
    client_secret: Option<String>,
    /// What to ask for, separated by commas
    scopes: Option<String>,
    /// Change the client secret alone; it is read from standard input
    #[arg(long, conflicts_with = "client_secret")]
    client_secret_stdin: bool,
    /// Change the scopes alone
    #[arg(long, value_name = "SCOPES", conflicts_with = "scopes")]
    only_scopes: Option<String>,
    #[command(flatten)]
    more: MoreArgs,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Args)]
struct MoreArgs {
    /// A page origin that may start an attempt, such as `https://app.example.com`; repeatable, replaces the list
    #[arg(long = "origin", value_name = "URL")]
    origins: Vec<String>,
    /// Whether published Pizzly clients may start an attempt, by GET and without a connect token
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    legacy_start: Option<bool>,
    /// The https address of your page that install links from the provider's side lead to
    #[arg(long, value_name = "URL")]
    install_url: Option<String>,
    /// An address that redirect mode may go back to, such as `https://app.example.com/settings`; repeatable, replaces the
    /// list
    #[arg(long = "return-to", value_name = "URL")]
    return_to: Vec<String>,
    /// Which redirect URI is registered at the provider: `/oauth/callback`, or `/oauth/callback/{config_key}`
    #[arg(long, value_name = "KIND", value_parser = ["shared", "own"])]
    redirect_uri: Option<String>,
    /// Set a field of the provider's entry yourself, such as `token_endpoint=https://..`; JSON values are read as JSON
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    overrides: Vec<String>,
}

impl MoreArgs {
    fn add_to(self, fields: &mut Map<String, Value>) -> anyhow::Result<()> {
        if !self.origins.is_empty() {
            fields.insert("allowed_origins".to_owned(), json!(self.origins));
        }
        if let Some(legacy_start) = self.legacy_start {
            fields.insert("legacy_start".to_owned(), json!(legacy_start));
        }
        if let Some(install_url) = self.install_url {
            fields.insert("install_url".to_owned(), json!(install_url));
        }
        if !self.return_to.is_empty() {
            fields.insert("allowed_return_to".to_owned(), json!(self.return_to));
        }
        if let Some(kind) = self.redirect_uri {
            fields.insert("redirect_uri_kind".to_owned(), json!(kind));
        }
        if !self.overrides.is_empty() {
            let overrides = self.overrides.iter().map(|text| parse_override(text));
            let overrides = overrides.collect::<anyhow::Result<_>>()?;
            fields.insert("provider_overrides".to_owned(), Value::Object(overrides));
        }
        Ok(())
    }
}

fn parse_override(text: &str) -> anyhow::Result<(String, Value)> {
    let (field, value) = text.split_once('=').with_context(|| format!("--set {text}: write FIELD=VALUE"))?;
    Ok((field.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| json!(value))))
}

const COLUMNS: [&str; 7] =
    ["config_key", "provider_name", "client_id", "scopes", "allowed_origins", "legacy_start", "created_at"];

pub(super) async fn run(command: ConfigCommand) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Create(args) => create(args).await,
        ConfigCommand::Edit(args) => edit(args).await,
        ConfigCommand::List { server, output } => {
            let answer = server.client().await?.send(Method::GET, &["integrations"], &[], None).await?;
            if output.json {
                return Ok(print_json(&answer)?);
            }
            let integrations = answer["integrations"].as_array().map(Vec::as_slice).unwrap_or_default();
            if integrations.is_empty() {
                return Ok(print_line("There are no integrations yet; `handfast config create` makes one.")?);
            }
            let rows: Vec<_> =
                integrations.iter().map(|one| COLUMNS.map(|name| cell(&one[name])).into()).collect();
            Ok(print_table(&COLUMNS, &rows)?)
        }
        ConfigCommand::Get { config_key, server, output } => {
            let path = ["integrations", config_key.as_str()];
            show(&server.client().await?.send(Method::GET, &path, &[], None).await?, &output)
        }
        ConfigCommand::Delete { config_key, server } => {
            let path = ["integrations", config_key.as_str()];
            server.client().await?.send(Method::DELETE, &path, &[], None).await?;
            Ok(print_line(&format!("The integration {config_key} is deleted."))?)
        }
    }
}

async fn create(args: CreateArgs) -> anyhow::Result<()> {
    let mut fields = Map::new();
    fields.insert("config_key".to_owned(), json!(args.config_key));
    fields.insert("provider_name".to_owned(), json!(args.provider));
    fields.insert("client_id".to_owned(), json!(args.client_id));
    fields.insert("client_secret".to_owned(), json!(given_or_stdin(args.client_secret)?));
    fields.insert("scopes".to_owned(), json!(Scopes::parse_list(&args.scopes)));
    args.more.add_to(&mut fields)?;
    let client = args.server.client().await?;
    let answer = client.send(Method::POST, &["integrations"], &[], Some(&fields.into())).await?;
    if args.output.json {
        return Ok(print_json(&answer)?);
    }
    let (key, redirect_uri) = (cell(&answer["config_key"]), cell(&answer["redirect_uri"]));
    Ok(print_line(&format!(
        "The integration {key} is ready. Its redirect URI at the provider: {redirect_uri}"
    ))?)
}

async fn edit(args: EditArgs) -> anyhow::Result<()> {
    let mut fields = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            fields.insert(name.to_owned(), value);
        }
    };
    let secret = if args.client_secret_stdin { Some("-".to_owned()) } else { args.client_secret };
    let scopes = args.scopes.or(args.only_scopes);
    set("provider_name", args.provider.map(Value::from));
    set("client_id", args.client_id.map(Value::from));
    set("client_secret", secret.map(given_or_stdin).transpose()?.map(Value::from));
    set("scopes", scopes.map(|scopes| json!(Scopes::parse_list(&scopes))));
    args.more.add_to(&mut fields)?;
    let path = ["integrations", args.config_key.as_str()];
    let answer = args.server.client().await?.send(Method::PATCH, &path, &[], Some(&fields.into())).await?;
    show(&answer, &args.output)
}

fn show(integration: &Value, output: &OutputArgs) -> anyhow::Result<()> {
    if output.json {
        return Ok(print_json(integration)?);
    }
    let fields = integration.as_object().into_iter().flatten();
    let rows: Vec<_> = fields.map(|(name, value)| vec![name.clone(), cell(value)]).collect();
    Ok(print_table(&["field", "value"], &rows)?)
}

/// A command line is seen by every user of the machine; standard input is not.
fn given_or_stdin(secret: String) -> anyhow::Result<String> {
    if secret != "-" {
        return Ok(secret);
    }
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .context("the client secret cannot be read from standard input")?;
    Ok(text.trim().to_owned())
}
