//! The issuer with this server's storage, clock and randomness; its settings; and what it offers a demonstration.

mod documents;
mod rules;

use std::{collections::BTreeMap, io::Write, net::IpAddr, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use axum::http::HeaderValue;
use handfast_broker::ApiKeyScope;
use handfast_issuer::{ClientMetadata, ClientProfile, IssuerSettings, RedirectUri, ScopeDescription};
use handfast_protocol::{Keyring, Secret, Sha256Hash, random_token};
use serde::{Deserialize, Deserializer};
use url::Url;

pub(crate) use rules::{IssuerRules, UserinfoClient};

use crate::{
    app::App,
    config::Config,
    http::Limits,
    storage::Storage,
    system::{SystemClock, SystemRandomness},
    token_client::TokenClient,
};

/// The authorization server as it runs here.
pub(crate) type Issuer = handfast_issuer::Issuer<Storage, TokenClient, SystemClock, SystemRandomness>;

/// The section `[issuer]` of the configuration file. Lifetimes are in seconds.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IssuerConfig {
    login_url: Option<String>,
    /// What the pages call the operator's product.
    name: Option<String>,
    access_token_lifetime: Option<u64>,
    refresh_token_lifetime: Option<u64>,
    grant_lifetime: Option<u64>,
    key_lifetime: Option<u64>,
    default_resource: Option<String>,
    #[serde(default)]
    resources: Vec<String>,
    userinfo_url: Option<String>,
    cross_origin_opener_policy: Option<String>,
    legacy_clients: Option<bool>,
    #[serde(default, deserialize_with = "secret")]
    initial_access_token: Option<Secret<String>>,
    /// Scopes of the operator's API, each with a sentence for the consent page.
    #[serde(default)]
    scopes: BTreeMap<String, String>,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret<String>>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}

/// The variables by which the environment sets the same.
pub(crate) const VARIABLES: &[&str] = &[
    "HANDFAST_ISSUER_LOGIN_URL",
    "HANDFAST_ISSUER_NAME",
    "HANDFAST_ISSUER_ACCESS_TOKEN_LIFETIME",
    "HANDFAST_ISSUER_REFRESH_TOKEN_LIFETIME",
    "HANDFAST_ISSUER_GRANT_LIFETIME",
    "HANDFAST_ISSUER_KEY_LIFETIME",
    "HANDFAST_ISSUER_DEFAULT_RESOURCE",
    "HANDFAST_ISSUER_RESOURCES",
    "HANDFAST_ISSUER_USERINFO_URL",
    "HANDFAST_ISSUER_CROSS_ORIGIN_OPENER_POLICY",
    "HANDFAST_ISSUER_INITIAL_ACCESS_TOKEN",
    "HANDFAST_ISSUER_LEGACY_CLIENTS",
];

impl IssuerConfig {
    /// Lets the environment win over the file. `variable` reads one of [`VARIABLES`].
    pub(crate) fn over(mut self, variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let seconds = |name: &str| {
            let text = variable(name);
            let read = text.as_deref().map(str::parse::<u64>).transpose();
            read.with_context(|| format!("{name} must be a number of seconds"))
        };
        self.login_url = variable("HANDFAST_ISSUER_LOGIN_URL").or(self.login_url);
        self.name = variable("HANDFAST_ISSUER_NAME").or(self.name);
        self.access_token_lifetime =
            seconds("HANDFAST_ISSUER_ACCESS_TOKEN_LIFETIME")?.or(self.access_token_lifetime);
        self.refresh_token_lifetime =
            seconds("HANDFAST_ISSUER_REFRESH_TOKEN_LIFETIME")?.or(self.refresh_token_lifetime);
        self.grant_lifetime = seconds("HANDFAST_ISSUER_GRANT_LIFETIME")?.or(self.grant_lifetime);
        self.key_lifetime = seconds("HANDFAST_ISSUER_KEY_LIFETIME")?.or(self.key_lifetime);
        self.default_resource = variable("HANDFAST_ISSUER_DEFAULT_RESOURCE").or(self.default_resource);
        if let Some(list) = variable("HANDFAST_ISSUER_RESOURCES") {
            self.resources = list.split(',').map(|resource| resource.trim().to_owned()).collect();
        }
        self.userinfo_url = variable("HANDFAST_ISSUER_USERINFO_URL").or(self.userinfo_url);
        self.cross_origin_opener_policy =
            variable("HANDFAST_ISSUER_CROSS_ORIGIN_OPENER_POLICY").or(self.cross_origin_opener_policy);
        self.legacy_clients = match variable("HANDFAST_ISSUER_LEGACY_CLIENTS").as_deref() {
            None => self.legacy_clients,
            Some("true" | "1") => Some(true),
            Some("false" | "0") => Some(false),
            Some(other) => bail!("HANDFAST_ISSUER_LEGACY_CLIENTS: {other:?} is neither true nor false"),
        };
        self.initial_access_token =
            variable("HANDFAST_ISSUER_INITIAL_ACCESS_TOKEN").map(Secret::new).or(self.initial_access_token);
        Ok(self)
    }

