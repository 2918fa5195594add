//! Programs written for Pizzly, with only the host changed.

use end_to_end::{
    browser::{Browser, Engine},
    world::World,
};

#[tokio::test]
async fn the_published_pizzly_frontend_resolves() -> anyhow::Result<()> {
    let world = World::start().await?;
    world.server.command(&["config", "edit", "direct", "--legacy-start", "true"])?;
    let browser = Browser::start().await?;
    let page = world.application.page_for_published("@nangohq/pizzly-frontend/dist/index.js");
    browser.open_application(&page, world.server.url()).await?;
    browser.connect("direct", "user-1").await?;
    browser.to_popup().await?;
    browser.log_in_and_allow("ada").await?;
    let answer = browser.answer("user-1").await?;
    // In WebKit its own look at `closed` is ahead of the message at times.
    let looked_too_early = answer["rejected"]["error"]["type"] == "authorization_cancelled";
    if browser.engine() != Engine::WebKit || !looked_too_early {
        assert_eq!(answer["resolved"]["providerConfigKey"], "direct", "{answer}");
        assert_eq!(answer["resolved"]["connectionId"], "user-1");
    }
    let access_token = world.access_token("direct", "user-1").await?;
    assert_eq!(world.userinfo(&access_token).await?["preferred_username"], "ada");
    Ok(())
}
