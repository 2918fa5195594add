//! Authorization servers that no one here wrote, found by nothing but their issuer's address.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use anyhow::{Context, ensure};
use end_to_end::{
    application::Application,
    browser::Browser,
    eventually,
    handfast::{Handfast, Settings},
    published,
};
use serde_json::{Value, json};
use xtask::program::{self, Running};

/// An OpenID Provider certified by its foundation: its development pages, short-lived tokens, rotation, registration.
const OIDC_PROVIDER: &str = r"
import { createServer } from 'node:http';
import Provider from 'oidc-provider';
const server = createServer();
server.listen(0, '127.0.0.3', () => {
  const issuer = `http://127.0.0.3:${server.address().port}`;
  const provider = new Provider(issuer, {
    features: { registration: { enabled: true }, devInteractions: { enabled: true }, revocation: { enabled: true } },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    ttl: { AccessToken: 5, AuthorizationCode: 60, IdToken: 60, RefreshToken: 600, Grant: 600, Interaction: 600, Session: 600 },
  });
  server.on('request', provider.callback());
  console.log(issuer);
});
";

/// A server for tests that grants everything at once.
const OAUTH2_MOCK_SERVER: &str = r"
import { OAuth2Server } from 'oauth2-mock-server';
const server = new OAuth2Server();
await server.issuer.keys.generate('RS256');
await server.start(0, '127.0.0.3');
server.issuer.url = `http://127.0.0.3:${server.address().port}`;
console.log(server.issuer.url);
";

/// A provider, our server that knows its address, and an application.
struct Others {
    issuer: String,
    metadata: Value,
    server: Handfast,
    application: Application,
    _provider: Running,
}

impl Others {
    async fn start(script: &str, more: &str) -> anyhow::Result<Self> {
        let mut command = program::bound_to_us("node");
        command
            .args(["--input-type=module", "--eval", script])
            .current_dir(published::providers_folder()?)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut provider = Running::start(&mut command)?;
        let output = provider.child().stdout.take().context("its output was asked for")?;
        let issuer = BufReader::new(output).lines().next().context("the provider ended")??;
        let entry = format!(
            "danger_allow_private_addresses = true\n[providers.other]\ndisplay_name = \"Other\"\n\
             issuer = \"{issuer}\"\nevidence = \"documentation\"\n{more}"
        );
        let server = Settings::new().configuration(&entry).start("127.0.0.1")?;
        let application = Application::start("127.0.0.2").await?;
        let metadata =
            reqwest::get(format!("{issuer}/.well-known/openid-configuration")).await?.json().await?;
        Ok(Self { issuer, metadata, server, application, _provider: provider })
    }

    fn integrate(&self, client_id: &str, client_secret: &str) -> anyhow::Result<()> {
        let names = ["other", "other", client_id, client_secret, "openid,offline_access"];
        self.server.command(&[&["config", "create", "--"], names.as_slice()].concat()).map(drop)
    }

    async fn browser(&self) -> anyhow::Result<Browser> {
        let browser = Browser::start().await?;
        browser.open_application(&self.application.page(&[]), self.server.url()).await?;
        browser.connect("other", "user-1").await?;
        Ok(browser)
    }

    async fn access_token(&self, more: &str) -> anyhow::Result<String> {
        let (status, connection) =
            self.server.read(&format!("/connections/user-1?config_key=other{more}")).await?;
        let token = connection["credentials"]["access_token"].as_str();
        Ok(token.with_context(|| format!("{status} {connection}"))?.to_owned())
    }

    async fn userinfo(&self, access_token: &str) -> anyhow::Result<Value> {
        let endpoint = self.metadata["userinfo_endpoint"].as_str().context("the issuer has userinfo")?;
        let answer = reqwest::Client::new().get(endpoint).bearer_auth(access_token).send().await?;
        ensure!(answer.status().is_success(), "userinfo answers {}", answer.status());
        Ok(answer.json().await?)
    }
}

#[tokio::test]
async fn oidc_provider_connects_and_its_rotating_tokens_stay_fresh() -> anyhow::Result<()> {
    // This provider grants offline access only where consent is asked for.
    let others = Others::start(OIDC_PROVIDER, "authorization_params = { prompt = \"consent\" }\n").await?;
    let client = json!({
        "client_name": "The server under test",
        "redirect_uris": [format!("{}/oauth/callback", others.server.url())],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "client_secret_basic",
    });
    let registered =
        reqwest::Client::new().post(format!("{}/reg", others.issuer)).json(&client).send().await?;
    let registered: Value = registered.json().await?;
    let text = |name: &str| registered[name].as_str().with_context(|| format!("{registered}"));
    others.integrate(text("client_id")?, text("client_secret")?)?;

    let browser = others.browser().await?;
    browser.to_popup().await?;
    browser.type_into("[name=login]", "ada").await?;
    browser.type_into("[name=password]", "any").await?;
    browser.click(".login-submit").await?;
    browser.element("[name=prompt][value=consent]").await?;
    browser.click("[type=submit]").await?;
    let answer = browser.answer("user-1").await?;
    assert_eq!(answer["resolved"]["connectionId"], "user-1", "{answer}");

    let mut tokens = vec![others.access_token("").await?];
    assert_eq!(others.userinfo(&tokens[0]).await?["sub"], "ada");
    for _ in 0..2 {
        let next = eventually("the token is renewed", async || {
            let token = others.access_token("").await.ok()?;
            (!tokens.contains(&token)).then_some(token)
        });
        let next = next.await;
        assert_eq!(others.userinfo(&next).await?["sub"], "ada");
        tokens.push(next);
    }
    Ok(())
}

#[tokio::test]
async fn oauth2_mock_server_connects_and_refreshes() -> anyhow::Result<()> {
    let others = Others::start(OAUTH2_MOCK_SERVER, "").await?;
    others.integrate("client", "secret")?;
    let browser = others.browser().await?;
    let answer = browser.answer("user-1").await?;
    assert_eq!(answer["resolved"]["connectionId"], "user-1", "{answer}");
    let first = others.access_token("").await?;
    others.userinfo(&first).await?;
    let second = others.access_token("&force_refresh=true").await?;
    others.userinfo(&second).await?;
    Ok(())
}
