//! Each entry against expectations read off the entry itself, and its authorization URL against the snapshot.

use std::{collections::BTreeMap, fmt::Write, fs, path::Path, sync::Arc};

use aws_lc_rs::{digest, hmac};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use handfast_broker::{
    Catalog, ClientAuthentication, CodeChallengeMethod, Protocol, Provider, Quirk, RefreshTokenPolicy,
    SignatureMethod, TokenRequestShape,
};
use tokio::task::JoinSet;
use url::Url;

use super::harness::{CLIENT_ID, CLIENT_SECRET, CODE, Dance, Harness, Request, hex, oauth1_params};

const SCOPES: [&str; 2] = ["read:a", "write/b+c"];

#[tokio::test(flavor = "multi_thread")]
async fn every_entry_is_asked_as_it_says_and_its_authorization_url_is_the_one_in_the_snapshot() {
    let driven = |provider: &&Provider| !provider.takes_credentials();
    let providers: Vec<Provider> = Catalog::embedded().iter().filter(driven).cloned().collect();
    let harness = Arc::new(Harness::start(providers.clone()).await);
    let mut urls = BTreeMap::new();
    let mut dances = JoinSet::new();
    let mut waiting = providers.into_iter();
    loop {
        while dances.len() < 8 {
            let Some(provider) = waiting.next() else { break };
            let harness = Arc::clone(&harness);
            dances.spawn(async move {
                let dance = harness.dance(&provider.name).await;
                let url = match provider.protocol {
                    Protocol::Oauth1 => check_oauth1(&harness, &provider, &dance),
                    _ => check(&harness, &provider, &dance),
                };
                (provider.name, url)
            });
        }
        let Some(done) = dances.join_next().await else { break };
        let (name, url) = done.unwrap();
        urls.insert(name, url);
    }
    let mut snapshot = String::new();
    for (name, url) in urls {
        writeln!(snapshot, "{name} {url}").unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/authorization-urls.txt");
    if std::env::var_os("HANDFAST_BLESS").is_some() {
        fs::write(&path, &snapshot).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let changed = snapshot.lines().find(|line| !written.lines().any(|known| known == *line));
    assert!(
        changed.is_none() && snapshot == written,
        "run `cargo xtask providers` if this is meant: {changed:?}"
    );
}

/// RFC 5849: temporary credentials, authorization, token, each signed as the entry says.
fn check_oauth1(harness: &Harness, provider: &Provider, dance: &Dance) -> String {
    let name = &provider.name;
    let asked = harness.take(name, "request_token");
    let fields = check_signed(harness, provider, &asked, "");
    let callback = Url::parse(&fields["oauth_callback"]).expect("RFC 5849 2.1");
    assert_eq!(callback.path(), "/oauth/callback", "{name}");
    let mut params = dance.authorization.params();
    assert_eq!(params.remove("oauth_token").as_deref(), Some("temporary-1"), "{name}");
    for (field, value) in &provider.authorization_params {
        assert_eq!(params.remove(field).as_ref(), Some(value), "{name}: {field}");
    }
    params.remove("scope");
    assert!(params.is_empty(), "{name}: nobody asked for {params:?}");
    let fields = check_signed(harness, provider, &dance.token, "temporary-secret-1");
    assert_eq!(fields["oauth_token"], "temporary-1", "{name}");
    assert_eq!(fields["oauth_verifier"], "verifier-1", "{name}");
    let credentials = &dance.connection["credentials"];
    assert_eq!(credentials["oauth_token"], "access-1", "{name}: {credentials}");
    assert_eq!(credentials["oauth_token_secret"], "access-secret-1", "{name}");
    for field in provider.token_response_fields.keys() {
        assert_eq!(dance.connection["params"][field], format!("{field}-1"), "{name}");
    }
    let written = harness.written(&dance.authorization, &[]);
    written.trim_end().strip_prefix("GET ").expect("it is a GET").to_owned()
}

/// Recomputes the signature (RFC 5849 3.4) with code of the test's own; answers the fields of the header.
fn check_signed(
    harness: &Harness,
    provider: &Provider,
    request: &Request,
    token_secret: &str,
) -> BTreeMap<String, String> {
    let name = &provider.name;
    assert_eq!(request.method, "POST", "{name}");
    let fields = oauth1_params(&request.headers["authorization"]);
    assert_eq!(fields["oauth_consumer_key"], CLIENT_ID, "{name}");
    assert_eq!(fields["oauth_signature_method"], provider.signature_method.as_str(), "{name}");
    let key = format!("{}&{}", oauth1_escape(CLIENT_SECRET), oauth1_escape(token_secret));
    let expected = match provider.signature_method {
        SignatureMethod::Plaintext => key,
        SignatureMethod::HmacSha1 | SignatureMethod::HmacSha256 => {
            let mut url = harness.actual_url(name, request);
            let mut pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
            pairs.extend(
                fields
                    .clone()
                    .into_iter()
                    .filter(|(field, _)| field != "oauth_signature" && field != "realm"),
            );
            let mut pairs: Vec<String> = pairs
                .iter()
                .map(|(field, value)| format!("{}={}", oauth1_escape(field), oauth1_escape(value)))
                .collect();
            pairs.sort();
            url.set_query(None);
            let base = format!("POST&{}&{}", oauth1_escape(url.as_str()), oauth1_escape(&pairs.join("&")));
            let algorithm = match provider.signature_method {
                SignatureMethod::HmacSha256 => hmac::HMAC_SHA256,
                _ => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            };
            STANDARD.encode(hmac::sign(&hmac::Key::new(algorithm, key.as_bytes()), base.as_bytes()))
        }
    };
    assert_eq!(fields["oauth_signature"], expected, "{name}");
    fields
}

/// RFC 5849 3.6.
fn oauth1_escape(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
        escaped
    })
}

