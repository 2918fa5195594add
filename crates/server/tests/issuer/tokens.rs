//! The token endpoint, userinfo, and what becomes of tokens.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::DATABASE;
use crate::{
    site::Site,
    support::answer,
    world::{Browser, REDIRECT_URI, VERIFIER, claims, header, one_success_among},
};

/// RFC 9068 2, OpenID Connect Core 2 and 5.3.
#[tokio::test]
async fn tokens_say_who_for_whom_and_how_long() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({})).await;
    let tokens = server.tokens(&client, &[]).await;
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(1800)));
    assert_eq!(tokens["scope"], json!("openid profile email"));
    let own = json!(format!("{}/auth/oauth2", server.address));
    let access = claims(&tokens["access_token"]);
    assert_eq!(header(&tokens["access_token"])["typ"], json!("at+jwt"));
    assert_eq!((&access["iss"], &access["aud"], &access["sub"]), (&own, &own, &json!("ada")));
    assert_eq!((&access["client_id"], &access["scope"]), (&json!(client.id), &json!("openid profile email")));
    assert!(access["jti"].is_string() && access["exp"].is_i64() && access["iat"].is_i64());
    let id_token = claims(&tokens["id_token"]);
    assert_eq!(
        (&id_token["iss"], &id_token["aud"], &id_token["sub"]),
        (&own, &json!(client.id), &json!("ada"))
    );
    assert_eq!(id_token["nonce"], json!("a nonce"));
    assert!(id_token["auth_time"].is_i64() && id_token["at_hash"].is_string());
    assert!(id_token.get("email").is_none(), "claims of scopes come from userinfo");
    let (status, user) = server.userinfo(tokens["access_token"].as_str().unwrap()).await;
    assert_eq!(status, 200);
    let expected = json!({"sub": "ada", "name": "Ada Lovelace", "email": "ada@example.com", "tier": "gold"});
    assert_eq!(user, expected);
}

/// OpenID Connect Core 5.4 and 5.5: what has no value is left out, and nobody asks for what only we may state.
#[tokio::test]
async fn claims_are_released_by_scope_or_by_name() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({})).await;
    let tokens = server.tokens(&client, &[("scope", "openid")]).await;
    let (_, user) = server.userinfo(tokens["access_token"].as_str().unwrap()).await;
    assert_eq!(user, json!({"sub": "ada", "tier": "gold"}));
    let asked = json!({"userinfo": {"email": null}, "id_token": {"name": {"essential": true}}}).to_string();
    let tokens = server.tokens(&client, &[("scope", "openid"), ("claims", &asked)]).await;
    let (_, user) = server.userinfo(tokens["access_token"].as_str().unwrap()).await;
    assert_eq!(user, json!({"sub": "ada", "tier": "gold", "email": "ada@example.com"}));
    assert_eq!(claims(&tokens["id_token"])["name"], json!("Ada Lovelace"));
    let asked = json!({
        "userinfo": {"phone_number": {"essential": true}, "iss": null, "email": {"value": "eve@example.com"}},
        "id_token": {"auth_time": {"essential": true}, "email": null},
    });
    let more = [("scope", "openid"), ("claims", &asked.to_string() as &str)];
    let tokens = server.tokens(&client, &more).await;
    let (_, user) = server.userinfo(tokens["access_token"].as_str().unwrap()).await;
    assert_eq!(user, json!({"sub": "ada", "tier": "gold", "email": "ada@example.com"}));
    let id_token = claims(&tokens["id_token"]);
    assert_eq!((&id_token["email"], id_token["auth_time"].is_i64()), (&json!("ada@example.com"), true));
}

/// What the published `connectivly` package checks: no `aud`, RS256, `scopes` and `app`, and no secret's hash.
#[tokio::test]
async fn applications_of_the_approval_api_get_the_tokens_their_package_reads() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({"profile": "connectivly", "app_name": "Reader"})).await;
    let tokens = server.tokens(&client, &[]).await;
    let access = claims(&tokens["access_token"]);
    assert!(access.get("aud").is_none());
    assert_eq!(access["scopes"], json!(["openid", "profile", "email"]));
    let app =
        json!({"id": client.id, "name": "Reader", "client_id": client.id, "redirect_uri": [REDIRECT_URI]});
    assert_eq!(access["app"], app);
    assert_eq!(header(&tokens["access_token"])["alg"], json!("RS256"));
}

