//! Every secret that a test sends or is given, and the search for them where none may stand: in refusals, pages,
//! addresses and log lines.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use reqwest::{Request, header};
use serde_json::Value;
use url::form_urlencoded;

/// The members of bodies and forms that are secret. Codes and `state` are not among them: addresses carry those.
const MEMBERS: [&str; 17] = [
    "access_token",
    "api_key",
    "client_assertion",
    "client_secret",
    "code_verifier",
    "connect_token",
    "device_code",
    "oauth_client_secret",
    "oauth_token_secret",
    "password",
    "refresh_token",
    "registration_access_token",
    "secret",
    "session_token",
    "subject_token",
    "token",
    "token_secret",
];

/// What is shorter can be a word of a sentence.
const MIN_LEN: usize = 8;

/// All of them in this process: one test's secret is not for another's server either.
static KEPT: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Keeps what a request shows or hands over.
pub(crate) fn keep_request(request: &Request) {
    for value in request.headers().get_all(header::AUTHORIZATION) {
        let credentials =
            value.to_str().unwrap_or_default().split_once(' ').map(|(_, credentials)| credentials);
        credentials.into_iter().for_each(keep);
    }
    let Some(body) = request.body().and_then(|body| body.as_bytes()) else { return };
    match serde_json::from_slice(body) {
        Ok(body) => keep_answer(&body),
        Err(_) => form_urlencoded::parse(body)
            .filter(|(name, _)| MEMBERS.contains(&&**name))
            .for_each(|(_, value)| keep(&value)),
    }
}

/// Keeps what an answer hands over.
pub(crate) fn keep_answer(body: &Value) {
    match body {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if MEMBERS.contains(&name.as_str()) => keep(text),
                    _ => keep_answer(member),
                }
            }
        }
        Value::Array(elements) => elements.iter().for_each(keep_answer),
        _ => {}
    }
}

fn keep(secret: &str) {
    if secret.len() >= MIN_LEN {
        let in_form = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let in_page = secret.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
        KEPT.lock().unwrap_or_else(PoisonError::into_inner).extend([secret.to_owned(), in_form, in_page]);
    }
}

/// Fails if a secret stands in `text`.
pub(crate) fn assert_tells_none(text: &str) {
    let found = KEPT
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .iter()
        .find(|secret| text.contains(secret.as_str()))
        .cloned();
    assert!(found.is_none(), "{found:?} is secret and stands in {text}");
}
