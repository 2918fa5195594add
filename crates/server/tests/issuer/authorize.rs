//! The authorization request, the application's approval, and consent.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::DATABASE;
use crate::{
    support::{Server, answer},
    world::{Browser, REDIRECT_URI},
};

#[tokio::test]
async fn without_a_login_url_and_outside_the_demonstration_there_is_no_issuer() {
    let server = Server::start();
    for path in [
        "/auth/oauth2/authorize",
        "/auth/jwks.json",
        "/auth/oauth2/.well-known/openid-configuration",
        "/oauth",
    ] {
        let answer = server.request(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

/// RFC 8414 3.3 and OpenID Connect Discovery 4.3: the issuer equals the place its metadata are found at.
#[tokio::test]
async fn the_metadata_stand_where_the_issuer_says() {
    let server = DATABASE.issuer().start();
    let own = format!("{}/auth/oauth2", server.address);
    let (_, oidc) = server.get("/auth/oauth2/.well-known/openid-configuration").await;
    let (_, oauth) = server.get("/.well-known/oauth-authorization-server/auth/oauth2").await;
    assert_eq!(oidc, oauth);
    assert_eq!(oidc["issuer"], json!(own));
    assert_eq!(oidc["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(oidc["response_types_supported"], json!(["code"]));
    let (status, jwks) = server.get("/auth/jwks.json").await;
    assert_eq!(status, 200);
    let mut algorithms =
        jwks["keys"].as_array().unwrap().iter().map(|key| key["alg"].clone()).collect::<Vec<_>>();
    algorithms.sort_by_key(ToString::to_string);
    assert_eq!(json!(algorithms), json!(["ES256", "EdDSA", "RS256"]));
    assert!(jwks["keys"].as_array().unwrap().iter().all(|key| key.get("d").is_none()));
}

/// RFC 6749 4.1.2.1, RFC 9700 4.11, ASVS 10.4.1: where client or redirect URI cannot be trusted, a page answers.
#[tokio::test]
async fn a_bad_client_or_redirect_uri_gets_a_page_and_never_a_redirect() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({})).await;
    let browser = Browser::new();
    let other = format!("{REDIRECT_URI}&more=1");
    let upper = REDIRECT_URI.replace("callback", "Callback");
    for more in [
        [("client_id", "unknown")],
        [("client_id", "")],
        [("redirect_uri", "https://evil.example/")],
        [("redirect_uri", &other)],
        [("redirect_uri", &upper)],
        [("redirect_uri", "")],
    ] {
        let page = browser.get(&server.authorization_url(&client, &more)).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{more:?}");
        assert!(page.header("location").is_empty());
        assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
    }
    let page = browser
        .get(&server.authorization_url(&client, &[("redirect_uri", "https://evil.example/<b>")]))
        .await;
    assert!(
        page.body.contains(REDIRECT_URI) && page.body.contains("https://evil.example/&lt;b&gt;"),
        "{}",
        page.body
    );
}

/// RFC 6749 4.1.2.1, RFC 9207 2: other mistakes are told to the client, with `iss` and `state`.
#[tokio::test]
async fn other_mistakes_are_told_to_the_client() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({})).await;
    let browser = Browser::new();
    for (more, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("response_type", ""), "invalid_request"),
        (("response_mode", "jwt"), "invalid_request"),
        (("scope", "unheard of"), "invalid_scope"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge_method", ""), "invalid_request"),
        (("code_challenge", "short"), "invalid_request"),
        (("prompt", "none login"), "invalid_request"),
        (("prompt", "none"), "login_required"),
        (("max_age", "soon"), "invalid_request"),
        (("claims", "[]"), "invalid_request"),
        (("request", "a.b.c"), "request_not_supported"),
        (("request_uri", "https://client.example/r"), "request_uri_not_supported"),
        (("resource", "https://unknown.example/"), "invalid_target"),
    ] {
        let page = browser.get(&server.authorization_url(&client, &[more])).await;
        let told = page.answer();
        assert!(page.location().as_str().starts_with(REDIRECT_URI), "{more:?}");
        assert_eq!(told["error"], error, "{more:?}: {told:?}");
        assert_eq!(told["state"], "a state");
        assert_eq!(told["iss"], format!("{}/auth/oauth2", server.address));
        assert_eq!(told["own"], "1", "the redirect URI's own query is kept");
    }
    let twice = format!("{}&scope=openid", server.authorization_url(&client, &[]));
    let told = browser.get(&twice).await.answer();
    assert_eq!(told["error"], "invalid_request");
    assert!(told["error_description"].contains("scope"), "{told:?}");
}

/// RFC 9700 2.1.1, ASVS 10.4.6: public clients need S256; a nonce may stand in for confidential ones only.
#[tokio::test]
async fn the_challenge_is_waived_for_confidential_clients_with_a_nonce_only() {
    let server = DATABASE.issuer().start();
    let browser = Browser::new();
    let confidential = server.client(json!({})).await;
    let public = server.client(json!({"token_endpoint_auth_method": "none"})).await;
    let bare = [("code_challenge", ""), ("code_challenge_method", "")];
    let error = async |client, more: &[(&'static str, &'static str)]| {
        let page = browser.get(&server.authorization_url(client, more)).await;
        page.answer().remove("error")
    };
    assert_eq!(error(&confidential, &bare).await, None);
    assert_eq!(error(&public, &bare).await.as_deref(), Some("invalid_request"));
    let without_nonce = [bare.as_slice(), &[("nonce", "")]].concat();
    assert_eq!(error(&confidential, &without_nonce).await.as_deref(), Some("invalid_request"));
    let not_openid = [bare.as_slice(), &[("scope", "profile")]].concat();
    assert_eq!(error(&confidential, &not_openid).await.as_deref(), Some("invalid_request"));
    let legacy = server.client(json!({"profile": "legacy_confidential"})).await;
    assert_eq!(error(&legacy, &without_nonce).await, None);
}

#[tokio::test]
async fn the_application_reads_and_approves_a_login_session() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({"app_name": "Reader"})).await;
    let browser = Browser::new();
    let more = [("login_hint", "ada@example.com"), ("max_age", "60"), ("prompt", "login")];
    let id = server.login_session(&browser, &client, &more).await;
    let path = format!("/api/auth_session/{id}");
    let (status, session) = answer(server.api(Method::GET, &path)).await;
    assert_eq!(status, 200);
    assert_eq!(session["id"], json!(id));
    assert_eq!(session["scopes"], json!(["openid", "profile", "email"]));
    let app =
        json!({"id": client.id, "name": "Reader", "client_id": client.id, "redirect_uri": [REDIRECT_URI]});
    assert_eq!(session["app"], app);
    assert_eq!((&session["login_hint"], &session["max_age"]), (&json!("ada@example.com"), &json!(60)));

    let (status, _) = answer(server.request(Method::GET, &path)).await;
    assert_eq!(status, 401);
    let (status, _) = answer(server.request(Method::GET, &path).header("x-api-key", "wrong")).await;
    assert_eq!(status, 401);
    let (status, _) = answer(server.api(Method::GET, "/api/auth_session/unknown")).await;
    assert_eq!(status, 404);

    assert_eq!(server.approve(&id, json!({"user": ""})).await.0, 400);
    assert_eq!(
        server.approve(&id, json!({"user": "ada", "auth_time": 1})).await.0,
        400,
        "older than max_age"
    );
    let (status, approved) = server.approve(&id, json!({"user": "ada"})).await;
    assert_eq!(status, 200);
    assert!(
        approved["redirect_uri"].as_str().unwrap().starts_with(&format!("{}/auth/consent/", server.address))
    );
    assert_eq!(server.approve(&id, json!({"user": "eve"})).await.0, 409);
    let deny = server.api(Method::POST, &format!("{path}/deny"));
    assert_eq!(answer(deny).await.0, 409);
}

