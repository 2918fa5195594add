//! A browser without a screen, a client, and the operator's application.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{Client, Method, RequestBuilder, StatusCode, redirect::Policy};
use serde_json::{Value, json};
use url::Url;

use crate::support::{API_KEY, Server, secrets};

/// RFC 7636 appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Where the tests' clients want their answers.
pub(crate) const REDIRECT_URI: &str = "https://client.example/callback?own=1";

/// The page of an application that nobody runs: the tests play it.
pub(crate) const LOGIN_URL: &str = "https://app.example/connect?own=1";

/// A browser: keeps cookies, follows no redirect by itself.
pub(crate) struct Browser {
    client: Client,
    cookies: Mutex<BTreeMap<String, String>>,
}

/// What a browser got.
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl Browser {
    pub(crate) fn new() -> Self {
        // No connection is kept: the server may be restarted under the browser.
        let client = Client::builder()
            .redirect(Policy::none())
            .pool_max_idle_per_host(0)
            .build()
            .expect("a client can be made");
        Self { client, cookies: Mutex::default() }
    }

    pub(crate) async fn get(&self, url: &str) -> Page {
        self.send(self.client.get(url)).await
    }

    pub(crate) async fn post(&self, url: &str, form: &[(&str, &str)]) -> Page {
        self.send(self.client.post(url).form(form)).await
    }

    async fn send(&self, request: RequestBuilder) -> Page {
        let cookies = {
            let cookies = self.cookies.lock().expect("no test panics with the lock");
            cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
        };
        let request = request.header("cookie", cookies).build().expect("the request is well formed");
        secrets::keep_request(&request);
        let answer = self.client.execute(request).await.expect("the server answers");
        for cookie in answer.headers().get_all("set-cookie") {
            let cookie = cookie.to_str().expect("cookies are ASCII");
            let (name, rest) = cookie.split_once('=').expect("a cookie has a name");
            let value = rest.split(';').next().unwrap_or_default();
            let mut cookies = self.cookies.lock().expect("no test panics with the lock");
            cookies.insert(name.to_owned(), value.to_owned());
        }
        let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let headers = answer.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let status = answer.status();
        let page = Page { status, headers, body: answer.text().await.expect("the answer arrives whole") };
        // Pages and the addresses they lead to carry codes, never tokens or the client's secret.
        page.headers.values().chain([&page.body]).for_each(|text| secrets::assert_tells_none(text));
        page
    }
}

impl Page {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Where it sends the browser.
    pub(crate) fn location(&self) -> Url {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        self.header("location").parse().expect("a location is an address")
    }

    /// The parameters of the address it sends the browser to.
    pub(crate) fn answer(&self) -> BTreeMap<String, String> {
        self.location().query_pairs().into_owned().collect()
    }

    /// The value of a form's field.
    pub(crate) fn field(&self, name: &str) -> String {
        let marker = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.body.split_once(&marker).unwrap_or_else(|| panic!("no {name} in {}", self.body));
        rest.split('"').next().unwrap_or_default().to_owned()
    }
}

/// A registered client.
#[derive(Clone, Debug)]
pub(crate) struct Registered {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl Server {
    /// Runs a command against this server, with its API key.
    pub(crate) fn command_with_key(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = crate::support::handfast(&self.data_dir());
        command.args(arguments).env("HANDFAST_HOST", &self.address).env("HANDFAST_API_KEY", API_KEY);
        command.output().expect("the binary was built")
    }

    /// A request of the operator's application.
    pub(crate) fn api(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).header("x-api-key", API_KEY)
    }

