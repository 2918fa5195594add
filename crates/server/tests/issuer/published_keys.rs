//! What clients publish about themselves: keys at their `jwks_uri`, and the redirect URIs of their sector.

use reqwest::Method;
use serde_json::{Value, json};

use super::DATABASE;
use crate::{
    key::{Key, assertion, redeem_by_assertion, unique},
    site::Site,
    support::{Options, Server, answer},
    world::{Browser, REDIRECT_URI, Registered, claims},
};

/// An issuer that reaches sites of this machine.
fn issuer() -> Options {
    DATABASE
        .issuer()
        .variable("HANDFAST_ISSUER_INITIAL_ACCESS_TOKEN", "come-in")
        .variable("HANDFAST_DANGER_ALLOW_PRIVATE_ADDRESSES", "true")
}

fn published(keys: &[(&str, &Key)]) -> Value {
    let named = keys.iter().map(|(name, key)| {
        let mut jwk = key.jwk.clone();
        jwk["kid"] = json!(name);
        jwk
    });
    json!({"keys": named.collect::<Vec<_>>()})
}

/// Whether the client gets tokens for a new code with an assertion of this key.
async fn signs_in(server: &Server, client: &Registered, name: &str, key: &Key) -> (u16, Value) {
    let code = server.grant(&Browser::new(), client, &[]).await["code"].clone();
    let assertion = key.sign(&json!({"alg": "ES256", "kid": name}), &assertion(server, client));
    redeem_by_assertion(server, &assertion, &code).await
}

/// OpenID Connect Core 10.1.1: keys rotate at the client's address; ASVS 10.4.16.
#[tokio::test]
async fn keys_are_read_from_the_clients_address_and_again_when_an_unknown_one_appears() {
    let (server, site) = (issuer().start(), Site::start().await);
    let (first, second) = (Key::new(), Key::new());
    let jwks_uri = site.publish("/jwks.json", published(&[("first", &first)]));
    let body = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": jwks_uri});
    let client = server.client(body).await;
    for _ in 0..3 {
        let (status, tokens) = signs_in(&server, &client, "first", &first).await;
        assert_eq!(status, 200, "{tokens}");
    }
    assert_eq!(site.requests().len(), 1, "the keys are kept");

    // Unknown keys do not make us ask again and again.
    for _ in 0..3 {
        let (status, refused) = signs_in(&server, &client, "second", &second).await;
        assert_eq!((status, &refused["error"]), (401, &json!("invalid_client")), "{refused}");
    }
    assert_eq!(site.requests().len(), 1);
    site.publish("/jwks.json", published(&[("second", &second)]));
    // What this process keeps is forgotten with it.
    let server = server.kill().start();
    assert_eq!(signs_in(&server, &client, "second", &second).await.0, 200);
    assert_eq!(signs_in(&server, &client, "first", &first).await.0, 401);
    assert_eq!(site.requests().len(), 2);
}

/// ASVS 13.2.4: no address of this side of the internet is asked, and a failure is told to the client.
#[tokio::test]
async fn a_clients_address_is_under_the_rules_of_every_other_address() {
    let site = Site::start().await;
    let key = Key::new();
    let jwks_uri = site.publish("/jwks.json", published(&[("key", &key)]));
    let server = DATABASE.issuer().start();
    let body = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": jwks_uri});
    let client = server.client(body).await;
    let (status, refused) = signs_in(&server, &client, "key", &key).await;
    assert_eq!((status, &refused["error"]), (401, &json!("invalid_client")), "{refused}");
    assert!(refused["error_description"].as_str().unwrap().contains("not a public https address"));
    assert_eq!(site.requests(), []);

    let server = issuer().start();
    let missing = format!("{}/missing.json", site.url);
    let body = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": missing});
    let client = server.client(body).await;
    let (_, refused) = signs_in(&server, &client, "key", &key).await;
    assert!(refused["error_description"].as_str().unwrap().contains("HTTP 404"), "{refused}");
}

/// RFC 7591 2.
#[tokio::test]
async fn keys_stand_in_one_place_and_behind_https() {
    let server = issuer().start();
    let jwks = json!({"keys": [Key::new().jwk]});
    for more in [
        json!({"jwks": jwks, "jwks_uri": "https://client.example/jwks"}),
        json!({"jwks_uri": "http://client.example/jwks"}),
        json!({"jwks_uri": "file:///etc/passwd"}),
        json!({"jwks_uri": "nowhere"}),
        json!({"sector_identifier_uri": "http://client.example/sector"}),
    ] {
        let mut document = json!({"redirect_uris": [REDIRECT_URI]});
        document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let request = server.request(Method::POST, "/auth/oauth2/register").bearer_auth("come-in");
        let (status, refused) = answer(request.json(&document)).await;
        assert_eq!((status, &refused["error"]), (400, &json!("invalid_client_metadata")), "{more}");
    }
}

/// OpenID Connect Core 8.1, Registration 5.
#[tokio::test]
async fn clients_of_one_sector_know_a_user_by_one_name() {
    let (server, site) = (issuer().start(), Site::start().await);
    let elsewhere = "https://other.example/callback";
    let sector = site.publish("/sector.json", json!([REDIRECT_URI, elsewhere]));
    let of_sector = |more: Value| {
        let mut document = json!({"subject_type": "pairwise", "sector_identifier_uri": sector});
        document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        document
    };
    let first = server.register(of_sector(json!({}))).await;
    let second = server.register(of_sector(json!({"redirect_uris": [REDIRECT_URI, elsewhere]}))).await;
    let outside = server.register(json!({"subject_type": "pairwise"})).await;
    let name = async |client| claims(&server.tokens(client, &[]).await["id_token"])["sub"].clone();
    let (first, second, outside) = (name(&first).await, name(&second).await, name(&outside).await);
    assert_eq!(first, second);
    assert_ne!(first, outside);

    let document = of_sector(json!({"redirect_uris": ["https://evil.example/callback"]}));
    let request = server.request(Method::POST, "/auth/oauth2/register").bearer_auth("come-in");
    let (status, refused) = answer(request.json(&document)).await;
    assert_eq!((status, &refused["error"]), (400, &json!("invalid_client_metadata")));
    assert!(refused["error_description"].as_str().unwrap().contains("evil.example"), "{refused}");
    let unique = unique();
    let document =
        json!({"redirect_uris": [REDIRECT_URI], "sector_identifier_uri": format!("{}/{unique}", site.url)});
    let request = server.request(Method::POST, "/auth/oauth2/register").bearer_auth("come-in");
    assert_eq!(answer(request.json(&document)).await.0, 400, "the list cannot be had");
}
