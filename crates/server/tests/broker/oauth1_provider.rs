//! A provider of OAuth 1.0a that works every signature out by itself, as RFC 5849 3.4 says, and believes no other.

use std::{
    collections::BTreeSet,
    fmt::Write,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::hmac;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// The client's secret; it holds what has to be escaped.
pub(crate) const CLIENT_SECRET: &str = "client secret & more+1";
const TEMPORARY_SECRET: &str = "temporary/secret=1";

/// A running provider. Ends when dropped.
pub(crate) struct OAuth1Provider {
    pub(crate) url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    url: Mutex<String>,
    method: Mutex<String>,
    nonces: Mutex<BTreeSet<String>>,
    callback: Mutex<Option<String>>,
    problem: Mutex<Option<String>>,
    redeemed: Mutex<usize>,
}

impl OAuth1Provider {
    /// A provider that takes signatures by this method alone.
    pub(crate) async fn start(method: &str) -> Self {
        let shared = Arc::new(Shared { method: Mutex::new(method.to_owned()), ..Shared::default() });
        let routes = Router::new()
            .route("/request_token", post(request_token))
            .route("/access_token", post(access_token))
            .with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        shared.url.lock().unwrap().clone_from(&url);
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { url, shared, task }
    }

    /// Its entry for the catalogue. The addresses have parameters of their own, which are signed too.
    pub(crate) fn entry(&self) -> Value {
        json!({
            "display_name": "Old & Proven",
            "protocol": "oauth1",
            "signature_method": *self.shared.method.lock().unwrap(),
            "request_token_endpoint": format!("{}/request_token?format=a%20b&z=%26", self.url),
            "authorization_endpoint": format!("{}/authorize?fixed=1", self.url),
            "token_endpoint": format!("{}/access_token", self.url),
            "token_response_fields": { "user_id": "/user_id" },
        })
    }

    /// Where the user comes back to: `oauth_callback` of the last temporary credentials request.
    pub(crate) fn callback(&self) -> String {
        self.shared.callback.lock().unwrap().clone().expect("temporary credentials were asked for")
    }

    /// Refuses whatever comes from now on, with this `oauth_problem`.
    pub(crate) fn refuse(&self, problem: &str) {
        *self.shared.problem.lock().unwrap() = Some(problem.to_owned());
    }

    /// How often a verifier was redeemed.
    pub(crate) fn redeemed(&self) -> usize {
        *self.shared.redeemed.lock().unwrap()
    }
}

impl Drop for OAuth1Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn request_token(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let params = match shared.verified(&uri, &headers, &body, "") {
        Ok(params) => params,
        Err(problem) => return refusal(&problem),
    };
    if value(&params, "oauth_token").is_some() {
        return refusal("parameter_rejected");
    }
    let Some(callback) = value(&params, "oauth_callback") else { return refusal("parameter_absent") };
    *shared.callback.lock().unwrap() = Some(callback);
    let secret = escape(TEMPORARY_SECRET);
    format!("oauth_token=temporary%2D1&oauth_token_secret={secret}&oauth_callback_confirmed=true")
        .into_response()
}

async fn access_token(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let params = match shared.verified(&uri, &headers, &body, TEMPORARY_SECRET) {
        Ok(params) => params,
        Err(problem) => return refusal(&problem),
    };
    let token = value(&params, "oauth_token");
    if token.as_deref() != Some("temporary-1")
        || value(&params, "oauth_verifier").as_deref() != Some("ver ifier/1")
    {
        return refusal("verifier_invalid");
    }
    *shared.redeemed.lock().unwrap() += 1;
    "oauth_token=token-1&oauth_token_secret=token%20secret%201&user_id=7&screen_name=ada".into_response()
}

fn refusal(problem: &str) -> Response {
    (StatusCode::UNAUTHORIZED, format!("oauth_problem={problem}&oauth_problem_advice=Look%20again"))
        .into_response()
}

impl Shared {
    /// The `oauth_` parameters of a request whose signature holds.
    fn verified(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        body: &Bytes,
        token_secret: &str,
    ) -> Result<Vec<(String, String)>, String> {
        if let Some(problem) = self.problem.lock().unwrap().clone() {
            return Err(problem);
        }
        if !body.is_empty() {
            return Err("body_unexpected".to_owned());
        }
        let header = headers.get("authorization").and_then(|value| value.to_str().ok());
        let fields = header.and_then(|header| header.strip_prefix("OAuth ")).ok_or("parameter_absent")?;
        let mut params: Vec<(String, String)> = fields
            .split(',')
            .map(|field| {
                let (name, value) = field.trim().split_once('=').unwrap();
                (unescape(name), unescape(value.strip_prefix('"').unwrap().strip_suffix('"').unwrap()))
            })
            .collect();
        let place =
            params.iter().position(|(name, _)| name == "oauth_signature").ok_or("signature_absent")?;
        let signature = params.remove(place).1;
        let method = self.method.lock().unwrap().clone();
        if value(&params, "oauth_signature_method").as_ref() != Some(&method) {
            return Err("signature_method_rejected".to_owned());
        }
        if value(&params, "oauth_consumer_key").as_deref() != Some("client-1") {
            return Err("consumer_key_unknown".to_owned());
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let stated: u64 = value(&params, "oauth_timestamp").and_then(|text| text.parse().ok()).unwrap_or(0);
        if now.abs_diff(stated) > 300 {
            return Err("timestamp_refused".to_owned());
        }
        let nonce = value(&params, "oauth_nonce").ok_or("parameter_absent")?;
        if !self.nonces.lock().unwrap().insert(nonce) {
            return Err("nonce_used".to_owned());
        }
        let key = format!("{}&{}", escape(CLIENT_SECRET), escape(token_secret));
        let expected = if method == "PLAINTEXT" {
            key
        } else {
            let algorithm =
                if method == "HMAC-SHA256" { hmac::HMAC_SHA256 } else { hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY };
            let text = self.base_string(uri, &params);
            STANDARD.encode(hmac::sign(&hmac::Key::new(algorithm, key.as_bytes()), text.as_bytes()))
        };
        if signature == expected { Ok(params) } else { Err("signature_invalid".to_owned()) }
    }

    /// RFC 5849 3.4.1.
    fn base_string(&self, uri: &Uri, params: &[(String, String)]) -> String {
        let mut pairs: Vec<String> =
            params.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
        let query = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        pairs.extend(query.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            let plain = |text: &str| unescape(&text.replace('+', " "));
            format!("{}={}", escape(&plain(name)), escape(&plain(value)))
        }));
        // No name of these tests is the beginning of another, so sorting whole pairs sorts by name, then by value.
        pairs.sort();
        let address = format!("{}{}", self.url.lock().unwrap(), uri.path());
        format!("{}&{}&{}", Method::POST, escape(&address), escape(&pairs.join("&")))
    }
}

fn value(params: &[(String, String)], name: &str) -> Option<String> {
    params.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone())
}

/// RFC 5849 3.6, written out.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            _ => write!(escaped, "%{byte:02X}").expect("a String takes what is written"),
        }
    }
    escaped
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| *first == b'%');
        let byte = escaped.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).unwrap()
}