/// RFC 6749 4.1.3, RFC 7636 4.6, RFC 9700 2.1.1, ASVS 10.4.3: a code is bound to client, redirect URI and challenge.
#[tokio::test]
async fn a_code_is_bound_to_client_redirect_uri_and_challenge() {
    let server = DATABASE.issuer().start();
    let (client, other) = (server.client(json!({})).await, server.client(json!({})).await);
    let browser = Browser::new();
    let code =
        async |more: &[(&str, &str)]| server.grant(&browser, &client, more).await.remove("code").unwrap();
    let redeem = async |code: &str, more: &[(&str, &str)]| {
        let mut form = std::collections::BTreeMap::from([
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", VERIFIER),
        ]);
        form.extend(more.iter().copied());
        form.retain(|_, value| !value.is_empty());
        server.token(&client, &form.into_iter().collect::<Vec<_>>()).await
    };
    let (status, refused) = server.redeem(&other, &code(&[]).await).await;
    assert_eq!((status, &refused["error"]), (400, &json!("invalid_grant")));
    let wrong_verifier = "x".repeat(43);
    for more in [
        ("redirect_uri", "https://client.example/other"),
        ("redirect_uri", ""),
        ("code_verifier", &wrong_verifier),
        ("code_verifier", ""),
    ] {
        let (status, refused) = redeem(&code(&[]).await, &[more]).await;
        assert_eq!((status, &refused["error"]), (400, &json!("invalid_grant")), "{more:?}");
    }
    // The verifier is demanded exactly if a challenge came.
    let bare = [("code_challenge", ""), ("code_challenge_method", "")];
    let (status, refused) = redeem(&code(&bare).await, &[]).await;
    assert_eq!((status, &refused["error"]), (400, &json!("invalid_grant")));
    assert_eq!(redeem(&code(&bare).await, &[("code_verifier", "")]).await.0, 200);
    assert_eq!(redeem("unknown", &[]).await.0, 400);
}

/// RFC 6749 4.1.2, RFC 9700 4.13, ASVS 10.4.2: one of fifty gets tokens, and they end because the code was reused.
#[tokio::test]
async fn one_of_fifty_token_requests_succeeds_and_its_tokens_are_revoked() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({})).await;
    let code = server.grant(&Browser::new(), &client, &[]).await.remove("code").unwrap();
    let tokens = one_success_among((0..50).map(|_| server.redemption(&client, &code))).await;
    assert_eq!(server.userinfo(tokens["access_token"].as_str().unwrap()).await.0, 401);
    let (status, _) = server.refresh(&client, tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!(status, 400);
}

/// RFC 9700 4.14.2, ASVS 10.4.5: refresh tokens rotate, and the reuse of one revokes its family.
#[tokio::test]
async fn a_refresh_token_works_once_and_its_reuse_revokes_the_family() {
    let server = DATABASE.issuer().start();
    let (client, other) = (server.client(json!({})).await, server.client(json!({})).await);
    let tokens = server.tokens(&client, &[]).await;
    let first = tokens["refresh_token"].as_str().unwrap();
    let (status, refused) = server.refresh(&other, first).await;
    assert_eq!((status, &refused["error"]), (400, &json!("invalid_grant")));
    let (status, second) = server.refresh(&client, first).await;
    assert_eq!(status, 200, "{second}");
    assert!(second["refresh_token"].is_string() && second["refresh_token"] != tokens["refresh_token"]);
    assert_eq!(claims(&second["id_token"])["sub"], json!("ada"));
    assert_eq!(server.userinfo(second["access_token"].as_str().unwrap()).await.0, 200);
    assert_eq!(server.refresh(&client, first).await.0, 400);
    assert_eq!(server.refresh(&client, second["refresh_token"].as_str().unwrap()).await.0, 400);
    assert_eq!(server.userinfo(second["access_token"].as_str().unwrap()).await.0, 401);
}

