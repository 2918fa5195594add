//! Three sites, as in real life: the application on 127.0.0.2, the server on localhost, the provider on 127.0.0.3.

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::{
    application::Application,
    browser::Browser,
    handfast::{Handfast, Settings},
    http,
    provider::Gateway,
};

/// The provider's button that consents.
pub const ALLOW: &str = "[name=decision][value=allow]";
/// The provider's button that refuses.
pub const DENY: &str = "[name=decision][value=deny]";

/// Everything that takes part.
pub struct World {
    /// A second `handfast serve --demo`: to the server a provider like any other.
    pub provider: Handfast,
    /// The provider's metadata (RFC 8414).
    pub metadata: Value,
    /// What stands before it where a test counts or spoils.
    pub gateway: Gateway,
    /// The server under test.
    pub server: Handfast,
    /// The web application.
    pub application: Application,
}

/// The integrations of the server, each with another way to the same provider.
///
/// `direct` goes straight to the issuer; `counted` by way of the gateway; the rest by way of a gateway that behaves as
/// the name says.
pub const INTEGRATIONS: &[&str] = &["direct", "counted", "isolated", "isolated_later", "hostile"];

const SCOPES: &str = "openid,profile,email,offline_access";

impl World {
    /// Starts everything, with access tokens of the usual lifetime.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(Settings::demo(), Settings::new()).await
    }

    /// The same with settings of one's own for the provider and the server.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn start_with(provider: Settings, server: Settings) -> anyhow::Result<Self> {
        let provider = provider.start("127.0.0.3")?;
        let metadata = metadata(&provider).await?;
        let gateway = Gateway::start(&metadata).await?;
        let server = server.configuration(&providers(&metadata, &gateway)?).start("127.0.0.1")?;
        let application = Application::start("127.0.0.2").await?;
        let world = Self { provider, metadata, gateway, server, application };
        let (client_id, client_secret) = world.register().await?;
        for name in INTEGRATIONS {
            let provider = format!("test_{name}");
            let origin = world.application.origin();
            let names = [name, provider.as_str(), &client_id, &client_secret, SCOPES];
            world
                .server
                .command(&[&["config", "create", "--origin", &origin, "--"], names.as_slice()].concat())?;
        }
        Ok(world)
    }

    /// A browser that shows the application's page.
    ///
    /// # Errors
    /// When the browser does not start.
    pub async fn browser(&self) -> anyhow::Result<Browser> {
        let browser = Browser::start().await?;
        browser.open_application(&self.application.page(&[]), self.server.url()).await?;
        Ok(browser)
    }

    /// A connection made in a browser, as in real life.
    ///
    /// # Errors
    /// When it does not come about.
    pub async fn connect(&self, config_key: &str, connection_id: &str) -> anyhow::Result<()> {
        let browser = self.browser().await?;
        browser.connect(config_key, connection_id).await?;
        browser.to_popup().await?;
        browser.log_in_and_allow("ada").await?;
        let answer = browser.answer(connection_id).await?;
        answer.get("resolved").with_context(|| format!("{answer}"))?;
        Ok(())
    }

    /// The connection as the application's backend asks for it, with the status of the answer.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn connection(&self, config_key: &str, connection_id: &str) -> anyhow::Result<(u16, Value)> {
        // Not by the `url` crate, which drops line breaks.
        let encoded: String = url::form_urlencoded::byte_serialize(connection_id.as_bytes()).collect();
        let encoded = encoded.replace('+', "%20");
        let address = format!("{}/connection/{encoded}?config_key={config_key}", self.server.url());
        let answer = http().get(address).send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    /// The fresh access token of a connection that exists.
    ///
    /// # Errors
    /// When the answer holds none.
    pub async fn access_token(&self, config_key: &str, connection_id: &str) -> anyhow::Result<String> {
        let (status, connection) = self.connection(config_key, connection_id).await?;
        let token = connection["credentials"]["access_token"].as_str();
        Ok(token.with_context(|| format!("no access token: {status} {connection}"))?.to_owned())
    }

    /// Who the provider says the token's user is (OpenID Connect Core 5.3).
    ///
    /// # Errors
    /// When it does not accept the token.
    pub async fn userinfo(&self, access_token: &str) -> anyhow::Result<Value> {
        let endpoint = self.metadata["userinfo_endpoint"].as_str().context("the issuer has userinfo")?;
        let answer = http().get(endpoint).bearer_auth(access_token).send().await?;
        ensure!(answer.status().is_success(), "userinfo answers {}", answer.status());
        Ok(answer.json().await?)
    }

    /// Registers the server as a client of the provider.
    async fn register(&self) -> anyhow::Result<(String, String)> {
        let client = json!({
            "app_name": "The server under test",
            "owner_id": "tests",
            "redirect_uri": [format!("{}/oauth/callback", self.server.url())],
            "profile": "standard",
            "token_endpoint_auth_method": "client_secret_post",
            "scopes": ["openid", "profile", "email", "offline_access"],
        });
        let address = format!("{}/api/app", self.provider.url());
        let answer = http().post(address).json(&client).send().await?;
        let status = answer.status();
        let registered: Value = answer.json().await?;
        let text = |name: &str| registered[name].as_str().map(str::to_owned);
        text("client_id").zip(text("client_secret")).with_context(|| format!("{status} {registered}"))
    }
}

impl Browser {
    /// In the provider's window: logs in as this person and consents.
    ///
    /// # Errors
    /// When a page is not what it should be.
    pub async fn log_in_and_allow(&self, person: &str) -> anyhow::Result<()> {
        self.log_in(person).await?;
        self.click(ALLOW).await
    }

    /// In the provider's window: logs in as this person.
    ///
    /// # Errors
    /// When a page is not what it should be.
    pub async fn log_in(&self, person: &str) -> anyhow::Result<()> {
        self.click(&format!("[name=user][value={person}]")).await
    }
}

async fn metadata(provider: &Handfast) -> anyhow::Result<Value> {
    let (status, metadata) = provider.read("/auth/oauth2/.well-known/openid-configuration").await?;
    ensure!(status == 200, "the provider's metadata answers {status}");
    Ok(metadata)
}

/// The catalogue entries of the integrations, as an operator writes them.
fn providers(metadata: &Value, gateway: &Gateway) -> anyhow::Result<String> {
    let text = |name: &str| metadata[name].as_str().with_context(|| format!("the metadata has no {name}"));
    let mut toml = String::from("danger_allow_private_addresses = true\n");
    for name in INTEGRATIONS {
        let (authorize, token) = match *name {
            "direct" => (text("authorization_endpoint")?.to_owned(), text("token_endpoint")?.to_owned()),
            "counted" => (gateway.url("/authorize"), gateway.url("/token")),
            manner => (gateway.url(&format!("/authorize/{manner}")), gateway.url("/token")),
        };
        let more = format!(
            "\n[providers.test_{name}]\ndisplay_name = \"Test\"\nauthorization_endpoint = \"{authorize}\"\n\
             token_endpoint = \"{token}\"\nissuer = \"{}\"\nauthorization_response_iss_parameter_supported = {}\n\
             evidence = \"documentation\"\n",
            text("issuer")?,
            // The hostile one names no issuer with its refusal.
            *name != "hostile",
        );
        toml.push_str(&more);
    }
    Ok(toml)
}
