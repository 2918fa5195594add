//! Each published client goes the whole way: finds the issuer, registers, sends its user, gets and uses tokens. Those
//! of the approval API and of the small OAuth 2 server are tried with the server's own tests.

use end_to_end::handfast::Settings;
use relying_parties::{
    API_KEY, APPLICATION,
    browser::Browser,
    client::{Client, script},
    issuer_for_application, register,
};
use serde_json::Value;

/// A script against the demonstration, where clients register themselves.
macro_rules! against_the_demonstration {
    ($($test:ident: $start:ident($script:literal),)*) => {
        $(
            #[tokio::test]
            async fn $test() {
                let server = Settings::demo().start("127.0.0.1").unwrap();
                let issuer = format!("{}/auth/oauth2", server.url());
                let client = Client::$start(&script($script), &[("ISSUER", &issuer)]).unwrap();
                let mut browser = Browser::new(&[server.url()]).unwrap();
                client.finish(&mut browser).await.unwrap();
            }
        )*
    };
}

against_the_demonstration! {
    openid_client_signs_in_refreshes_and_proves_its_key: node("openid_client.mjs"),
    oauth4webapi_finds_nothing_that_a_strict_client_refuses: node("oauth4webapi.mjs"),
    authlib_signs_in_by_secret_and_by_key: python("authlib_client.py"),
    openidconnect_registers_signs_in_and_refreshes: rust("openidconnect_client.rs"),
    requests_oauthlib_signs_in_and_refreshes: python("requests_oauthlib_client.py"),
}

/// A Flask program written after the guide: its users log in with it at another application.
#[tokio::test]
async fn a_program_written_after_the_guide_runs() {
    let server = issuer_for_application().unwrap();
    let redirect_uri = "http://127.0.0.1/callback";
    let (id, secret) = register(&server, "Reader", redirect_uri, "connectivly").await.unwrap();
    let program = xtask::repository().join("www-example/api-flask/app.py");
    let variables = [("HANDFAST_URL", server.url()), ("HANDFAST_API_KEY", API_KEY), ("PORT", "0")];
    let mut program = Client::python(&program, &variables).unwrap();
    let address = program.address().await.unwrap();
    let mut browser = Browser::new(&[server.url()]).unwrap().with_host(APPLICATION, &address);

    let authorize = |scope: &str| {
        format!(
            "{}/auth/oauth2/authorize?response_type=code&client_id={id}&redirect_uri={redirect_uri}&scope={scope}&state=s&nonce=n",
            server.url()
        )
    };
    let landing = browser.visit(&authorize("openid")).await.unwrap();
    let code = landing.param("code").unwrap_or_else(|| panic!("{landing:?}"));
    let http = reqwest::Client::new();
    let form = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", redirect_uri)];
    let token = http.post(format!("{}/auth/oauth2/token", server.url())).basic_auth(&id, Some(&secret));
    let tokens: Value = token.form(&form).send().await.unwrap().json().await.unwrap();
    let token = tokens["access_token"].as_str().unwrap_or_else(|| panic!("{tokens}"));

    let protected = format!("{address}/protected");
    assert_eq!(http.get(&protected).send().await.unwrap().status(), 401);
    assert_eq!(http.get(&protected).bearer_auth("forged").send().await.unwrap().status(), 401);
    let answer = http.get(&protected).bearer_auth(token).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), "Hello ada, by way of Reader!");

    let denied = browser.visit(&authorize("openid%20email")).await.unwrap();
    assert_eq!(denied.param("error").as_deref(), Some("access_denied"), "{denied:?}");
    assert_eq!(denied.param("state").as_deref(), Some("s"));
}