/// RFC 6749 6: fewer scopes may be asked for, never more.
#[tokio::test]
async fn a_refresh_may_narrow_the_scopes_only() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({})).await;
    let tokens = server.tokens(&client, &[("scope", "openid profile")]).await;
    let refresh = async |token: &Value, scope: &str| {
        let form =
            [("grant_type", "refresh_token"), ("refresh_token", token.as_str().unwrap()), ("scope", scope)];
        server.token(&client, &form).await
    };
    let (status, refused) = refresh(&tokens["refresh_token"], "openid email").await;
    assert_eq!((status, &refused["error"]), (400, &json!("invalid_scope")));
    let (status, narrow) = refresh(&tokens["refresh_token"], "profile").await;
    assert_eq!((status, &narrow["scope"]), (200, &json!("profile")));
    assert!(narrow.get("id_token").is_none());
    let (status, refused) = server.userinfo(narrow["access_token"].as_str().unwrap()).await;
    assert_eq!((status, &refused["error"]), (403, &json!("insufficient_scope")));
    let (_, whole) = server.refresh(&client, narrow["refresh_token"].as_str().unwrap()).await;
    assert_eq!(whole["scope"], json!("openid profile"));
}

/// ASVS 10.4.8: rotation never extends the grant's absolute expiry.
#[tokio::test]
async fn rotation_does_not_extend_the_grant() {
    let server = DATABASE.issuer().variable("HANDFAST_ISSUER_GRANT_LIFETIME", "900").start();
    let client = server.client(json!({})).await;
    let tokens = server.tokens(&client, &[]).await;
    assert!(tokens["expires_in"].as_u64().unwrap() <= 900);
    let end = claims(&tokens["access_token"])["exp"].clone();
    let (_, second) = server.refresh(&client, tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!(claims(&second["access_token"])["exp"], end);
    let server = DATABASE.issuer().variable("HANDFAST_ISSUER_GRANT_LIFETIME", "0").start();
    let client = server.client(json!({})).await;
    let code = server.grant(&Browser::new(), &client, &[]).await.remove("code").unwrap();
    assert_eq!(server.redeem(&client, &code).await.0, 400);
}

/// RFC 6749 2.3.1, 4.4 and 5.2, ASVS 10.4.10.
#[tokio::test]
async fn clients_authenticate_by_header_or_body_and_not_by_both() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({"grant_types": ["client_credentials"]})).await;
    let form = [("grant_type", "client_credentials")];
    let (status, tokens) = server.token(&client, &form).await;
    assert_eq!(status, 200, "{tokens}");
    assert_eq!(claims(&tokens["access_token"])["sub"], json!(client.id));
    assert!(tokens.get("refresh_token").is_none());
    let post = |form: &[(&str, &str)]| server.request(Method::POST, "/auth/oauth2/token").form(form);
    let in_body = [form[0], ("client_id", &client.id), ("client_secret", &client.secret)];
    assert_eq!(answer(post(&in_body)).await.0, 200);
    let (status, refused) = answer(post(&in_body).basic_auth(&client.id, Some(&client.secret))).await;
    assert_eq!((status, &refused["error"]), (400, &json!("invalid_request")));
    for (id, secret) in
        [(client.id.as_str(), "wrong"), ("unknown", client.secret.as_str()), (client.id.as_str(), "")]
    {
        let refused = post(&form).basic_auth(id, Some(secret)).send().await.unwrap();
        assert_eq!(refused.status(), 401);
        assert!(refused.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic"));
        assert_eq!(refused.headers()["cache-control"], "no-store");
    }
    assert_eq!(answer(post(&[form[0], ("client_id", &client.id)])).await.0, 401);
    let (status, refused) = server.token(&client, &[form[0], ("scope", "openid")]).await;
    assert_eq!((status, &refused["error"]), (400, &json!("invalid_scope")));
    let (status, refused) = server.token(&client, &[form[0], form[0]]).await;
    assert_eq!((status, &refused["error"]), (400, &json!("invalid_request")));
}

