//! What a client may insist on about a login, and how it hears that it was not to be.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::DATABASE;
use crate::{
    key::now,
    support::{Server, answer},
    world::{Browser, REDIRECT_URI, Registered, ada, claims},
};

/// The application denies: where it sends the browser.
async fn deny(server: &Server, id: &str, body: Value) -> (u16, Value) {
    let request = server.api(Method::POST, &format!("/api/auth_session/{id}/deny"));
    answer(if body.is_null() { request } else { request.json(&body) }).await
}

/// What the application reads about a login session.
async fn read(server: &Server, id: &str) -> Value {
    answer(server.api(Method::GET, &format!("/api/auth_session/{id}"))).await.1
}

/// OAuth 2.0 Multiple Response Type Encoding Practices 2.1, OAuth 2.0 Form Post Response Mode 2: errors travel as answers
/// do.
#[tokio::test]
async fn a_denial_travels_the_way_the_client_asked_for() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({})).await;
    let browser = Browser::new();
    let denied = async |mode: &str| {
        let id = server.login_session(&browser, &client, &[("response_mode", mode)]).await;
        let (status, denied) = deny(&server, &id, json!({"error_description": "not <today>"})).await;
        assert_eq!(status, 200, "{denied}");
        assert_eq!(deny(&server, &id, Value::Null).await.0, 409, "it is decided once");
        assert_eq!(server.approve(&id, ada()).await.0, 409);
        denied["redirect_uri"].as_str().unwrap().to_owned()
    };
    let fragment = denied("fragment").await;
    assert!(fragment.starts_with(&format!("{REDIRECT_URI}#error=access_denied&")), "{fragment}");
    for mode in ["form_post", "web_message"] {
        let ours = denied(mode).await;
        assert!(ours.starts_with(&server.address), "the answer needs a page: {ours}");
        assert_eq!(Browser::new().get(&ours).await.status, StatusCode::FORBIDDEN, "it is this browser's");
        let page = browser.get(&ours).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        if mode == "form_post" {
            assert_eq!(
                (page.field("error").as_str(), page.field("state").as_str()),
                ("access_denied", "a state")
            );
            assert_eq!(page.field("error_description"), "not &lt;today&gt;");
            assert_eq!(page.field("iss"), format!("{}/auth/oauth2", server.address));
        } else {
            assert!(page.body.contains("\"error\":\"access_denied\""), "{}", page.body);
            assert!(page.body.contains("\"origin\":\"https://client.example\""), "{}", page.body);
        }
        assert_eq!(browser.get(&ours).await.status, StatusCode::NOT_FOUND, "it is told once");
    }
}

/// A page needs a place to stand: a private scheme gets its answers by address.
#[tokio::test]
async fn a_redirect_uri_that_is_no_web_page_gets_addresses_only() {
    let server = DATABASE.issuer().start();
    let app = "com.example.app:/callback";
    let public = json!({"token_endpoint_auth_method": "none", "redirect_uri": [app]});
    let client = server.client(public).await;
    for mode in ["form_post", "web_message"] {
        let url = server.authorization_url(&client, &[("redirect_uri", app), ("response_mode", mode)]);
        let page = Browser::new().get(&url).await;
        assert!(page.location().as_str().starts_with(app), "{mode}");
        assert_eq!(page.answer()["error"], "invalid_request");
    }
}

/// OpenID Connect Core 3.1.2.1, `prompt` and `max_age`: the application learns what is asked, and what it
/// says must meet it.
#[tokio::test]
async fn a_login_that_is_too_old_is_not_accepted() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({})).await;
    let browser = Browser::new();
    let id = server.login_session(&browser, &client, &[("prompt", "login select_account")]).await;
    assert_eq!(read(&server, &id).await["prompt"], json!("login select_account"));
    let (status, refused) = server.approve(&id, json!({"user": "ada", "auth_time": now() - 60})).await;
    assert_eq!(status, 400);
    assert!(refused["error"].as_str().unwrap().contains("new login"), "{refused}");
    assert_eq!(server.approve(&id, json!({"user": "ada", "auth_time": now()})).await.0, 200);

    let id = server.login_session(&browser, &client, &[("max_age", "30")]).await;
    assert_eq!(server.approve(&id, json!({"user": "ada", "auth_time": now() - 60})).await.0, 400);
    let (status, denied) = deny(&server, &id, json!({"error": "login_required"})).await;
    assert_eq!(status, 200);
    assert!(denied["redirect_uri"].as_str().unwrap().contains("error=login_required"));
    let id = server.login_session(&browser, &client, &[]).await;
    assert_eq!(
        deny(&server, &id, json!({"error": "invalid_client"})).await.0,
        400,
        "not an application's word"
    );
}

