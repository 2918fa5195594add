//! `handfast check`: reads the configuration, reaches the database, opens the key, and says what is wrong.

use anyhow::Context;
use handfast_broker::IntegrationBook;
use serde_json::json;

use super::output::{OutputArgs, print_json, print_line, print_table};
use crate::{
    config::{self, Config, ConfigArgs, Exposure, ListenArgs},
    key_file, serve,
};

/// Prints the effective settings, secrets hidden, and everything that would hinder or endanger a server.
pub(super) async fn run(args: &ConfigArgs, output: &OutputArgs) -> anyhow::Result<()> {
    let config = Config::load(args, &ListenArgs::default())?;
    let mut findings = Findings::of_settings(&config);
    if let Err(error) = findings.add_stored(&config).await {
        findings.errors.push(format!("{error:#}"));
    }
    let settings = config.effective();
    if output.json {
        let settings: serde_json::Map<_, _> =
            settings.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
        let (errors, warnings) = (&findings.errors, &findings.warnings);
        print_json(&json!({"settings": settings, "errors": errors, "warnings": warnings}))?;
    } else {
        let rows: Vec<_> = settings.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
        print_table(&["setting", "value"], &rows)?;
        print_line("")?;
        for warning in &findings.warnings {
            print_line(&format!("warning: {warning}"))?;
        }
        for error in &findings.errors {
            print_line(&format!("error: {error}"))?;
        }
    }
    match findings.errors.len() {
        0 if output.json => Ok(()),
        0 => Ok(print_line("The server can start.")?),
        count => {
            anyhow::bail!("{count} {} to be mended", if count == 1 { "thing has" } else { "things have" })
        }
    }
}

/// What hinders a server, and what endangers it.
#[derive(Default)]
struct Findings {
    errors: Vec<String>,
    warnings: Vec<String>,
}

impl Findings {
    fn of_settings(config: &Config) -> Self {
        let mut findings = Self::default();
        for name in config::unknown_variables() {
            findings.warnings.push(format!("the environment holds {name}, which is not a setting"));
        }
        if config.danger_allow_private_addresses {
            findings.warnings.push(
                "danger_allow_private_addresses is on: providers may lead to private addresses".to_owned(),
            );
        }
        findings
    }

    /// What the data folder and the database say; an error is what kept us from looking further.
    async fn add_stored(&mut self, config: &Config) -> anyhow::Result<()> {
        let catalog = config.catalog().context("providers")?;
        let storage = serve::open_storage(config).await.context("data_dir, database_url")?;
        if config.exposure() == Exposure::Public && !serve::has_api_key(config, &storage).await? {
            self.errors.push("a server that other machines can reach needs an API key".to_owned());
        }
        let keyring = key_file::load(config, &storage).await.context("sealing_keys")?;
        let book = IntegrationBook::new(storage, catalog.into(), keyring);
        let public = config.exposure() == Exposure::Public;
        for integration in book.list().await? {
            let key = &integration.config_key;
            if integration.rules.legacy_start {
                self.warnings.push(format!(
                    "the integration {key} has legacy_start: a link in your own pages can start an attempt"
                ));
            }
            if public && integration.rules.allowed_origins.is_empty() && config.allowed_origins.is_empty() {
                self.warnings
                    .push(format!("the integration {key} has no allowed origin: no page can use it"));
            }
            if let Err(error) = book.open(integration) {
                self.errors.push(error.to_string());
            }
        }
        Ok(())
    }
}
