//! The main job: one click in a page, a fresh token in the backend.

use end_to_end::{browser::Browser, figure, handfast::Settings, world::World};
use serde_json::json;

#[tokio::test]
async fn one_click_connects_and_the_backend_holds_a_token_that_works() -> anyhow::Result<()> {
    let mut world = World::start().await?;
    let browser = world.browser().await?;
    browser.connect("direct", "user-1").await?;
    browser.to_popup().await?;
    browser.element("[name=user]").await?;
    let shown_at = "const [page] = performance.getEntriesByType('navigation');
        return performance.timeOrigin + page.domContentLoadedEventEnd";
    let shown_at = browser.run(shown_at, &[]).await?.as_f64().expect("an instant");
    browser.log_in_and_allow("ada").await?;

    let answer = browser.answer("user-1").await?;
    let names = json!({
        "configKey": "direct", "connectionId": "user-1", "integrationKey": "direct", "providerConfigKey": "direct",
    });
    assert_eq!(answer, json!({ "resolved": names }));
    browser.until_popup_is_gone().await;
    let clicked_at = browser.run("return window.clickedAt", &[]).await?.as_f64().expect("an instant");
    figure("debug build, click to the provider's page", format!("{:.0} ms", shown_at - clicked_at));

    let access_token = world.access_token("direct", "user-1").await?;
    assert_eq!(world.userinfo(&access_token).await?["preferred_username"], "ada");
    let (status, connection) = world.server.read("/connections/user-1?config_key=direct").await?;
    assert_eq!((status, &connection["connection_id"]), (200, &json!("user-1")), "{connection}");
    for spelling in ["integration_key", "provider_config_key", "config_key"] {
        let (status, _) = world.server.read(&format!("/connection/user-1?{spelling}=direct")).await?;
        assert_eq!(status, 200, "{spelling}");
    }
    if let Some(bytes) = world.server.memory() {
        figure("debug build, memory after one connect", megabytes(bytes));
    }
    Ok(())
}

#[tokio::test]
async fn a_plain_page_needs_nothing_but_the_script_that_the_server_hands_out() -> anyhow::Result<()> {
    let world = World::start().await?;
    let browser = Browser::start().await?;
    let page = format!(
        "<!doctype html><title>plain</title><script src=\"{}/sdk/handfast.js\"></script>
         <button data-handfast-connect=direct data-handfast-connection-id=user-1>Connect</button>",
        world.server.url()
    );
    browser.open(&world.application.html(&page)).await?;
    browser.click("button").await?;
    browser.to_popup().await?;
    browser.log_in_and_allow("ada").await?;
    browser.to_application().await?;
    browser.until("document.querySelector('button').dataset.handfastState === 'connected'").await;
    world.access_token("direct", "user-1").await?;
    Ok(())
}

#[tokio::test]
async fn the_idle_server_is_small_and_soon_there() -> anyhow::Result<()> {
    let mut server = Settings::new().start("127.0.0.1")?;
    figure(
        "server start to first answer",
        format!("{:.0} ms", server.to_first_answer().as_secs_f64() * 1000.0),
    );
    if let Some(bytes) = server.memory() {
        figure("debug build, idle memory", megabytes(bytes));
    }
    server.restart()?;
    figure(
        "server restart to first answer",
        format!("{:.0} ms", server.to_first_answer().as_secs_f64() * 1000.0),
    );
    Ok(())
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}
