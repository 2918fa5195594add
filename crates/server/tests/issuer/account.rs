//! The pages for people about themselves, and the first start.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::DATABASE;
use crate::{
    support::{Options, Server, answer},
    world::{Browser, Registered},
};

/// ASVS 10.4.9 and 10.7.3.
#[tokio::test]
async fn a_user_sees_what_they_allowed_and_takes_it_away() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({"app_name": "Reader"})).await;
    let tokens = server.tokens(&client, &[]).await;
    let browser = Browser::new();
    let url = format!("{}/auth/applications", server.address);
    let page = server.log_in_to(&browser, &url, "ada").await;
    assert!(page.body.contains("Reader") && page.body.contains("See your email address"), "{}", page.body);
    let other = Browser::new();
    let others = server.log_in_to(&other, &url, "eve").await;
    assert!(!others.body.contains("Reader"));
    let forged = browser.post(&url, &[("csrf_token", "guess"), ("client_id", &client.id)]).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    assert_eq!(server.userinfo(tokens["access_token"].as_str().unwrap()).await.0, 200);
    let csrf_token = page.field("csrf_token");
    browser.post(&url, &[("csrf_token", &csrf_token), ("client_id", &client.id)]).await.location();
    assert!(!browser.get(&url).await.body.contains("Reader"));
    assert_eq!(server.userinfo(tokens["access_token"].as_str().unwrap()).await.0, 401);
    assert_eq!(server.refresh(&client, tokens["refresh_token"].as_str().unwrap()).await.0, 400);
}

#[tokio::test]
async fn an_owner_registers_edits_rotates_and_deletes_their_own_application_only() {
    let server = DATABASE.issuer().start();
    let (browser, other) = (Browser::new(), Browser::new());
    let registration = format!("{}/oauth/register", server.address);
    let page = server.log_in_to(&browser, &registration, "ada").await;
    assert!(!page.body.contains("name=\"legacy\""), "the legacy profile is off by default");
    let csrf_token = page.field("csrf_token");
    let fields = |name, callback| {
        [("csrf_token", csrf_token.as_str()), ("applicationName", name), ("applicationCallbackUrl", callback)]
    };
    let refused = browser.post(&registration, &fields("Mine", "http://client.example/cb")).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.body.contains("must be an absolute https address"), "{}", refused.body);
    assert!(refused.body.contains("value=\"http://client.example/cb\""), "what was typed stays");
    let done = browser.post(&registration, &fields("Mine", "https://client.example/cb")).await;
    assert!(done.body.contains("id=\"client_secret\""), "{}", done.body);
    let (_, rest) = done.body.split_once("id=\"client_id\">").unwrap();
    let client_id = rest.split('<').next().unwrap();
    assert_eq!(browser.post(&registration, &fields("Mine", "https://client.example/cb")).await.status, 400);

    let url = format!("{}/oauth/applications/{client_id}", server.address);
    assert!(browser.get(&url).await.body.contains("value=\"https://client.example/cb\""));
    let list = format!("{}/oauth/applications", server.address);
    server.log_in_to(&other, &list, "eve").await;
    assert_eq!(other.get(&url).await.status, StatusCode::NOT_FOUND);
    let act = async |more: &[(&str, &str)]| {
        let form = [&[("csrf_token", csrf_token.as_str())], more].concat();
        browser.post(&url, &form).await
    };
    let saved = [
        ("action", "save"),
        ("applicationName", "Ours"),
        ("applicationCallbackUrl", "https://client.example/2"),
    ];
    act(&saved).await.location();
    assert!(browser.get(&list).await.body.contains("Ours"));
    let rotated = act(&[("action", "rotate")]).await;
    assert!(rotated.body.contains("id=\"client_secret\""));
    act(&[("action", "delete")]).await.location();
    assert_eq!(browser.get(&url).await.status, StatusCode::NOT_FOUND);
}

/// What the form does not show is not changed by it.
#[tokio::test]
async fn an_edited_application_keeps_what_the_page_does_not_show() {
    let server = DATABASE.issuer().start();
    let other = "https://client.example/other";
    let public = json!({
        "app_name": "Page", "owner_id": "ada", "profile": "connectivly", "token_endpoint_auth_method": "none",
        "redirect_uri": ["https://client.example/old", other],
    });
    let client = server.client(public).await;
    let browser = Browser::new();
    let url = format!("{}/oauth/applications/{}", server.address, client.id);
    let page = server.log_in_to(&browser, &url, "ada").await;
    assert!(!page.body.contains("Client secret"), "it has none: {}", page.body);
    let csrf_token = page.field("csrf_token");
    let form = [
        ("csrf_token", csrf_token.as_str()),
        ("action", "save"),
        ("applicationName", "Page"),
        ("applicationCallbackUrl", crate::world::REDIRECT_URI),
    ];
    browser.post(&url, &form).await.location();
    let granted = server.grant(&browser, &client, &[]).await;
    let (status, tokens) = server.redeem(&client, &granted["code"]).await;
    assert_eq!(status, 200, "it is a public client as before: {tokens}");
    assert!(
        crate::world::claims(&tokens["access_token"])["app"].is_object(),
        "its API reads the same tokens"
    );
    let id = server.login_session(&browser, &client, &[("redirect_uri", other)]).await;
    assert!(!id.is_empty(), "the second address is still registered");
}

