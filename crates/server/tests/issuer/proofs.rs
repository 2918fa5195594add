//! Clients that show a key instead of a secret: DPoP (RFC 9449) and `private_key_jwt` (RFC 7523).

use reqwest::Method;
use serde_json::{Value, json};

use super::DATABASE;
use crate::{
    key::{Key, assertion, now, redeem_by_assertion, token_url},
    support::{Server, answer},
    world::{Browser, CHALLENGE, REDIRECT_URI, Registered, VERIFIER, claims},
};

/// A token request with a DPoP header.
async fn prove(server: &Server, client: &Registered, proof: &str, form: &[(&str, &str)]) -> (u16, Value) {
    let mut form = form.to_vec();
    form.push(("client_id", &client.id));
    let request = server.request(Method::POST, "/auth/oauth2/token").header("dpop", proof);
    if client.secret.is_empty() {
        return answer(request.form(&form)).await;
    }
    answer(request.basic_auth(&client.id, Some(&client.secret)).form(&form)).await
}

async fn redeem(server: &Server, client: &Registered, key: &Key, more: &[(&str, &str)]) -> (u16, Value) {
    let code = server.grant(&Browser::new(), client, more).await["code"].clone();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
    ];
    prove(server, client, &key.proof("POST", &token_url(server), None), &form).await
}

async fn userinfo(server: &Server, scheme: &str, token: &str, proof: Option<&str>) -> (u16, String) {
    let request = server.request(Method::GET, "/auth/oauth2/userinfo");
    let request = request.header("authorization", format!("{scheme} {token}"));
    let request = if let Some(proof) = proof { request.header("dpop", proof) } else { request };
    let answer = request.send().await.unwrap();
    let challenge = answer.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), challenge.unwrap_or_default())
}

/// RFC 9449 5 to 7, ASVS 10.3.5.
#[tokio::test]
async fn a_token_asked_for_with_a_proof_is_good_with_a_proof_only() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({})).await;
    let key = Key::new();
    let (status, tokens) = redeem(&server, &client, &key, &[]).await;
    assert_eq!((status, &tokens["token_type"]), (200, &json!("DPoP")), "{tokens}");
    assert_eq!(claims(&tokens["access_token"])["cnf"], json!({"jkt": key.thumbprint()}));
    let token = tokens["access_token"].as_str().unwrap();
    let url = format!("{}/auth/oauth2/userinfo", server.address);

    let proof = key.proof("GET", &url, Some(token));
    assert_eq!(userinfo(&server, "DPoP", token, Some(&proof)).await.0, 200);
    let thief = Key::new().proof("GET", &url, Some(token));
    let elsewhere = key.proof("GET", &token_url(&server), Some(token));
    let without_hash = key.proof("GET", &url, None);
    for (scheme, proof, reason) in [
        ("DPoP", Some(proof.as_str()), "used before"),
        ("DPoP", Some(thief.as_str()), "another key"),
        ("DPoP", Some(elsewhere.as_str()), "another address"),
        ("DPoP", Some(without_hash.as_str()), "another access token"),
        ("DPoP", None, "proof is missing"),
        ("Bearer", None, "bound to a key"),
    ] {
        let (status, challenge) = userinfo(&server, scheme, token, proof).await;
        assert_eq!(status, 401);
        assert!(challenge.starts_with("DPoP ") && challenge.contains(reason), "{challenge}");
        assert!(challenge.contains("algs=\"RS256 ES256 EdDSA\""), "{challenge}");
    }

    let bearer = server.tokens(&client, &[]).await;
    let bearer = bearer["access_token"].as_str().unwrap();
    let (status, challenge) =
        userinfo(&server, "DPoP", bearer, Some(&key.proof("GET", &url, Some(bearer)))).await;
    assert_eq!(status, 401);
    assert!(challenge.contains("not bound"), "{challenge}");
}

