//! Token requests and answers as plain values, made and read by pure functions (RFC 6749 4.1.3, 4.4, 5 and 6; RFC 7009).

use core::time::Duration;
use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use handfast_protocol::{Clock, OAuthErrorCode, Randomness, Scopes, Secret, Timestamp};
use serde_json::{Map, Value};
use url::{Url, form_urlencoded};

use crate::connection::{GrantType, TokenSet, raw_answer};
use crate::oauth1::escape;
use crate::quirk::hashed_client_secret;
use crate::{
    Broker, ClientAuthentication, Integration, Provider, Quirk, SendError, Store, TokenEndpoint,
    TokenExchange, TokenRequestShape,
};

/// No access token is said to live longer: a hundred years.
const LONGEST_LIFETIME: Duration = Duration::from_hours(100 * 365 * 24);

/// When an access token of unstated lifetime is renewed, if it can be. Most providers that do not say mean an hour.
const UNSTATED_REFRESH_AFTER: Duration = Duration::from_mins(45);

/// How long before its end an access token is renewed, at most.
const LARGEST_MARGIN: Duration = Duration::from_mins(15);

/// How much of what a provider says of a refusal is told on, in bytes.
const LONGEST_SENTENCE: usize = 300;

/// A request to a provider's endpoint, ready to be sent.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Where to.
    pub url: Secret<Url>,
    /// Header fields, such as `Authorization`.
    pub headers: Vec<(String, Secret<String>)>,
    /// The body; empty for a GET.
    pub body: Secret<String>,
}