#[tokio::test]
async fn a_denial_brings_the_user_back_to_the_client_with_the_reason_as_it_was_written() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({})).await;
    let browser = Browser::new();
    let id = server.login_session(&browser, &client, &[]).await;
    let text = "not \"you\" `today`</script>\n\u{1f600}";
    let deny = server.api(Method::POST, &format!("/api/auth_session/{id}/deny"));
    let (status, denied) = answer(deny.json(&json!({"error_description": text}))).await;
    assert_eq!(status, 200);
    let location = url::Url::parse(denied["redirect_uri"].as_str().unwrap()).unwrap();
    let told = location.query_pairs().into_owned().collect::<std::collections::BTreeMap<_, _>>();
    assert_eq!((told["error"].as_str(), told["error_description"].as_str()), ("access_denied", text));
    assert_eq!(told["state"], "a state");
}

/// Who begins a request and hands its id to somebody else does not go on as that person, and the other way round.
#[tokio::test]
async fn an_approval_is_of_use_in_the_browser_that_began_and_was_sent_on() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({})).await;
    let (attacker, victim) = (Browser::new(), Browser::new());
    let id = server.login_session(&attacker, &client, &[]).await;
    let (_, approved) = server.approve(&id, json!({"user": "victim"})).await;
    let consent_url = approved["redirect_uri"].as_str().unwrap();
    assert_eq!(victim.get(consent_url).await.status, StatusCode::FORBIDDEN);
    let guessed = format!("{}/auth/consent/{id}", server.address);
    assert_eq!(attacker.get(&guessed).await.status, StatusCode::NOT_FOUND);
}

