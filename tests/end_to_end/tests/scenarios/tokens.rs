//! Tokens stay fresh: renewed on the way out, once for all who ask.

use std::time::Duration;

use anyhow::Context;
use end_to_end::{eventually, handfast::Settings, world::World};

/// Long enough for fifty requests, short enough to wait for.
const LIFETIME_SECS: &str = "5";

async fn world_of_short_lived_tokens() -> anyhow::Result<World> {
    let provider = Settings::demo().variable("HANDFAST_ISSUER_ACCESS_TOKEN_LIFETIME", LIFETIME_SECS);
    World::start_with(provider, Settings::new()).await
}

#[tokio::test]
async fn a_stale_token_is_renewed_on_the_way_out_and_the_refresh_token_rotates() -> anyhow::Result<()> {
    let world = world_of_short_lived_tokens().await?;
    world.connect("counted", "user-1").await?;
    let mut tokens = vec![world.access_token("counted", "user-1").await?];
    for _ in 0..2 {
        let next = eventually("the token is renewed", async || {
            let token = world.access_token("counted", "user-1").await.ok()?;
            (!tokens.contains(&token)).then_some(token)
        });
        let next = next.await;
        assert_eq!(world.userinfo(&next).await?["preferred_username"], "ada");
        tokens.push(next);
    }
    let refresh_tokens: Vec<_> = world
        .gateway
        .token_requests()
        .into_iter()
        .filter_map(|mut form| form.remove("refresh_token"))
        .collect();
    assert_eq!(refresh_tokens.len(), 2, "one token request for each renewal");
    assert_ne!(refresh_tokens[0], refresh_tokens[1], "the refresh token rotates");
    Ok(())
}

#[tokio::test]
async fn fifty_readers_of_a_stale_token_cause_one_token_request() -> anyhow::Result<()> {
    let world = world_of_short_lived_tokens().await?;
    world.connect("counted", "user-1").await?;
    // Stale, without anyone having asked.
    let lifetime: u64 = LIFETIME_SECS.parse()?;
    tokio::time::sleep(Duration::from_secs(lifetime)).await;
    assert_eq!(world.gateway.token_requests_of("refresh_token"), 0);

    let mut readers = tokio::task::JoinSet::new();
    let address = format!("{}/connection/user-1?config_key=counted", world.server.url());
    for _ in 0..50 {
        let address = address.clone();
        readers.spawn(async move {
            let connection: serde_json::Value = reqwest::get(address).await?.json().await?;
            anyhow::Ok(connection["credentials"]["access_token"].as_str().map(str::to_owned))
        });
    }
    let mut tokens = Vec::new();
    while let Some(token) = readers.join_next().await {
        tokens.push(token??.context("an answer without a token")?);
    }
    assert_eq!(tokens.len(), 50);
    tokens.dedup();
    assert_eq!(tokens.len(), 1, "all get the same token");
    assert_eq!(world.gateway.token_requests_of("refresh_token"), 1);
    Ok(())
}
