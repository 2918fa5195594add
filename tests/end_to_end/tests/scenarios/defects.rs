//! Of the sixteen defects that the server's tests list by number, the one that only a real browser's click shows.

use end_to_end::world::World;
use serde_json::{Value, json};

/// Popups were blocked because they were opened after an await.
#[tokio::test]
async fn defect_08_the_window_opens_in_the_click_though_the_connect_token_takes_its_time()
-> anyhow::Result<()> {
    let world = World::start().await?;
    let browser = world.browser().await?;
    let ask = "window.ask = { configKey: 'direct', connectionId: 'user-1', options: {
        connectToken: () => new Promise((resolve) => { window.giveToken = resolve; }) } }";
    browser.run(ask, &[]).await?;
    browser.click("#connect").await?;
    browser.looks_at_the_application(false).await?;
    let popup = browser.to_popup().await?;

    // By now a click could no longer open a window.
    browser.to_application().await?;
    browser.until("window.giveToken && !navigator.userActivation.isActive").await;
    let pinned = json!({"connection_id": "user-1", "config_keys": ["direct"]});
    let made = reqwest::Client::new().post(format!("{}/connect/tokens", world.server.url()));
    let made: Value = made.json(&pinned).send().await?.json().await?;
    browser.run("window.giveToken(arguments[0])", &[made["connect_token"].clone()]).await?;
    browser.to(&popup).await?;
    browser.log_in_and_allow("ada").await?;
    assert_eq!(browser.answer("user-1").await?["resolved"]["connectionId"], "user-1");
    Ok(())
}
