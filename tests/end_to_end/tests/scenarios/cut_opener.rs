//! Where a Cross-Origin-Opener-Policy cuts the window from the page, the server carries the result.

use std::time::{Duration, Instant};

use end_to_end::{browser::Browser, eventually, figure, world::World};

/// Bounds that are promised to users get this much on top, for a machine that is busy.
const SLACK: Duration = Duration::from_secs(3);

const ISOLATED: (&str, &str) = ("cross-origin-opener-policy", "same-origin");

/// Finishes at the provider and sees that the page hears of it soon after the connection is stored.
async fn resolves_soon(world: &World, browser: &Browser, config_key: &str) -> anyhow::Result<()> {
    browser.log_in_and_allow("ada").await?;
    let answer = browser.answer("user-1").await?;
    assert_eq!(answer["resolved"]["connectionId"], "user-1", "{answer}");
    let settled_at =
        browser.run("return window.settledAt['user-1']", &[]).await?.as_f64().expect("an instant");
    let (_, connection) = world.connection(config_key, "user-1").await?;
    let stored_at =
        browser.run("return Date.parse(arguments[0])", &[connection["updated_at"].clone()]).await?;
    let took = settled_at - stored_at.as_f64().expect("an instant");
    figure(
        &format!("stored connection to settled promise, opener cut ({config_key})"),
        format!("{took:.0} ms"),
    );
    assert!(took < 1500.0 + SLACK.as_secs_f64() * 1000.0, "it took {took} ms");
    browser.until_popup_is_gone().await;
    Ok(())
}

#[tokio::test]
async fn a_provider_that_cuts_the_opener_at_once_is_no_obstacle() -> anyhow::Result<()> {
    let world = World::start().await?;
    let browser = world.browser().await?;
    browser.connect("isolated", "user-1").await?;
    world.gateway.until_isolated_page_is_shown().await;
    browser.to_popup().await?;
    browser.click("#onward").await?;
    resolves_soon(&world, &browser, "isolated").await
}

#[tokio::test]
async fn a_provider_that_cuts_the_opener_after_redirects_is_no_obstacle() -> anyhow::Result<()> {
    let world = World::start().await?;
    let browser = world.browser().await?;
    browser.connect("isolated_later", "user-1").await?;
    world.gateway.until_isolated_page_is_shown().await;
    browser.to_popup().await?;
    browser.click("#onward").await?;
    resolves_soon(&world, &browser, "isolated_later").await
}

#[tokio::test]
async fn an_application_that_cuts_its_own_windows_still_connects() -> anyhow::Result<()> {
    let world = World::start().await?;
    let browser = Browser::start().await?;
    browser.open_application(&world.application.page(&[ISOLATED]), world.server.url()).await?;
    browser.connect("counted", "user-1").await?;
    // By then the window has been cut.
    eventually("the provider is asked", async || world.gateway.authorization_requests().pop()).await;
    browser.to_popup().await?;
    resolves_soon(&world, &browser, "counted").await
}

#[tokio::test]
async fn a_user_who_is_still_in_the_cut_window_is_waited_for_and_one_who_left_is_not() -> anyhow::Result<()> {
    let world = World::start().await?;
    let browser = world.browser().await?;
    browser.connect("isolated", "user-1").await?;
    world.gateway.until_isolated_page_is_shown().await;
    let popup = browser.to_popup().await?;
    browser.element("#onward").await?;
    // Longer than any check of `closed` and any grace.
    tokio::time::sleep(Duration::from_secs(5)).await;
    browser.to_application().await?;
    assert!(
        browser.run("return window.answers['user-1'] ?? null", &[]).await?.is_null(),
        "it gave up on the user"
    );

    browser.to(&popup).await?;
    browser.close_window().await?;
    browser.looks_at_the_application(true).await?;
    let closed_at = Instant::now();
    assert_eq!(browser.rejection("user-1").await?, "popup_closed");
    let took = closed_at.elapsed();
    figure("closed window to rejection, opener cut", format!("{:.0} ms", took.as_secs_f64() * 1000.0));
    assert!(took < Duration::from_secs(3) + SLACK, "it took {took:?}");
    Ok(())
}
