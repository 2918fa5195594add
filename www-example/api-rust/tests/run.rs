//! The example, started as a program, with tokens of a real issuer.

use end_to_end::handfast::Settings;
use relying_parties::{browser::Browser, client::Client};
use serde_json::{Value, json};

/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const REDIRECT_URI: &str = "http://127.0.0.1:9/callback";

#[tokio::test]
async fn only_tokens_of_the_issuer_with_the_right_scopes_pass() {
    let server = Settings::demo().start("127.0.0.1").unwrap();
    let (http, url) = (reqwest::Client::new(), server.url());
    let mut api = Client::program(
        env!("CARGO_BIN_EXE_api-rust").as_ref(),
        &[("HANDFAST_URL", url), ("LISTEN", "127.0.0.1:0")],
    )
    .unwrap();
    let api_url = api.address().await.unwrap();

    let registration = json!({"redirect_uris": [REDIRECT_URI], "client_name": "Reader"});
    let registered =
        http.post(format!("{url}/auth/oauth2/register")).json(&registration).send().await.unwrap();
    let client: Value = registered.json().await.unwrap();
    let (id, secret) = (client["client_id"].as_str().unwrap(), client["client_secret"].as_str().unwrap());
    let authorize = format!(
        "{url}/auth/oauth2/authorize?response_type=code&client_id={id}&redirect_uri={REDIRECT_URI}\
         &scope=openid&code_challenge={CHALLENGE}&code_challenge_method=S256"
    );
    let landing = Browser::new(&[url]).unwrap().visit(&authorize).await.unwrap();
    let code = landing.param("code").unwrap_or_else(|| panic!("{landing:?}"));
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
    ];
    let request = http.post(format!("{url}/auth/oauth2/token")).basic_auth(id, Some(secret)).form(&form);
    let tokens: Value = request.send().await.unwrap().json().await.unwrap();
    let ask = async |path: &str, token: &Value| {
        let request = http.get(format!("{api_url}{path}")).bearer_auth(token.as_str().unwrap_or_default());
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, text) = ask("/hello", &tokens["access_token"]).await;
    assert_eq!((status, text), (200, format!("Hello ada, by way of {id}!")));
    assert_eq!(ask("/email", &tokens["access_token"]).await.0, 403);
    assert_eq!(ask("/hello", &tokens["id_token"]).await.0, 401);
    assert_eq!(ask("/hello", &tokens["refresh_token"]).await.0, 401);
}
