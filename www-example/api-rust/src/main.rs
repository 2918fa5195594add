//! A small API that only holders of the issuer's access tokens may call.

use std::{env, time::Duration};

use axum::{Router, routing::get};
use handfast_resource::{AccessToken, ProtectLayer, ResourceServer, ResourceSettings};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let handfast = env::var("HANDFAST_URL").unwrap_or_else(|_| "http://localhost:3004".to_owned());
    let listener =
        TcpListener::bind(env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:5001".to_owned())).await?;
    let address = format!("http://{}", listener.local_addr()?);

    // Tokens that were asked for without a `resource` name the issuer itself as their audience.
    let issuer = format!("{handfast}/auth/oauth2");
    let settings = ResourceSettings::new(&issuer, &issuer, &address);
    let http = reqwest::Client::builder().timeout(Duration::from_secs(5)).build()?;
    let resource = ResourceServer::new(settings, move || {
        let request = http.get(format!("{handfast}/auth/jwks.json"));
        async move { request.send().await?.error_for_status()?.bytes().await }
    })?;

    let api = Router::new()
        .route("/hello", get(hello))
        .layer(ProtectLayer::new(resource.clone()))
        .merge(Router::new().route("/email", get(hello)).layer(ProtectLayer::new(resource).scope("email")));
    println!("listening {address}");
    Ok(axum::serve(listener, api).await?)
}

async fn hello(token: AccessToken) -> String {
    format!("Hello {}, by way of {}!", token.subject(), token.client_id())
}
