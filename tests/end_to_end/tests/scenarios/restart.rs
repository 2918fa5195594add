//! A power cut in the middle.

use end_to_end::world::{ALLOW, World};

#[tokio::test]
async fn a_server_killed_between_request_and_callback_completes_after_its_restart() -> anyhow::Result<()> {
    let mut world = World::start().await?;
    let browser = world.browser().await?;
    browser.connect("direct", "user-1").await?;
    browser.to_popup().await?;
    browser.element("[name=user]").await?;
    world.server.kill();
    browser.log_in("ada").await?;
    world.server.restart()?;
    browser.click(ALLOW).await?;
    let answer = browser.answer("user-1").await?;
    assert_eq!(answer["resolved"]["connectionId"], "user-1", "{answer}");
    let access_token = world.access_token("direct", "user-1").await?;
    assert_eq!(world.userinfo(&access_token).await?["preferred_username"], "ada");
    Ok(())
}
