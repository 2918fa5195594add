//! Links, forms, images and other browsers: none of them starts or finishes somebody's attempt.

use end_to_end::{
    application::Application,
    browser::Browser,
    eventually,
    world::{ALLOW, World},
};
use serde_json::json;

#[tokio::test]
async fn the_connect_address_as_a_link_explains_itself_and_starts_nothing() -> anyhow::Result<()> {
    let world = World::start().await?;
    let victim = Browser::start().await?;
    let link = format!("{}/oauth/connect/counted?connection_id=attacker", world.server.url());
    let page = world.application.html(&format!("<a id=link href=\"{link}\">a gift</a>"));
    victim.open(&page).await?;
    victim.click("#link").await?;
    eventually("the address answers", async || {
        let address = victim.address().await.ok()?;
        address.starts_with(world.server.url()).then_some(())
    })
    .await;
    // The page explains itself.
    victim.until_text("link").await;
    assert!(world.gateway.authorization_requests().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_form_from_a_foreign_origin_starts_nothing() -> anyhow::Result<()> {
    let world = World::start().await?;
    let foreign = Application::start("127.0.0.4").await?;
    let victim = Browser::start().await?;
    let request = json!({
        "protocol": 1, "attempt_id": "A".repeat(22), "attempt_secret": "B".repeat(43),
        "connection_id": "attacker", "mode": "popup",
    });
    let action = format!("{}/oauth/connect/counted", world.server.url());
    let value = request.to_string().replace('"', "&quot;");
    let markup = format!(
        "<form method=post action=\"{action}\"><input type=hidden name=request value=\"{value}\"><button>gift</button></form>"
    );
    victim.open(&foreign.html(&markup)).await?;
    victim.click("button").await?;
    eventually("the form is answered", async || (victim.address().await.ok()? == action).then_some(())).await;
    victim.until_text("origin_not_allowed").await;
    assert!(world.gateway.authorization_requests().is_empty());
    Ok(())
}

/// Consents while the server is down, so that the callback's address, code and all, stays in the window.
async fn held_callback(world: &mut World, browser: &Browser) -> anyhow::Result<String> {
    browser.log_in("ada").await?;
    browser.element(ALLOW).await?;
    world.server.kill();
    // Some drivers report the page that says so as a failed click.
    let _ = browser.click(ALLOW).await;
    let prefix = format!("{}/oauth/callback", world.server.url());
    let callback = eventually("the browser is sent to the callback", async || {
        let address = browser.address().await.ok()?;
        address.starts_with(&prefix).then_some(address)
    })
    .await;
    world.server.restart()?;
    Ok(callback)
}

#[tokio::test]
async fn an_authorization_request_finishes_in_no_other_browser() -> anyhow::Result<()> {
    let mut world = World::start().await?;
    let first = world.browser().await?;
    first.connect("counted", "user-1").await?;
    let popup = first.to_popup().await?;
    first.element("[name=user]").await?;
    let request = world.gateway.authorization_requests().remove(0);

    let second = Browser::start().await?;
    second.open(request.as_str()).await?;
    let callback = held_callback(&mut world, &second).await?;
    second.open(callback.as_str()).await?;
    second.until_text("wrong_browser").await;
    first.to(&popup).await?;
    first.close_window().await?;
    first.looks_at_the_application(true).await?;
    assert_eq!(first.rejection("user-1").await?, "wrong_browser");

    let replayed = world.application.html("<p>another page of the first browser");
    first.open(&replayed).await?;
    first.open(callback.as_str()).await?;
    assert!(!first.text().await?.trim().is_empty());
    assert_eq!(world.connection("counted", "user-1").await?.0, 400);
    assert_eq!(world.gateway.token_requests_of("authorization_code"), 0, "the code is never redeemed");
    Ok(())
}

#[tokio::test]
async fn an_image_and_a_prefetch_of_a_live_callback_touch_nothing() -> anyhow::Result<()> {
    let mut world = World::start().await?;
    let browser = world.browser().await?;
    browser.connect("counted", "user-1").await?;
    let popup = browser.to_popup().await?;
    let callback = held_callback(&mut world, &browser).await?;

    // Another page of the same browser, in a window of its own, so that the attempt's page lives on.
    let address = callback.as_str().replace('&', "&amp;");
    let markup = format!(
        "<script>
           const prefetches = document.createElement('link').relList.supports('prefetch');
           window.done = prefetches ? {{}} : {{prefetch: 1}};
         </script>
         <link rel=prefetch href=\"{address}\" onload=\"done.prefetch=1\" onerror=\"done.prefetch=1\">
         <img src=\"{address}\" onload=\"done.image=1\" onerror=\"done.image=1\">
         <iframe src=\"{address}\" onload=\"done.frame=1\"></iframe>
         <script>fetch('{callback}', {{mode: 'no-cors', credentials: 'include'}}).finally(() => done.fetch = 1)</script>"
    );
    browser.to_new_tab().await?;
    browser.open_here(&world.application.html(&markup)).await?;
    browser.until("done.image && done.frame && done.fetch && done.prefetch").await;
    browser.close_window().await?;
    assert_eq!(world.gateway.token_requests_of("authorization_code"), 0);

    browser.to(&popup).await?;
    browser.open_here(callback.as_str()).await?;
    let answer = browser.answer("user-1").await?;
    assert_eq!(answer["resolved"]["connectionId"], "user-1", "{answer}");
    Ok(())
}