    /// The issuer's settings; none where it is not turned on, which takes a login URL or the demonstration.
    pub(crate) fn settings(&self, public_url: &Url, demo: bool) -> anyhow::Result<Option<IssuerSettings>> {
        if self.login_url.is_none() && !demo {
            return Ok(None);
        }
        let mut settings = IssuerSettings::new(public_url);
        settings.demo = demo;
        settings.login_url =
            self.login_url.as_deref().map(|text| parse_url("login_url", text)).transpose()?;
        settings.userinfo_url =
            self.userinfo_url.as_deref().map(|text| parse_url("userinfo_url", text)).transpose()?;
        settings.name.clone_from(self.name.as_ref().unwrap_or(&settings.name.clone()));
        settings.default_resource.clone_from(&self.default_resource);
        settings.resources.clone_from(&self.resources);
        let replace = |own: &mut Duration, seconds: Option<u64>| {
            *own = seconds.map_or(*own, Duration::from_secs);
        };
        replace(&mut settings.access_token_lifetime, self.access_token_lifetime);
        replace(&mut settings.refresh_token_lifetime, self.refresh_token_lifetime);
        replace(&mut settings.grant_lifetime, self.grant_lifetime);
        replace(&mut settings.key_lifetime, self.key_lifetime);
        let described = self.scopes.iter();
        settings.scopes = described
            .map(|(scope, description)| ScopeDescription {
                scope: scope.clone(),
                description: description.clone(),
            })
            .collect();
        Ok(Some(settings))
    }

    /// The rules that the HTTP side keeps by itself.
    pub(crate) fn rules(&self, demo: bool, trusted_proxies: &[IpAddr]) -> anyhow::Result<IssuerRules> {
        /// More unknown tokens than a program meets by chance.
        const UNKNOWN_TOKENS_PER_MINUTE: u32 = 60;
        /// More codes than fingers type.
        const USER_CODES_PER_MINUTE: u32 = 10;
        let token = self.initial_access_token.as_ref();
        let limits = |per_minute| Arc::new(Limits::new(per_minute, trusted_proxies.to_vec()));
        Ok(IssuerRules {
            opener_policy: self.opener_policy()?,
            initial_access_token: token.map(|token| Sha256Hash::of(token.expose())),
            legacy_clients: self.legacy_clients.unwrap_or(demo),
            introspections: limits(UNKNOWN_TOKENS_PER_MINUTE),
            user_codes: limits(USER_CODES_PER_MINUTE),
            userinfo_client: match self.userinfo_url {
                Some(_) => UserinfoClient::new()?,
                None => UserinfoClient::default(),
            },
        })
    }

    fn opener_policy(&self) -> anyhow::Result<Option<HeaderValue>> {
        const KNOWN: [&str; 4] =
            ["same-origin", "same-origin-allow-popups", "noopener-allow-popups", "unsafe-none"];
        let Some(policy) = self.cross_origin_opener_policy.as_deref() else { return Ok(None) };
        let Some(known) = KNOWN.into_iter().find(|known| *known == policy) else {
            bail!("issuer.cross_origin_opener_policy: {policy:?} must be one of {}", KNOWN.join(", "));
        };
        Ok(Some(HeaderValue::from_static(known)))
    }
}

