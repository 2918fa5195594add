//! What is secret is neither in the log, even a talkative one, nor readable in the data folder.

use std::fs;

use anyhow::Context;
use end_to_end::{handfast::Settings, world::World};

#[tokio::test]
async fn no_secret_of_a_whole_life_is_in_the_log_or_readable_at_rest() -> anyhow::Result<()> {
    let world =
        World::start_with(Settings::demo(), Settings::new().variable("HANDFAST_LOG", "debug")).await?;
    world.connect("counted", "user-1").await?;
    let mut secrets = vec![world.access_token("counted", "user-1").await?];
    let (status, renewed) =
        world.server.read("/connections/user-1?config_key=counted&force_refresh=true").await?;
    let renewed =
        renewed["credentials"]["access_token"].as_str().with_context(|| format!("{status} {renewed}"))?;
    secrets.push(renewed.to_owned());
    for mut form in world.gateway.token_requests() {
        for name in ["code", "code_verifier", "client_secret", "refresh_token"] {
            secrets.extend(form.remove(name));
        }
    }
    for request in world.gateway.authorization_requests() {
        secrets.extend(
            request.query_pairs().filter(|(name, _)| name == "state").map(|(_, state)| state.into_owned()),
        );
    }
    assert!(
        secrets.len() >= 8 && secrets.iter().all(|secret| secret.len() >= 16),
        "{} secrets",
        secrets.len()
    );

    let log = world.server.log();
    assert!(log.contains("/oauth/callback"), "the log tells what happened");
    for secret in &secrets {
        assert!(!log.contains(secret.as_str()), "a secret is in the log");
    }
    for file in fs::read_dir(world.server.data_folder())? {
        let path = file?.path();
        let bytes = fs::read(&path)?;
        for secret in &secrets {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "a secret is readable in {}", path.display());
        }
    }
    Ok(())
}
