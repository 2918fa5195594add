//! Providers that sign their callbacks, their install links and their webhooks: the signature, as data and as code.

use core::fmt::Write;
use std::{borrow::Cow, collections::BTreeMap};

use aws_lc_rs::{constant_time, hmac};
use base64::{Engine, engine::general_purpose::STANDARD};
use handfast_protocol::{Secret, Timestamp};
use serde::{Deserialize, Serialize};

/// How a provider signs the query with which it calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallbackSignature {
    /// What is computed.
    pub method: CallbackSignatureMethod,
    /// The parameter that carries the signature and is not part of the message.
    pub param: String,
    /// The parameter that carries the time of signing, in seconds since 1970.
    pub timestamp_param: String,
    /// How old the signature may be, in seconds.
    pub max_age: u64,
}

/// What is computed over the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallbackSignatureMethod {
    /// HMAC-SHA256 keyed with the client secret, in lower-case hex, over the `key=value` pairs, sorted and joined by `&`.
    ///
    /// In keys `%` is written `%25` and `=` `%3D`, in values `%` `%25`, in both `&` `%26`. Values of a key that ends in
    /// `[]` become one JSON array of strings under the key without it.
    HmacSha256SortedPairs,
}

/// Why a signed query is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallbackSignatureError {
    /// No signature, or more than one.
    #[error("the provider's signature is missing")]
    Missing,
    /// It is not the one that the client secret makes.
    #[error("the provider's signature does not hold; check the integration's client secret")]
    Invalid,
    /// The time of signing is missing or not a number.
    #[error("the provider's signature does not say when it was made")]
    Undated,
    /// Signed too long ago.
    #[error("the provider's signature is too old")]
    Expired,
    /// Signed more than five minutes from now.
    #[error("the provider's signature was made in the future; check this machine's clock")]
    FromTheFuture,
}

/// How far a provider's clock may be ahead of ours.
const CLOCK_SKEW_SECS: i64 = 300;

impl CallbackSignature {
    /// Verifies a query, given as its percent-decoded pairs in their order.
    pub fn verify(
        &self,
        params: &[(Cow<'_, str>, Cow<'_, str>)],
        client_secret: &Secret<String>,
        now: Timestamp,
    ) -> Result<(), CallbackSignatureError> {
        let value_of = |name: &str| {
            let mut values = params.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_ref());
            values.next().filter(|_| values.next().is_none())
        };
        let signature = value_of(&self.param).ok_or(CallbackSignatureError::Missing)?;
        let expected = match self.method {
            CallbackSignatureMethod::HmacSha256SortedPairs => {
                hmac_sha256_hex(client_secret, sorted_pairs(params, &self.param).as_bytes())
            }
        };
        if constant_time::verify_slices_are_equal(expected.as_bytes(), signature.as_bytes()).is_err() {
            return Err(CallbackSignatureError::Invalid);
        }
        let signed_at: i64 = value_of(&self.timestamp_param)
            .and_then(|text| text.parse().ok())
            .ok_or(CallbackSignatureError::Undated)?;
        let age = now.as_secs().saturating_sub(signed_at);
        if age > i64::try_from(self.max_age).unwrap_or(i64::MAX) {
            return Err(CallbackSignatureError::Expired);
        }
        if age < -CLOCK_SKEW_SECS {
            return Err(CallbackSignatureError::FromTheFuture);
        }
        Ok(())
    }
}

fn sorted_pairs(params: &[(Cow<'_, str>, Cow<'_, str>)], left_out: &str) -> String {
    let mut lists: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut pairs = Vec::with_capacity(params.len());
    for (key, value) in params {
        if key == left_out {
            continue;
        }
        match key.strip_suffix("[]") {
            Some(list) => lists.entry(list).or_default().push(value),
            None => pairs.push(pair(key, value)),
        }
    }
    pairs.extend(lists.iter().map(|(key, values)| pair(key, &json_list(values))));
    pairs.sort_unstable();
    pairs.join("&")
}

fn pair(key: &str, value: &str) -> String {
    let key = key.replace('%', "%25").replace('=', "%3D");
    let value = value.replace('%', "%25");
    format!("{key}={value}").replace('&', "%26")
}

/// A list of strings as Python's `json.dumps` writes it: a space after each comma, nothing but ASCII.
fn json_list(values: &[&str]) -> String {
    let mut text = String::from("[");
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        let quoted = serde_json::Value::from(*value).to_string();
        for character in quoted.chars() {
            // `quoted` holds no control character but U+007F, which Python escapes and serde does not.
            if matches!(character, ' '..='~') {
                text.push(character);
            } else {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
        }
    }
    text.push(']');
    text
}

fn hmac_sha256_hex(key: &Secret<String>, message: &[u8]) -> String {
    lower_hex(hmac_sha256(key, message).as_ref())
}