fn parse_url(setting: &str, text: &str) -> anyhow::Result<Url> {
    let url = Url::parse(text).with_context(|| format!("issuer.{setting}: {text:?} is not an address"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        bail!(
            "issuer.{setting}: {text:?} must be an http or https address, such as https://your-app.example.com/connect"
        );
    }
    Ok(url)
}

/// The example applications of a demonstration: id, name and the secret that everybody knows.
const EXAMPLES: [(&str, &str, &str); 2] =
    [("client1", "Client 1 App", "secret1"), ("client2", "Client 2 App", "secret2")];

/// How often what has expired is forgotten.
const FORGET_EVERY: Duration = Duration::from_mins(10);

/// Puts the issuer together where it is turned on. Its keys are made ready beside the first requests.
pub(crate) async fn start(
    config: &Config,
    public_url: &Url,
    storage: &Storage,
    documents: &TokenClient,
    keyring: &Arc<Keyring>,
) -> anyhow::Result<Option<Arc<Issuer>>> {
    let Some(settings) = config.issuer.settings(public_url, config.demo)? else { return Ok(None) };
    let (storage, documents, keyring) = (storage.clone(), documents.clone(), Arc::clone(keyring));
    let issuer = Arc::new(Issuer::new(settings, storage, documents, SystemClock, SystemRandomness, keyring));
    if config.demo {
        register_example_clients(&issuer).await?;
    }
    let early = Arc::clone(&issuer);
    tokio::spawn(async move {
        if let Err(error) = early.prepare_keys().await {
            tracing::error!(%error, "the issuer's signing keys are not ready");
        }
    });
    let keeper = Arc::downgrade(&issuer);
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(FORGET_EVERY);
        loop {
            ticks.tick().await;
            let Some(issuer) = keeper.upgrade() else { return };
            if let Err(error) = issuer.forget_expired().await {
                tracing::warn!(%error, "what has expired could not be forgotten");
            }
        }
    });
    Ok(Some(issuer))
}

/// Makes the operator's application its first API key, where nobody has one yet, and says what a demonstration has
/// ready.
pub(crate) async fn introduce(app: &App, config: &Config, has_api_key: bool) -> anyhow::Result<()> {
    if app.issuer().is_none() {
        return Ok(());
    }
    // Whoever started the server may have closed its output after the first line; that is no reason to stop.
    let mut output = std::io::stdout();
    if !has_api_key {
        let scopes = ApiKeyScope::ALL.to_vec();
        let (_, key) = app.broker().create_api_key("first start", scopes, None, None).await?;
        let _ = writeln!(output, "API Key: {}", key.expose());
    }
    if config.demo {
        for (client_id, name, secret) in EXAMPLES {
            let _ = writeln!(output, "{name}\nClient ID: {client_id}\nClient Secret: {secret}");
        }
    }
    Ok(())
}

/// Registers the demonstration's own client, anew at every start since the address may have changed, and gives its
/// id and secret.
pub(crate) async fn register_demo_client(
    issuer: &Issuer,
    redirect_uris: &[String],
) -> anyhow::Result<(&'static str, Secret<String>)> {
    const CLIENT_ID: &str = "demo";
    let secret = random_token(&SystemRandomness);
    let redirect_uris = redirect_uris.iter().cloned().map(RedirectUri::try_from).collect::<Result<_, _>>()?;
    let metadata = ClientMetadata { redirect_uris, ..ClientMetadata::default() };
    issuer.register_or_replace(CLIENT_ID, Some(&secret), "demo", "Handfast demo", metadata).await?;
    Ok((CLIENT_ID, secret))
}

/// Registers the example applications.
async fn register_example_clients(issuer: &Issuer) -> anyhow::Result<()> {
    for (client_id, name, secret) in EXAMPLES {
        let addresses = [
            "http://localhost:8000/authorized",
            "http://localhost:8080/callback",
            "http://127.0.0.1/callback",
        ];
        let redirect_uris =
            addresses.map(str::to_owned).map(RedirectUri::try_from).into_iter().collect::<Result<_, _>>()?;
        let metadata = ClientMetadata {
            redirect_uris,
            profile: ClientProfile::Connectivly,
            ..ClientMetadata::default()
        };
        let secret = Secret::new(secret.to_owned());
        issuer.register_or_replace(client_id, Some(&secret), "demo", name, metadata).await?;
    }
    Ok(())
}