/// Goes all the way in a demonstration, as Ada.
async fn log_in_and_consent(server: &Server, browser: &Browser, client: &Registered) -> String {
    let login = browser.get(&server.authorization_url(client, &[])).await.location();
    let csrf_token = browser.get(login.as_str()).await.field("csrf_token");
    let consent =
        browser.post(login.as_str(), &[("csrf_token", &csrf_token), ("user", "ada")]).await.location();
    let csrf_token = browser.get(consent.as_str()).await.field("csrf_token");
    let form = [("csrf_token", csrf_token.as_str()), ("decision", "allow")];
    browser.post(consent.as_str(), &form).await.answer().remove("code").unwrap()
}

/// OpenID Connect RP-Initiated Logout 2 to 4, ASVS 10.6.2: nobody is logged out by a link that somebody else made.
#[tokio::test]
async fn logging_out_ends_the_session_and_goes_back_to_a_registered_address_only() {
    let server = DATABASE.demo().start();
    let client = server.register(json!({"post_logout_redirect_uris": ["https://client.example/bye"]})).await;
    let browser = Browser::new();
    let code = log_in_and_consent(&server, &browser, &client).await;
    let (_, tokens) = server.redeem(&client, &code).await;
    let hint = tokens["id_token"].as_str().unwrap();
    let logout = |more: &[(&str, &str)]| {
        let mut url = url::Url::parse(&format!("{}/auth/oauth2/logout", server.address)).unwrap();
        url.query_pairs_mut().extend_pairs(more);
        url.to_string()
    };
    let bye = ("post_logout_redirect_uri", "https://client.example/bye");
    // Without a hint the user is asked first.
    let asked = browser.get(&logout(&[("client_id", &client.id), bye])).await;
    assert_eq!(asked.status, StatusCode::OK);
    assert!(asked.body.contains("Ada Lovelace"));
    let elsewhere = ("post_logout_redirect_uri", "https://evil.example/");
    // Neither does the hint of another session, nor an access token, speak for this browser.
    let (_, other) = {
        let elsewhere = Browser::new();
        let code = log_in_and_consent(&server, &elsewhere, &client).await;
        server.redeem(&client, &code).await
    };
    for foreign in [&other["id_token"], &tokens["access_token"]] {
        let asked = browser.get(&logout(&[("id_token_hint", foreign.as_str().unwrap()), bye])).await;
        assert_eq!(asked.status, StatusCode::OK, "{}", asked.body);
        assert!(asked.body.contains("Log out?"), "{}", asked.body);
        assert!(!asked.body.contains(foreign.as_str().unwrap()), "{}", asked.body);
        let is_id_token = foreign == &other["id_token"];
        assert_eq!(asked.body.contains(&client.id), is_id_token, "the page's form names the client");
    }
    let silent = [("prompt", "none"), ("scope", "openid")];
    assert!(browser.get(&server.authorization_url(&client, &silent)).await.answer().contains_key("code"));
    let done = browser.get(&logout(&[("id_token_hint", hint), bye, ("state", "s")])).await;
    assert_eq!(done.location().as_str(), "https://client.example/bye?state=s");
    assert_eq!(
        browser.get(&server.authorization_url(&client, &silent)).await.answer()["error"],
        "login_required"
    );
    // Nobody is logged in any more; a registered address is still gone to, and only by its own client.
    let goes_to =
        async |more: &[(&str, &str)]| browser.get(&logout(more)).await.header("location").to_owned();
    assert_eq!(goes_to(&[("id_token_hint", hint), elsewhere]).await, "");
    assert_eq!(goes_to(&[("id_token_hint", hint), ("client_id", "another"), bye]).await, "");
    assert_eq!(goes_to(&[("client_id", "another"), bye]).await, "");
    assert_eq!(goes_to(&[bye]).await, "");
    assert_eq!(goes_to(&[("client_id", &client.id), bye]).await, "https://client.example/bye");

    // Without a hint the user's own word on the page does it.
    log_in_and_consent(&server, &browser, &client).await;
    let asked = browser.get(&logout(&[("client_id", &client.id), bye, ("state", "s")])).await;
    let csrf_token = asked.field("csrf_token");
    let url = logout(&[]);
    let form = |token| [("csrf_token", token), ("client_id", client.id.as_str()), bye, ("state", "s")];
    let forged = browser.post(&url, &form("guess")).await;
    assert!(forged.body.contains("Log out?"), "{}", forged.body);
    let done = browser.post(&url, &form(&csrf_token)).await;
    assert_eq!(done.location().as_str(), "https://client.example/bye?state=s");
}

#[tokio::test]
async fn the_first_start_makes_an_api_key_and_shows_it_once() {
    let options =
        |options: Options| options.variable("HANDFAST_ISSUER_LOGIN_URL", "https://app.example/connect");
    let mut server = options(Options::new()).start();
    let line = server.next_line();
    let key = line.trim().strip_prefix("API Key: ").expect("the key is printed").to_owned();
    let read = |server: &Server, key: &str| {
        answer(server.request(Method::GET, "/api/auth_session/unknown").header("x-api-key", key))
    };
    assert_eq!(read(&server, &key).await.0, 404);
    assert_eq!(read(&server, "wrong").await.0, 401);
    let (status, _) = server.get("/api/auth_session/unknown").await;
    assert_eq!(status, 401);
    let mut again = options(server.kill()).start();
    assert_eq!(read(&again, &key).await.0, 404);
    again.terminate();
    assert_eq!(again.next_line(), "", "the second start prints no key");
}
