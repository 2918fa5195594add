//! Published clients as relying parties: programs in their own language, and a browser without a screen.

pub mod browser;
pub mod client;

use anyhow::Context;
use end_to_end::handfast::{Handfast, Settings};
use serde_json::{Value, json};

/// The API key of the issuers that these tests start.
pub const API_KEY: &str = "relying-parties-0123456789abcdef";

/// A host that exists only for [`browser::Browser`]: the operator's application, wherever it listens.
pub const APPLICATION: &str = "http://app.test";

/// An issuer for an application at [`APPLICATION`].
///
/// # Errors
/// When the server does not start.
pub fn issuer_for_application() -> anyhow::Result<Handfast> {
    Settings::new()
        .variable("HANDFAST_API_KEY", API_KEY)
        .variable("HANDFAST_ISSUER_LOGIN_URL", &format!("{APPLICATION}/connectivly"))
        .start("127.0.0.1")
}

/// Registers an application over the API that published Connectivly programs use: its id and secret.
///
/// # Errors
/// When the server refuses it.
pub async fn register(
    server: &Handfast,
    name: &str,
    redirect_uri: &str,
    profile: &str,
) -> anyhow::Result<(String, String)> {
    let body =
        json!({"app_name": name, "owner_id": "operator", "redirect_uri": [redirect_uri], "profile": profile});
    let request = reqwest::Client::new().post(format!("{}/api/app", server.url()));
    let answer = request.header("x-api-key", API_KEY).json(&body).send().await?;
    let created: Value = answer.json().await?;
    let text = |name: &str| created[name].as_str().map(str::to_owned).with_context(|| created.to_string());
    Ok((text("client_id")?, text("client_secret")?))
}