/// Whatever a provider's endpoint answered.
#[derive(Clone, Debug)]
pub struct TokenAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type`, if any.
    pub content_type: Option<String>,
    /// The body, at most [`TokenAnswer::MAX_BYTES`].
    pub body: Secret<Vec<u8>>,
}

impl TokenAnswer {
    /// The largest answer that is read, in bytes.
    pub const MAX_BYTES: usize = 256 * 1024;
}

/// Why an answer brought no tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// RFC 6749 5.2, or what the provider says in its place.
    #[error("the provider refused: {error}{}", description.as_deref().map(|text| format!(" ({text})")).unwrap_or_default())]
    Refused {
        /// The provider's own word, such as `invalid_grant`.
        error: String,
        /// `error_description`, or a sentence in its place.
        description: Option<String>,
    },
    /// A server error, or a refusal for the moment.
    #[error("the provider is unavailable (HTTP {0})")]
    Unavailable(u16),
    /// Not an answer that holds a token or an error.
    #[error("the provider's answer (HTTP {0}) holds neither an access token nor an error")]
    Unreadable(u16),
}

impl TokenError {
    /// Whether the refresh token is refused for good (RFC 6749 5.2).
    #[must_use]
    pub fn is_invalid_grant(&self) -> bool {
        matches!(self, Self::Refused { error, .. } if OAuthErrorCode::parse(error) == Some(OAuthErrorCode::InvalidGrant))
    }

    /// The same without `secrets`, however written, which some providers repeat in what they say of a request; and no
    /// longer than is read.
    pub(crate) fn without<'a>(self, secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let Self::Refused { mut error, mut description } = self else { return self };
        let mut hidden: Vec<String> =
            secrets.into_iter().filter(|secret| !secret.is_empty()).flat_map(spellings).collect();
        hidden.sort_by_key(|spelling| core::cmp::Reverse(spelling.len()));
        // What stands for itself tells nothing, and decides what happens next.
        let error_word = Some(&mut error).filter(|error| OAuthErrorCode::parse(error).is_none());
        for text in error_word.into_iter().chain(&mut description) {
            for spelling in &hidden {
                *text = text.replace(spelling, "[hidden]");
            }
            text.truncate(text.floor_char_boundary(LONGEST_SENTENCE));
        }
        Self::Refused { error, description }
    }
}

impl<S: Store, T: TokenEndpoint, C: Clock, R: Randomness> Broker<S, T, C, R> {
    /// Asks for tokens, and reads what is answered. `shown` is what the request hands over beside the client's secret:
    /// a refusal that repeats it is told without it.
    pub(crate) async fn request_tokens<E: From<SendError> + From<TokenError>>(
        &self,
        client: &Integration,
        request: TokenRequest,
        shown: &[&str],
    ) -> Result<TokenSet, E> {
        let authorization = request.headers.iter().find(|(name, _)| name == "authorization");
        let credentials = authorization.and_then(|(_, value)| value.expose().split_once(' '));
        let credentials = credentials.map(|(_, credentials)| Secret::new(credentials.to_owned()));
        let answer = self.token_endpoint.send(request).await?;
        let set = read_response(&client.provider, &answer, self.clock.now());
        let kept = [&client.client_secret, &credentials].into_iter().flatten();
        let hidden = kept.map(|secret| secret.expose().as_str()).chain(shown.iter().copied());
        Ok(set.map_err(|error| error.without(hidden))?)
    }
}

/// Redeems a code (RFC 6749 4.1.3), with the verifier where PKCE was used (RFC 7636 4.5).
#[must_use]
pub(crate) fn code_request(
    integration: &Integration,
    endpoint: Url,
    code: &str,
    redirect_uri: &str,
    verifier: Option<&str>,
) -> TokenRequest {
    let provider = &integration.provider;
    let mut params =
        vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect_uri)];
    params.extend(verifier.map(|verifier| ("code_verifier", verifier)));
    params.retain(|(name, _)| !provider.token_params_omitted.iter().any(|omitted| omitted == name));
    token_request(integration, endpoint, &params, &provider.token_params)
}

/// Redeems a refresh token (RFC 6749 6).
#[must_use]
pub(crate) fn refresh_request(
    integration: &Integration,
    endpoint: Url,
    refresh_token: &Secret<String>,
) -> TokenRequest {
    let params = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose().as_str())];
    token_request(integration, endpoint, &params, &integration.provider.refresh_params)
}

/// Asks for a token in the client's own name (RFC 6749 4.4.2).
#[must_use]
pub(crate) fn client_credentials_request(
    integration: &Integration,
    endpoint: Url,
    scopes: &Scopes,
) -> TokenRequest {
    let scope = scopes.join(integration.provider.scope_separator());
    let mut params = vec![("grant_type", "client_credentials")];
    if !scope.is_empty() {
        params.push(("scope", &scope));
    }
    token_request(integration, endpoint, &params, &integration.provider.token_params)
}

/// Exchanges a session token for an access token (RFC 8693 2.1).
#[must_use]
pub(crate) fn exchange_request(
    integration: &Integration,
    endpoint: Url,
    session_token: &Secret<String>,
    exchange: &TokenExchange,
    requested_token_type: &str,
) -> TokenRequest {
    let params = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", session_token.expose().as_str()),
        ("subject_token_type", &exchange.subject_token_type),
        ("requested_token_type", requested_token_type),
    ];
    token_request(integration, endpoint, &params, &integration.provider.token_params)
}

/// Revokes a token (RFC 7009 2.1).
#[must_use]
pub(crate) fn revocation_request(
    integration: &Integration,
    endpoint: Url,
    token: &Secret<String>,
    hint: &str,
) -> TokenRequest {
    let params = [("token", token.expose().as_str()), ("token_type_hint", hint)];
    token_request(integration, endpoint, &params, &BTreeMap::new())
}

fn token_request(
    integration: &Integration,
    mut endpoint: Url,
    standard: &[(&str, &str)],
    fixed: &BTreeMap<String, String>,
) -> TokenRequest {
    let provider = &integration.provider;
    let secret = integration.client_secret.as_ref().map_or("", |secret| secret.expose());
    let mut headers = vec![("accept".to_owned(), Secret::new("application/json".to_owned()))];
    let mut params: Vec<(&str, &str)> =
        standard.iter().map(|(name, value)| (provider.token_param_name(name), *value)).collect();
    let hash = hashed_client_secret(secret, standard);
    match provider.token_endpoint_auth_method {
        ClientAuthentication::ClientSecretBasic => {
            headers.push(("authorization".to_owned(), basic_authorization(&integration.client_id, secret)));
        }
        ClientAuthentication::ClientSecretPost => {
            params.push((provider.token_param_name("client_id"), &integration.client_id));
            if provider.quirk == Some(Quirk::ClientSecretHashed) {
                params.push(("hash", &hash));
            } else if integration.client_secret.is_some() {
                params.push((provider.token_param_name("client_secret"), secret));
            }
        }
        ClientAuthentication::None => {
            params.push((provider.token_param_name("client_id"), &integration.client_id));
        }
    }
    params.extend(fixed.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    for (name, value) in &provider.token_headers {
        let value = value.replace("{client_id}", &integration.client_id).replace("{client_secret}", secret);
        headers.push((name.to_lowercase(), Secret::new(value)));
    }
    let (method, content_type, body) = match provider.token_request {
        TokenRequestShape::Form => ("POST", Some("application/x-www-form-urlencoded"), form_encode(&params)),
        TokenRequestShape::Json => {
            let object: Map<String, Value> =
                params.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
            ("POST", Some("application/json"), Value::Object(object).to_string())
        }
        TokenRequestShape::Query => {
            endpoint.query_pairs_mut().extend_pairs(&params);
            ("GET", None, String::new())
        }
    };
    if let Some(content_type) = content_type {
        headers.push(("content-type".to_owned(), Secret::new(content_type.to_owned())));
    }
    TokenRequest { method, url: Secret::new(endpoint), headers, body: Secret::new(body) }
}

fn form_encode(params: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish()
}

/// RFC 6749 2.3.1: both halves are form-encoded before they are joined.
fn basic_authorization(client_id: &str, client_secret: &str) -> Secret<String> {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(client_id), encode(client_secret));
    Secret::new(format!("Basic {}", STANDARD.encode(pair)))
}

/// A secret as it may stand in a request: bare, in a form, and in an address or a signed header.
fn spellings(secret: &str) -> [String; 3] {
    let in_form = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    [secret.to_owned(), in_form, escape(secret)]
}

/// Reads a token answer (RFC 6749 5.1 and 5.2), wherever the provider puts its values.
///
/// # Errors
/// The provider refused, is unavailable, or answered with something else.
fn read_response(provider: &Provider, answer: &TokenAnswer, now: Timestamp) -> Result<TokenSet, TokenError> {
    if answer.status == 429 || answer.status >= 500 {
        return Err(TokenError::Unavailable(answer.status));
    }
    let body = read_body(answer).ok_or(TokenError::Unreadable(answer.status))?;
    let text = |name: &str| {
        let value = body.pointer(&provider.token_response_pointer(name))?;
        value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let succeeded = (200..300).contains(&answer.status);
    let Some(access_token) = text("access_token").filter(|_| succeeded) else {
        return Err(read_refusal(&body).unwrap_or(TokenError::Unreadable(answer.status)));
    };
    let number = |name: &str| read_number(body.pointer(&provider.token_response_pointer(name))?);
    let expires_at = number("expires_in")
        .or(provider.access_token_lifetime)
        .filter(|seconds| *seconds > 0)
        .map(|seconds| now + Duration::from_secs(seconds).min(LONGEST_LIFETIME))
        .or_else(|| {
            let seconds =
                provider.token_response.contains_key("expires_at").then(|| number("expires_at"))??;
            Some(Timestamp::from_secs(i64::try_from(seconds).ok()?))
        });
    let granted_scopes =
        body.pointer(&provider.token_response_pointer("scope")).and_then(|scope| match scope {
            Value::String(text) => Some(Scopes::parse_separated(text, provider.scope_separator())),
            Value::Array(list) => Some(list.iter().filter_map(Value::as_str).collect()),
            _ => None,
        });
    Ok(TokenSet {
        grant_type: GrantType::AuthorizationCode,
        access_token: Secret::new(access_token),
        token_type: text("token_type"),
        refresh_token: text("refresh_token").map(Secret::new),
        id_token: text("id_token").map(Secret::new),
        issued_at: now,
        expires_at,
        granted_scopes,
        raw: raw_answer(&body),
    })
}

/// From when on an access token is renewed before it is handed out.
#[must_use]
pub(crate) fn refresh_at(provider: &Provider, set: &TokenSet) -> Option<Timestamp> {
    if set.refresh_token.is_none() && set.grant_type == GrantType::AuthorizationCode {
        return None;
    }
    let Some(expires_at) = set.expires_at else {
        return Some(set.issued_at + UNSTATED_REFRESH_AFTER);
    };
    let lifetime = expires_at.since(set.issued_at);
    let margin =
        provider.refresh_margin.map_or_else(|| LARGEST_MARGIN.min(lifetime / 5), Duration::from_secs);
    Some(expires_at - margin)
}

/// JSON, or the form encoding that some providers answer with whatever `Accept` says.
fn read_body(answer: &TokenAnswer) -> Option<Value> {
    if let Ok(value @ Value::Object(_)) = serde_json::from_slice(answer.body.expose()) {
        return Some(value);
    }
    let text = core::str::from_utf8(answer.body.expose()).ok()?;
    let is_form = answer
        .content_type
        .as_deref()
        .is_some_and(|name| name.contains("form-urlencoded") || name.contains("text/plain"));
    if !is_form && !text.starts_with("access_token=") && !text.starts_with("error=") {
        return None;
    }
    let pairs: Map<String, Value> = form_urlencoded::parse(text.as_bytes())
        .map(|(name, value)| (name.into_owned(), Value::from(value)))
        .collect();
    Some(Value::Object(pairs))
}

/// RFC 6749 5.2, and the shapes that stand in its place: an object under `error`, a bare `message`.
fn read_refusal(body: &Value) -> Option<TokenError> {
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let error = text("/error")
        .or_else(|| text("/error/code"))
        .or_else(|| text("/error/type"))
        .or_else(|| text("/errors/0/code"));
    let description = [
        "/error_description",
        "/error/message",
        "/error_message",
        "/message",
        "/errors/0/message",
        "/detail",
    ]
    .into_iter()
    .find_map(text);
    if error.is_none() && description.is_none() {
        return None;
    }
    Some(TokenError::Refused { error: error.unwrap_or_else(|| "error".to_owned()), description })
}

fn read_number(value: &Value) -> Option<u64> {
    match value {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the cast saturates, and negatives read as zero"
        )]
        Value::Number(number) => number.as_u64().or_else(|| number.as_f64().map(|seconds| seconds as u64)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn provider() -> Provider {
        let entry = json!({"display_name": "Example", "token_endpoint": "https://provider.test/token"});
        serde_json::from_value(entry).expect("an entry")
    }

    fn read(content_type: &str, body: &[u8]) -> Result<TokenSet, TokenError> {
        let content_type = Some(content_type.to_owned());
        let answer = TokenAnswer { status: 200, content_type, body: Secret::new(body.to_vec()) };
        read_response(&provider(), &answer, Timestamp::from_secs(1_700_000_000))
    }

    #[test]
    fn a_refusal_is_told_without_what_was_sent_however_written() {
        let refused = |error: &str, description: &str| {
            let refused =
                TokenError::Refused { error: error.to_owned(), description: Some(description.to_owned()) };
            refused.without(["4/0 a+b", "b", ""]).to_string()
        };
        assert_eq!(
            refused("bad code 4/0 a+b", "code=4%2F0+a%2Bb and 4%2F0%20a%2Bb"),
            "the provider refused: [hidden]ad code [hidden] (code=[hidden] and [hidden])"
        );
        let long = refused("invalid_grant", &"é".repeat(400));
        assert!(long.starts_with("the provider refused: invalid_grant (é") && long.len() < 400, "{long}");
        assert!(TokenError::Unavailable(503).without(["503"]).to_string().contains("503"));
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(
            content_type in "application/json|text/plain|application/x-www-form-urlencoded|.{0,20}",
            body in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let _: Result<TokenSet, TokenError> = read(&content_type, &body);
        }

        #[test]
        fn any_tokens_and_lifetime_arrive_whole_in_either_encoding(
            access_token in ".{1,40}", refresh_token in ".{1,40}", lifetime in any::<u64>(),
        ) {
            let body = json!({
                "access_token": access_token, "refresh_token": refresh_token, "expires_in": lifetime,
            });
            let lifetime_text = lifetime.to_string();
            let form = form_encode(&[
                ("access_token", &access_token), ("refresh_token", &refresh_token), ("expires_in", &lifetime_text),
            ]);
            for set in [
                read("application/json", body.to_string().as_bytes()),
                read("application/x-www-form-urlencoded", form.as_bytes()),
            ] {
                let set = set.expect("it holds an access token");
                prop_assert_eq!(set.access_token.expose(), &access_token);
                prop_assert_eq!(set.refresh_token.as_ref().map(Secret::expose), Some(&refresh_token));
                prop_assert_eq!(set.expires_at.is_some(), lifetime > 0);
                let due = refresh_at(&provider(), &set).expect("it can be renewed");
                prop_assert!(due >= set.issued_at && set.expires_at.is_none_or(|dies_at| due <= dies_at));
            }
        }
    }
}