    /// Registers a client; `more` goes over the defaults.
    pub(crate) async fn client(&self, more: Value) -> Registered {
        let mut body = json!({
            "app_name": format!("App {}", next_number()),
            "owner_id": "operator",
            "redirect_uri": [REDIRECT_URI],
            "profile": "standard",
        });
        for (name, value) in more.as_object().expect("more is an object") {
            body[name] = value.clone();
        }
        let (status, created) = crate::support::answer(self.api(Method::POST, "/api/app").json(&body)).await;
        assert_eq!(status, 201, "{created}");
        let text = |name: &str| created[name].as_str().unwrap_or_default().to_owned();
        Registered { id: text("client_id"), secret: text("client_secret") }
    }

    /// Registers a client from its metadata document, with the token `come-in` where the server wants one.
    pub(crate) async fn register(&self, more: Value) -> Registered {
        let mut document = json!({"redirect_uris": [REDIRECT_URI]});
        document.as_object_mut().expect("it is one").extend(more.as_object().expect("more is one").clone());
        let request = self.request(Method::POST, "/auth/oauth2/register").bearer_auth("come-in");
        let (status, created) = crate::support::answer(request.json(&document)).await;
        assert_eq!(status, 201, "{created}");
        let text = |name: &str| created[name].as_str().unwrap_or_default().to_owned();
        Registered { id: text("client_id"), secret: text("client_secret") }
    }

    /// A request of a client that shows its secret by Basic.
    pub(crate) async fn post_as(
        &self,
        client: &Registered,
        path: &str,
        form: &[(&str, &str)],
    ) -> (u16, Value) {
        let request = self.request(Method::POST, path).form(form);
        crate::support::answer(request.basic_auth(&client.id, Some(&client.secret))).await
    }

    /// Opens a page that asks who one is, logs in as `user`, and answers the page.
    pub(crate) async fn log_in_to(&self, browser: &Browser, url: &str, user: &str) -> Page {
        let id = browser.get(url).await.answer().remove("token").expect("the login URL gets a token");
        let (status, approved) =
            self.approve(&id, json!({"user": user, "claims": {"name": "A. Weng"}})).await;
        assert_eq!(status, 200, "{approved}");
        let back = browser.get(approved["redirect_uri"].as_str().expect("it is text")).await.location();
        assert_eq!(back.as_str(), url);
        browser.get(url).await
    }

    /// The address of an authorization request; `more` replaces or, with an empty value, removes.
    pub(crate) fn authorization_url(&self, client: &Registered, more: &[(&str, &str)]) -> String {
        let mut params = BTreeMap::from([
            ("response_type", "code"),
            ("client_id", &client.id),
            ("redirect_uri", REDIRECT_URI),
            ("scope", "openid profile email"),
            ("state", "a state"),
            ("nonce", "a nonce"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]);
        params.extend(more.iter().copied());
        params.retain(|_, value| !value.is_empty());
        let mut url =
            Url::parse(&format!("{}/auth/oauth2/authorize", self.address)).expect("it is an address");
        url.query_pairs_mut().extend_pairs(params);
        url.into()
    }

    /// Begins an authorization request and answers the login session's id, as the application gets it.
    pub(crate) async fn login_session(
        &self,
        browser: &Browser,
        client: &Registered,
        more: &[(&str, &str)],
    ) -> String {
        let page = browser.get(&self.authorization_url(client, more)).await;
        let location = page.location();
        assert_eq!(location.host_str(), Some("app.example"), "{location}");
        page.answer()["token"].clone()
    }

    /// The application approves, and answers where the browser goes next.
    pub(crate) async fn approve(&self, id: &str, body: Value) -> (u16, Value) {
        let request = self.api(Method::POST, &format!("/api/auth_session/{id}/approve")).json(&body);
        crate::support::answer(request).await
    }

    /// Goes all the way: request, approval for Ada, consent; answers what the client gets.
    pub(crate) async fn grant(
        &self,
        browser: &Browser,
        client: &Registered,
        more: &[(&str, &str)],
    ) -> BTreeMap<String, String> {
        self.grant_to(browser, client, more, ada()).await
    }

    /// The same with an approval of its own.
    pub(crate) async fn grant_to(
        &self,
        browser: &Browser,
        client: &Registered,
        more: &[(&str, &str)],
        approval: Value,
    ) -> BTreeMap<String, String> {
        let id = self.login_session(browser, client, more).await;
        let (status, approved) = self.approve(&id, approval).await;
        assert_eq!(status, 200, "{approved}");
        let consent_url = approved["redirect_uri"].as_str().expect("it is text").to_owned();
        let page = browser.get(&consent_url).await;
        if page.status == StatusCode::SEE_OTHER {
            return page.answer();
        }
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        let csrf_token = page.field("csrf_token");
        browser.post(&consent_url, &[("csrf_token", &csrf_token), ("decision", "allow")]).await.answer()
    }

    fn token_request(&self, client: &Registered, form: &[(&str, &str)]) -> RequestBuilder {
        let request = self.request(Method::POST, "/auth/oauth2/token").form(form);
        if client.secret.is_empty() { request } else { request.basic_auth(&client.id, Some(&client.secret)) }
    }

    /// A token request; the client shows its secret by Basic.
    pub(crate) async fn token(&self, client: &Registered, form: &[(&str, &str)]) -> (u16, Value) {
        crate::support::answer(self.token_request(client, form)).await
    }

    /// The request that redeems a code.
    pub(crate) fn redemption(&self, client: &Registered, code: &str) -> RequestBuilder {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", VERIFIER),
            ("client_id", &client.id),
        ];
        self.token_request(client, &form)
    }