/// ASVS 10.4.4 and 10.4.11, OAuth 2.1 2.4: a client has the grants and scopes it is registered for, and nobody has the
/// password grant.
#[tokio::test]
async fn a_client_has_its_own_grants_and_scopes_only() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({"grant_types": ["client_credentials"]})).await;
    for (grant_type, error) in [
        ("refresh_token", "unauthorized_client"),
        ("authorization_code", "unauthorized_client"),
        ("urn:ietf:params:oauth:grant-type:device_code", "unauthorized_client"),
        ("password", "unsupported_grant_type"),
        ("implicit", "unsupported_grant_type"),
    ] {
        let (status, refused) = server.token(&client, &[("grant_type", grant_type)]).await;
        assert_eq!((status, &refused["error"]), (400, &json!(error)), "{grant_type}");
    }
    let narrow = server.client(json!({"scopes": ["openid", "email"]})).await;
    assert_eq!(server.tokens(&narrow, &[]).await["scope"], json!("openid email"));
    let told = Browser::new().get(&server.authorization_url(&narrow, &[("scope", "profile")])).await.answer();
    assert_eq!(told["error"], "invalid_scope");
}

/// ASVS 10.4.10: whatever a confidential client asks of us directly, it shows that it is itself.
#[tokio::test]
async fn every_endpoint_for_clients_authenticates_them() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({})).await;
    for path in ["token", "par", "introspect", "revoke", "device_authorization"] {
        let form = [("client_id", client.id.as_str()), ("grant_type", "authorization_code"), ("token", "x")];
        let ask = || server.request(Method::POST, &format!("/auth/oauth2/{path}"));
        for request in [ask().form(&form), ask().form(&form).basic_auth(&client.id, Some("wrong"))] {
            let (status, refused) = answer(request).await;
            assert_eq!((status, &refused["error"]), (401, &json!("invalid_client")), "{path}: {refused}");
        }
        // RFC 6749 3.2: parameters travel in a form.
        let (status, refused) = answer(ask().json(&json!({"client_id": client.id}))).await;
        assert_eq!((status, &refused["error"]), (400, &json!("invalid_request")), "{path}: {refused}");
    }
}

/// RFC 6749 5.1, RFC 9207 2, RFC 9700 4.12: nothing is kept on the way, every answer says who gives it, and a form is
/// never repeated elsewhere.
#[tokio::test]
async fn answers_are_not_cached_name_their_issuer_and_follow_forms_by_303() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({})).await;
    let browser = Browser::new();
    let id = server.login_session(&browser, &client, &[]).await;
    let (_, approved) = server.approve(&id, json!({"user": "ada"})).await;
    let consent = approved["redirect_uri"].as_str().unwrap();
    let csrf_token = browser.get(consent).await.field("csrf_token");
    let page = browser.post(consent, &[("csrf_token", &csrf_token), ("decision", "allow")]).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert_eq!((page.header("cache-control"), page.header("referrer-policy")), ("no-store", "no-referrer"));
    let granted = page.answer();
    assert_eq!(granted["iss"], format!("{}/auth/oauth2", server.address));
    for _ in 0..2 {
        let redeemed = server.redemption(&client, &granted["code"]).send().await.unwrap();
        assert_eq!(redeemed.headers()["cache-control"], "no-store");
    }
}

/// OpenID Connect Core 5.3: the application may answer for itself, about its own user, and never under another name.
#[tokio::test]
async fn the_applications_own_userinfo_is_asked() {
    let site = Site::start().await;
    let url =
        site.publish("/userinfo", json!({"sub": "somebody else", "name": "A. Lovelace", "plan": "gold"}));
    let server = DATABASE.issuer().variable("HANDFAST_ISSUER_USERINFO_URL", &format!("{url}?own=1")).start();
    let client = server.client(json!({})).await;
    let tokens = server.tokens(&client, &[]).await;
    let token = tokens["access_token"].as_str().unwrap();
    let (status, user) = server.userinfo(token).await;
    assert_eq!((status, user), (200, json!({"sub": "ada", "name": "A. Lovelace", "plan": "gold"})));
    let [asked] = site.requests().try_into().unwrap();
    assert_eq!(asked.address, "/userinfo?own=1&sub=ada");
    assert_eq!(asked.authorization, format!("Bearer {token}"));
    assert_eq!(server.userinfo("junk").await.0, 401);
    assert_eq!(site.requests().len(), 1, "a bad token asks nobody");
    site.publish("/userinfo", json!("not an object"));
    let (status, refused) = server.userinfo(token).await;
    assert_eq!((status, &refused["error"]), (502, &json!("temporarily_unavailable")));
    drop(site);
    assert_eq!(server.userinfo(token).await.0, 502);
}

