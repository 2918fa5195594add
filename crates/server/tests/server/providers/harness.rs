//! A server whose providers all stand on loopback, and one fake that plays each of them.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_lc_rs::{digest, hmac, rand::SystemRandom, signature};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use handfast_broker::{Protocol, Provider, RefreshTokenPolicy, UrlTemplate};
use serde_json::{Map, Value, json};
use url::{Url, form_urlencoded};

use crate::support::{Options, Server, answer, secrets};

/// The integration's registration at every provider. The secret holds what encodings trip over.
pub(super) const CLIENT_ID: &str = "client-1";
pub(super) const CLIENT_SECRET: &str = "s3cret +/&=%";
pub(super) const CODE: &str = "code-1 /+";
const ORIGIN: &str = "http://localhost:5173";

/// One request as it arrived at the fake.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// `authorization`, `token`, `refresh`, `revocation`, ..: which address of the entry was asked.
    pub(super) endpoint: String,
    pub(super) method: String,
    /// The address as the entry has it: on the provider's own host.
    pub(super) url: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
}

impl Request {
    /// The parameters: of the query for a GET, else of the body, form or JSON.
    pub(super) fn params(&self) -> BTreeMap<String, String> {
        if self.method == "GET" {
            let url = Url::parse(&self.url).expect("it was asked for");
            return url.query_pairs().into_owned().collect();
        }
        if self.headers.get("content-type").is_some_and(|kind| kind == "application/json") {
            let object: Map<String, Value> = serde_json::from_str(&self.body).expect("the body is JSON");
            return object
                .into_iter()
                .map(|(name, value)| (name, value.as_str().unwrap_or_default().to_owned()))
                .collect();
        }
        form_urlencoded::parse(self.body.as_bytes()).into_owned().collect()
    }
}

type Seen = Arc<Mutex<HashMap<String, Vec<Request>>>>;

/// The server and the fake.
pub(super) struct Harness {
    pub(super) server: Server,
    fake: SocketAddr,
    seen: Seen,
    providers: BTreeMap<String, Provider>,
    /// One for all: making one reads every root certificate.
    client: reqwest::Client,
    attempts: AtomicU64,
}

/// What one provider's whole dance left behind.
pub(super) struct Dance {
    pub(super) authorization: Request,
    pub(super) token: Request,
    pub(super) refresh: Option<Request>,
    pub(super) revocation: Option<Request>,
    /// The answer of `GET /connections/..` right after the connect.
    pub(super) connection: Value,
}

#[derive(Clone)]
struct Fake {
    address: SocketAddr,
    seen: Seen,
    providers: Arc<BTreeMap<String, Provider>>,
}

impl Harness {
    /// Starts both for these entries.
    pub(super) async fn start(providers: impl IntoIterator<Item = Provider>) -> Self {
        let providers: BTreeMap<String, Provider> =
            providers.into_iter().map(|provider| (provider.name.clone(), provider)).collect();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let fake = listener.local_addr().expect("it listens");
        let seen = Seen::default();
        let state = Fake { address: fake, seen: Arc::clone(&seen), providers: Arc::new(providers.clone()) };
        tokio::spawn(async move {
            axum::serve(listener, Router::new().fallback(play).with_state(state)).await.expect("it serves");
        });
        let entries: BTreeMap<&String, Provider> =
            providers.iter().map(|(name, provider)| (name, on_loopback(provider, fake))).collect();
        let file = toml::to_string(&json!({ "danger_allow_private_addresses": true, "providers": entries }))
            .expect("entries are TOML");
        let server = Options::new().file(&file).start();
        Self { server, fake, seen, providers, client: reqwest::Client::new(), attempts: AtomicU64::new(0) }
    }

