//! The commands' way to a running server: REST with an API key.

use std::{fs, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use handfast_protocol::Secret;
use reqwest::{
    Method, StatusCode, Url,
    header::{ACCEPT, CONTENT_TYPE, HOST, HeaderMap, LINK},
};
use serde_json::Value;
use tower::Service;

use crate::{
    config::{Config, ConfigArgs, ListenArgs},
    http::{self, Caller},
    serve,
    storage::Storage,
};

/// Which server. The API key comes from the environment: a command line is seen by every user of the machine.
#[derive(clap::Args)]
pub(super) struct ServerArgs {
    /// Work on the data folder itself instead of asking a server
    #[arg(long)]
    local: bool,
    #[command(flatten)]
    config: ConfigArgs,
    /// The server's address; `HANDFAST_API_KEY` or `HANDFAST_API_KEY_FILE` holds the API key
    #[arg(long, value_name = "URL", env = "HANDFAST_HOST", default_value = "http://localhost:3004")]
    host: Url,
}

/// Why a request did not succeed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// No answer.
    #[error("{host} does not answer; is `handfast serve` running, and is --host (HANDFAST_HOST) right?")]
    Unreachable {
        /// Who was asked.
        host: String,
        /// Why.
        source: reqwest::Error,
    },
    /// An answer that is not a success.
    #[error("{sentence}")]
    Refused {
        /// What the server says.
        sentence: String,
        /// The status of the answer.
        status: StatusCode,
    },
}

impl ClientError {
    /// What scripts go by; listed in `handfast help`.
    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Unreachable { .. } => 5,
            Self::Refused { status, .. } => match status.as_u16() {
                404 => 3,
                401 | 403 => 4,
                400..500 => 6,
                _ => 1,
            },
        })
    }
}

/// Whoever takes REST requests.
pub(super) enum Client {
    /// A running server.
    Remote {
        /// Keeps connections.
        http: reqwest::Client,
        /// Where it is.
        host: Url,
        /// What it is shown.
        api_key: Option<Secret<String>>,
    },
    /// The very same routes, in this process, on the data folder.
    Local(axum::Router),
}

impl ServerArgs {
    /// Whoever answers requests: a running server, or this process on the data folder.
    pub(super) async fn client(self) -> anyhow::Result<Client> {
        self.client_where(Ok).await
    }

    /// The same for requests about connections, which a running server keeps at hand: what this process did to them
    /// beside it would not be seen.
    pub(super) async fn client_alone(self) -> anyhow::Result<Client> {
        self.client_where(|storage| storage.claimed().context("leave out --local to ask the running server"))
            .await
    }

    async fn client_where(
        self,
        is_usable: impl FnOnce(Storage) -> anyhow::Result<Storage>,
    ) -> anyhow::Result<Client> {
        if self.local {
            let config = Config::load(&self.config, &ListenArgs::default())?;
            let storage = is_usable(serve::open_storage(&config).await?)?;
            let public_url = config.public_url_or(config.listen);
            let app = serve::assemble(&config, &public_url, storage).await?;
            return Ok(Client::Local(http::router(&app).layer(axum::Extension(Caller::Operator))));
        }
        let http = reqwest::Client::builder()
            .timeout(Duration::from_mins(1))
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("handfast/", env!("CARGO_PKG_VERSION")))
            // The server is named by its user; a proxy of the environment would see the key.
            .no_proxy()
            .build()?;
        Ok(Client::Remote { http, host: self.host, api_key: api_key()? })
    }
}

fn api_key() -> anyhow::Result<Option<Secret<String>>> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(key) = variable("HANDFAST_API_KEY") {
        return Ok(Some(Secret::new(key)));
    }
    let Some(path) = variable("HANDFAST_API_KEY_FILE").map(PathBuf::from) else { return Ok(None) };
    let text = fs::read_to_string(&path)
        .with_context(|| format!("HANDFAST_API_KEY_FILE: {} cannot be read", path.display()))?;
    Ok(Some(Secret::new(text.trim().to_owned())))
}