/// RFC 9700 4.7 and 4.16, ASVS 10.7.2: consent cannot be given by another site, says what it is about, and works once.
#[tokio::test]
async fn consent_needs_the_page_and_works_once() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({"app_name": "<b>App</b>"})).await;
    let browser = Browser::new();
    let id = server.login_session(&browser, &client, &[]).await;
    let (_, approved) = server.approve(&id, json!({"user": "ada"})).await;
    let consent_url = approved["redirect_uri"].as_str().unwrap();
    let page = browser.get(consent_url).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("&lt;b&gt;App&lt;/b&gt;") && !page.body.contains("<b>App"));
    for said in ["ada", "See your email address", "client.example", "90 days"] {
        assert!(page.body.contains(said), "{said} is not in {}", page.body);
    }
    assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
    assert_eq!(page.header("cache-control"), "no-store");
    let forged = browser.post(consent_url, &[("csrf_token", "guess"), ("decision", "allow")]).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    let csrf_token = page.field("csrf_token");
    let form = [("csrf_token", csrf_token.as_str()), ("decision", "deny")];
    let told = browser.post(consent_url, &form).await.answer();
    assert_eq!(told["error"], "access_denied");
    let again = browser.post(consent_url, &[("csrf_token", &csrf_token), ("decision", "allow")]).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
}

/// ASVS 10.7.1, RFC 6749 10.2.
#[tokio::test]
async fn remembered_consent_is_not_asked_for_again_unless_more_is_wanted() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({})).await;
    let browser = Browser::new();
    let first = server.grant(&browser, &client, &[("scope", "openid profile")]).await;
    assert!(first.contains_key("code"));
    let skips = async |more: &[(&str, &str)]| {
        let id = server.login_session(&browser, &client, more).await;
        let (_, approved) = server.approve(&id, json!({"user": "ada"})).await;
        browser.get(approved["redirect_uri"].as_str().unwrap()).await.status == StatusCode::SEE_OTHER
    };
    assert!(skips(&[("scope", "openid profile")]).await);
    assert!(!skips(&[("scope", "openid profile email")]).await);
    assert!(!skips(&[("scope", "openid profile"), ("prompt", "consent")]).await);
    // Anybody on the user's machine can listen there: a public client is asked about again.
    let loopback = "http://127.0.0.1/callback";
    let public = json!({"token_endpoint_auth_method": "none", "redirect_uri": [loopback]});
    let public = server.client(public).await;
    let more = [("redirect_uri", loopback)];
    assert!(server.grant(&browser, &public, &more).await.contains_key("code"));
    let id = server.login_session(&browser, &public, &more).await;
    let (_, approved) = server.approve(&id, json!({"user": "ada"})).await;
    assert_eq!(browser.get(approved["redirect_uri"].as_str().unwrap()).await.status, StatusCode::OK);
}