    /// Creates the integration, connects, reads, refreshes and disconnects.
    pub(super) async fn dance(&self, name: &str) -> Dance {
        let provider = &self.providers[name];
        let params: BTreeMap<&String, &String> = provider
            .variables
            .iter()
            // What the callback brings and has a default for is left to it.
            .filter(|(_, variable)| variable.callback_param.is_none() || variable.default.is_none())
            .map(|(name, variable)| (name, &variable.example))
            .collect();
        let integration = json!({
            "config_key": name,
            "provider_name": name,
            "client_id": CLIENT_ID,
            "client_secret": client_secret(provider),
            // One address for all, as the snapshot has it, also where the user names the host.
            "redirect_uri_kind": "shared",
            "scopes": ["read:a", "write/b+c"],
        });
        let (status, created) = answer(self.request(Method::POST, "/integrations").json(&integration)).await;
        assert_eq!(status, 201, "{name}: {created}");
        let (authorization_url, cookie) = self.begin(name, &json!(params)).await;
        self.client.get(&authorization_url).send().await.expect("the fake answers");
        let authorization = self.take(name, "authorization");
        let state = if provider.protocol == Protocol::Oauth1 {
            String::new()
        } else {
            authorization.params()[provider.param_name("state")].clone()
        };
        let callback = self.callback(provider, &authorization, &state);
        let page = self
            .client
            .get(&callback)
            .header(header::COOKIE, cookie)
            .send()
            .await
            .expect("the server answers");
        let page = page.text().await.expect("a page");
        assert!(page.contains("AUTHORIZATION_SUCEEDED"), "{name}: {callback}\n{page}");
        secrets::assert_tells_none(&page);
        let token = self.take(name, "token");

        let path = format!("/connections/user-1?config_key={name}");
        let (status, connection) = answer(self.request(Method::GET, &path)).await;
        assert_eq!(status, 200, "{name}: {connection}");
        let refreshes =
            provider.protocol == Protocol::Oauth2 && provider.refresh_token != RefreshTokenPolicy::None;
        let mut refresh = None;
        if refreshes {
            let renewal = self.request(Method::GET, &format!("{path}&force_refresh=true"));
            let (status, renewed) = answer(renewal).await;
            assert_eq!(status, 200, "{name}: {renewed}");
            assert_eq!(renewed["credentials"]["access_token"], "access-2", "{name}");
            let endpoint = if provider.refresh_endpoint.is_some() { "refresh" } else { "token" };
            refresh = Some(self.take(name, endpoint));
        }
        let (status, gone) = answer(self.request(Method::DELETE, &path)).await;
        assert!(status == 200 || status == 204, "{name}: {status} {gone}");
        let revocation = self.find(name, "revocation");
        Dance { authorization, token, refresh, revocation, connection }
    }

