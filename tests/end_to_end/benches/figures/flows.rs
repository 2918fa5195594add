//! The authorization server: full code flows and refreshes, ours beside npm's `oidc-provider`, each on one core.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use end_to_end::{handfast::Settings, published};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use url::{Url, form_urlencoded};
use xtask::program;

use crate::{
    CLIENTS, ROUND, ROUNDS,
    client::{Connection, address_of},
    peers::Peer,
    report::Report,
};

/// Never visited: the flow ends where the browser would be sent here.
const REDIRECT_URI: &str = "http://localhost:1/callback";
/// The pair of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// `oidc-provider` as its documentation starts it: development pages, storage in memory.
const OIDC_PROVIDER: &str = r"
import { createServer } from 'node:http';
import Provider from 'oidc-provider';
const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    features: { registration: { enabled: true }, devInteractions: { enabled: true } },
    rotateRefreshToken: true,
    ttl: { AccessToken: 600, AuthorizationCode: 60, IdToken: 600, RefreshToken: 600, Grant: 600, Interaction: 600, Session: 600 },
  });
  server.on('request', provider.callback());
  console.log(issuer);
});
";

/// Ours keeps everything in SQLite on disk; its peer keeps everything in memory.
pub(crate) async fn measure(report: &mut Report) -> anyhow::Result<()> {
    let mut server = Settings::demo().variable("HANDFAST_LOG", "warn").start("127.0.0.1")?;
    let mut command = program::bound_to_us("node");
    command.args(["--input-type=module", "--eval", OIDC_PROVIDER]);
    let mut peer = Peer::start(command.current_dir(published::providers_folder()?))?;
    keep_on_one_core(server.process_id().context("the server runs")?)?;
    keep_on_one_core(peer.process_id())?;
    let [for_ours, for_theirs] = Issuer::registrations();
    let url = server.url();
    let ours = Issuer::meet(&format!("{url}/auth/oauth2"), &format!("{url}/api/app"), &for_ours).await?;
    let theirs = Issuer::meet(peer.url(), &format!("{}/reg", peer.url()), &for_theirs).await?;
    let mut rates: [Vec<f64>; 4] = Default::default();
    for round in 1..=ROUNDS {
        println!("authorization servers, round {round} of {ROUNDS}");
        rates[0].push(ours.code_flows(CLIENTS, ROUND).await?);
        rates[1].push(theirs.code_flows(CLIENTS, ROUND).await?);
        rates[2].push(ours.refreshes(CLIENTS, ROUND).await?);
        rates[3].push(theirs.refreshes(CLIENTS, ROUND).await?);
    }
    report.rate("code flows on one core, our issuer", &rates[0]);
    report.rate("code flows on one core, oidc-provider", &rates[1]);
    report.rate("refreshes on one core, our issuer", &rates[2]);
    report.rate("refreshes on one core, oidc-provider", &rates[3]);
    Ok(())
}

/// Keeps a program and all its threads on one core, where the system can.
fn keep_on_one_core(process_id: u32) -> anyhow::Result<()> {
    let mut command = Command::new("taskset");
    command.args(["--all-tasks", "--cpu-list", "--pid", "0", &process_id.to_string()]);
    program::run(&mut command).context("`taskset` (util-linux) keeps a program on one core").map(drop)
}

/// An authorization server and our registration there.
#[derive(Clone)]
struct Issuer {
    address: SocketAddr,
    host: String,
    authorization_endpoint: String,
    token_endpoint: String,
    client: (String, String),
}

impl Issuer {
    /// Reads the metadata and registers a client, `at` this path with this request.
    async fn meet(issuer: &str, register_at: &str, request: &Value) -> anyhow::Result<Self> {
        let metadata: Value =
            reqwest::get(format!("{issuer}/.well-known/openid-configuration")).await?.json().await?;
        let registered = reqwest::Client::new().post(register_at).json(request).send().await?;
        let registered: Value = registered.json().await?;
        let text = |json: &Value, name: &str| {
            json[name].as_str().map(str::to_owned).with_context(|| format!("no {name} in {json}"))
        };
        let (address, host) = address_of(issuer)?;
        Ok(Self {
            address,
            host,
            authorization_endpoint: text(&metadata, "authorization_endpoint")?,
            token_endpoint: text(&metadata, "token_endpoint")?,
            client: (text(&registered, "client_id")?, text(&registered, "client_secret")?),
        })
    }

    /// What both are asked to register.
    fn registrations() -> [Value; 2] {
        [
            json!({
                "app_name": "bench", "owner_id": "bench", "redirect_uri": [REDIRECT_URI], "profile": "standard",
                "token_endpoint_auth_method": "client_secret_post", "scopes": ["openid", "offline_access"],
            }),
            json!({
                "client_name": "bench", "redirect_uris": [REDIRECT_URI],
                "grant_types": ["authorization_code", "refresh_token"],
                "token_endpoint_auth_method": "client_secret_post",
            }),
        ]
    }

    /// Full code flows per second: authorization request, login, consent, token request.
    async fn code_flows(&self, clients: usize, length: Duration) -> anyhow::Result<f64> {
        self.rate(clients, length, async |browser, _| browser.code_flow().await.map(drop)).await
    }

