//! Each value of each field against requests written by hand: a fake made from an entry agrees with any wrong entry.
//!
//! In the texts `<R>` stands for the escaped redirect URI and `<S>` for the form-encoded client secret.

use handfast_broker::Catalog;
use reqwest::Method;
use serde_json::json;

use super::harness::{CODE, Dance, Harness};
use crate::support::answer;

const ORDINARY: &str = "\
display_name = \"Case\"
authorization_endpoint = \"https://p.test/authorize\"
token_endpoint = \"https://p.test/token\"
";

const AUTHORIZATION: &str = "GET https://p.test/authorize?client_id=client-1&code_challenge=CHALLENGE&code_challenge_method=S256\
&redirect_uri=<R>&response_type=code&state=STATE&scope=read%3Aa+write%2Fb%2Bc\n";

const TOKEN: &str = "\
POST https://p.test/token
accept: application/json
content-type: application/x-www-form-urlencoded

grant_type=authorization_code&code=code-1+%2F%2B&redirect_uri=<R>&code_verifier=VERIFIER&client_id=client-1&client_secret=<S>
";

const REFRESH: &str = "\
POST https://p.test/token
accept: application/json
content-type: application/x-www-form-urlencoded

grant_type=refresh_token&refresh_token=refresh-1&client_id=client-1&client_secret=<S>
";

/// What an entry says, and the requests that are not the ordinary ones.
struct Case {
    entry: &'static str,
    authorization: &'static str,
    token: &'static str,
    refresh: &'static str,
    revocation: Option<&'static str>,
}

const CASE: Case =
    Case { entry: "", authorization: AUTHORIZATION, token: TOKEN, refresh: REFRESH, revocation: None };

