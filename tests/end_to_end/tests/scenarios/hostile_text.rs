//! Text that would like to be markup or script is delivered as text.

use end_to_end::{browser::Browser, provider::HOSTILE_DESCRIPTION, world::World};

const HOSTILE_ID: &str = "o'Neill \"x\" `${window.ran = 1}` </script><script>window.ran = 1; opener.ran = 1</script>\r\n\t<img src=x onerror=ran=1>&amp;%2f?#\u{2028}🦀";

async fn assert_nothing_ran(browser: &Browser) -> anyhow::Result<()> {
    browser.to_application().await?;
    assert!(browser.run("return window.ran ?? null", &[]).await?.is_null(), "the text ran");
    Ok(())
}

#[tokio::test]
async fn a_hostile_connection_id_is_only_a_name() -> anyhow::Result<()> {
    let world = World::start().await?;
    let browser = world.browser().await?;
    browser.connect("direct", HOSTILE_ID).await?;
    browser.to_popup().await?;
    browser.log_in_and_allow("ada").await?;
    let answer = browser.answer(HOSTILE_ID).await?;
    assert_eq!(answer["resolved"]["connectionId"], HOSTILE_ID, "{answer}");
    assert_nothing_ran(&browser).await?;
    let (status, connection) = world.connection("direct", HOSTILE_ID).await?;
    assert_eq!((status, &connection["connection_id"]), (200, &HOSTILE_ID.into()), "{connection}");
    Ok(())
}

#[tokio::test]
async fn a_hostile_error_description_is_only_a_sentence() -> anyhow::Result<()> {
    let world = World::start().await?;
    let browser = world.browser().await?;
    browser.connect("hostile", HOSTILE_ID).await?;
    let answer = browser.answer(HOSTILE_ID).await?;
    let rejected = &answer["rejected"];
    assert_eq!(rejected["code"], "provider_error", "{answer}");
    assert_eq!(rejected["connectionId"], HOSTILE_ID);
    let message = rejected["message"].as_str().unwrap_or_default();
    assert!(message.contains("</script><script>window.ran = 1"), "the sentence arrives whole: {message}");
    assert!(HOSTILE_DESCRIPTION.lines().all(|line| message.contains(line)), "{message}");
    assert_nothing_ran(&browser).await
}
