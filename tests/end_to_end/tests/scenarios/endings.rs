//! Every ending that is not success: told with a stable code, and final.

use std::time::{Duration, Instant};

use end_to_end::{
    eventually,
    world::{DENY, World},
};

#[tokio::test]
async fn a_refusal_is_access_denied() -> anyhow::Result<()> {
    let world = World::start().await?;
    let browser = world.browser().await?;
    browser.connect("direct", "user-1").await?;
    browser.to_popup().await?;
    browser.log_in("ada").await?;
    browser.click(DENY).await?;
    let answer = browser.answer("user-1").await?;
    let rejected = &answer["rejected"];
    assert_eq!(rejected["code"], "access_denied", "{answer}");
    assert_eq!((&rejected["name"], &rejected["isError"]), (&"ConnectError".into(), &true.into()));
    assert_eq!((&rejected["configKey"], &rejected["connectionId"]), (&"direct".into(), &"user-1".into()));
    assert_eq!(rejected["integrationKey"], "direct");
    assert_eq!(rejected["error"]["type"], "access_denied");
    assert!(rejected["message"].as_str().is_some_and(|message| !message.is_empty()));
    browser.until_popup_is_gone().await;
    assert_eq!(world.connection("direct", "user-1").await?.0, 400);
    Ok(())
}

#[tokio::test]
async fn a_closed_window_is_told_soon_and_a_callback_that_comes_later_stores_nothing() -> anyhow::Result<()> {
    let world = World::start().await?;
    let browser = world.browser().await?;
    browser.connect("counted", "user-1").await?;
    browser.to_popup().await?;
    browser.element("[name=user]").await?;
    let request = world.gateway.authorization_requests().remove(0);
    browser.close_window().await?;
    let closed_at = Instant::now();
    browser.looks_at_the_application(true).await?;
    assert_eq!(browser.rejection("user-1").await?, "popup_closed");
    let told_after = closed_at.elapsed();
    assert!(told_after < Duration::from_secs(3), "told after {told_after:?}");

    // The same browser, cookie and all, finishes at the provider after all.
    browser.open(request.as_str()).await?;
    browser.log_in_and_allow("ada").await?;
    eventually("the callback is answered", async || {
        let address = browser.address().await.ok()?;
        address.starts_with(world.server.url()).then_some(())
    })
    .await;
    browser.until_text("Nothing was stored").await;
    assert_eq!(world.connection("counted", "user-1").await?.0, 400);
    assert_eq!(world.gateway.token_requests_of("authorization_code"), 0, "the code is not even redeemed");
    Ok(())
}

#[tokio::test]
async fn an_unknown_config_key_is_told_to_the_page_and_in_the_window() -> anyhow::Result<()> {
    let world = World::start().await?;
    let browser = world.browser().await?;
    browser.connect("nobody", "user-1").await?;
    assert_eq!(browser.rejection("user-1").await?, "unknown_integration");

    // Where the page is not there to close the window, the window itself tells.
    let request = serde_json::json!({
        "protocol": 1, "attempt_id": "A".repeat(22), "attempt_secret": "B".repeat(43),
        "connection_id": "user-1", "mode": "popup",
    });
    let answer = reqwest::Client::new()
        .post(format!("{}/oauth/connect/nobody", world.server.url()))
        .header("origin", world.application.origin())
        .form(&[("request", request.to_string())])
        .send()
        .await?;
    assert!(answer.text().await?.contains("unknown_integration"));
    Ok(())
}
