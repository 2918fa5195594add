//! Which pages may connect, and that attempts do not meet each other.

use end_to_end::{
    application::Application,
    browser::Browser,
    world::{DENY, World},
};

#[tokio::test]
async fn a_page_of_another_origin_is_refused_and_told_so() -> anyhow::Result<()> {
    let world = World::start().await?;
    let other = Application::start("127.0.0.4").await?;
    let browser = Browser::start().await?;
    browser.open_application(&other.page(&[]), world.server.url()).await?;
    browser.connect("counted", "user-1").await?;
    assert_eq!(browser.rejection("user-1").await?, "origin_not_allowed");
    assert!(world.gateway.authorization_requests().is_empty());
    Ok(())
}

#[tokio::test]
async fn two_attempts_at_once_end_each_with_its_own_result() -> anyhow::Result<()> {
    let world = World::start().await?;
    let browser = world.browser().await?;
    browser.connect("direct", "first").await?;
    let first = browser.to_popup().await?;
    browser.element("[name=user]").await?;
    browser.connect("counted", "second").await?;
    let second = browser.to_new_popup(std::slice::from_ref(&first)).await?;
    browser.element("[name=user]").await?;

    browser.to(&first).await?;
    browser.log_in("ada").await?;
    browser.element(DENY).await?;
    browser.to(&second).await?;
    browser.log_in_and_allow("grace").await?;
    let resolved = browser.answer("second").await?;
    assert_eq!(resolved["resolved"]["connectionId"], "second", "{resolved}");
    assert!(
        browser.run("return window.answers.first ?? null", &[]).await?.is_null(),
        "the first is still open"
    );

    browser.to(&first).await?;
    browser.click(DENY).await?;
    assert_eq!(browser.rejection("first").await?, "access_denied");
    assert_eq!(world.connection("direct", "first").await?.0, 400);
    world.access_token("counted", "second").await?;
    Ok(())
}
