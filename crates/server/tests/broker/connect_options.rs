//! What a start may choose: redirect mode, parameters, scopes; and what an integration may: its redirect URI, no user.

use reqwest::Method;
use serde_json::{Value, json};

use super::DATABASE;
use crate::{
    browser::{Attempt, Browser, ORIGIN, ask},
    provider::{Provider, tokens},
    server::Server,
};

const ALLOW: (&str, &str) = ("HANDFAST_DANGER_ALLOW_PRIVATE_ADDRESSES", "true");

async fn world() -> (Provider, Server, Browser) {
    let provider = Provider::start().await;
    let server = Server::start(DATABASE, &provider).await;
    (provider, server, Browser::default())
}

async fn connect_client(server: &Server, body: Value) -> (u16, Value) {
    let answer = server.http.post(format!("{}/connections", server.url)).json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn a_client_that_connects_again_keeps_its_id_and_a_surplus_refresh_token_is_not_used() {
    let provider = Provider::start().await;
    let mut entry = provider.entry();
    entry["refresh_margin"] = json!(60);
    let server = Server::start_with(DATABASE, entry, json!({"scopes": ["read"]}), &[ALLOW]).await;
    provider.answer(200, tokens("machine-1", "surplus", 100_000));
    let (status, first) =
        connect_client(&server, json!({"config_key": "acme", "connection_id": "robot"})).await;
    assert_eq!((status, &first["credentials"]["access_token"]), (201, &json!("machine-1")), "{first}");
    provider.answer(200, json!({"access_token": "machine-2", "expires_in": 60}));
    provider.answer(200, json!({"access_token": "machine-3", "expires_in": 100_000}));
    let again = json!({"config_key": "acme", "connection_id": "robot", "scopes": ["write"]});
    let (_, second) = connect_client(&server, again).await;
    assert_eq!((&second["id"], &second["created_at"]), (&first["id"], &first["created_at"]));
    assert_eq!(server.access_token("robot").await, "machine-3");
    for (request, scope) in provider.token_requests().iter().zip(["read", "write", "write"]) {
        assert_eq!(
            (request["grant_type"].as_str(), request["scope"].as_str()),
            ("client_credentials", scope)
        );
    }
}

#[tokio::test]
async fn client_credentials_that_cannot_be_had_name_the_reason() {
    let (provider, server, _) = world().await;
    server.add_integration("public", json!({"client_secret": null})).await;
    for (body, status, code) in [
        (json!({"config_key": "none", "connection_id": "robot"}), 404, "unknown_integration"),
        (json!({"config_key": "public", "connection_id": "robot"}), 422, "invalid_integration"),
        (json!({"config_key": "acme", "connection_id": ""}), 400, "invalid_request"),
        (
            json!({"config_key": "acme", "connection_id": "robot", "params": {"x": "y"}}),
            400,
            "invalid_parameter",
        ),
        (json!({"config_key": "acme", "connection_id": "robot", "surprise": 1}), 400, "invalid_request"),
    ] {
        let (found, answer) = connect_client(&server, body).await;
        assert_eq!((found, &answer["code"]), (status, &json!(code)), "{answer}");
    }
    assert!(provider.token_requests().is_empty());
    provider.answer(400, json!({"error": "unauthorized_client"}));
    let (status, answer) =
        connect_client(&server, json!({"config_key": "acme", "connection_id": "robot"})).await;
    assert_eq!((status, &answer["code"]), (502, &json!("provider_error")));
    assert!(answer["detail"].as_str().unwrap().contains("unauthorized_client"), "{answer}");
    assert_eq!(server.connection("robot").await.0, 404);
}

#[tokio::test]
async fn redirect_mode_goes_back_to_listed_addresses_only_and_adds_nothing() {
    let (_provider, server, mut browser) = world().await;
    let listed = format!("{ORIGIN}/settings?tab=1");
    server.edit_integration("acme", json!({"allowed_return_to": [listed]})).await;
    for other in ["/settings", "/settings?tab=2", "/settings?tab=1&x", "/"] {
        let other = format!("{ORIGIN}{other}");
        let attempt = Attempt::new("user-1").with(json!({"mode": "redirect", "return_to": other}));
        let page = browser.start(&server, &attempt).await;
        assert_eq!(page.error_code(), "invalid_request", "{other}");
        assert_eq!(page.data()["return_to"], Value::Null, "it is not gone to either");
        assert!(page.html.contains("--return-to"), "{}", page.html);
    }
    let attempt = Attempt::new("user-1").with(json!({"mode": "redirect", "return_to": listed}));
    let page = browser.start(&server, &attempt).await;
    let page = browser.call_back(&server, &[("error", "access_denied"), ("state", &page.state())]).await;
    assert_eq!(page.data()["return_to"], listed);
    assert_eq!(ask(&server, &attempt, "status", 0).await["data"]["error"]["type"], "access_denied");

    // A refusal after that goes back too, and the status resource tells.
    let attempt = attempt.with(json!({"params": {"x": "y"}}));
    let attempt = Attempt { request: attempt.request, ..Attempt::new("user-1") };
    let fresh = json!({"attempt_id": attempt.id, "attempt_secret": attempt.secret});
    let attempt = attempt.with(fresh);
    let page = browser.start(&server, &attempt).await;
    assert_eq!(
        (page.error_code().as_str(), &page.data()["return_to"]),
        ("invalid_parameter", &json!(listed))
    );
    assert_eq!(ask(&server, &attempt, "status", 0).await["data"]["error"]["type"], "invalid_parameter");
}

#[tokio::test]
async fn without_a_list_only_a_loopback_server_goes_back_and_only_to_this_machine() {
    let provider = Provider::start().await;
    let variables = [
        ALLOW,
        ("HANDFAST_ALLOWED_ORIGINS", "https://app.test"),
        ("HANDFAST_ALLOWED_RETURN_TO", "https://app.test/done"),
    ];
    let server = Server::start_with(DATABASE, provider.entry(), json!({}), &variables).await;
    let start = async |return_to: &str| {
        let attempt = Attempt::new("user-1").with(json!({"mode": "redirect", "return_to": return_to}));
        Browser::default().start_with(&server, "acme", &attempt, &[("origin", "https://app.test")]).await
    };
    assert!(start("https://app.test/done").await.data()["url"].is_string());
    assert_eq!(start("https://app.test/other").await.error_code(), "invalid_request");
    let server = Server::start_with(DATABASE, provider.entry(), json!({}), &variables[..2]).await;
    let attempt =
        Attempt::new("user-1").with(json!({"mode": "redirect", "return_to": "https://app.test/done"}));
    let page =
        Browser::default().start_with(&server, "acme", &attempt, &[("origin", "https://app.test")]).await;
    assert_eq!(page.error_code(), "invalid_request", "a page of another machine, and no list");
}

#[tokio::test]
async fn a_page_adds_parameters_but_none_that_the_server_sets() {
    let provider = Provider::start().await;
    let mut entry = provider.entry();
    entry["param_names"] = json!({"client_id": "client_key"});
    entry["authorization_params"] = json!({"access_type": "offline"});
    let server = Server::start_with(DATABASE, entry, json!({"scopes": ["a"]}), &[ALLOW]).await;
    let mut browser = Browser::default();
    let more = json!({"authorization_params": {"prompt": "consent", "login_hint": "me&state=x"}, "scopes": ["b", "c"]});
    let page = browser.start(&server, &Attempt::new("user-1").with(more)).await;
    let params = page.authorization_params();
    for (name, value) in [
        ("prompt", "consent"),
        ("login_hint", "me&state=x"),
        ("access_type", "offline"),
        ("scope", "b c"),
        ("client_key", "client-1"),
    ] {
        assert_eq!(params[name], value);
    }
    let names = page.authorization_request();
    assert_eq!(names.query_pairs().count(), params.len(), "no name comes twice");
    for name in [
        "state",
        "State",
        "redirect_uri",
        "client_id",
        "CLIENT_KEY",
        "client_secret",
        "code_challenge",
        "code_challenge_method",
        "response_type",
        "response_mode",
        "scope",
        "nonce",
        "request",
        "request_uri",
        "oauth_token",
        "oauth_callback",
        "client_assertion",
    ] {
        let attempt = Attempt::new("user-1").with(json!({"authorization_params": {name: "x"}}));
        let page = browser.start(&server, &attempt).await;
        assert_eq!(page.error_code(), "invalid_parameter", "{name}");
        assert!(page.html.contains(name), "{}", page.html);
    }
    let long = Attempt::new("user-1").with(json!({"authorization_params": {"x": "y".repeat(5000)}}));
    assert_eq!(browser.start(&server, &long).await.error_code(), "invalid_parameter");
}

/// RFC 9700 4.4.2.2.
#[tokio::test]
async fn an_integration_with_a_redirect_uri_of_its_own_believes_answers_there_alone() {
    let (provider, server, mut browser) = world().await;
    let page = browser.start(&server, &Attempt::new("user-1")).await;
    let own = format!("/oauth/callback/acme?code=c&state={}", page.state());
    assert_eq!(
        browser.visit(&server, &own).await.error_code(),
        "issuer_mismatch",
        "the shared one was named"
    );

    server.edit_integration("acme", json!({"redirect_uri_kind": "own"})).await;
    let (_, body) = server.get(&["integrations", "acme"], &[]).await;
    assert_eq!(body["redirect_uri"], format!("{}/oauth/callback/acme", server.url));
    let page = browser.start(&server, &Attempt::new("user-1")).await;
    assert_eq!(page.authorization_params()["redirect_uri"], body["redirect_uri"].as_str().unwrap());
    let page = browser.call_back(&server, &[("code", "c"), ("state", &page.state())]).await;
    assert_eq!(page.error_code(), "issuer_mismatch");
    assert!(provider.token_requests().is_empty());

    let page = browser.start(&server, &Attempt::new("user-1")).await;
    let own = format!("/oauth/callback/acme?code=c&state={}", page.state());
    assert_eq!(browser.visit(&server, &own).await.event_type(), "AUTHORIZATION_SUCEEDED");
    assert_eq!(provider.token_requests()[0]["redirect_uri"], body["redirect_uri"].as_str().unwrap());
}

#[tokio::test]
async fn where_the_user_names_the_host_the_redirect_uri_is_the_integrations_own() {
    let provider = Provider::start().await;
    let mut entry = provider.entry();
    entry["authorization_endpoint"] = json!("https://{host}/authorize");
    entry["variables"] = json!({"host": {"kind": "host", "example": "social.example"}});
    let server = Server::start_with(DATABASE, entry, json!({}), &[ALLOW]).await;
    let attempt = Attempt::new("user-1").with(json!({"params": {"host": "any.test"}}));
    let page = Browser::default().start(&server, &attempt).await;
    assert_eq!(page.authorization_params()["redirect_uri"], format!("{}/oauth/callback/acme", server.url));
    assert_eq!(page.data()["drops_opener"], true);
}

#[tokio::test]
async fn what_comes_to_a_custom_callback_host_goes_on_to_where_the_cookie_is() {
    let provider = Provider::start().await;
    let variables = [
        ALLOW,
        ("HANDFAST_PUBLIC_URL", "https://connect.localhost"),
        ("HANDFAST_CALLBACK_URL", "https://auth.localhost"),
    ];
    let server = Server::start_behind(DATABASE, &provider, &variables).await;
    let mut browser = Browser::default();
    let headers = [("origin", ORIGIN), ("host", "connect.localhost")];
    let page = browser.start_with(&server, "acme", &Attempt::new("user-1"), &headers).await;
    assert_eq!(page.authorization_params()["redirect_uri"], "https://auth.localhost/oauth/callback");
    let path = format!("/oauth/callback?code=a%26b&state={}", page.state());
    let at_custom = [("host", "auth.localhost")];
    let passed = browser.request(&server, Method::GET, &path, &at_custom, None, false).await;
    assert_eq!(passed.data()["url"], format!("https://connect.localhost{path}"));
    let form = [("code".to_owned(), "a&b".to_owned()), ("state".to_owned(), page.state())];
    let posted =
        browser.request(&server, Method::POST, "/oauth/callback", &at_custom, Some(&form), false).await;
    assert!(posted.html.contains("action=\"https://connect.localhost/oauth/callback\""), "{}", posted.html);
    assert_eq!(posted.form(), form);
    assert!(provider.token_requests().is_empty());
    let page = browser.request(&server, Method::GET, &path, &headers[1..], None, true).await;
    assert_eq!(page.event_type(), "AUTHORIZATION_SUCEEDED", "{}", page.html);
    assert_eq!(provider.token_requests()[0]["redirect_uri"], "https://auth.localhost/oauth/callback");
    assert_eq!(provider.token_requests()[0]["code"], "a&b");
}

#[tokio::test]
async fn a_server_below_a_path_is_reached_and_called_back_there() {
    let provider = Provider::start().await;
    let variables = [ALLOW, ("HANDFAST_PUBLIC_URL", "https://connect.localhost/auth/")];
    let mut server = Server::start_behind(DATABASE, &provider, &variables).await;
    // The proxy leaves the path as it is.
    server.url += "/auth";
    let mut browser = Browser::default();
    let headers = [("origin", ORIGIN), ("host", "connect.localhost")];
    let page = browser.start_with(&server, "acme", &Attempt::new("user-1"), &headers).await;
    let callback = "https://connect.localhost/auth/oauth/callback";
    assert_eq!(page.authorization_params()["redirect_uri"], callback);
    assert!(
        page.headers["set-cookie"].to_str().unwrap().contains("; Path=/;"),
        "a __Host- cookie has no other"
    );
    let form = [("code".to_owned(), "c".to_owned()), ("state".to_owned(), page.state())];
    let post = Method::POST;
    let repeat = browser.request(&server, post, "/oauth/callback", &headers[1..], Some(&form), false).await;
    assert!(repeat.html.contains(&format!("action=\"{callback}/continue\"")), "{}", repeat.html);
    let page = browser
        .request(&server, Method::POST, "/oauth/callback/continue", &headers[1..], Some(&form), true)
        .await;
    assert_eq!(page.event_type(), "AUTHORIZATION_SUCEEDED", "{}", page.html);
    assert_eq!(provider.token_requests()[0]["redirect_uri"], callback);
    assert_eq!(server.access_token("user-1").await, "access-1");
}

#[tokio::test]
async fn connecting_again_keeps_the_id_and_shows_what_was_granted_this_time() {
    let (provider, server, mut browser) = world().await;
    browser.connect(&server, "user-1").await;
    let (_, first) = server.connection("user-1").await;
    assert_eq!(first["granted_scopes"], json!(["read", "write"]));
    provider.answer(200, json!({"access_token": "access-2", "scope": "read"}));
    browser.connect(&server, "user-1").await;
    let (_, second) = server.connection("user-1").await;
    assert_eq!((&second["id"], &second["created_at"]), (&first["id"], &first["created_at"]));
    assert_eq!(second["granted_scopes"], json!(["read"]));
    assert_eq!(second["credentials"]["access_token"], "access-2");
    assert!(second["credentials"].get("refresh_token").is_none(), "the old grant's is not mixed in");
}
