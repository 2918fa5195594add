//! `cargo xtask demo`, as a newcomer meets it.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::Context;
use end_to_end::{
    browser::Browser,
    eventually, figure,
    handfast::built,
    world::{ALLOW, DENY},
};
use xtask::program::{self, Running};

/// How long it may be silent: on a cold tree it builds the server first.
const BUILDING: Duration = Duration::from_mins(15);

/// Runs until it has said where to go: the page's address and the line for the backend.
fn start(data: &Path) -> anyhow::Result<(Running, String, String)> {
    let mut command = program::bound_to_us(built("xtask")?);
    command
        .args(["demo", "--port", "0", "--page-port", "0"])
        .env("HANDFAST_DATA_DIR", data)
        .stdout(Stdio::piped());
    let began_at = Instant::now();
    let mut demo = Running::start(&mut command)?;
    let lines = demo.lines();
    let (mut page, mut curl) = (String::new(), String::new());
    loop {
        let line = lines.recv_timeout(BUILDING).context("the demo does not say that it is ready")?;
        println!("{line}");
        match line.trim().split_once(' ') {
            Some(("Open", address)) => address.trim().clone_into(&mut page),
            Some(("then", command)) => command.trim().clone_into(&mut curl),
            Some(("Ready", _)) => break,
            _ => {}
        }
    }
    figure(
        "demo on a warm tree, from the command to the page",
        format!("{:.1} s", began_at.elapsed().as_secs_f64()),
    );
    Ok((demo, page, curl))
}

#[tokio::test]
async fn the_demo_page_connects_and_its_curl_line_shows_the_token() -> anyhow::Result<()> {
    let data = tempfile::tempdir()?;
    let (_demo, page, curl) = start(data.path())?;
    let browser = Browser::start().await?;
    browser.open(&page).await?;
    browser.click("#connect").await?;
    browser.to_popup().await?;
    browser.log_in("ada").await?;
    browser.click(DENY).await?;
    browser.to_application().await?;
    browser.until("document.querySelector('#result').textContent.includes('access_denied')").await;

    browser.click("#connect").await?;
    browser.to_popup().await?;
    browser.log_in("ada").await?;
    browser.click(ALLOW).await?;
    browser.to_application().await?;
    browser.until("document.querySelector('#result').textContent.includes('is connected')").await;

    let address = curl.split('\'').nth(1).context("the address stands in quotes")?;
    let connection = eventually("the connection is there", async || {
        let answer = reqwest::get(address).await.ok()?;
        answer.json::<serde_json::Value>().await.ok()
    });
    let connection = connection.await;
    assert!(connection["credentials"]["access_token"].is_string(), "{connection}");
    Ok(())
}
