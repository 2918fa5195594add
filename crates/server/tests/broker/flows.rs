//! The other flows: OAuth 1.0a, and the client in its own name.

use handfast_broker::{SignatureMethod, Signer, UnsignedRequest};
use handfast_protocol::{Secret, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use url::Url;

use super::DATABASE;
use crate::{
    browser::{Attempt, Browser, ask},
    provider::Provider,
    server::Server,
};

const VARIABLES: &[(&str, &str)] = &[("HANDFAST_DANGER_ALLOW_PRIVATE_ADDRESSES", "true")];

#[tokio::test]
async fn oauth1_signs_both_requests_and_stores_the_token() {
    let provider = Provider::start().await;
    let server = Server::start_with(DATABASE, provider.oauth1_entry(), json!({}), VARIABLES).await;
    let mut browser = Browser::default();
    let page = browser.start(&server, &Attempt::new("user-1")).await;
    assert_eq!(page.authorization_request().path(), "/oauth1/authorize");
    assert_eq!(
        page.authorization_params(),
        BTreeMap::from([("oauth_token".to_owned(), "request-token".to_owned())])
    );

    let (step, header) = provider.signed().remove(0);
    let params = oauth_params(&header);
    assert_eq!((step.as_str(), params["oauth_consumer_key"].as_str()), ("request", "client-1"));
    assert!(signature_holds(&format!("{}/oauth1/request?fixed=1", provider.url), &params, None), "{header}");
    let callback = Url::parse(&params["oauth_callback"]).unwrap();
    assert!(callback.as_str().starts_with(&format!("{}/oauth/callback?state=", server.url)));
    let state = callback.query_pairs().next().unwrap().1.into_owned();

    let answer =
        [("state", state.as_str()), ("oauth_token", "request-token"), ("oauth_verifier", "verifier-1")];
    let page = browser.call_back(&server, &answer).await;
    assert_eq!(page.event_type(), "AUTHORIZATION_SUCEEDED", "{}", page.html);
    assert!(page.html.contains("ada"));
    let (step, header) = provider.signed().remove(1);
    let params = oauth_params(&header);
    assert_eq!((step.as_str(), params["oauth_verifier"].as_str()), ("token", "verifier-1"));
    let temporary = ("request-token", "request-secret");
    assert!(signature_holds(&format!("{}/oauth1/token", provider.url), &params, Some(temporary)), "{header}");

    let (_, body) = server.connection("user-1").await;
    assert_eq!(body["credentials"]["type"], "OAUTH1");
    assert_eq!(body["credentials"]["oauth_token"], "token-token");
    assert_eq!(body["credentials"]["oauth_token_secret"], "token-secret");
    let (_, body) = server.get(&["connection", "user-1"], &[("integration_key", "acme")]).await;
    assert_eq!(body["credentials"]["oAuthTokenSecret"], "token-secret");
}

#[tokio::test]
async fn an_oauth1_answer_for_another_token_is_refused() {
    let provider = Provider::start().await;
    let server = Server::start_with(DATABASE, provider.oauth1_entry(), json!({}), VARIABLES).await;
    for (answer, code) in [
        (("oauth_token", "other-token"), "invalid_state"),
        (("denied", "request-token"), "access_denied"),
        (("oauth_problem", "user_refused"), "access_denied"),
    ] {
        let mut browser = Browser::default();
        let before = provider.signed().len();
        browser.start(&server, &Attempt::new("user-1")).await;
        let callback = Url::parse(&oauth_params(&provider.signed()[before].1)["oauth_callback"]).unwrap();
        let state = callback.query_pairs().next().unwrap().1.into_owned();
        let page = browser.call_back(&server, &[("state", &state), answer, ("oauth_verifier", "v")]).await;
        assert_eq!(page.error_code(), code, "{answer:?}");
        assert_eq!(provider.signed().len(), before + 1, "nothing is redeemed");
    }
}

/// The parameters of an `Authorization: OAuth` header.
fn oauth_params(header: &str) -> BTreeMap<String, String> {
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let fields = header.strip_prefix("OAuth ").expect("the scheme").split(", ");
    let pair = |field: &str| {
        let (name, value) = field.split_once('=').unwrap();
        (decode(name), decode(value.trim_matches('"')))
    };
    fields.map(pair).collect()
}

fn signature_holds(url: &str, params: &BTreeMap<String, String>, token: Option<(&str, &str)>) -> bool {
    let secret = |text: &str| Secret::new(text.to_owned());
    let token = token.map(|(token, token_secret)| (secret(token), secret(token_secret)));
    let client_secret = secret("client-secret-1");
    let signer = Signer {
        method: SignatureMethod::HmacSha1,
        client_id: "client-1",
        client_secret: &client_secret,
        token: token.as_ref().map(|(token, secret)| (token, secret)),
    };
    let extra: Vec<_> = ["oauth_callback", "oauth_verifier"]
        .iter()
        .filter_map(|name| Some((*name, params.get(*name)?.as_str())))
        .collect();
    let url = Url::parse(url).unwrap();
    let request = UnsignedRequest { method: "POST", url: &url, form: &[], oauth_params: &extra };
    let signed_at = Timestamp::from_secs(params["oauth_timestamp"].parse().unwrap());
    let expected = signer.authorization_header(request, &params["oauth_nonce"], signed_at);
    oauth_params(expected.expose())["oauth_signature"] == params["oauth_signature"]
}

#[tokio::test]
async fn a_client_connects_in_its_own_name_and_asks_again_when_its_token_is_due() {
    let provider = Provider::start().await;
    let mut entry = provider.entry();
    entry["refresh_margin"] = json!(60);
    let server = Server::start_with(DATABASE, entry, json!({"scopes": ["jobs"]}), VARIABLES).await;
    let answer = |access_token, expires_in| {
        provider.answer(
            200,
            json!({"access_token": access_token, "token_type": "bearer", "expires_in": expires_in}),
        );
    };
    // The first is due as soon as it arrives.
    answer("client-access-1", 60);
    answer("client-access-2", 100_000);
    let body = json!({"config_key": "acme", "connection_id": "robot", "grant_type": "client_credentials"});
    let url = format!("{}/connections", server.url);
    let created = server.http.post(&url).json(&body).send().await.unwrap();
    assert_eq!(created.status(), 201);
    let created: Value = created.json().await.unwrap();
    assert_eq!(created["credentials"]["access_token"], "client-access-2");
    assert_eq!(server.access_token("robot").await, "client-access-2");
    let requests = provider.token_requests();
    assert_eq!(requests.len(), 2);
    for asked in requests {
        assert_eq!((asked["grant_type"].as_str(), asked["scope"].as_str()), ("client_credentials", "jobs"));
    }

    provider.answer(401, json!({"error": "invalid_client"}));
    let answer: Value = server.http.post(&url).json(&body).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["code"], "provider_error");
    let bad = json!({"config_key": "acme", "connection_id": "robot", "grant_type": "password"});
    let answer: Value = server.http.post(&url).json(&bad).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["code"], "invalid_request", "{answer}");
}