const CASES: &[Case] = &[
    CASE,
    Case { entry: "token_endpoint_auth_method = \"client_secret_post\"", ..CASE },
    Case { entry: "token_request = \"form\"", ..CASE },
    Case { entry: "code_challenge_method = \"S256\"", ..CASE },
    Case { entry: "scope_separator = \" \"", ..CASE },
    Case { entry: "scope_encoding = \"percent\"", ..CASE },
    Case { entry: "refresh_token = \"from_answer\"", ..CASE },
    Case { entry: "refresh_token = \"rotates\"", ..CASE },
    Case { entry: "refresh_token = \"reusable\"", ..CASE },
    Case {
        // RFC 6749 2.3.1: both halves are form-encoded first.
        entry: "token_endpoint_auth_method = \"client_secret_basic\"",
        token: "\
POST https://p.test/token
accept: application/json
authorization: Basic Y2xpZW50LTE6czNjcmV0KyUyQiUyRiUyNiUzRCUyNQ==
content-type: application/x-www-form-urlencoded

grant_type=authorization_code&code=code-1+%2F%2B&redirect_uri=<R>&code_verifier=VERIFIER
",
        refresh: "\
POST https://p.test/token
accept: application/json
authorization: Basic Y2xpZW50LTE6czNjcmV0KyUyQiUyRiUyNiUzRCUyNQ==
content-type: application/x-www-form-urlencoded

grant_type=refresh_token&refresh_token=refresh-1
",
        ..CASE
    },
    Case {
        entry: "token_endpoint_auth_method = \"none\"",
        token: "\
POST https://p.test/token
accept: application/json
content-type: application/x-www-form-urlencoded

grant_type=authorization_code&code=code-1+%2F%2B&redirect_uri=<R>&code_verifier=VERIFIER&client_id=client-1
",
        refresh: "\
POST https://p.test/token
accept: application/json
content-type: application/x-www-form-urlencoded

grant_type=refresh_token&refresh_token=refresh-1&client_id=client-1
",
        ..CASE
    },
    Case {
        entry: "token_request = \"json\"",
        token: "\
POST https://p.test/token
accept: application/json
content-type: application/json

{\"client_id\":\"client-1\",\"client_secret\":\"s3cret +/&=%\",\"code\":\"code-1 /+\",\"code_verifier\":\"VERIFIER\",\"grant_type\":\"authorization_code\",\"redirect_uri\":\"https://handfast.test/oauth/callback\"}
",
        refresh: "\
POST https://p.test/token
accept: application/json
content-type: application/json

{\"client_id\":\"client-1\",\"client_secret\":\"s3cret +/&=%\",\"grant_type\":\"refresh_token\",\"refresh_token\":\"refresh-1\"}
",
        ..CASE
    },
    Case {
        entry: "token_request = \"query\"",
        token: "\
GET https://p.test/token?grant_type=authorization_code&code=code-1+%2F%2B&redirect_uri=<R>&code_verifier=VERIFIER&client_id=client-1&client_secret=<S>
accept: application/json
",
        refresh: "\
GET https://p.test/token?grant_type=refresh_token&refresh_token=refresh-1&client_id=client-1&client_secret=<S>
accept: application/json
",
        ..CASE
    },
    Case {
        entry: "token_headers = { X-Client = \"{client_id}\", x-secret = \"key {client_secret}\" }",
        token: "\
POST https://p.test/token
accept: application/json
content-type: application/x-www-form-urlencoded
x-client: client-1
x-secret: key s3cret +/&=%

grant_type=authorization_code&code=code-1+%2F%2B&redirect_uri=<R>&code_verifier=VERIFIER&client_id=client-1&client_secret=<S>
",
        refresh: "\
POST https://p.test/token
accept: application/json
content-type: application/x-www-form-urlencoded
x-client: client-1
x-secret: key s3cret +/&=%

grant_type=refresh_token&refresh_token=refresh-1&client_id=client-1&client_secret=<S>
",
        ..CASE
    },
    Case {
        // RFC 7636 4.2: the challenge is the verifier.
        entry: "code_challenge_method = \"plain\"",
        authorization: "GET https://p.test/authorize?client_id=client-1&code_challenge=VERIFIER&code_challenge_method=plain\
&redirect_uri=<R>&response_type=code&state=STATE&scope=read%3Aa+write%2Fb%2Bc\n",
        ..CASE
    },
    Case {
        entry: "code_challenge_method = \"none\"",
        authorization: "GET https://p.test/authorize?client_id=client-1&redirect_uri=<R>&response_type=code&state=STATE\
&scope=read%3Aa+write%2Fb%2Bc\n",
        token: "\
POST https://p.test/token
accept: application/json
content-type: application/x-www-form-urlencoded

grant_type=authorization_code&code=code-1+%2F%2B&redirect_uri=<R>&client_id=client-1&client_secret=<S>
",
        ..CASE
    },
    Case {
        entry: "param_names = { client_id = \"client_key\", scope = \"scopes\" }",
        authorization: "GET https://p.test/authorize?client_key=client-1&code_challenge=CHALLENGE&code_challenge_method=S256\
&redirect_uri=<R>&response_type=code&state=STATE&scopes=read%3Aa+write%2Fb%2Bc\n",
        token: "\
POST https://p.test/token
accept: application/json
content-type: application/x-www-form-urlencoded

grant_type=authorization_code&code=code-1+%2F%2B&redirect_uri=<R>&code_verifier=VERIFIER&client_key=client-1&client_secret=<S>
",
        refresh: "\
POST https://p.test/token
accept: application/json
content-type: application/x-www-form-urlencoded

grant_type=refresh_token&refresh_token=refresh-1&client_key=client-1&client_secret=<S>
",
        ..CASE
    },
    Case {
        entry: "token_param_names = { client_id = \"clientId\", grant_type = \"grantType\" }",
        token: "\
POST https://p.test/token
accept: application/json
content-type: application/x-www-form-urlencoded

grantType=authorization_code&code=code-1+%2F%2B&redirect_uri=<R>&code_verifier=VERIFIER&clientId=client-1&client_secret=<S>
",
        refresh: "\
POST https://p.test/token
accept: application/json
content-type: application/x-www-form-urlencoded

grantType=refresh_token&refresh_token=refresh-1&clientId=client-1&client_secret=<S>
",
        ..CASE
    },
    Case {
        entry: "authorization_params = { access_type = \"offline\", prompt = \"a b&c\" }",
        authorization: "GET https://p.test/authorize?access_type=offline&client_id=client-1&code_challenge=CHALLENGE\
&code_challenge_method=S256&prompt=a+b%26c&redirect_uri=<R>&response_type=code&state=STATE&scope=read%3Aa+write%2Fb%2Bc\n",
        ..CASE
    },
    Case {
        entry: "token_params = { action = \"redeem\" }",
        token: "\
POST https://p.test/token
accept: application/json
content-type: application/x-www-form-urlencoded

grant_type=authorization_code&code=code-1+%2F%2B&redirect_uri=<R>&code_verifier=VERIFIER&client_id=client-1&client_secret=<S>&action=redeem
",
        ..CASE
    },
    Case {
        entry: "refresh_params = { action = \"renew\" }",
        refresh: "\
POST https://p.test/token
accept: application/json
content-type: application/x-www-form-urlencoded

grant_type=refresh_token&refresh_token=refresh-1&client_id=client-1&client_secret=<S>&action=renew
",
        ..CASE
    },
    Case {
        entry: "token_params_omitted = [\"grant_type\", \"redirect_uri\"]",
        token: "\
POST https://p.test/token
accept: application/json
content-type: application/x-www-form-urlencoded

code=code-1+%2F%2B&code_verifier=VERIFIER&client_id=client-1&client_secret=<S>
",
        ..CASE
    },
    Case {
        entry: "scope_separator = \",\"",
        authorization: "GET https://p.test/authorize?client_id=client-1&code_challenge=CHALLENGE&code_challenge_method=S256\
&redirect_uri=<R>&response_type=code&state=STATE&scope=read%3Aa%2Cwrite%2Fb%2Bc\n",
        ..CASE
    },
    Case {
        entry: "scope_separator = \",\"\nscope_encoding = \"literal\"",
        authorization: "GET https://p.test/authorize?client_id=client-1&code_challenge=CHALLENGE&code_challenge_method=S256\
&redirect_uri=<R>&response_type=code&state=STATE&scope=read:a,write/b+c\n",
        ..CASE
    },
    Case {
        entry: "refresh_endpoint = \"https://p.test/renew\"",
        refresh: "\
POST https://p.test/renew
accept: application/json
content-type: application/x-www-form-urlencoded

grant_type=refresh_token&refresh_token=refresh-1&client_id=client-1&client_secret=<S>
",
        ..CASE
    },
    Case {
        // RFC 7009 2.1.
        entry: "revocation_endpoint = \"https://p.test/revoke\"",
        revocation: Some(
            "\
POST https://p.test/revoke
accept: application/json
content-type: application/x-www-form-urlencoded

token=refresh-2&token_type_hint=refresh_token&client_id=client-1&client_secret=<S>
",
        ),
        ..CASE
    },
    Case {
        entry: "quirk = \"client_secret_hashed\"",
        // hashlib.sha256(b"s3cret +/&=%|code-1 /+") and (b"s3cret +/&=%|refresh-1"), by Python.
        token: "\
POST https://p.test/token
accept: application/json
content-type: application/x-www-form-urlencoded

grant_type=authorization_code&code=code-1+%2F%2B&redirect_uri=<R>&code_verifier=VERIFIER&client_id=client-1&hash=8c4926ffd4a815a96847d32e7c42143b57e68957be7c5a66958a006f5c92419a
",
        refresh: "\
POST https://p.test/token
accept: application/json
content-type: application/x-www-form-urlencoded

grant_type=refresh_token&refresh_token=refresh-1&client_id=client-1&hash=1c85ca50c5bc95b8dae2f033935941baaf85c1917d9696cedcf1f7ece19ec5f0
",
        ..CASE
    },
];

/// The entries of some cases, as `case-0`, `case-1`, ..
fn catalog<'a>(entries: impl IntoIterator<Item = &'a str>) -> Catalog {
    let tables: Vec<String> =
        entries.into_iter().enumerate().map(|(index, entry)| format!("[case-{index}]\n{entry}\n")).collect();
    Catalog::parse(&tables.concat()).expect("the cases are entries")
}

fn words(dance: &Dance) -> Vec<(&'static str, String)> {
    let mut words = vec![("STATE", dance.authorization.params()["state"].clone())];
    words.extend(dance.token.params().get("code_verifier").map(|verifier| ("VERIFIER", verifier.clone())));
    words.extend(
        dance.authorization.params().get("code_challenge").map(|challenge| ("CHALLENGE", challenge.clone())),
    );
    words
}

fn by_hand(text: &str) -> String {
    text.replace("<R>", "https%3A%2F%2Fhandfast.test%2Foauth%2Fcallback")
        .replace("<S>", "s3cret+%2B%2F%26%3D%25")
}

#[tokio::test]
async fn each_value_of_each_field_makes_the_request_written_by_hand() {
    let entries: Vec<String> = CASES.iter().map(|case| format!("{ORDINARY}{}", case.entry)).collect();
    let catalog = catalog(entries.iter().map(String::as_str));
    let harness = Harness::start(catalog.iter().cloned()).await;
    for (index, case) in CASES.iter().enumerate() {
        let dance = harness.dance(&format!("case-{index}")).await;
        let words = words(&dance);
        let written = |request| harness.written(request, &words);
        assert_eq!(written(&dance.authorization), by_hand(case.authorization), "{}", case.entry);
        assert_eq!(written(&dance.token), by_hand(case.token), "{}", case.entry);
        assert_eq!(written(dance.refresh.as_ref().unwrap()), by_hand(case.refresh), "{}", case.entry);
        assert_eq!(dance.revocation.as_ref().map(written), case.revocation.map(by_hand), "{}", case.entry);
    }
}

#[tokio::test]
async fn values_of_the_answer_and_of_the_callback_are_found_where_the_entry_says() {
    let catalog = catalog([
        "display_name = \"Nested\"
authorization_endpoint = \"https://p.test/authorize\"
token_endpoint = \"https://p.test/token\"
token_response = { access_token = \"/data/tokens/access\", refresh_token = \"/data/tokens/refresh\", expires_at = \"/data/dies\" }
token_response_fields = { team_id = \"/team/id\" }
callback_fields = [\"realmId\"]
",
        "display_name = \"Silent\"
authorization_endpoint = \"https://p.test/authorize\"
token_endpoint = \"https://p.test/token\"
access_token_lifetime = 7200
refresh_token = \"none\"
",
    ]);
    let harness = Harness::start(catalog.iter().cloned()).await;
    let nested = harness.dance("case-0").await.connection;
    assert_eq!(nested["credentials"]["access_token"], "access-1");
    assert_eq!(nested["credentials"]["refresh_token"], "refresh-1");
    assert!(
        nested["credentials"]["expires_at"].as_str().unwrap().starts_with("2100-01-01T00:00:00"),
        "{nested}"
    );
    assert_eq!(nested["params"], json!({ "realmId": "realmId-1", "team_id": "team_id-1" }));
    let silent = harness.dance("case-1").await.connection;
    assert!(silent["credentials"]["refresh_token"].is_null());
    let instant = |value: &serde_json::Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let lifetime =
        instant(&silent["credentials"]["expires_at"]).duration_since(instant(&silent["created_at"]));
    assert!((7190..=7200).contains(&lifetime.as_secs()), "{lifetime:?}");
}

#[tokio::test]
async fn variables_of_each_kind_make_the_address_or_a_sentence() {
    let catalog = catalog(["display_name = \"Variables\"
authorization_endpoint = \"https://{shop}.{domain}/{region}/{tenant}/authorize\"
token_endpoint = \"https://{shop}.{domain}/{region}/{tenant}/token\"
variables.shop = { kind = \"dns_label\", example = \"my-store\" }
variables.domain = { kind = \"host\", example = \"shops.example\", allowed = [\"shops.example\"] }
variables.region = { kind = \"region\", example = \"eu\", allowed = [\"eu\", \"us\"] }
variables.tenant = { kind = \"path_segment\", example = \"common\", default = \"common\" }
"]);
    let harness = Harness::start(catalog.iter().cloned()).await;
    let dance = harness.dance("case-0").await;
    assert!(dance.authorization.url.starts_with("https://my-store.shops.example/eu/common/authorize?"));
    assert_eq!(dance.token.url, "https://my-store.shops.example/eu/common/token");
    assert_eq!(dance.refresh.unwrap().url, "https://my-store.shops.example/eu/common/token");
    let good = json!({ "shop": "a-shop", "domain": "shops.example", "region": "us" });
    for (variable, hostile) in [
        ("shop", "evil.test/#"),
        ("domain", "a@b"),
        ("region", ".."),
        ("tenant", "%2f"),
        ("shop", "\u{455}hop"),
        ("domain", "evil.test"),
    ] {
        let mut params = good.clone();
        params[variable] = json!(hostile);
        let (_, page, _) = harness.start_request("case-0", &params).await;
        let example = &catalog.find("case-0").unwrap().variables[variable].example;
        let shown = page.contains(variable) && page.contains(example.as_str()) && !page.contains("p.test");
        assert!(shown && !page.contains("/authorize?"), "{variable} {hostile}: {page}");
    }
}

#[tokio::test]
async fn default_scopes_are_asked_for_where_nobody_names_any() {
    let entry = format!("{ORDINARY}default_scopes = [\"profile\", \"email\"]");
    let harness = Harness::start(catalog([entry.as_str()]).iter().cloned()).await;
    let integration = json!({ "config_key": "case-0", "provider_name": "case-0", "client_id": "client-1", "client_secret": "s" });
    let (status, _) = answer(harness.request(Method::POST, "/integrations").json(&integration)).await;
    assert_eq!(status, 201);
    let (url, _) = harness.begin("case-0", &json!({})).await;
    assert!(url.ends_with("&scope=profile+email"), "{url}");
}

#[tokio::test]
async fn an_issuer_is_checked_where_it_says_that_it_names_itself() {
    let entry = format!(
        "{ORDINARY}issuer = \"https://p.test\"\nauthorization_response_iss_parameter_supported = true"
    );
    let harness = Harness::start(catalog([entry.as_str()]).iter().cloned()).await;
    let integration = json!({ "config_key": "case-0", "provider_name": "case-0", "client_id": "client-1", "client_secret": "s" });
    let (status, _) = answer(harness.request(Method::POST, "/integrations").json(&integration)).await;
    assert_eq!(status, 201);
    for iss in ["", "&iss=https%3A%2F%2Fother.test"] {
        let (url, cookie) = harness.begin("case-0", &json!({})).await;
        let state = url::Url::parse(&url)
            .unwrap()
            .query_pairs()
            .find(|(name, _)| name == "state")
            .unwrap()
            .1
            .into_owned();
        let path = format!("/oauth/callback?code={}&state={state}{iss}", CODE.replace(' ', "+"));
        let page = harness
            .request(Method::GET, &path)
            .header("cookie", cookie)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        assert!(page.contains("issuer_mismatch"), "{page}");
        assert!(harness.find("case-0", "token").is_none(), "the code is not redeemed");
    }
}
