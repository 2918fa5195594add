//! How an attempt ends, in a real browser: by the message, by the server's word, by the user, by the application.

use std::time::{Duration, Instant};

use end_to_end::{application::Application, browser::Browser};
use package::Server;
use serde_json::{Value, json};

/// The promise for a window that the user closed must reject within this.
const CLOSING: Duration = Duration::from_secs(3);

struct World {
    server: Server,
    application: Application,
    browser: Browser,
}

impl World {
    async fn start() -> anyhow::Result<Self> {
        Ok(Self {
            server: Server::start().await?,
            application: Application::start("127.0.0.2").await?,
            browser: Browser::start().await?,
        })
    }

    async fn open(&self, headers: &[(&str, &str)]) -> anyhow::Result<()> {
        self.browser.open_application(&self.application.page(headers), &self.server.host()).await
    }

    /// Closes the current window and returns how long the promise took to reject.
    async fn close_popup(&self, connection_id: &str) -> anyhow::Result<(Value, Duration)> {
        self.browser.close_window().await?;
        let closed_at = Instant::now();
        self.browser.looks_at_the_application(true).await?;
        let answer = self.browser.answer(connection_id).await?;
        Ok((answer, closed_at.elapsed()))
    }
}

#[tokio::test]
async fn the_message_settles_the_promise() -> anyhow::Result<()> {
    let world = World::start().await?;
    world.open(&[]).await?;
    for (connection_id, link) in [("user-1", "#success"), ("\"'`</script>\n\u{1f600}", "#access_denied")] {
        world.browser.connect("github", connection_id).await?;
        world.browser.to_popup().await?;
        world.browser.click(link).await?;
        let answer = world.browser.answer(connection_id).await?;
        world.browser.until_popup_is_gone().await;
        let attempt = world.server.attempt(connection_id, |_| true).await;
        assert_eq!(attempt.origin, world.application.origin());
        assert_eq!(attempt.request["protocol"], 1);
        assert!(!attempt.cancelled);
        if link == "#success" {
            let ids = json!({"configKey": "github", "connectionId": connection_id,
                "integrationKey": "github", "providerConfigKey": "github"});
            assert_eq!(answer["resolved"], ids);
        } else {
            let message = "the user said \"no\" </script>";
            assert_eq!(
                answer["rejected"],
                json!({"name": "ConnectError", "isError": true, "code": "access_denied", "message": message,
                    "configKey": "github", "connectionId": connection_id, "integrationKey": "github",
                    "error": {"type": "access_denied", "message": message}})
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_closed_window_rejects_in_time_and_cancels() -> anyhow::Result<()> {
    let world = World::start().await?;
    world.open(&[]).await?;
    world.browser.connect("github", "user-1").await?;
    world.browser.to_popup().await?;
    world.browser.element("#success").await?;
    let (answer, took) = world.close_popup("user-1").await?;
    assert_eq!(answer["rejected"]["code"], "popup_closed");
    assert!(took < CLOSING, "{took:?}");
    assert!(world.server.attempt("user-1", |_| true).await.cancelled);
    Ok(())
}

#[tokio::test]
async fn the_server_tells_the_ending_where_the_opener_is_cut() -> anyhow::Result<()> {
    let world = World::start().await?;
    for (config_key, headers) in
        [("cut", &[][..]), ("github", &[("cross-origin-opener-policy", "same-origin")][..])]
    {
        world.open(headers).await?;
        world.browser.connect(config_key, config_key).await?;
        world.browser.to_popup().await?;
        world.server.attempt(config_key, |attempt| attempt.asked > 0).await;
        world.browser.click("#success").await?;
        assert_eq!(world.browser.answer(config_key).await?["resolved"]["connectionId"], config_key);
    }
    Ok(())
}

#[tokio::test]
async fn a_window_that_was_cut_off_ends_only_when_the_user_is_back() -> anyhow::Result<()> {
    let world = World::start().await?;
    world.open(&[]).await?;
    world.browser.looks_at_the_application(false).await?;
    world.browser.connect("cut", "user-1").await?;
    world.server.attempt("user-1", |attempt| attempt.asked > 0).await;
    let until = Instant::now() + CLOSING + Duration::from_secs(1);
    while Instant::now() < until {
        let answers = world.browser.run("return window.answers", &[]).await?;
        assert_eq!(answers, json!({}), "the user is still in the window");
    }
    world.browser.looks_at_the_application(true).await?;
    let back_at = Instant::now();
    let code = world.browser.rejection("user-1").await?;
    assert_eq!(code, "popup_closed");
    assert!(back_at.elapsed() < CLOSING, "{:?}", back_at.elapsed());
    // What comes later stores nothing and says so.
    world.browser.to_popup().await?;
    world.browser.click("#success").await?;
    world.browser.element("#cancelled").await?;
    Ok(())
}

#[tokio::test]
async fn a_redirect_comes_back_to_its_outcome() -> anyhow::Result<()> {
    let world = World::start().await?;
    let resume = "window.resumed = undefined; handfast.resume().then(
        (connected) => (window.resumed = connected === null ? 'nothing' : connected.connectionId),
        (error) => (window.resumed = error.code))";
    // Out of the page and back, by an answer and by the browser's own button.
    for (connection_id, link, expected) in [
        ("two\nlines", Some("#success"), "two\nlines"),
        ("denied", Some("#access_denied"), "access_denied"),
        ("back", None, "popup_closed"),
    ] {
        world.open(&[]).await?;
        // Such a page is thrown away when it is left, not put aside.
        world.browser.run("window.addEventListener('unload', () => {})", &[]).await?;
        world.browser.connect_with("github", connection_id, &json!({"mode": "redirect"})).await?;
        world.browser.element("#success").await?;
        match link {
            Some(link) => world.browser.click(link).await?,
            None => world.browser.back().await?,
        }
        world.browser.until("document.querySelector('#connect') && window.ready === true").await;
        world.browser.run("window.prepare(arguments[0])", &[json!(world.server.host())]).await?;
        for outcome in [expected, "nothing"] {
            world.browser.run(resume, &[]).await?;
            world.browser.until(&format!("window.resumed === {}", json!(outcome))).await;
        }
    }
    assert!(world.server.attempt("back", |_| true).await.cancelled);
    Ok(())
}

#[tokio::test]
async fn a_page_that_was_only_put_aside_hears_that_the_user_came_back() -> anyhow::Result<()> {
    let world = World::start().await?;
    world.open(&[]).await?;
    world
        .browser
        .run("window.addEventListener('pageshow', (event) => (window.kept = event.persisted))", &[])
        .await?;
    world.browser.connect_with("github", "user-1", &json!({"mode": "redirect"})).await?;
    world.browser.element("#success").await?;
    world.browser.back().await?;
    world.browser.until("document.querySelector('#connect')").await;
    // A browser may throw the page away instead; then there is no promise left to settle.
    if world.browser.run("return window.kept === true", &[]).await? == true {
        assert_eq!(world.browser.rejection("user-1").await?, "popup_closed");
    }
    Ok(())
}