/// Checks all requests; answers the authorization URL with what changes from run to run put in words.
fn check(harness: &Harness, provider: &Provider, dance: &Dance) -> String {
    let url = check_authorization(harness, provider, &dance.authorization);
    let mut expected = BTreeMap::from([("code", CODE.to_owned())]);
    expected.insert("grant_type", "authorization_code".to_owned());
    expected.insert("redirect_uri", format!("{}/oauth/callback", harness.server.address));
    let verifier = dance.token.params().get(provider.token_param_name("code_verifier")).cloned();
    assert_eq!(
        verifier.is_some(),
        provider.code_challenge_method != CodeChallengeMethod::None,
        "{}",
        provider.name
    );
    if let Some(verifier) = verifier {
        let asked = dance.authorization.params();
        let challenge = match provider.code_challenge_method {
            CodeChallengeMethod::Plain => verifier.clone(),
            _ => URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes())),
        };
        assert_eq!(asked["code_challenge"], challenge, "{}", provider.name);
        expected.insert("code_verifier", verifier);
    }
    expected.retain(|name, _| !provider.token_params_omitted.iter().any(|omitted| omitted == name));
    check_token_request(provider, &dance.token, expected, &provider.token_params);
    for (name, value) in &provider.token_headers {
        let value = value.replace("{client_id}", CLIENT_ID).replace("{client_secret}", CLIENT_SECRET);
        assert_eq!(dance.token.headers.get(&name.to_lowercase()), Some(&value), "{}", provider.name);
    }
    if let Some(refresh) = &dance.refresh {
        let expected = BTreeMap::from([
            ("grant_type", "refresh_token".to_owned()),
            ("refresh_token", "refresh-1".to_owned()),
        ]);
        check_token_request(provider, refresh, expected, &provider.refresh_params);
    }
    assert_eq!(
        dance.refresh.is_some(),
        provider.refresh_token != RefreshTokenPolicy::None,
        "{}",
        provider.name
    );
    let revokes = provider.revocation_endpoint.is_some() || provider.needs_discovery();
    assert_eq!(dance.revocation.is_some(), revokes, "{}", provider.name);
    if let Some(revocation) = &dance.revocation {
        let token = if dance.refresh.is_some() { "refresh-2" } else { "access-1" };
        assert_eq!(revocation.params()["token"], token, "{} (RFC 7009 2.1)", provider.name);
    }
    check_connection(provider, dance);
    url
}

fn check_authorization(harness: &Harness, provider: &Provider, request: &Request) -> String {
    let name = &provider.name;
    let mut params = request.params();
    assert_eq!(request.method, "GET", "{name}");
    for (field, value) in &provider.authorization_params {
        assert_eq!(params.remove(field).as_ref(), Some(value), "{name}: {field}");
    }
    let redirect_uri = format!("{}/oauth/callback", harness.server.address);
    let mut take = |standard: &str| params.remove(provider.param_name(standard));
    assert_eq!(take("response_type").as_deref(), Some("code"), "{name}");
    assert_eq!(take("client_id").as_deref(), Some(CLIENT_ID), "{name}");
    assert_eq!(take("redirect_uri"), Some(redirect_uri), "{name}");
    let mut words = vec![("STATE", take("state").expect("state"))];
    let scope = take("scope").unwrap_or_else(|| panic!("{name}: no scope"));
    if provider.scope_separator() != "+" {
        assert_eq!(scope, SCOPES.join(provider.scope_separator()), "{name}");
    }
    if provider.code_challenge_method != CodeChallengeMethod::None {
        let method =
            if provider.code_challenge_method == CodeChallengeMethod::Plain { "plain" } else { "S256" };
        assert_eq!(params.remove("code_challenge_method").as_deref(), Some(method), "{name}");
        words.push(("CHALLENGE", params.remove("code_challenge").expect("a challenge")));
    }
    if let Some(endpoint) = &provider.authorization_endpoint {
        let own_host = endpoint.as_str().split(['/', '?']).nth(2).expect("a host");
        if !own_host.contains('{') {
            assert_eq!(request.url.split(['/', '?']).nth(2), Some(own_host), "{name}");
        }
        let query = endpoint.as_str().split_once('?').map(|(_, query)| query).unwrap_or_default();
        for (field, _) in url::form_urlencoded::parse(query.as_bytes()) {
            params.remove(field.as_ref());
        }
    }
    assert!(params.is_empty(), "{name}: nobody asked for {params:?}");
    let written = harness.written(request, &words);
    written.trim_end().strip_prefix("GET ").expect("it is a GET").to_owned()
}