    /// A request to the server.
    pub(super) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.server.address))
    }

    /// Posts the start request as a page would; answers the authorization request and the attempt's cookie.
    pub(super) async fn begin(&self, name: &str, params: &Value) -> (String, String) {
        self.begin_with(name, params, &json!({})).await
    }

    /// As [`Self::begin`], with extra parameters of the authorization request.
    pub(super) async fn begin_with(&self, name: &str, params: &Value, extra: &Value) -> (String, String) {
        let (status, page, cookie) = self.start_with(name, params, extra).await;
        assert_eq!(status, StatusCode::OK, "{name}: {page}");
        let island = page
            .split_once("id=\"data\">")
            .and_then(|(_, rest)| rest.split_once("</script>"))
            .expect("an island")
            .0;
        let data: Value = serde_json::from_str(island).expect("the island is JSON");
        (
            data["url"].as_str().unwrap_or_else(|| panic!("{name}: {page}")).to_owned(),
            cookie.expect("a cookie"),
        )
    }

    /// The answer to a start request: status, page, cookie.
    pub(super) async fn start_request(
        &self,
        name: &str,
        params: &Value,
    ) -> (StatusCode, String, Option<String>) {
        self.start_with(name, params, &json!({})).await
    }

    async fn start_with(
        &self,
        name: &str,
        params: &Value,
        extra: &Value,
    ) -> (StatusCode, String, Option<String>) {
        let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
        let unique = digest::digest(&digest::SHA256, format!("{name} {attempt}").as_bytes());
        let text = URL_SAFE_NO_PAD.encode(unique);
        let request = json!({
            "protocol": 1,
            "attempt_id": &text[..22],
            "attempt_secret": text,
            "connection_id": "user-1",
            "params": params,
            "authorization_params": extra,
            "mode": "popup",
        });
        let response = self
            .request(Method::POST, &format!("/oauth/connect/{name}"))
            .header(header::ORIGIN, ORIGIN)
            .form(&[("request", request.to_string())])
            .send()
            .await
            .expect("the server answers");
        let cookie = response.headers().get(header::SET_COOKIE).and_then(|cookie| cookie.to_str().ok());
        let cookie = cookie.and_then(|cookie| cookie.split(';').next()).map(str::to_owned);
        (response.status(), response.text().await.expect("a page"), cookie)
    }

    /// The callback address that this provider would send the browser to.
    fn callback(&self, provider: &Provider, authorization: &Request, state: &str) -> String {
        let mut url = Url::parse(&format!("{}/oauth/callback", self.server.address)).expect("an address");
        let mut params: Vec<(String, String)> = Vec::new();
        if provider.protocol == Protocol::Oauth1 {
            let asked = authorization.params();
            // The callback address, state included, was told with the request for temporary credentials.
            let told =
                self.find(&provider.name, "request_token").expect("temporary credentials were asked for");
            let told = oauth1_params(&told.headers["authorization"]);
            url = Url::parse(&told["oauth_callback"]).expect("an address");
            params.push(("oauth_token".to_owned(), asked["oauth_token"].clone()));
            params.push(("oauth_verifier".to_owned(), "verifier-1".to_owned()));
        } else {
            params.push(("code".to_owned(), CODE.to_owned()));
            params.push(("state".to_owned(), state.to_owned()));
        }
        for variable in provider.variables.values() {
            if let Some(param) = &variable.callback_param {
                let suffix = variable.suffix.as_deref().unwrap_or_default();
                params.push((param.clone(), format!("{}{suffix}", variable.example)));
            }
        }
        for field in &provider.callback_fields {
            if !params.iter().any(|(name, _)| name == field) {
                params.push((field.clone(), format!("{field}-1")));
            }
        }
        if provider.authorization_response_iss_parameter_supported {
            params.push(("iss".to_owned(), self.base(&provider.name, "issuer")));
        }
        if let Some(signature) = &provider.callback_signature {
            params.push((signature.timestamp_param.clone(), now().to_string()));
            let hmac = signed(&params);
            params.push((signature.param.clone(), hmac));
        }
        url.query_pairs_mut().extend_pairs(params);
        url.into()
    }

    /// The address at which the fake heard a request.
    pub(super) fn actual_url(&self, name: &str, request: &Request) -> Url {
        let rest = request.url.strip_prefix("https://").expect("as the entry has it");
        Url::parse(&format!("{}{rest}", self.base(name, &request.endpoint))).expect("it was asked for")
    }

    fn base(&self, name: &str, endpoint: &str) -> String {
        format!("http://{}/{name}/{endpoint}/", self.fake)
    }

    /// The one request that this address of the entry has seen since the last look.
    pub(super) fn take(&self, name: &str, endpoint: &str) -> Request {
        let mut seen = self.seen.lock().expect("no test panics with the lock");
        let requests = seen.entry(name.to_owned()).or_default();
        let mut found: Vec<Request> = Vec::new();
        requests.retain(|request| {
            let matches = request.endpoint == endpoint;
            found.extend(matches.then(|| request.clone()));
            !matches
        });
        assert_eq!(found.len(), 1, "{name}: {endpoint} was asked {} times", found.len());
        found.remove(0)
    }

    /// The first request that this address has seen, if any.
    pub(super) fn find(&self, name: &str, endpoint: &str) -> Option<Request> {
        let seen = self.seen.lock().expect("no test panics with the lock");
        seen.get(name)?.iter().find(|request| request.endpoint == endpoint).cloned()
    }

    /// A request's text with what changes from run to run put in words.
    pub(super) fn written(&self, request: &Request, words: &[(&str, String)]) -> String {
        let mut text = format!("{} {}\n", request.method, request.url);
        for (name, value) in &request.headers {
            let _ = writeln!(text, "{name}: {value}");
        }
        if !request.body.is_empty() {
            let _ = writeln!(text, "\n{}", request.body);
        }
        let escape = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        text = text.replace(&self.server.address, "https://handfast.test");
        text = text.replace(&escape(&self.server.address), &escape("https://handfast.test"));
        for (word, value) in words {
            text = text.replace(value.as_str(), word).replace(&escape(value), word);
        }
        text
    }
}