    /// Refreshes per second, each with the refresh token that the last one brought.
    async fn refreshes(&self, clients: usize, length: Duration) -> anyhow::Result<f64> {
        self.rate(clients, length, async |browser, token| {
            if token.is_empty() {
                *token = browser.code_flow().await?;
            }
            *token =
                browser.token_request(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await?;
            Ok(())
        })
        .await
    }

    async fn rate(
        &self,
        clients: usize,
        length: Duration,
        act: impl AsyncFn(&mut Browser, &mut String) -> anyhow::Result<()> + Clone + 'static,
    ) -> anyhow::Result<f64> {
        let began_at = Instant::now();
        let acting = tokio::task::LocalSet::new();
        let mut tasks = JoinSet::new();
        for _ in 0..clients {
            let (issuer, act) = (self.clone(), act.clone());
            tasks.spawn_local_on(
                async move {
                    let mut browser = Browser::open(issuer).await?;
                    let (mut done, mut kept) = (0_u32, String::new());
                    while began_at.elapsed() < length {
                        act(&mut browser, &mut kept).await?;
                        done += 1;
                    }
                    anyhow::Ok(done)
                },
                &acting,
            );
        }
        acting.await;
        let mut done = 0;
        while let Some(more) = tasks.join_next().await {
            done += more??;
        }
        Ok(f64::from(done) / began_at.elapsed().as_secs_f64())
    }
}

/// A browser that follows redirects, keeps cookies, and answers the two kinds of form it meets.
struct Browser {
    issuer: Issuer,
    connection: Connection,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    async fn open(issuer: Issuer) -> anyhow::Result<Self> {
        let connection = Connection::open(issuer.address).await?;
        Ok(Self { issuer, connection, cookies: BTreeMap::new() })
    }

    /// A whole flow in a fresh profile; hands back the refresh token.
    async fn code_flow(&mut self) -> anyhow::Result<String> {
        self.cookies.clear();
        let mut request = Url::parse(&self.issuer.authorization_endpoint)?;
        request.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &self.issuer.client.0),
            ("redirect_uri", REDIRECT_URI),
            ("scope", "openid offline_access"),
            ("prompt", "consent"),
            ("state", "state"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]);
        let base = request.clone();
        let (mut target, mut form) = (request, None);
        // More steps than either server takes.
        for _ in 0..12 {
            let (location, page) = self.request(&target, form.take()).await?;
            if let Some(location) = location {
                target = base.join(&location)?;
                if target.as_str().starts_with(REDIRECT_URI) {
                    let code = target.query_pairs().find(|(name, _)| name == "code");
                    let code = code.with_context(|| format!("no code in {target}"))?.1.into_owned();
                    return self
                        .token_request(&[
                            ("grant_type", "authorization_code"),
                            ("code", &code),
                            ("redirect_uri", REDIRECT_URI),
                            ("code_verifier", VERIFIER),
                        ])
                        .await;
                }
            } else {
                if let Some(action) = between(&page, "action=\"", "\"") {
                    target = base.join(action)?;
                }
                form = Some(answers(&page));
            }
        }
        bail!("the flow does not end: {target}")
    }

    /// A token request; hands back the refresh token.
    async fn token_request(&mut self, fields: &[(&str, &str)]) -> anyhow::Result<String> {
        let (client_id, client_secret) = self.issuer.client.clone();
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .append_pair("client_id", &client_id)
            .append_pair("client_secret", &client_secret)
            .finish();
        let target = Url::parse(&self.issuer.token_endpoint)?;
        let (_, body) = self.request(&target, Some(form)).await?;
        let tokens: Value = serde_json::from_str(&body)?;
        Ok(tokens["refresh_token"]
            .as_str()
            .with_context(|| format!("no refresh token in {body}"))?
            .to_owned())
    }

    /// A GET, or a POST where there is a form: where it leads, and what it says.
    async fn request(
        &mut self,
        target: &Url,
        form: Option<String>,
    ) -> anyhow::Result<(Option<String>, String)> {
        let path = &target[url::Position::BeforePath..url::Position::AfterQuery];
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let head =
            format!("Host: {}\r\nCookie: {}\r\nAccept: text/html\r\n", self.issuer.host, cookies.join("; "));
        let request = match form {
            None => format!("GET {path} HTTP/1.1\r\n{head}\r\n"),
            Some(form) => format!(
                "POST {path} HTTP/1.1\r\n{head}Content-Type: application/x-www-form-urlencoded\r\n\
                 Content-Length: {}\r\n\r\n{form}",
                form.len()
            ),
        };
        let (head, body) = self.connection.ask_for_text(request.as_bytes()).await?;
        let mut location = None;
        for line in head.lines() {
            let Some((name, value)) = line.split_once(": ") else { continue };
            if name.eq_ignore_ascii_case("location") {
                location = Some(value.to_owned());
            } else if name.eq_ignore_ascii_case("set-cookie")
                && let Some((name, value)) = value.split(';').next().and_then(|cookie| cookie.split_once('='))
            {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok((location, body.to_owned()))
    }
}

/// What a person would answer: the hidden fields as they are, a name, and yes.
fn answers(page: &str) -> String {
    let mut fields = BTreeMap::new();
    for input in page.split("<input").filter(|input| input.contains("type=\"hidden\"")) {
        if let (Some(name), Some(value)) = (between(input, "name=\"", "\""), between(input, "value=\"", "\""))
        {
            fields.insert(name, value);
        }
    }
    for (field, answer) in [("user", "ada"), ("decision", "allow"), ("login", "ada"), ("password", "any")] {
        if page.contains(&format!("name=\"{field}\"")) {
            fields.insert(field, answer);
        }
    }
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}
