//! The commands' way to a running server: REST with an API key.

use std::{fs, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use handfast_protocol::Secret;
use reqwest::{Method, StatusCode, Url};
use serde_json::Value;

/// Which server. The API key comes from the environment: a command line is seen by every user of the machine.
#[derive(clap::Args)]
pub(super) struct ServerArgs {
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

/// A server that takes REST requests.
pub(super) struct Client {
    http: reqwest::Client,
    host: Url,
    api_key: Option<Secret<String>>,
}

impl ServerArgs {
    pub(super) fn client(self) -> anyhow::Result<Client> {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(60))
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("handfast/", env!("CARGO_PKG_VERSION")))
            // The server is named by its user; a proxy of the environment would see the key.
            .no_proxy()
            .build()?;
        Ok(Client { http, host: self.host, api_key: api_key()? })
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
        let mut url = self.host.clone();
        url.path_segments_mut()
            .map_err(|()| anyhow::anyhow!("{} is not the address of a server", self.host))?
            .pop_if_empty()
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.http.request(method, url);
        if let Some(key) = &self.api_key {
            request = request.bearer_auth(key.expose());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let unreachable = |source| ClientError::Unreachable { host: self.host.to_string(), source };
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let text = answer.text().await.map_err(unreachable)?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(body);
        }
        let told = body.get("detail").and_then(Value::as_str).map(str::to_owned);
        let sentence =
            told.unwrap_or_else(|| format!("{} answered {status}; is it a Handfast server?", self.host));
        Err(ClientError::Refused { sentence, status }.into())
    }
}
