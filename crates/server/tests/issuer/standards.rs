//! Introspection, revocation, pushed requests, signed userinfo, pairwise subjects, key rotation.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::DATABASE;
use crate::{
    support::answer,
    world::{Browser, CHALLENGE, REDIRECT_URI, Registered, claims, header},
};

/// RFC 7662 2.
#[tokio::test]
async fn a_client_introspects_its_own_tokens_and_the_operator_all() {
    let server = DATABASE.issuer().start();
    let (client, other) = (server.client(json!({})).await, server.client(json!({})).await);
    let tokens = server.tokens(&client, &[]).await;
    let (access, refresh) =
        (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    let path = "/auth/oauth2/introspect";
    let (status, told) = server.post_as(&client, path, &[("token", access)]).await;
    assert_eq!((status, &told["active"], &told["sub"]), (200, &json!(true), &json!("ada")));
    assert_eq!((&told["client_id"], &told["token_type"]), (&json!(client.id), &json!("Bearer")));
    let (_, told) = server.post_as(&client, path, &[("token", refresh)]).await;
    assert_eq!((&told["active"], &told["scope"]), (&json!(true), &json!("openid profile email")));
    let inactive = (200, json!({"active": false}));
    assert_eq!(server.post_as(&other, path, &[("token", access)]).await, inactive);
    assert_eq!(server.post_as(&client, path, &[("token", "junk")]).await, inactive);
    let anonymous = server.request(Method::POST, path).form(&[("token", access)]);
    assert_eq!(answer(anonymous).await.0, 401);
    assert_eq!(server.post_as(&client, path, &[]).await.0, 400);

    let whole = answer(server.api(Method::POST, "/api/introspect").form(&[("token", access)])).await;
    assert_eq!((whole.0, &whole.1["username"]), (200, &json!("ada")));
    let one_bit = answer(server.request(Method::POST, "/api/introspect").form(&[("token", access)])).await;
    assert_eq!(one_bit, (200, json!({"active": true})));
}

#[tokio::test]
async fn who_guesses_tokens_without_a_key_is_slowed_down() {
    let server = DATABASE.issuer().start();
    let ask = || server.request(Method::POST, "/api/introspect").form(&[("token", "junk")]).send();
    let mut refused = false;
    // Sixty pass, and then one a second.
    for _ in 0..500 {
        if ask().await.unwrap().status() == StatusCode::TOO_MANY_REQUESTS {
            refused = true;
            break;
        }
    }
    assert!(refused);
}

/// RFC 7009 2, ASVS 10.4.9.
#[tokio::test]
async fn a_client_revokes_its_own_tokens() {
    let server = DATABASE.issuer().start();
    let (client, other) = (server.client(json!({})).await, server.client(json!({})).await);
    for kind in ["access_token", "refresh_token"] {
        let tokens = server.tokens(&client, &[]).await;
        let form = [("token", tokens[kind].as_str().unwrap())];
        let revoke = |client: &Registered| {
            let request = server.request(Method::POST, "/auth/oauth2/revoke").form(&form);
            request.basic_auth(&client.id, Some(&client.secret)).send()
        };
        assert_eq!(revoke(&other).await.unwrap().status(), StatusCode::BAD_REQUEST);
        assert_eq!(server.userinfo(tokens["access_token"].as_str().unwrap()).await.0, 200);
        assert_eq!(revoke(&client).await.unwrap().status(), StatusCode::OK);
        assert_eq!(server.userinfo(tokens["access_token"].as_str().unwrap()).await.0, 401);
        assert_eq!(server.refresh(&client, tokens["refresh_token"].as_str().unwrap()).await.0, 400);
        assert_eq!(revoke(&client).await.unwrap().status(), StatusCode::OK, "again is as good");
    }
    let wrong = Registered { secret: "wrong".to_owned(), ..client };
    assert_eq!(server.post_as(&wrong, "/oauth2/revoke", &[("token", "x")]).await.0, 401);
}

/// RFC 9126 2 and 4.
#[tokio::test]
async fn a_pushed_request_is_used_once_by_its_own_client() {
    let server = DATABASE.issuer().start();
    let (client, other) = (server.client(json!({})).await, server.client(json!({})).await);
    let browser = Browser::new();
    let request = [
        ("response_type", "code"),
        ("redirect_uri", REDIRECT_URI),
        ("scope", "openid"),
        ("nonce", "n"),
        ("state", "pushed"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let push = async || {
        let (status, pushed) = server.post_as(&client, "/auth/oauth2/par", &request).await;
        assert_eq!(status, 201, "{pushed}");
        assert_eq!(pushed["expires_in"], json!(90));
        pushed["request_uri"].as_str().unwrap().to_owned()
    };
    let url = |client: &Registered, request_uri: &str| {
        let mut url = url::Url::parse(&format!("{}/auth/oauth2/authorize", server.address)).unwrap();
        url.query_pairs_mut().append_pair("client_id", &client.id).append_pair("request_uri", request_uri);
        url.to_string()
    };
    let request_uri = push().await;
    assert!(request_uri.starts_with("urn:ietf:params:oauth:request_uri:"));
    assert_eq!(browser.get(&url(&other, &request_uri)).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(browser.get(&url(&client, &request_uri)).await.location().host_str(), Some("app.example"));
    assert_eq!(browser.get(&url(&client, &request_uri)).await.status, StatusCode::BAD_REQUEST);
    let (status, refused) = server.post_as(&client, "/auth/oauth2/par", &request[1..]).await;
    assert_eq!((status, &refused["error"]), (400, &json!("invalid_request")));
    let wrong = Registered { secret: "wrong".to_owned(), ..client.clone() };
    assert_eq!(server.post_as(&wrong, "/auth/oauth2/par", &request).await.0, 401);
}

/// OpenID Connect Core 5.3.2 and 8.
#[tokio::test]
async fn userinfo_is_signed_and_subjects_are_pairwise_for_clients_that_ask_so() {
    let server = DATABASE.issuer().variable("HANDFAST_ISSUER_INITIAL_ACCESS_TOKEN", "come-in").start();
    let first = json!({
        "subject_type": "pairwise", "userinfo_signed_response_alg": "ES256", "id_token_signed_response_alg": "EdDSA",
    });
    let first = server.register(first).await;
    let same_host = server.register(json!({"subject_type": "pairwise"})).await;
    let tokens = server.tokens(&first, &[]).await;
    assert_eq!(header(&tokens["id_token"])["alg"], json!("EdDSA"));
    let subject = claims(&tokens["id_token"])["sub"].clone();
    assert!(subject != json!("ada") && subject.as_str().unwrap().len() == 43);
    assert_eq!(claims(&tokens["access_token"])["sub"], subject);
    let second = server.tokens(&same_host, &[]).await;
    assert_eq!(claims(&second["id_token"])["sub"], subject, "one host, one name");
    let public = server.client(json!({})).await;
    assert_eq!(claims(&server.tokens(&public, &[]).await["id_token"])["sub"], json!("ada"));

    let request = server.request(Method::GET, "/auth/oauth2/userinfo");
    let userinfo = request.bearer_auth(tokens["access_token"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(userinfo.headers()["content-type"], "application/jwt");
    let jwt = json!(userinfo.text().await.unwrap());
    assert_eq!(header(&jwt)["alg"], json!("ES256"));
    let said = claims(&jwt);
    assert_eq!(
        (&said["sub"], &said["aud"], &said["email"]),
        (&subject, &json!(first.id), &json!("ada@example.com"))
    );
    let (_, told) = server
        .post_as(&first, "/auth/oauth2/introspect", &[("token", tokens["access_token"].as_str().unwrap())])
        .await;
    assert!(told.get("username").is_none(), "introspection does not tell a pairwise client who the user is");
}

/// ASVS 11.2.2: keys are replaced by command, and what the old ones signed stays good.
#[tokio::test]
async fn rotated_keys_stay_published_while_their_tokens_live() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({})).await;
    let before = server.tokens(&client, &[]).await;
    let output = server.command_with_key(&["issuer", "rotate-keys"]);
    assert!(output.status.success(), "{}", crate::support::printed(&output));
    let after = server.tokens(&client, &[]).await;
    let kid = |tokens: &Value| header(&tokens["access_token"])["kid"].clone();
    assert_ne!(kid(&before), kid(&after));
    let (_, jwks) = server.get("/auth/jwks.json").await;
    let published = jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect::<Vec<_>>();
    assert!(published.contains(&kid(&before)) && published.contains(&kid(&after)));
    assert_eq!(published.len(), 6);
    assert_eq!(server.userinfo(before["access_token"].as_str().unwrap()).await.0, 200);
}

/// ASVS 11.2.2: a key past its age is replaced by itself.
#[tokio::test]
async fn keys_are_replaced_by_age() {
    let server = DATABASE.issuer().variable("HANDFAST_ISSUER_KEY_LIFETIME", "1000").start();
    let (_, before) = server.get("/auth/jwks.json").await;
    DATABASE.execute(&server, &["UPDATE issuer_keys SET created_at = created_at - 1001000"]).await;
    let server = server.kill().start();
    let (_, after) = server.get("/auth/jwks.json").await;
    let count = |jwks: &Value| jwks["keys"].as_array().unwrap().len();
    assert_eq!((count(&before), count(&after)), (3, 6));
}

#[tokio::test]
async fn clients_are_made_on_the_command_line() {
    let server = DATABASE.issuer().start();
    let create = ["client", "create", "From the shell", "--redirect-uri", REDIRECT_URI, "--json"];
    let output = server.command_with_key(&create);
    assert!(output.status.success(), "{}", crate::support::printed(&output));
    let created: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |name: &str| created[name].as_str().unwrap().to_owned();
    let client = Registered { id: text("client_id"), secret: text("client_secret") };
    let tokens = server.tokens(&client, &[]).await;
    assert_eq!(header(&tokens["access_token"])["typ"], json!("at+jwt"));
    let signer = ["client", "create", "Signer", "--redirect-uri", REDIRECT_URI, "--json", "--jwks-uri"];
    let output = server.command_with_key(&[signer.as_slice(), &["https://client.example/jwks"]].concat());
    let created: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(created["client_secret"], Value::Null, "it signs");
    let again = server.command_with_key(&create);
    assert!(!again.status.success() && crate::support::printed(&again).contains("exists already"));
}