/// RFC 9449 5.2, ASVS 10.4.14: a client may bind itself to tokens that are of no use to a thief.
#[tokio::test]
async fn a_client_may_want_bound_tokens_only() {
    let server = DATABASE.issuer().variable("HANDFAST_ISSUER_INITIAL_ACCESS_TOKEN", "come-in").start();
    let client = server.register(json!({"dpop_bound_access_tokens": true})).await;
    let code = server.grant(&Browser::new(), &client, &[]).await["code"].clone();
    let (status, refused) = server.redeem(&client, &code).await;
    assert_eq!((status, &refused["error"]), (400, &json!("invalid_dpop_proof")), "{refused}");
    let (status, tokens) = redeem(&server, &client, &Key::new(), &[]).await;
    assert_eq!((status, &tokens["token_type"]), (200, &json!("DPoP")), "{tokens}");
}

/// RFC 8725 3.1, RFC 7515 4.1.11, ASVS 9.1.2: what is unsigned, wants more than we know, or is too long, is refused.
#[tokio::test]
async fn tokens_that_are_unsigned_critical_or_too_long_are_refused() {
    let server = DATABASE.issuer().start();
    let key = Key::new();
    let body = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key.jwk]}});
    let client = server.client(body).await;
    let claims = assertion(&server, &client);
    let mut long = claims.clone();
    long["padding"] = json!("x".repeat(20_000));
    for jwt in [
        key.sign(&json!({"alg": "none"}), &claims),
        key.sign(&json!({"alg": "HS256"}), &claims),
        key.sign(&json!({"alg": "ES256", "crit": ["exp"]}), &claims),
        key.sign(&json!({"alg": "RS256"}), &claims),
        key.sign(&json!({"alg": "ES256"}), &long),
    ] {
        let (status, refused) = redeem_by_assertion(&server, &jwt, "a code").await;
        assert_eq!((status, &refused["error"]), (401, &json!("invalid_client")), "{refused}");
        assert_eq!(userinfo(&server, "Bearer", &jwt, None).await.0, 401);
    }
    let good = key.sign(&json!({"alg": "ES256"}), &claims);
    let (_, refused) = redeem_by_assertion(&server, &good, "a code").await;
    assert_eq!(refused["error"], json!("invalid_grant"), "the client is known: {refused}");
}

/// RFC 9449 5: without a secret, the key is what a refresh token is bound to.
#[tokio::test]
async fn the_refresh_token_of_a_public_client_needs_the_same_key() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({"token_endpoint_auth_method": "none"})).await;
    let key = Key::new();
    let (_, tokens) = redeem(&server, &client, &key, &[]).await;
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    let (status, refused) = server.refresh(&client, refresh).await;
    assert_eq!((status, &refused["error"]), (400, &json!("invalid_grant")));
    let other = Key::new().proof("POST", &token_url(&server), None);
    assert_eq!(prove(&server, &client, &other, &form).await.0, 400);
    let (status, renewed) =
        prove(&server, &client, &key.proof("POST", &token_url(&server), None), &form).await;
    assert_eq!((status, &renewed["token_type"]), (200, &json!("DPoP")), "{renewed}");
}

/// RFC 9449 10, 4.3 and 5.2.
#[tokio::test]
async fn a_code_can_be_bound_and_a_bad_proof_has_its_own_error() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({})).await;
    let (key, other) = (Key::new(), Key::new());
    let thumbprint = key.thumbprint();
    let (status, refused) = redeem(&server, &client, &other, &[("dpop_jkt", &thumbprint)]).await;
    assert_eq!((status, &refused["error"]), (400, &json!("invalid_grant")), "{refused}");
    assert_eq!(redeem(&server, &client, &key, &[("dpop_jkt", &thumbprint)]).await.0, 200);

    let wrong_method = key.proof("GET", &token_url(&server), None);
    let form = [("grant_type", "refresh_token"), ("refresh_token", "unknown")];
    let (status, refused) = prove(&server, &client, &wrong_method, &form).await;
    assert_eq!((status, &refused["error"]), (400, &json!("invalid_dpop_proof")), "{refused}");
}

