//! What the issuer's HTTP side keeps by itself: the operator's rules, and the way to the operator's application.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use axum::http::HeaderValue;
use handfast_protocol::Sha256Hash;
use serde_json::{Map, Value};
use url::Url;

use crate::http::Limits;

/// What the operator decided about the issuer's HTTP side.
#[derive(Clone, Debug, Default)]
pub(crate) struct IssuerRules {
    /// The Cross-Origin-Opener-Policy of the issuer's pages; none unless the operator wants one.
    pub(crate) opener_policy: Option<HeaderValue>,
    /// The hash of the token that lets clients register themselves (RFC 7591 3).
    pub(crate) initial_access_token: Option<Sha256Hash>,
    /// Whether people may register clients from before PKCE.
    pub(crate) legacy_clients: bool,
    /// Bounds how often one address may guess tokens without an API key.
    pub(crate) introspections: Arc<Limits>,
    /// Bounds how often one address may type a device's code (RFC 8628 5.1).
    pub(crate) user_codes: Arc<Limits>,
    /// Asks the operator's application about its users.
    pub(crate) userinfo_client: UserinfoClient,
}

/// Asks the operator's application about its users: no redirects, ten seconds, 64 KiB.
#[derive(Clone, Debug, Default)]
pub(crate) struct UserinfoClient(Option<reqwest::Client>);

impl UserinfoClient {
    const MAX_LEN: usize = 64 * 1024;

    pub(crate) fn new() -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(10))
            .build()?;
        Ok(Self(Some(client)))
    }

    /// The claims about `user`. The application gets the user as `sub` and the access token as it was shown to us.
    pub(crate) async fn ask(&self, url: &Url, user: &str, token: &str) -> anyhow::Result<Map<String, Value>> {
        let client = self.0.as_ref().context("userinfo_url is not set")?;
        let mut url = url.clone();
        url.query_pairs_mut().append_pair("sub", user);
        // The address names the user; errors do without it.
        let answer = client.get(url).bearer_auth(token).send().await.map_err(reqwest::Error::without_url)?;
        let mut answer = answer.error_for_status().map_err(reqwest::Error::without_url)?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
            body.extend_from_slice(&chunk);
            anyhow::ensure!(body.len() <= Self::MAX_LEN, "the answer is longer than 64 KiB");
        }
        serde_json::from_slice(&body).context("the answer is not a JSON object")
    }
}
