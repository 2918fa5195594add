//! `handfast providers`: the catalogue, with the configuration's private entries.

use anyhow::Context;
use clap::Subcommand;
use handfast_broker::{Evidence, Protocol, Provider};
use serde_json::{Value, json};

use super::output::{OutputArgs, print_json, print_line, print_table};
use crate::config::{Config, ConfigArgs, ListenArgs};

/// Show the providers an integration can be made from.
#[derive(Subcommand)]
pub(super) enum ProvidersCommand {
    /// List them all.
    List {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// List those whose name holds every word.
    Search {
        /// The words
        #[arg(required = true)]
        words: Vec<String>,
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Show one, as the table it is.
    Show {
        /// A name or alias, such as github
        name: String,
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
}

pub(super) fn run(command: ProvidersCommand) -> anyhow::Result<()> {
    match command {
        ProvidersCommand::List { config, output } => list("", &config, &output),
        ProvidersCommand::Search { words, config, output } => list(&words.join(" "), &config, &output),
        ProvidersCommand::Show { name, config, output } => show(&name, &config, &output),
    }
}

fn list(query: &str, config: &ConfigArgs, output: &OutputArgs) -> anyhow::Result<()> {
    let catalog = Config::load(config, &ListenArgs::default())?.catalog()?;
    let found = catalog.search(query);
    if output.json {
        let entries = found.into_iter().map(as_json).collect::<anyhow::Result<Vec<_>>>()?;
        return Ok(print_json(&json!({ "providers": entries }))?);
    }
    let rows: Vec<Vec<String>> = found
        .into_iter()
        .map(|provider| {
            let variables: Vec<&str> = provider.variables.keys().map(String::as_str).collect();
            vec![
                provider.name.clone(),
                provider.display_name.clone(),
                protocol(provider).to_owned(),
                variables.join(", "),
                evidence(provider),
            ]
        })
        .collect();
    Ok(print_table(&["NAME", "PROVIDER", "PROTOCOL", "PARAMETERS", "EVIDENCE"], &rows)?)
}

fn show(name: &str, config: &ConfigArgs, output: &OutputArgs) -> anyhow::Result<()> {
    let config = Config::load(config, &ListenArgs::default())?;
    let catalog = config.catalog()?;
    let provider = catalog.find(name).with_context(|| {
        format!("there is no provider called {name}; try `handfast providers search {name}`")
    })?;
    let policy = config.policy(config.public_url_or(config.listen));
    let redirect_uri = (!provider.takes_credentials()).then(|| policy.usual_redirect_uri(provider));
    if output.json {
        let mut entry = as_json(provider)?;
        entry["redirect_uri"] = json!(redirect_uri);
        return Ok(print_json(&entry)?);
    }
    let table = toml::to_string(provider)?;
    print_line(&format!("[{}]\n{}", provider.name, table.trim_end()))?;
    if let Some(redirect_uri) = redirect_uri {
        print_line(&format!("\n# Redirect URI to register at the provider: {redirect_uri}"))?;
    }
    Ok(())
}

fn as_json(provider: &Provider) -> anyhow::Result<Value> {
    let mut entry = serde_json::to_value(provider)?;
    entry["name"] = Value::from(provider.name.as_str());
    Ok(entry)
}

fn protocol(provider: &Provider) -> &'static str {
    match provider.protocol {
        Protocol::Oauth2 => "oauth2",
        Protocol::Oauth1 => "oauth1",
        Protocol::ApiKey => "api_key",
        Protocol::Basic => "basic",
    }
}

fn evidence(provider: &Provider) -> String {
    match provider.evidence {
        Some(Evidence::Sources(count)) => count.to_string(),
        Some(Evidence::Documentation(_)) => "docs".to_owned(),
        None => "own".to_owned(),
    }
}