/// OpenID Connect Core 3.1.2.1.
#[tokio::test]
async fn prompt_none_answers_from_the_session_or_says_what_is_missing() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({})).await;
    let browser = Browser::new();
    let silent = async |more: &[(&str, &str)]| {
        let more = [&[("prompt", "none")], more].concat();
        browser.get(&server.authorization_url(&client, &more)).await.answer()
    };
    assert_eq!(silent(&[]).await["error"], "login_required");
    server.grant(&browser, &client, &[("scope", "openid")]).await;
    let answer = silent(&[("scope", "openid")]).await;
    let (status, tokens) = server.redeem(&client, &answer["code"]).await;
    assert_eq!(status, 200, "{tokens}");
    assert_eq!(silent(&[]).await["error"], "consent_required");
}

#[tokio::test]
async fn answers_travel_by_query_fragment_form_or_message() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({})).await;
    let browser = Browser::new();
    let ask = |mode| server.authorization_url(&client, &[("response_mode", mode), ("prompt", "none")]);
    let fragment = browser.get(&ask("fragment")).await.location();
    assert!(fragment.fragment().unwrap().contains("error=login_required"));
    assert_eq!(fragment.query(), Some("own=1"));
    let form = browser.get(&ask("form_post")).await;
    assert_eq!(form.status, StatusCode::OK);
    assert_eq!(form.field("error"), "login_required");
    assert!(form.body.contains("action=\"https://client.example/callback?own=1\""), "{}", form.body);
    let message = browser.get(&ask("web_message")).await;
    assert!(message.body.contains("\"origin\":\"https://client.example\""), "{}", message.body);
    assert!(message.body.contains("\"error\":\"login_required\""));
    let policy = message.header("content-security-policy");
    assert!(policy.contains("frame-ancestors https://client.example"), "{policy}");
}

#[tokio::test]
async fn the_demonstration_logs_in_whom_one_clicks_and_the_opener_policy_is_the_operators() {
    let server =
        DATABASE.demo().variable("HANDFAST_ISSUER_CROSS_ORIGIN_OPENER_POLICY", "same-origin").start();
    let browser = Browser::new();
    let url = format!(
        "{}/auth/oauth2/authorize?response_type=code&client_id=client1&redirect_uri=http%3A%2F%2F127.0.0.1%3A5%2Fcallback\
         &scope=openid&nonce=n",
        server.address
    );
    let login = browser.get(&url).await.location();
    let page = browser.get(login.as_str()).await;
    assert_eq!(page.header("cross-origin-opener-policy"), "same-origin");
    let csrf_token = page.field("csrf_token");
    let stranger = Browser::new().post(login.as_str(), &[("csrf_token", &csrf_token), ("user", "ada")]).await;
    assert_eq!(stranger.status, StatusCode::FORBIDDEN);
    let consent =
        browser.post(login.as_str(), &[("csrf_token", &csrf_token), ("name", "Zoë <Z>")]).await.location();
    let page = browser.get(consent.as_str()).await;
    assert!(page.body.contains("Zoë &lt;Z&gt;"), "{}", page.body);
    let form = [("csrf_token", page.field("csrf_token")), ("decision", "allow".to_owned())];
    let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
    let answer = browser.post(consent.as_str(), &form).await;
    assert!(answer.location().as_str().starts_with("http://127.0.0.1:5/callback?code="));
}

/// A restart between any two steps changes nothing.
#[tokio::test]
async fn a_restart_between_any_two_steps_is_not_noticed() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({})).await;
    let browser = Browser::new();
    let id = server.login_session(&browser, &client, &[]).await;
    let server = server.kill().start();
    let (_, approved) = server.approve(&id, json!({"user": "ada"})).await;
    let consent_url = approved["redirect_uri"].as_str().unwrap().to_owned();
    let server = server.kill().start();
    let csrf_token = browser.get(&consent_url).await.field("csrf_token");
    let server = server.kill().start();
    let answer =
        browser.post(&consent_url, &[("csrf_token", &csrf_token), ("decision", "allow")]).await.answer();
    let server = server.kill().start();
    let (status, tokens) = server.redeem(&client, &answer["code"]).await;
    assert_eq!(status, 200, "{tokens}");
    let server = server.kill().start();
    let (status, refreshed) = server.refresh(&client, tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!(status, 200, "{refreshed}");
    let server = server.kill().start();
    assert_eq!(server.userinfo(refreshed["access_token"].as_str().unwrap()).await.0, 200);
}
