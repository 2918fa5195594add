//! The demonstration: broker and issuer of this server, registered with each other like any two strangers.

use anyhow::Context;
use handfast_broker::{Catalog, IntegrationEdit, IntegrationRules, NewIntegration, Provider, UrlTemplate};
use handfast_protocol::{Clock, ConfigKey, Scopes};
use serde_json::Map;

use crate::{
    app::App,
    issuer,
    system::{SystemClock, SystemRandomness},
};

/// What provider and integration are called.
const NAME: &str = "demo";

/// Adds the issuer to the providers, known by its metadata alone.
pub(crate) fn add_provider(catalog: &mut Catalog, issuer: &str) -> anyhow::Result<()> {
    let provider = Provider {
        display_name: "Handfast demo".to_owned(),
        issuer: Some(UrlTemplate::parse(issuer).map_err(anyhow::Error::msg)?),
        authorization_response_iss_parameter_supported: true,
        ..Provider::default()
    };
    Ok(catalog.insert(NAME.to_owned(), provider)?)
}

/// Registers the broker with the issuer, and keeps the registration as the integration `demo`. Each start does so
/// anew, because the port may be another.
pub(crate) async fn register(app: &App) -> anyhow::Result<()> {
    let issuer = app.issuer().context("the demonstration has no issuer")?;
    let redirect_uris = ["/oauth/callback".to_owned(), format!("/oauth/callback/{NAME}")];
    let redirect_uris = redirect_uris.map(|path| app.policy().address(&path));
    let (client_id, client_secret) = issuer::register_demo_client(issuer, &redirect_uris).await?;
    let config_key = ConfigKey::parse(NAME)?;
    let (book, now) = (app.integrations(), SystemClock.now());
    if book.stored(&config_key).await?.is_some() {
        let edit = IntegrationEdit { client_secret: Some(client_secret), ..IntegrationEdit::default() };
        book.edit(&config_key, edit, now, &SystemRandomness).await?;
        return Ok(());
    }
    let new = NewIntegration {
        config_key,
        provider_name: NAME.to_owned(),
        provider_overrides: Map::new(),
        client_id: client_id.to_owned(),
        client_secret: Some(client_secret),
        rules: IntegrationRules {
            scopes: Scopes::parse_list("openid profile email offline_access"),
            ..IntegrationRules::default()
        },
    };
    book.create(new, now, &SystemRandomness).await?;
    Ok(())
}