/// Two lower-case hexadecimal digits a byte.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// The signature over sorted pairs, keyed with the client secret; for parameters that need no escaping but `%` and `&`.
pub(super) fn signed(params: &[(String, String)]) -> String {
    let mut pairs: Vec<String> = params
        .iter()
        .map(|(name, value)| format!("{name}={}", value.replace('%', "%25").replace('&', "%26")))
        .collect();
    pairs.sort();
    let key = hmac::Key::new(hmac::HMAC_SHA256, CLIENT_SECRET.as_bytes());
    hex(hmac::sign(&key, pairs.join("&").as_bytes()).as_ref())
}

/// What the provider wants for a client secret: where it is a key to sign with, a key.
fn client_secret(provider: &Provider) -> String {
    if provider.quirk.is_none() || !provider.variables.contains_key("key_id") {
        return CLIENT_SECRET.to_owned();
    }
    let key = signature::EcdsaKeyPair::generate_pkcs8(
        &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        &SystemRandom::new(),
    );
    let key = base64::engine::general_purpose::STANDARD.encode(key.expect("a key"));
    let lines: Vec<&str> =
        key.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("base64")).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

/// The entry with each address moved to the fake: `https://host/path` becomes `http://FAKE/NAME/ENDPOINT/host/path`.
fn on_loopback(provider: &Provider, fake: SocketAddr) -> Provider {
    let mut provider = provider.clone();
    let name = provider.name.clone();
    for (endpoint, template) in [
        ("issuer", &mut provider.issuer),
        ("authorization", &mut provider.authorization_endpoint),
        ("token", &mut provider.token_endpoint),
        ("refresh", &mut provider.refresh_endpoint),
        ("request_token", &mut provider.request_token_endpoint),
        ("revocation", &mut provider.revocation_endpoint),
        ("userinfo", &mut provider.userinfo_endpoint),
        ("keys", &mut provider.jwks_uri),
    ] {
        if let Some(own) = template {
            let moved = own.as_str().replacen("https://", &format!("http://{fake}/{name}/{endpoint}/"), 1);
            *template = Some(UrlTemplate::parse(&moved).expect("it still is an address"));
        }
    }
    provider
}

/// `OAuth a="b", ..` as its decoded parameters.
pub(super) fn oauth1_params(header: &str) -> BTreeMap<String, String> {
    let fields = header.strip_prefix("OAuth ").expect("RFC 5849 3.5.1").split(',');
    let unquoted = fields.filter_map(|field| field.trim().split_once('='));
    let form: Vec<String> =
        unquoted.map(|(name, value)| format!("{name}={}", value.trim_matches('"'))).collect();
    form_urlencoded::parse(form.join("&").as_bytes()).into_owned().collect()
}

