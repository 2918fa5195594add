//! Two servers of one database, one client before both.

use reqwest::Method;
use serde_json::json;

use super::DATABASE;
use crate::{
    key::{Key, assertion, redeem_by_assertion, token_url},
    support::{Server, answer},
    world::{Browser, one_success_among},
};

/// The second goes by the address of the first, as both would by that of a balancer.
fn two() -> (Server, Server) {
    let options = DATABASE.issuer();
    let one = options.clone().start();
    let two = options.variable("HANDFAST_PUBLIC_URL", &one.address).start();
    (one, two)
}

/// RFC 9449 11.1: a proof is taken once, whichever server it comes to.
#[tokio::test]
async fn a_proof_that_one_server_took_is_refused_by_the_other() {
    let (one, two) = two();
    let client = one.client(json!({"grant_types": ["client_credentials"]})).await;
    let proof = Key::new().proof("POST", &token_url(&one), None);
    let ask = async |server: &Server| {
        let request = server.request(Method::POST, "/auth/oauth2/token").header("dpop", &proof);
        let request = request.basic_auth(&client.id, Some(&client.secret));
        answer(request.form(&[("grant_type", "client_credentials")])).await
    };
    let (status, tokens) = ask(&one).await;
    assert_eq!((status, &tokens["token_type"]), (200, &json!("DPoP")), "{tokens}");
    for server in [&two, &one] {
        let (status, refused) = ask(server).await;
        assert_eq!((status, &refused["error"]), (400, &json!("invalid_dpop_proof")), "{refused}");
    }
}

/// RFC 7523 3: so is an assertion.
#[tokio::test]
async fn an_assertion_that_one_server_took_is_refused_by_the_other() {
    let (one, two) = two();
    let key = Key::new();
    let body = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key.jwk]}});
    let client = one.client(body).await;
    let signed = key.sign(&json!({"alg": "ES256"}), &assertion(&one, &client));
    let (_, refused) = redeem_by_assertion(&one, &signed, "unknown").await;
    assert_eq!(refused["error"], json!("invalid_grant"), "the client is known: {refused}");
    let (_, refused) = redeem_by_assertion(&two, &signed, "unknown").await;
    assert_eq!(refused["error"], json!("invalid_client"), "{refused}");
}

/// RFC 6749 4.1.2, ASVS 10.4.2: of fifty requests at two servers one gets tokens, and they end.
#[tokio::test]
async fn a_code_buys_tokens_at_one_server_once() {
    let (one, two) = two();
    let client = one.client(json!({})).await;
    let code = one.grant(&Browser::new(), &client, &[]).await["code"].clone();
    let requests = (0..50).map(|number| if number % 2 == 0 { &one } else { &two });
    let tokens = one_success_among(requests.map(|server| server.redemption(&client, &code))).await;
    for server in [&one, &two] {
        assert_eq!(server.userinfo(tokens["access_token"].as_str().unwrap()).await.0, 401);
        assert_eq!(server.refresh(&client, tokens["refresh_token"].as_str().unwrap()).await.0, 400);
    }
}