/// What came back.
struct Answer {
    status: StatusCode,
    link: Option<String>,
    text: String,
}

impl Client {
    /// Sends a request to `path`, whose segments are escaped here, and answers the JSON body; null if there is none.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let body = body.map(|body| (JSON, body.to_string()));
        let answer = self.exchange(method, path, query, body).await?;
        Ok(serde_json::from_str(&answer.text).unwrap_or(Value::Null))
    }

    /// Imports lines; answers the report.
    pub(super) async fn import(&self, query: &[(&str, &str)], lines: String) -> anyhow::Result<Value> {
        let path = ["import", "connections"];
        let answer = self.exchange(Method::POST, &path, query, Some((NDJSON, lines))).await?;
        Ok(serde_json::from_str(&answer.text)?)
    }

    /// Exports a page of lines; answers them and the query of the next page, if there is one.
    pub(super) async fn export(
        &self,
        query: &[(String, String)],
    ) -> anyhow::Result<(String, Option<Vec<(String, String)>>)> {
        let query: Vec<_> = query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = self.exchange(Method::GET, &["export", "connections"], &query, None).await?;
        let next = answer.link.as_deref().and_then(|link| link.strip_prefix("<?")?.split_once('>'));
        let next =
            next.map(|(query, _)| url::form_urlencoded::parse(query.as_bytes()).into_owned().collect());
        Ok((answer.text, next))
    }

    fn name(&self) -> String {
        match self {
            Self::Remote { host, .. } => host.to_string(),
            Self::Local(_) => "the data folder".to_owned(),
        }
    }

    /// Sends a request; whatever is not a success is an error with the server's own sentence.
    async fn exchange(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<(&'static str, String)>,
    ) -> anyhow::Result<Answer> {
        let answer = match self {
            Self::Remote { http, host, api_key } => {
                let mut request = http.request(method, address(host, path, query)?).header(ACCEPT, JSON);
                if let Some(key) = api_key {
                    request = request.bearer_auth(key.expose());
                }
                if let Some((kind, body)) = body {
                    request = request.header(CONTENT_TYPE, kind).body(body);
                }
                let unreachable = |source| ClientError::Unreachable { host: host.to_string(), source };
                let answer = request.send().await.map_err(unreachable)?;
                let (status, link) = (answer.status(), link(answer.headers()));
                Answer { status, link, text: answer.text().await.map_err(unreachable)? }
            }
            Self::Local(router) => {
                let address = address(&Url::parse("http://localhost")?, path, query)?;
                let (kind, body) = body.unwrap_or((JSON, String::new()));
                let request = axum::http::Request::builder()
                    .method(method)
                    .uri(address.as_str())
                    .header(HOST, "localhost")
                    .header(ACCEPT, JSON)
                    .header(CONTENT_TYPE, kind)
                    .body(axum::body::Body::from(body))?;
                let answer = router.clone().call(request).await?;
                let (status, link) = (answer.status(), link(answer.headers()));
                let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await?;
                Answer { status, link, text: String::from_utf8(bytes.into())? }
            }
        };
        if answer.status.is_success() {
            return Ok(answer);
        }
        let body: Value = serde_json::from_str(&answer.text).unwrap_or(Value::Null);
        let told = body.get("detail").and_then(Value::as_str).map(str::to_owned);
        let status = answer.status;
        let sentence =
            told.unwrap_or_else(|| format!("{} answered {status}; is it a Handfast server?", self.name()));
        Err(ClientError::Refused { sentence, status }.into())
    }
}

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

fn link(headers: &HeaderMap) -> Option<String> {
    Some(headers.get(LINK)?.to_str().ok()?.to_owned())
}

fn address(host: &Url, path: &[&str], query: &[(&str, &str)]) -> anyhow::Result<Url> {
    let mut url = host.clone();
    url.path_segments_mut()
        .map_err(|()| anyhow::anyhow!("{host} is not the address of a server"))?
        .pop_if_empty()
        .extend(path);
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    Ok(url)
}
