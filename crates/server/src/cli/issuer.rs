//! `handfast client` and `handfast issuer`: the authorization server's clients and keys.

use clap::{Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::json;

use super::{
    client::ServerArgs,
    output::{OutputArgs, cell, print_json, print_line},
};

#[derive(Subcommand)]
pub(super) enum ClientCommand {
    /// Register an application and print its id and secret; the secret is not shown again.
    Create {
        /// The name that people see
        name: String,
        /// An address to which people come back, compared letter by letter; repeatable
        #[arg(long = "redirect-uri", value_name = "URL")]
        redirect_uris: Vec<String>,
        /// Whose it is; one owner has one application of a name
        #[arg(long, default_value = "operator")]
        owner: String,
        /// A program that cannot keep a secret, such as a page or an app on a phone
        #[arg(long)]
        public: bool,
        /// It signs instead of showing a secret, with keys that it publishes here
        #[arg(long, value_name = "URL", conflicts_with = "public")]
        jwks_uri: Option<String>,
        /// Let it have tokens for itself, without a user
        #[arg(long)]
        client_credentials: bool,
        /// What it may ask for; repeatable, every scope if none is named
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// The rules that hold for it
        #[arg(long, value_enum, default_value_t = Profile::Standard)]
        profile: Profile,
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// The exceptions that can be made for a client.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Profile {
    /// OAuth 2.1
    Standard,
    /// Access tokens as the published connectivly package reads them
    Connectivly,
    /// A confidential client from before PKCE; it cannot notice a code that was slipped to it
    LegacyConfidential,
}

impl Profile {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Connectivly => "connectivly",
            Self::LegacyConfidential => "legacy_confidential",
        }
    }
}

#[derive(Subcommand)]
pub(super) enum IssuerCommand {
    /// Replace the signing keys; the old ones stay published while tokens signed with them live.
    RotateKeys {
        #[command(flatten)]
        server: ServerArgs,
    },
}

pub(super) async fn run_client(command: ClientCommand) -> anyhow::Result<()> {
    let ClientCommand::Create {
        name,
        redirect_uris,
        owner,
        public,
        jwks_uri,
        client_credentials,
        scopes,
        profile,
        server,
        output,
    } = command;
    let method = match (public, &jwks_uri) {
        (true, _) => "none",
        (false, Some(_)) => "private_key_jwt",
        (false, None) => "client_secret_basic",
    };
    let mut grant_types = Vec::new();
    if !redirect_uris.is_empty() {
        grant_types.extend(["authorization_code", "refresh_token"]);
    }
    if client_credentials {
        grant_types.push("client_credentials");
    }
    let body = json!({
        "app_name": name,
        "owner_id": owner,
        "redirect_uri": redirect_uris,
        "token_endpoint_auth_method": method,
        "jwks_uri": jwks_uri,
        "scopes": scopes,
        "profile": profile.as_str(),
        "grant_types": grant_types,
    });
    let created = server.client().await?.send(Method::POST, &["api", "app"], &[], Some(&body)).await?;
    if output.json {
        return Ok(print_json(&created)?);
    }
    print_line(&format!("Client ID: {}", cell(&created["client_id"])))?;
    if created["client_secret"].is_string() {
        print_line(&format!("Client Secret: {}", cell(&created["client_secret"])))?;
    }
    Ok(())
}

pub(super) async fn run(command: IssuerCommand) -> anyhow::Result<()> {
    let IssuerCommand::RotateKeys { server } = command;
    server.client().await?.send(Method::POST, &["api", "keys", "rotate"], &[], None).await?;
    Ok(print_line(
        "The signing keys are replaced; the old ones stay published while tokens signed with them live.",
    )?)
}
