//! The commands' way to a running server: REST with an API key.

use std::{fs, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use handfast_protocol::Secret;
use reqwest::{
    Method, StatusCode, Url,
    header::{CONTENT_TYPE, HOST},
};
use serde_json::Value;
use tower::Service;

use crate::{
    config::{Config, ConfigArgs, ListenArgs},
    http::{self, Caller},
    serve,
};

/// Which server. The API key comes from the environment: a command line is seen by every user of the machine.
#[derive(clap::Args)]
pub(super) struct ServerArgs {
    /// Work on the data folder itself instead of asking a server
    #[arg(long)]
    local: bool,
    #[command(flatten)]
    config: ConfigArgs,
    /// The server's address; HANDFAST_API_KEY or HANDFAST_API_KEY_FILE holds the API key
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
    pub(super) async fn client(self) -> anyhow::Result<Client> {
        if self.local {
            let config = Config::load(&self.config, &ListenArgs::default())?;
            let storage = serve::open_storage(&config).await?;
            let public_url = config.public_url_or(config.listen);
            let app = serve::assemble(&config, &public_url, storage).await?;
            return Ok(Client::Local(http::router(app).layer(axum::Extension(Caller::Operator))));
        }
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(60))
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
        let (status, text) = self.exchange(method, path, query, body).await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(body);
        }
        let told = body.get("detail").and_then(Value::as_str).map(str::to_owned);
        let sentence =
            told.unwrap_or_else(|| format!("{} answered {status}; is it a Handfast server?", self.name()));
        Err(ClientError::Refused { sentence, status }.into())
    }

    fn name(&self) -> String {
        match self {
            Self::Remote { host, .. } => host.to_string(),
            Self::Local(_) => "the data folder".to_owned(),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<(&'static str, String)>,
    ) -> anyhow::Result<(StatusCode, String)> {
        match self {
            Self::Remote { http, host, api_key } => {
                let mut request = http.request(method, address(host, path, query)?);
                if let Some(key) = api_key {
                    request = request.bearer_auth(key.expose());
                }
                if let Some((kind, body)) = body {
                    request = request.header(CONTENT_TYPE, kind).body(body);
                }
                let unreachable = |source| ClientError::Unreachable { host: host.to_string(), source };
                let answer = request.send().await.map_err(unreachable)?;
                let status = answer.status();
                Ok((status, answer.text().await.map_err(unreachable)?))
            }
            Self::Local(router) => {
                let address = address(&Url::parse("http://localhost")?, path, query)?;
                let mut request = axum::http::Request::builder().method(method).uri(address.as_str());
                request = request.header(HOST, "localhost");
                let body = body.map(|(kind, body)| {
                    request = std::mem::take(&mut request).header(CONTENT_TYPE, kind);
                    body
                });
                let request = request.body(axum::body::Body::from(body.unwrap_or_default()))?;
                let answer = router.clone().call(request).await?;
                let status = answer.status();
                let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await?;
                Ok((status, String::from_utf8(bytes.into())?))
            }
        }
    }
}

const JSON: &str = "application/json";

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
