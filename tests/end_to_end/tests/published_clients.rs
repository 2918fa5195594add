//! Programs that others published for Pizzly, unmodified, with only the host changed.

use std::process::Command;

use anyhow::Context;
use end_to_end::{
    browser::Browser,
    handfast::Settings,
    published,
    world::{DENY, World},
};
use serde_json::{Value, json};
use xtask::program;

/// Runs an ES module in Node beside the installed packages and reads the JSON it prints.
fn node(script: &str, environment: &[(&str, &str)]) -> anyhow::Result<Value> {
    let mut command = Command::new("node");
    command.args(["--input-type=module", "--eval", script]).current_dir(published::folder()?);
    let printed = program::run(command.envs(environment.iter().copied()))?;
    serde_json::from_str(&printed).with_context(|| printed)
}

/// Runs the published command line.
fn pizzly(world: &World, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new("node");
    command
        .arg(published::folder()?.join("pizzly/dist/index.js"))
        .args(arguments)
        .env("PIZZLY_HOSTPORT", world.server.url());
    program::run(&mut command)
}

#[tokio::test]
async fn both_generations_of_the_node_client_read_a_working_token() -> anyhow::Result<()> {
    let world = World::start().await?;
    world.connect("direct", "user-1").await?;
    let host = [("HOST", world.server.url())];
    let newer = node(
        "import { Pizzly } from '@nangohq/pizzly-node';
         const pizzly = new Pizzly(process.env.HOST);
         const token = await pizzly.accessToken('direct', 'user-1');
         const raw = await pizzly.rawTokenResponse('direct', 'user-1');
         const connection = await pizzly.connection('direct', 'user-1');
         console.log(JSON.stringify({ token, raw, connection }));",
        &host,
    )?;
    let token = newer["token"].as_str().context("a token")?;
    assert_eq!(world.userinfo(token).await?["preferred_username"], "ada");
    assert_eq!(newer["raw"]["access_token"], token);
    assert_eq!(newer["connection"]["credentials"]["type"], "OAUTH2");
    assert_eq!(newer["connection"]["provider_config_key"], "direct");
    assert_eq!(newer["connection"]["connection_id"], "user-1");

    let older = node(
        "import { Pizzly } from 'pizzly-node-0.3.6';
         const pizzly = new Pizzly(process.env.HOST);
         const token = await pizzly.accessToken('user-1', 'direct');
         const raw = await pizzly.rawTokenResponse('user-1', 'direct');
         console.log(JSON.stringify({ token, raw }));",
        &host,
    )?;
    assert_eq!(older["token"], token);
    assert_eq!(older["raw"]["access_token"], token);
    Ok(())
}

#[tokio::test]
async fn the_node_client_shows_its_secret_key() -> anyhow::Result<()> {
    const KEY: &str = "a-key-of-the-operators-own-choice";
    let server = Settings::new().variable("HANDFAST_API_KEY", KEY).start("127.0.0.1")?;
    let script = "import { Pizzly } from '@nangohq/pizzly-node';
         const pizzly = new Pizzly(process.env.HOST, process.env.PIZZLY_SECRET_KEY);
         const { status, data } = await pizzly.connection('direct', 'user-1').catch((error) => error.response);
         console.log(JSON.stringify({ status, data }));";
    let ask = |key| node(script, &[("HOST", server.url()), ("PIZZLY_SECRET_KEY", key)]);
    let refused = json!({"error": "Authentication failed. The provided secret key is invalid."});
    assert_eq!(ask("another")?, json!({"status": 401, "data": refused}));
    let accepted = ask(KEY)?;
    assert_eq!(accepted["status"], 400, "{accepted}");
    assert!(accepted["data"]["error"].as_str().is_some_and(|error| error.contains("user-1")), "{accepted}");
    Ok(())
}

#[tokio::test]
async fn the_published_command_line_manages_integrations() -> anyhow::Result<()> {
    let world = World::start().await?;
    let created = pizzly(&world, &["config:create", "hub", "github", "client-1", "secret-1", "repo,user"])?;
    assert!(created.contains("Successfully created"), "{created}");
    let listed = pizzly(&world, &["config:list"])?;
    assert!(
        listed.contains("unique_key: 'hub'") && listed.contains("oauth_client_id: 'client-1'"),
        "{listed}"
    );
    let shown = pizzly(&world, &["config:get", "hub"])?;
    assert!(shown.contains("provider: 'github'") && shown.contains("repo,user"), "{shown}");
    let edited = pizzly(&world, &["config:edit", "hub", "github", "client-2", "secret-2", "repo"])?;
    assert!(edited.contains("Successfully edited"), "{edited}");
    assert!(pizzly(&world, &["config:get", "hub"])?.contains("oauth_client_id: 'client-2'"));
    let deleted = pizzly(&world, &["config:delete", "hub"])?;
    assert!(deleted.contains("Successfully deleted"), "{deleted}");
    let gone = pizzly(&world, &["config:get", "hub"])?;
    assert!(gone.contains("There is no matching provider configuration with key: hub"), "{gone}");
    let absent = pizzly(&world, &["connection:get", "user-1", "direct"])?;
    let sentence = "No matching connection for connection_id: user-1 and provider_config_key: direct";
    assert!(absent.contains(sentence), "{absent}");

    world.connect("direct", "user-1").await?;
    let present = pizzly(&world, &["connection:get", "user-1", "direct"])?;
    assert!(present.contains("access_token:") && present.contains("type: 'OAUTH2'"), "{present}");
    Ok(())
}

#[tokio::test]
async fn the_successors_frontend_resolves_too() -> anyhow::Result<()> {
    let world = World::start().await?;
    world.server.command(&["config", "edit", "direct", "--legacy-start", "true"])?;
    let browser = Browser::start().await?;
    let page = world.application.page_for_published("@nangohq/frontend/dist/index.js");
    let argument = json!({"host": world.server.url()});
    browser.open_application_with(&page, &argument).await?;
    browser.connect("direct", "user-1").await?;
    browser.to_popup().await?;
    browser.log_in_and_allow("ada").await?;
    let answer = browser.answer("user-1").await?;
    assert_eq!(answer["resolved"]["connectionId"], "user-1", "{answer}");

    // A new page: the library's listener of the first attempt would swallow the second one's message.
    browser.open_application_with(&page, &argument).await?;
    browser.connect("direct", "user-2").await?;
    browser.to_popup().await?;
    browser.log_in("ada").await?;
    browser.click(DENY).await?;
    let answer = browser.answer("user-2").await?;
    assert_eq!(answer["rejected"]["error"]["type"], "access_denied", "{answer}");
    Ok(())
}