/// RFC 8707 2.
#[tokio::test]
async fn a_token_is_for_the_resources_that_were_asked_for() {
    let (api, other) = ("https://api.example.com/", "https://files.example.com/");
    let server = DATABASE.issuer().variable("HANDFAST_ISSUER_RESOURCES", &format!("{api}, {other}")).start();
    let client = server.client(json!({})).await;
    let tokens = server.tokens(&client, &[("resource", api)]).await;
    assert_eq!(claims(&tokens["access_token"])["aud"], json!(api));
    assert_eq!(
        server.userinfo(tokens["access_token"].as_str().unwrap()).await.0,
        401,
        "it is not for userinfo"
    );
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
        ("resource", other),
    ];
    let (status, refused) = server.token(&client, &form).await;
    assert_eq!((status, &refused["error"]), (400, &json!("invalid_target")));
}

/// RFC 9700 2.6: CORS stands where programs in a page ask, and nowhere else.
#[tokio::test]
async fn pages_may_call_token_metadata_and_keys_but_never_authorize() {
    let server = DATABASE.issuer().start();
    let allowed = async |path: &str| {
        let request = server.request(Method::GET, path).header("origin", "https://page.example");
        let answer = request.send().await.unwrap();
        answer.headers().get("access-control-allow-origin").map(|value| value.to_str().unwrap().to_owned())
    };
    for path in ["/auth/jwks.json", "/auth/oauth2/.well-known/openid-configuration", "/auth/oauth2/userinfo"]
    {
        assert_eq!(allowed(path).await.as_deref(), Some("*"), "{path}");
    }
    assert_eq!(allowed("/auth/oauth2/authorize").await, None);
    let preflight = server.request(Method::OPTIONS, "/auth/oauth2/token").send().await.unwrap();
    assert_eq!(preflight.headers()["access-control-allow-origin"], "*");
    assert!(preflight.headers().get("access-control-allow-credentials").is_none());
}

/// RFC 6750 3.
#[tokio::test]
async fn userinfo_says_why_it_refuses() {
    let server = DATABASE.issuer().start();
    let challenge = async |token: Option<&str>| {
        let request = server.request(Method::GET, "/auth/oauth2/userinfo");
        let request = token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 401);
        answer.headers()["www-authenticate"].to_str().unwrap().to_owned()
    };
    assert!(!challenge(None).await.contains("error"));
    let client = server.client(json!({})).await;
    let tokens = server.tokens(&client, &[]).await;
    for bad in ["junk", tokens["id_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap()] {
        assert!(challenge(Some(bad)).await.contains("error=\"invalid_token\""), "{bad}");
    }
}

/// Nothing secret reaches the log.
#[tokio::test]
async fn no_token_code_or_secret_is_logged() {
    let server = DATABASE.issuer().variable("HANDFAST_LOG", "trace").start();
    let client = server.client(json!({})).await;
    let browser = Browser::new();
    let id = server.login_session(&browser, &client, &[]).await;
    let code = server.grant(&browser, &client, &[]).await.remove("code").unwrap();
    let (_, tokens) = server.redeem(&client, &code).await;
    let (access, refresh) = (tokens["access_token"].clone(), tokens["refresh_token"].clone());
    server.refresh(&client, "not-a-known-refresh-token").await;
    let log = server.kill_and_log();
    assert!(log.contains("/auth/oauth2/token"), "the log is read");
    let texts = [
        Some(id.as_str()),
        Some(code.as_str()),
        access.as_str(),
        refresh.as_str(),
        Some(client.secret.as_str()),
    ];
    for text in
        texts.into_iter().flatten().chain(["not-a-known-refresh-token", VERIFIER, "a state", "a nonce"])
    {
        assert!(!log.contains(text), "the log holds {text}");
    }
}