#[tokio::test]
async fn a_form_in_the_window_asks_for_a_variable_that_the_application_did_not_give() {
    let provider = Provider::start().await;
    let mut entry = provider.entry();
    entry["authorization_endpoint"] = json!("https://{shop}.shops.test/authorize");
    entry["variables"] =
        json!({"shop": {"kind": "dns_label", "example": "my-store", "suffix": ".shops.test"}});
    let server = Server::start_with(DATABASE, entry, json!({}), VARIABLES).await;
    let mut browser = Browser::default();
    let page = browser.start(&server, &Attempt::new("user-1")).await;
    assert!(page.html.contains("my-store") && page.html.contains("variable.shop"), "{}", page.html);
    assert!(page.headers["content-security-policy"].to_str().unwrap().contains("form-action 'self'"));
    let state = page.form()[0].1.clone();

    let stranger = Browser::default().fill_in(&server, &state, &[("variable.shop", "acme")]).await;
    assert!(stranger.html.contains("invalid_state"), "another browser");
    for bad in ["", "evil.test/%23", "a.b", "-x"] {
        let page = browser.fill_in(&server, &state, &[("variable.shop", bad)]).await;
        assert!(page.html.contains("role=\"alert\""), "{bad}: {}", page.html);
    }
    let page = browser.fill_in(&server, &state, &[("variable.shop", "Acme.shops.test")]).await;
    assert_eq!(page.authorization_request().host_str(), Some("acme.shops.test"));
    let page = browser.call_back(&server, &[("code", "c"), ("state", &page.state())]).await;
    assert_eq!(page.event_type(), "AUTHORIZATION_SUCEEDED", "{}", page.html);
    let (_, connection) = server.connection("user-1").await;
    assert_eq!(connection["params"]["shop"], "acme");

    // Given by the application, it is not asked for.
    let attempt = Attempt::new("user-2").with(json!({"params": {"shop": "other"}}));
    let page = browser.start(&server, &attempt).await;
    assert_eq!(page.authorization_request().host_str(), Some("other.shops.test"));
}

#[tokio::test]
async fn an_api_key_is_typed_into_the_window_tried_and_stored() {
    let provider = Provider::start().await;
    let entry = json!({
        "display_name": "Keys & Co",
        "protocol": "api_key",
        "credentials": {"api_key": {"label": "API key", "help": "Settings, API keys"}},
        "verification": {"url": format!("{}/verify", provider.url), "headers": {"x-key": "{api_key}"}},
    });
    let server = Server::start_with(DATABASE, entry, json!({}), VARIABLES).await;
    let mut browser = Browser::default();
    let attempt = Attempt::new("user-1");
    let page = browser.start(&server, &attempt).await;
    assert!(
        page.html.contains("type=\"password\"") && page.html.contains("Settings, API keys"),
        "{}",
        page.html
    );
    let state = page.form()[0].1.clone();
    let page = browser.fill_in(&server, &state, &[("credential.api_key", "wrong-key")]).await;
    assert!(page.html.contains("does not accept") && !page.html.contains("wrong-key"), "{}", page.html);
    let page = browser.fill_in(&server, &state, &[("credential.api_key", " right-key ")]).await;
    assert_eq!(page.event_type(), "AUTHORIZATION_SUCEEDED", "{}", page.html);
    assert_eq!(ask(&server, &attempt, "status", 0).await["eventType"], "AUTHORIZATION_SUCEEDED");
    let (status, connection) = server.connection("user-1").await;
    assert_eq!(
        (status, &connection["credentials"]),
        (200, &json!({"type": "API_KEY", "api_key": "right-key"}))
    );
    let page = browser.fill_in(&server, &state, &[("credential.api_key", "right-key")]).await;
    assert!(!page.html.contains("right-key"), "{}", page.html);
}