/// OpenID Connect Registration 2, `default_max_age`.
#[tokio::test]
async fn a_client_may_register_how_old_a_login_may_be() {
    let server = DATABASE.issuer().variable("HANDFAST_ISSUER_INITIAL_ACCESS_TOKEN", "come-in").start();
    let client = server.register(json!({"default_max_age": 30})).await;
    let browser = Browser::new();
    let asked = async |more: &[(&str, &str)]| {
        let id = server.login_session(&browser, &client, more).await;
        read(&server, &id).await["max_age"].clone()
    };
    assert_eq!(asked(&[]).await, json!(30));
    assert_eq!(asked(&[("max_age", "5")]).await, json!(5));

    // A minute ago is good enough to log in elsewhere, and not to be let in silently here.
    let approval = json!({"user": "ada", "auth_time": now() - 20});
    server.grant_to(&browser, &client, &[("scope", "openid")], approval).await;
    let silent = async |max_age: &str| {
        let more = [("scope", "openid"), ("prompt", "none"), ("max_age", max_age)];
        browser.get(&server.authorization_url(&client, &more)).await.answer()
    };
    assert!(silent("").await.contains_key("code"));
    assert_eq!(silent("10").await["error"], "login_required");
}

/// OpenID Connect Core 2 and 5.5.1.1, RFC 8176, RFC 9068 2.2.1, ASVS 10.3.4: how a user logged in is told as the
/// application said it, and an essential `acr` is one.
#[tokio::test]
async fn how_a_user_logged_in_is_told_and_can_be_insisted_on() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({})).await;
    let browser = Browser::new();
    let strong = json!({"user": "ada", "acr": "urn:strong", "amr": ["pwd", "otp"], "auth_time": now() - 5});
    let granted =
        server.grant_to(&browser, &client, &[("acr_values", "urn:strong urn:weak")], strong.clone()).await;
    let (_, tokens) = server.redeem(&client, &granted["code"]).await;
    let id_token = claims(&tokens["id_token"]);
    assert_eq!((&id_token["acr"], &id_token["amr"]), (&json!("urn:strong"), &json!(["pwd", "otp"])));
    assert_eq!(id_token["auth_time"], strong["auth_time"]);
    let access = claims(&tokens["access_token"]);
    assert_eq!((&access["acr"], &access["auth_time"]), (&json!("urn:strong"), &strong["auth_time"]));
    let (_, renewed) = server.refresh(&client, tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!(claims(&renewed["id_token"])["auth_time"], strong["auth_time"], "OpenID Connect Core 12.2");

    let essential = json!({"id_token": {"acr": {"essential": true, "values": ["urn:strong"]}}}).to_string();
    let more = [("claims", essential.as_str()), ("acr_values", "urn:strong")];
    let id = server.login_session(&browser, &client, &more).await;
    assert_eq!(read(&server, &id).await["acr_values"], json!("urn:strong"));
    for weak in [json!({"user": "ada"}), json!({"user": "ada", "acr": "urn:weak"})] {
        let (status, refused) = server.approve(&id, weak).await;
        assert_eq!(status, 400);
        assert!(refused["error"].as_str().unwrap().contains("acr"), "{refused}");
    }
    let (_, denied) = deny(&server, &id, json!({"error": "unmet_authentication_requirements"})).await;
    let denied = denied["redirect_uri"].as_str().unwrap();
    assert!(denied.contains("error=unmet_authentication_requirements"), "{denied}");
    let id = server.login_session(&browser, &client, &more).await;
    assert_eq!(server.approve(&id, strong).await.0, 200);
}

