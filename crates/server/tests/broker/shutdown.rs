//! Told to end, the server lets what is in progress come to its end.

use super::DATABASE;
use crate::{
    browser::{Attempt, Browser},
    provider::{Provider, tokens},
    server::{Server, eventually},
};

async fn ends(server: &mut Server) {
    eventually(async || server.has_ended().is_some()).await;
    assert_eq!(server.has_ended().and_then(|status| status.code()), Some(0));
}

#[tokio::test]
async fn a_code_that_is_being_redeemed_becomes_a_connection() {
    let provider = Provider::start().await;
    let mut server = Server::start(DATABASE, &provider).await;
    let mut browser = Browser::default();
    let page = browser.start(&server, &Attempt::new("user-1")).await;
    provider.hold("authorization_code");
    let params = [("code", "c"), ("state", &page.state())];
    let end = async {
        eventually(async || provider.token_requests().len() == 1).await;
        server.terminate();
        provider.release();
    };
    let (page, ()) = tokio::join!(browser.call_back(&server, &params), end);
    assert_eq!(page.event_type(), "AUTHORIZATION_SUCEEDED", "{}", page.html);
    ends(&mut server).await;
    server.start_again();
    assert_eq!(server.access_token("user-1").await, "access-1");
}

#[tokio::test]
async fn a_window_or_a_caller_that_went_away_loses_nothing() {
    let provider = Provider::start().await;
    let mut server = Server::start(DATABASE, &provider).await;
    let mut browser = Browser::default();
    browser.connect(&server, "user-1").await;
    let page = browser.start(&server, &Attempt::new("user-2")).await;
    let cookies: Vec<_> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    provider.hold("authorization_code");
    let address = format!("{}/oauth/callback?code=c&state={}", server.url, page.state());
    let window = tokio::spawn(server.http.get(address).header("cookie", cookies.join("; ")).send());
    eventually(async || provider.token_requests().len() == 2).await;
    window.abort();
    provider.hold("refresh_token");
    let force = format!("{}/connections/user-1?config_key=acme&force_refresh=true", server.url);
    let caller = tokio::spawn(server.http.get(force).send());
    eventually(async || provider.refreshes() == 1).await;
    caller.abort();

    server.terminate();
    provider.answer(200, tokens("access-2", "refresh-2", 3600));
    provider.release();
    provider.release();
    ends(&mut server).await;
    server.start_again();
    for connection_id in ["user-1", "user-2"] {
        assert_eq!(server.access_token(connection_id).await, "access-2");
    }
}

#[tokio::test]
async fn an_attempt_whose_user_is_still_at_the_provider_goes_on_with_the_next_server() {
    let provider = Provider::start().await;
    let mut server = Server::start(DATABASE, &provider).await;
    let mut browser = Browser::default();
    let page = browser.start(&server, &Attempt::new("user-1")).await;
    server.terminate();
    ends(&mut server).await;
    server.start_again();
    let page = browser.call_back(&server, &[("code", "c"), ("state", &page.state())]).await;
    assert_eq!(page.event_type(), "AUTHORIZATION_SUCEEDED", "{}", page.html);
}