fn check_token_request(
    provider: &Provider,
    request: &Request,
    standard: BTreeMap<&str, String>,
    fixed: &BTreeMap<String, String>,
) {
    let name = &provider.name;
    let mut expected: BTreeMap<String, String> = standard
        .into_iter()
        .map(|(field, value)| (provider.token_param_name(field).to_owned(), value))
        .collect();
    let authorization = request.headers.get("authorization");
    let method = if provider.needs_discovery() {
        // RFC 8414 2: the metadata of the fake says nothing of it.
        ClientAuthentication::ClientSecretBasic
    } else {
        provider.token_endpoint_auth_method
    };
    match method {
        ClientAuthentication::ClientSecretBasic => {
            let escape =
                |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let pair = STANDARD.encode(format!("{CLIENT_ID}:{}", escape(CLIENT_SECRET)));
            assert_eq!(authorization, Some(&format!("Basic {pair}")), "{name}");
        }
        ClientAuthentication::ClientSecretPost => {
            assert_eq!(authorization, None, "{name}");
            expected.insert(provider.token_param_name("client_id").to_owned(), CLIENT_ID.to_owned());
            match provider.quirk {
                None => {
                    expected.insert(
                        provider.token_param_name("client_secret").to_owned(),
                        CLIENT_SECRET.to_owned(),
                    );
                }
                Some(Quirk::ClientSecretHashed) => {
                    let grant =
                        expected.get("code").or_else(|| expected.get("refresh_token")).expect("a grant");
                    let hash = digest::digest(&digest::SHA256, format!("{CLIENT_SECRET}|{grant}").as_bytes());
                    let hash = hex(hash.as_ref());
                    expected.insert("hash".to_owned(), hash);
                }
                Some(Quirk::ClientSecretSignedJwt) => {
                    let secret = request.params()["client_secret"].clone();
                    let part = |index: usize| -> serde_json::Value {
                        let part = secret.split('.').nth(index).expect("a JWT has three parts");
                        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
                    };
                    let (header, claims) = (part(0), part(1));
                    assert_eq!((&header["alg"], &header["kid"]), (&"ES256".into(), &"ABC123DEFG".into()));
                    assert_eq!((&claims["iss"], &claims["sub"]), (&"DEF123GHIJ".into(), &CLIENT_ID.into()));
                    assert!(claims["aud"].as_str().unwrap().ends_with("appleid.apple.com"), "{claims}");
                    expected.insert("client_secret".to_owned(), secret);
                }
            }
        }
        ClientAuthentication::None => {
            assert_eq!(authorization, None, "{name}");
            expected.insert(provider.token_param_name("client_id").to_owned(), CLIENT_ID.to_owned());
        }
    }
    expected.extend(fixed.clone());
    let (verb, content_type) = match provider.token_request {
        TokenRequestShape::Form => ("POST", Some("application/x-www-form-urlencoded")),
        TokenRequestShape::Json => ("POST", Some("application/json")),
        TokenRequestShape::Query => ("GET", None),
    };
    assert_eq!(request.method, verb, "{name}");
    assert_eq!(request.headers.get("content-type").map(String::as_str), content_type, "{name}");
    assert_eq!(request.headers.get("accept").map(String::as_str), Some("application/json"), "{name}");
    assert_eq!(request.params(), expected, "{name}");
}

/// What the entry wants kept is kept, and the tokens were found where it says they stand.
fn check_connection(provider: &Provider, dance: &Dance) {
    let name = &provider.name;
    let credentials = &dance.connection["credentials"];
    assert_eq!(credentials["access_token"], "access-1", "{name}");
    if provider.refresh_token != RefreshTokenPolicy::None {
        assert_eq!(credentials["refresh_token"], "refresh-1", "{name}");
    }
    assert!(credentials["expires_at"].is_string(), "{name}: {credentials}");
    let params = &dance.connection["params"];
    for field in provider.token_response_fields.keys().chain(&provider.callback_fields) {
        assert!(params[field].is_string(), "{name}: {field} was not kept: {params}");
    }
    for (variable, meaning) in &provider.variables {
        if meaning.callback_param.is_some() || meaning.default.is_none() {
            assert_eq!(params[variable], meaning.example.as_str(), "{name}");
        }
    }
}