/// Two lower-case hexadecimal digits a byte.
pub(crate) fn lower_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn hmac_sha256(key: &Secret<String>, message: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes()), message)
}

/// Verifies a webhook whose provider signs the raw body with the client secret: HMAC-SHA256 in base64, as in the header
/// `X-Shopify-Hmac-Sha256`. The body must be the very bytes that arrived.
#[must_use]
pub fn verify_webhook_signature(body: &[u8], signature: &str, client_secret: &Secret<String>) -> bool {
    let expected = STANDARD.encode(hmac_sha256(client_secret, body));
    constant_time::verify_slices_are_equal(expected.as_bytes(), signature.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const METHOD: CallbackSignatureMethod = CallbackSignatureMethod::HmacSha256SortedPairs;

    fn signature() -> CallbackSignature {
        CallbackSignature {
            method: METHOD,
            param: "hmac".to_owned(),
            timestamp_param: "timestamp".to_owned(),
            max_age: 86_400,
        }
    }

    #[derive(Deserialize)]
    struct Vectors {
        signatures: Vec<SignatureVector>,
        timestamp_window: Vec<WindowVector>,
        raw_queries: Vec<RawVector>,
    }

    #[derive(Deserialize)]
    struct SignatureVector {
        name: String,
        secret: String,
        params: Vec<(String, String)>,
        message: String,
        hmac: String,
    }

    #[derive(Deserialize)]
    struct WindowVector {
        name: String,
        secret: String,
        now: i64,
        params: Vec<(String, String)>,
        accepted_by_library: bool,
    }

    #[derive(Deserialize)]
    struct RawVector {
        secret: String,
        query: String,
    }

    fn vectors() -> Vectors {
        serde_json::from_str(include_str!("../tests/vectors/signed-callbacks.json")).unwrap()
    }

    fn borrowed(params: &[(String, String)]) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
        params.iter().map(|(key, value)| (Cow::from(key), Cow::from(value))).collect()
    }

    #[test]
    fn message_and_signature_match_the_published_library() {
        for SignatureVector { name, secret, params, message, hmac } in vectors().signatures {
            assert_eq!(sorted_pairs(&borrowed(&params), "hmac"), message, "{name}");
            assert_eq!(hmac_sha256_hex(&Secret::new(secret), message.as_bytes()), hmac, "{name}");
        }
    }

    #[test]
    fn window_is_a_day_as_in_the_published_library_and_five_minutes_ahead() {
        for WindowVector { name, secret, now, params, accepted_by_library } in vectors().timestamp_window {
            let verified =
                signature().verify(&borrowed(&params), &Secret::new(secret), Timestamp::from_secs(now));
            let expected = match name.as_str() {
                // The library knows no upper bound. We do.
                "far-future" => Err(CallbackSignatureError::FromTheFuture),
                "missing-timestamp" => Err(CallbackSignatureError::Undated),
                "one-day-plus-1s" => Err(CallbackSignatureError::Expired),
                _ => {
                    assert!(accepted_by_library, "{name}");
                    Ok(())
                }
            };
            assert_eq!(verified, expected, "{name}");
        }
    }

    #[test]
    fn a_query_as_it_arrives_verifies_and_a_changed_one_does_not() {
        for RawVector { secret, query } in vectors().raw_queries {
            let secret = Secret::new(secret);
            let now = Timestamp::from_secs(1_700_000_000);
            let params: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
            assert_eq!(signature().verify(&params, &secret, now), Ok(()));
            for index in 0..params.len() {
                let mut changed = params.clone();
                changed[index].1 = Cow::from(format!("{}x", changed[index].1));
                assert_eq!(signature().verify(&changed, &secret, now), Err(CallbackSignatureError::Invalid));
            }
            let mut twice = params.clone();
            twice.push(params.iter().find(|(key, _)| key == "hmac").unwrap().clone());
            assert_eq!(signature().verify(&twice, &secret, now), Err(CallbackSignatureError::Missing));
            let other = Secret::new("another".to_owned());
            assert_eq!(signature().verify(&params, &other, now), Err(CallbackSignatureError::Invalid));
        }
    }

    #[test]
    fn a_list_is_written_in_ascii() {
        assert_eq!(
            json_list(&["a\"b", "\u{e9}\n", "\u{1f600}\u{7f}"]),
            r#"["a\"b", "\u00e9\n", "\ud83d\ude00\u007f"]"#
        );
    }

    #[test]
    fn webhook_signature_covers_the_raw_body() {
        // Made with Python: base64.b64encode(hmac.digest(b"hush", b'{"id":1}', "sha256"))
        let secret = Secret::new("hush".to_owned());
        let signature = "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY=";
        assert!(verify_webhook_signature(br#"{"id":1}"#, signature, &secret));
        assert!(!verify_webhook_signature(br#"{"id": 1}"#, signature, &secret));
        assert!(!verify_webhook_signature(br#"{"id":1}"#, "", &secret));
    }
}