/// OpenID Connect Core 3.1.2.1, `id_token_hint`, and 5.5.1, `sub`: another user does not answer.
#[tokio::test]
async fn a_client_may_insist_on_one_user() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({})).await;
    let browser = Browser::new();
    let code = server.grant(&browser, &client, &[("scope", "openid")]).await["code"].clone();
    let (_, tokens) = server.redeem(&client, &code).await;
    let hint = tokens["id_token"].as_str().unwrap();
    let of_ada = json!({"id_token": {"sub": {"value": "ada"}}}).to_string();
    for named in [("id_token_hint", hint), ("claims", &of_ada)] {
        let id = server.login_session(&browser, &client, &[named]).await;
        assert_eq!(read(&server, &id).await["user"], json!("ada"), "the application learns whom");
        let (status, refused) = server.approve(&id, json!({"user": "eve"})).await;
        assert_eq!(status, 400);
        assert!(refused["error"].as_str().unwrap().contains("another user"), "{refused}");
        assert_eq!(server.approve(&id, ada()).await.0, 200);
    }
    let silent = async |more: (&str, &str)| {
        let more = [("prompt", "none"), ("scope", "openid"), more];
        browser.get(&server.authorization_url(&client, &more)).await.answer()
    };
    assert!(silent(("id_token_hint", hint)).await.contains_key("code"));
    let of_eve = json!({"id_token": {"sub": {"value": "eve"}}}).to_string();
    assert_eq!(silent(("claims", &of_eve)).await["error"], "login_required");
    for bad in ["junk", tokens["access_token"].as_str().unwrap(), &format!("{hint}x")] {
        assert_eq!(silent(("id_token_hint", bad)).await["error"], "invalid_request");
    }
    let both = [("id_token_hint", hint), ("claims", of_eve.as_str())];
    let told = browser.get(&server.authorization_url(&client, &both)).await.answer();
    assert_eq!(told["error"], "invalid_request");
}

/// A demonstration answers for the application: who is not the one is turned away.
#[tokio::test]
async fn the_demonstration_lets_nobody_else_answer() {
    let server = DATABASE.demo().start();
    let client = server.register(json!({})).await;
    let browser = Browser::new();
    let log_in = async |more: &[(&str, &str)], form: (&str, &str)| {
        let login = browser.get(&server.authorization_url(&client, more)).await.location();
        let page = browser.get(login.as_str()).await;
        let csrf_token = page.field("csrf_token");
        browser.post(login.as_str(), &[("csrf_token", &csrf_token), form]).await
    };
    let of_ada = json!({"id_token": {"sub": {"value": "ada"}}}).to_string();
    let other = log_in(&[("claims", &of_ada)], ("user", "grace")).await;
    assert_eq!(other.answer()["error"], "login_required");
    let right = log_in(&[("claims", &of_ada), ("prompt", "select_account")], ("user", "ada")).await;
    assert!(right.location().path().starts_with("/auth/consent/"));
    let cancelled = log_in(&[("response_mode", "form_post")], ("cancel", "cancel")).await;
    let page = browser.get(cancelled.location().as_str()).await;
    assert_eq!(page.field("error"), "access_denied");
    // Who does not want to log in for a page of ours is not asked again.
    let asked = browser.get(&format!("{}/auth/applications", server.address)).await.location();
    let csrf_token = browser.get(asked.as_str()).await.field("csrf_token");
    let back = browser.post(asked.as_str(), &[("csrf_token", &csrf_token), ("cancel", "cancel")]).await;
    assert_eq!(back.location().path(), "/oauth");
}

/// RFC 9126 6, ASVS 10.4.12 and 10.4.13: who must push cannot ask in the address.
#[tokio::test]
async fn a_client_may_bind_itself_to_pushed_requests() {
    let server = DATABASE.issuer().variable("HANDFAST_ISSUER_INITIAL_ACCESS_TOKEN", "come-in").start();
    let client: Registered = server.register(json!({"require_pushed_authorization_requests": true})).await;
    let browser = Browser::new();
    let told = browser.get(&server.authorization_url(&client, &[])).await.answer();
    assert_eq!(told["error"], "invalid_request");
    assert!(told["error_description"].contains("push"), "{told:?}");
    let url = server.authorization_url(&client, &[]);
    let query = url::Url::parse(&url).unwrap();
    let form = query.query_pairs().into_owned().collect::<Vec<_>>();
    let form = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>();
    let (status, pushed) = server.post_as(&client, "/auth/oauth2/par", &form).await;
    assert_eq!(status, 201, "{pushed}");
    let request_uri = pushed["request_uri"].as_str().unwrap();
    let granted = server.grant(&browser, &client, &[("request_uri", request_uri)]).await;
    assert_eq!(server.redeem(&client, &granted["code"]).await.0, 200);
}