    /// Redeems a code.
    pub(crate) async fn redeem(&self, client: &Registered, code: &str) -> (u16, Value) {
        crate::support::answer(self.redemption(client, code)).await
    }

    /// Goes all the way and redeems the code.
    pub(crate) async fn tokens(&self, client: &Registered, more: &[(&str, &str)]) -> Value {
        let answer = self.grant(&Browser::new(), client, more).await;
        let (status, tokens) = self.redeem(client, answer.get("code").expect("the answer has a code")).await;
        assert_eq!(status, 200, "{tokens}");
        tokens
    }

    /// Uses a refresh token.
    pub(crate) async fn refresh(&self, client: &Registered, token: &str) -> (u16, Value) {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", &client.id)];
        self.token(client, &form).await
    }

    /// What userinfo says to the bearer of `token`.
    pub(crate) async fn userinfo(&self, token: &str) -> (u16, Value) {
        crate::support::answer(self.request(Method::GET, "/auth/oauth2/userinfo").bearer_auth(token)).await
    }
}

/// Sends all requests at once, of which exactly one may succeed; answers what that one got.
pub(crate) async fn one_success_among(requests: impl Iterator<Item = RequestBuilder>) -> Value {
    let asking = requests.map(|request| tokio::spawn(crate::support::answer(request))).collect::<Vec<_>>();
    let mut won = Vec::new();
    for asked in asking {
        let (status, body) = asked.await.expect("the server answers");
        match status {
            200 => won.push(body),
            _ => assert_eq!((status, &body["error"]), (400, &json!("invalid_grant")), "{body}"),
        }
    }
    assert_eq!(won.len(), 1);
    won.remove(0)
}

/// Whom the application lets through, and what it says about her.
pub(crate) fn ada() -> Value {
    json!({"user": "ada", "claims": {"name": "Ada Lovelace", "email": "ada@example.com", "tier": "gold"}})
}

/// The claims of a JWT whose signature the test does not look at.
pub(crate) fn claims(jwt: &Value) -> Value {
    part(jwt, 1)
}

/// The header of a JWT.
pub(crate) fn header(jwt: &Value) -> Value {
    part(jwt, 0)
}

fn part(jwt: &Value, index: usize) -> Value {
    let part = jwt.as_str().and_then(|jwt| jwt.split('.').nth(index)).expect("a JWT has three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("it is base64url")).expect("it is JSON")
}

fn next_number() -> usize {
    static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(1);
    NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}
