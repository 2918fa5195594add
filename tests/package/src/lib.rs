//! What the package is tried with: a server that speaks the connect protocol and does whatever the test clicks, fresh
//! projects that use the package, and a site that serves what they built.

mod project;
mod server;
mod site;

pub use project::Project;
pub use server::Server;
pub use site::Site;

use end_to_end::browser::Browser;

/// The program most projects consist of; it imports `handfast`.
pub const PROGRAM: &str = include_str!("../programs/main.js");

/// The page with that program's button, and `program` as its script element.
#[must_use]
pub fn page(program: &str) -> String {
    include_str!("../programs/index.html").replace("PROGRAM", program)
}

/// Opens a page of such a program and connects by a click.
///
/// # Errors
/// When a step fails.
pub async fn click_through(address: &str) -> anyhow::Result<()> {
    let server = Server::start().await?;
    let browser = Browser::start().await?;
    browser.open(&format!("{address}?host={}&id=user-1", server.host())).await?;
    browser.until("window.ready === true").await;
    browser.click("#connect").await?;
    browser.to_popup().await?;
    browser.click("#success").await?;
    browser.to_application().await?;
    browser.until("document.querySelector('#answer').textContent === 'connected user-1'").await;
    Ok(())
}