async fn play(
    State(fake): State<Fake>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let whole = uri.path_and_query().map_or("/", |whole| whole.as_str());
    let mut parts = whole.trim_start_matches('/').splitn(3, '/');
    let (Some(name), Some(endpoint), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Some(provider) = fake.providers.get(name) else { return StatusCode::NOT_FOUND.into_response() };
    if endpoint == "issuer" {
        return metadata(&fake, name, rest);
    }
    let left_out = ["host", "user-agent", "content-length", "accept-encoding"];
    let mut request = Request {
        endpoint: endpoint.to_owned(),
        method: method.to_string(),
        url: format!("https://{rest}"),
        headers: headers
            .iter()
            .filter(|(name, _)| !left_out.contains(&name.as_str()))
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
            .collect(),
        body: String::from_utf8(body.to_vec()).expect("requests are text"),
    };
    if endpoint == "authorization" {
        // A browser's own headers say nothing about the provider.
        request.headers.clear();
    }
    let mut seen = fake.seen.lock().expect("no test panics with the lock");
    seen.entry(name.to_owned()).or_default().push(request.clone());
    drop(seen);
    match endpoint {
        "request_token" => {
            "oauth_token=temporary-1&oauth_token_secret=temporary-secret-1&oauth_callback_confirmed=true"
                .into_response()
        }
        "token" if provider.protocol == Protocol::Oauth1 => {
            let fields = provider.token_response_fields.keys();
            let kept = fields.fold(String::new(), |kept, name| kept + "&" + name + "=" + name + "-1");
            format!("oauth_token=access-1&oauth_token_secret=access-secret-1{kept}").into_response()
        }
        "token" | "refresh" => axum::Json(token_answer(provider, &request)).into_response(),
        _ => StatusCode::OK.into_response(),
    }
}

fn metadata(fake: &Fake, name: &str, rest: &str) -> Response {
    let Some(path) = rest.strip_suffix("/.well-known/openid-configuration") else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let base = |endpoint: &str| format!("http://{}/{name}/{endpoint}/", fake.address);
    let own = fake.providers[name].issuer.as_ref().map(UrlTemplate::as_str).unwrap_or_default();
    let slash = if own.ends_with('/') { "/" } else { "" };
    axum::Json(json!({
        "issuer": format!("{}{path}{slash}", base("issuer")),
        "authorization_endpoint": format!("{}discovered.test/authorize", base("authorization")),
        "token_endpoint": format!("{}discovered.test/token", base("token")),
        "revocation_endpoint": format!("{}discovered.test/revoke", base("revocation")),
    }))
    .into_response()
}

/// An answer with every value where the entry says it stands.
fn token_answer(provider: &Provider, request: &Request) -> Value {
    let params = request.params();
    let is_refresh = params.values().any(|value| value.starts_with("refresh-"));
    let round = if is_refresh { 2 } else { 1 };
    let mut body = json!({});
    put(&mut body, &provider.token_response_pointer("access_token"), json!(format!("access-{round}")));
    put(&mut body, &provider.token_response_pointer("token_type"), json!("Bearer"));
    if provider.token_response.contains_key("expires_at") {
        put(&mut body, &provider.token_response["expires_at"], json!(4_102_444_800_u64));
    } else if provider.access_token_lifetime.is_none() {
        put(&mut body, &provider.token_response_pointer("expires_in"), json!(3600));
    }
    if provider.refresh_token != RefreshTokenPolicy::None {
        put(&mut body, &provider.token_response_pointer("refresh_token"), json!(format!("refresh-{round}")));
    }
    for (name, pointer) in &provider.token_response_fields {
        if body.pointer(pointer).is_none() {
            put(&mut body, pointer, json!(format!("{name}-1")));
        }
    }
    body
}

fn put(body: &mut Value, pointer: &str, value: Value) {
    let mut place = body;
    for step in pointer.trim_start_matches('/').split('/') {
        if !place.is_object() {
            *place = json!({});
        }
        place = place.as_object_mut().expect("it was made one").entry(step.to_owned()).or_insert(Value::Null);
    }
    *place = value;
}
