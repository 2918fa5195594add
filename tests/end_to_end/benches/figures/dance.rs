//! The whole dance as the server sees it: start request, token request, callback, stored connection.

use std::ops::Range;

use anyhow::Context;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use url::{Url, form_urlencoded};

use crate::client::{Connection, address_of};

/// The integration of the benchmark.
pub(crate) const CONFIG_KEY: &str = "bench";

/// Connects `user-N` for each number, this many at a time.
pub(crate) async fn many(url: &str, numbers: Range<usize>, clients: usize) -> anyhow::Result<()> {
    let mut dancing = JoinSet::new();
    for client in 0..clients {
        let (url, numbers) = (url.to_owned(), numbers.clone());
        dancing.spawn(async move {
            let mut dancer = Dancer::connect(&url).await?;
            for number in numbers.skip(client).step_by(clients) {
                dancer.dance(number).await.with_context(|| format!("user-{number}"))?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = dancing.join_next().await {
        done??;
    }
    Ok(())
}

/// A browser, reduced to what the server sees of it.
pub(crate) struct Dancer {
    connection: Connection,
    host: String,
}

impl Dancer {
    pub(crate) async fn connect(url: &str) -> anyhow::Result<Self> {
        let (address, host) = address_of(url)?;
        Ok(Self { connection: Connection::open(address).await?, host })
    }

    /// The body of the answer to a `GET`.
    pub(crate) async fn body(&mut self, path: &str) -> anyhow::Result<String> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host);
        Ok(self.connection.ask_for_text(request.as_bytes()).await?.1.to_owned())
    }

    async fn dance(&mut self, number: usize) -> anyhow::Result<()> {
        let attempt = json!({
            "protocol": 1, "attempt_id": format!("{number:022}"), "attempt_secret": format!("{number:043}"),
            "connection_id": format!("user-{number}"), "mode": "popup",
        });
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("request", &attempt.to_string())
            .finish();
        let start = format!(
            "POST /oauth/connect/{CONFIG_KEY} HTTP/1.1\r\nHost: {}\r\nOrigin: http://127.0.0.2:8080\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            self.host,
            form.len()
        );
        let (head, body) = self.connection.ask_for_text(start.as_bytes()).await?;
        let cookie = header(head, "set-cookie").and_then(|cookie| cookie.split(';').next());
        let cookie = cookie.context("the start sets a cookie")?.to_owned();
        let state = state(body)?;

        let callback = format!(
            "GET /oauth/callback?code=code-{number}&state={state} HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\n\r\n",
            self.host
        );
        let (_, body) = self.connection.ask_for_text(callback.as_bytes()).await?;
        anyhow::ensure!(body.contains("AUTHORIZATION_SUCEEDED"), "{body}");
        Ok(())
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}

/// The `state` of the authorization request that the start page goes on to.
fn state(page: &str) -> anyhow::Result<String> {
    let island = page.split("id=\"data\">").nth(1).and_then(|rest| rest.split("</script>").next());
    let island: Value = serde_json::from_str(island.context("the page holds data")?)?;
    let request = Url::parse(island["url"].as_str().context("the page goes on")?)?;
    let state = request.query_pairs().find(|(name, _)| name == "state");
    Ok(state.context("an authorization request has a state")?.1.into_owned())
}
