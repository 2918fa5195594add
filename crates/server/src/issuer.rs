//! The issuer with this server's storage, clock and randomness; its settings; and what it offers a demonstration.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use axum::http::HeaderValue;
use handfast_issuer::{ClientMetadata, ClientProfile, IssuerSettings, RedirectUri, ScopeDescription};
use handfast_protocol::{Keyring, Secret, Sha256Hash, random_token};
use serde::{Deserialize, Deserializer};
use url::Url;

use crate::{
    config::Config,
    storage::Storage,
    system::{SystemClock, SystemRandomness},
};

/// The authorization server as it runs here.
pub(crate) type Issuer = handfast_issuer::Issuer<Storage, SystemClock, SystemRandomness>;

/// The section `[issuer]` of the configuration file. Lifetimes are in seconds.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IssuerConfig {
    login_url: Option<String>,
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
    #[serde(default, deserialize_with = "secret")]
    initial_access_token: Option<Secret<String>>,
    /// Scopes of the operator's API, each with a sentence for the consent page.
    #[serde(default)]
    scopes: BTreeMap<String, String>,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret<String>>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}

/// What the operator decided about the issuer's HTTP side.
#[derive(Clone, Debug, Default)]
pub(crate) struct IssuerRules {
    /// The Cross-Origin-Opener-Policy of the issuer's pages; none unless the operator wants one.
    pub(crate) opener_policy: Option<HeaderValue>,
    /// The hash of the token that lets clients register themselves (RFC 7591 3).
    pub(crate) initial_access_token: Option<Sha256Hash>,
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
    pub(crate) fn rules(&self) -> anyhow::Result<IssuerRules> {
        let token = self.initial_access_token.as_ref();
        Ok(IssuerRules {
            opener_policy: self.opener_policy()?,
            initial_access_token: token.map(|token| Sha256Hash::of(token.expose())),
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

/// Puts the issuer together where it is turned on. Its keys are made ready beside the first requests.
pub(crate) async fn start(
    config: &Config,
    public_url: &Url,
    storage: &Storage,
    keyring: &Arc<Keyring>,
) -> anyhow::Result<Option<Arc<Issuer>>> {
    let Some(settings) = config.issuer.settings(public_url, config.demo)? else { return Ok(None) };
    let issuer = Issuer::new(settings, storage.clone(), SystemClock, SystemRandomness, Arc::clone(keyring));
    let issuer = Arc::new(issuer);
    if config.demo {
        register_example_clients(&issuer).await?;
    }
    let early = Arc::clone(&issuer);
    tokio::spawn(async move {
        if let Err(error) = early.prepare_keys().await {
            tracing::error!(%error, "the issuer's signing keys are not ready");
        }
    });
    Ok(Some(issuer))
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

/// The two example applications of a demonstration, whose secrets everybody knows.
async fn register_example_clients(issuer: &Issuer) -> anyhow::Result<()> {
    for (client_id, name, secret) in
        [("client1", "Client 1 App", "secret1"), ("client2", "Client 2 App", "secret2")]
    {
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