/// RFC 9449 10.1.
#[tokio::test]
async fn a_proof_beside_a_pushed_request_binds_the_code() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({})).await;
    let key = Key::new();
    let url = format!("{}/auth/oauth2/par", server.address);
    let push = async |thumbprint: &str| {
        let form = [
            ("response_type", "code"),
            ("redirect_uri", REDIRECT_URI),
            ("scope", "openid"),
            ("nonce", "a nonce"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("dpop_jkt", thumbprint),
        ];
        let request = server.request(Method::POST, "/auth/oauth2/par").form(&form);
        let request = request.basic_auth(&client.id, Some(&client.secret));
        answer(request.header("dpop", key.proof("POST", &url, None))).await
    };
    let (status, refused) = push(&Key::new().thumbprint()).await;
    assert_eq!((status, &refused["error"]), (400, &json!("invalid_dpop_proof")), "{refused}");
    let (status, pushed) = push("").await;
    assert_eq!(status, 201, "{pushed}");
    let request_uri = pushed["request_uri"].as_str().unwrap();
    let code = server.grant(&Browser::new(), &client, &[("request_uri", request_uri)]).await["code"].clone();
    let (status, refused) = server.redeem(&client, &code).await;
    assert_eq!((status, &refused["error"]), (400, &json!("invalid_grant")), "{refused}");
    assert!(refused["error_description"].as_str().unwrap().contains("bound to a key"), "{refused}");
}

/// RFC 7523 3, OpenID Connect Core 9.
#[tokio::test]
async fn a_client_authenticates_by_a_jwt_of_its_own_key_once() {
    let server = DATABASE.issuer().start();
    let key = Key::new();
    let client = server
        .client(json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key.jwk]}}))
        .await;
    assert!(client.secret.is_empty(), "a client with a key has no secret");
    let good = assertion(&server, &client);
    let ask = async |assertion: &str, code: &str| redeem_by_assertion(&server, assertion, code).await;
    let sign = |claims: &Value| key.sign(&json!({"alg": "ES256"}), claims);
    for (name, value, reason) in [
        ("aud", json!("https://other.example"), "aud"),
        ("exp", json!(now() - 60), "exp"),
        ("exp", json!(now() + 7200), "exp"),
        ("iss", json!("someone"), "iss"),
        ("iat", json!(now() + 120), "not valid yet"),
        ("jti", json!(null), "jti"),
    ] {
        let mut claims = good.clone();
        claims[name] = value;
        let (status, refused) = ask(&sign(&claims), "a code").await;
        assert_eq!((status, &refused["error"]), (401, &json!("invalid_client")), "{name}: {refused}");
        assert!(refused["error_description"].as_str().unwrap().contains(reason), "{refused}");
    }
    let foreign = Key::new().sign(&json!({"alg": "ES256"}), &good);
    assert_eq!(ask(&foreign, "a code").await.0, 401);

    let code = server.grant(&Browser::new(), &client, &[]).await["code"].clone();
    let signed = sign(&good);
    let (status, tokens) = ask(&signed, &code).await;
    assert_eq!(status, 200, "{tokens}");
    let (status, refused) = ask(&signed, &code).await;
    assert_eq!((status, &refused["error"]), (401, &json!("invalid_client")), "{refused}");
    assert!(refused["error_description"].as_str().unwrap().contains("used before"), "{refused}");
}

/// OpenID Connect Registration 2.
#[tokio::test]
async fn a_client_that_signs_must_register_a_key() {
    let server = DATABASE.issuer().start();
    let body = json!({
        "app_name": "Signer", "owner_id": "operator", "redirect_uri": [REDIRECT_URI],
        "token_endpoint_auth_method": "private_key_jwt",
    });
    let (status, refused) = answer(server.api(Method::POST, "/api/app").json(&body)).await;
    assert_eq!(status, 400);
    assert!(refused["error"].as_str().unwrap().contains("jwks"), "{refused}");
}
