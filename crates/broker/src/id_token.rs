//! Id tokens (OpenID Connect Core 3.1.3.7), and the session tokens by which a provider's embedded pages name their user.

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use handfast_protocol::{Secret, Timestamp};
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde_json::{Map, Value};

/// How far a provider's clock may be from ours.
const CLOCK_SKEW_SECS: i64 = 60;

/// No id token is longer, in bytes.
const MAX_LEN: usize = 64 * 1024;

/// An id token as it came: nothing in it has been checked.
#[derive(Clone, Copy)]
pub(crate) struct UnverifiedIdToken<'a>(pub(crate) &'a Secret<String>);

/// What an id token must agree with.
pub(crate) struct ExpectedIdToken<'a> {
    /// The issuer identifier, compared as text.
    pub(crate) issuer: &'a str,
    /// Our client id there.
    pub(crate) client_id: &'a str,
    /// The nonce of the authorization request, if one was sent.
    pub(crate) nonce: Option<&'a str>,
    /// The access token that came along.
    pub(crate) access_token: &'a str,
    /// Now.
    pub(crate) now: Timestamp,
}

/// Why an id token, or a session token, is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenError {
    /// Not a JWT, too large, or with critical extensions we do not know (RFC 7515 4.1.11).
    #[error("it cannot be read")]
    Unreadable,
    /// `none`, a shared secret, or an algorithm we do not know.
    #[error("it is not signed by an algorithm that proves who signed it")]
    Algorithm,
    /// None of the issuer's keys has this id.
    #[error("it is signed by a key that the issuer does not publish")]
    UnknownKey,
    /// The signature does not hold.
    #[error("its signature does not hold")]
    Signature,
    /// Another issuer.
    #[error("it comes from another issuer")]
    Issuer,
    /// Made for another client.
    #[error("it was made for another client")]
    Audience,
    /// Expired, not yet valid, or from the future.
    #[error("it is not valid at this time")]
    Time,
    /// Another attempt's.
    #[error("it belongs to another attempt")]
    Nonce,
    /// It came with another access token.
    #[error("it belongs to another access token")]
    AccessToken,
    /// No `sub`.
    #[error("it names no subject")]
    Subject,
    /// The parts of a session token name different shops.
    #[error("its issuer and its destination are not the same")]
    Destination,
}

impl UnverifiedIdToken<'_> {
    /// Verifies it: signature, `iss`, `aud`, `azp`, `exp`, `iat`, `nbf`, `nonce`, `at_hash`, `sub`. Answers its claims.
    pub(crate) fn verify(
        self,
        keys: &JwkSet,
        expected: &ExpectedIdToken<'_>,
    ) -> Result<Map<String, Value>, IdTokenError> {
        let header = read_header(self.0)?;
        if matches!(header.alg, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512) {
            return Err(IdTokenError::Algorithm);
        }
        let key = choose_key(keys, &header).ok_or(IdTokenError::UnknownKey)?;
        let key = DecodingKey::from_jwk(key).map_err(|_| IdTokenError::UnknownKey)?;
        let claims = verify_signature(self.0, &key, header.alg)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        if text("iss") != Some(expected.issuer) {
            return Err(IdTokenError::Issuer);
        }
        check_audience(&claims, expected.client_id)?;
        check_time(&claims, expected.now, CLOCK_SKEW_SECS)?;
        if claims.get("iat").and_then(Value::as_i64).is_none() {
            return Err(IdTokenError::Time);
        }
        if expected.nonce.is_some() && text("nonce") != expected.nonce {
            return Err(IdTokenError::Nonce);
        }
        if text("at_hash").is_some_and(|hash| hash != left_half_hash(header.alg, expected.access_token)) {
            return Err(IdTokenError::AccessToken);
        }
        if text("sub").is_none_or(str::is_empty) {
            return Err(IdTokenError::Subject);
        }
        Ok(claims)
    }
}

/// The claims of a verified session token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionToken {
    /// The host of `dest`: whose page it was.
    pub host: String,
    /// `sub`: the provider's id of the user.
    pub subject: String,
}

/// Verifies a session token (a JWT that the provider's embedded page makes for us: HS256 with the client secret, `aud` our
/// client id, `iss` and `dest` on one host, ten seconds of leeway).
pub fn verify_session_token(
    token: &Secret<String>,
    client_id: &str,
    client_secret: &Secret<String>,
    now: Timestamp,
) -> Result<SessionToken, IdTokenError> {
    let header = read_header(token)?;
    if header.alg != Algorithm::HS256 {
        return Err(IdTokenError::Algorithm);
    }
    let key = DecodingKey::from_secret(client_secret.expose().as_bytes());
    let claims = verify_signature(token, &key, Algorithm::HS256)?;
    check_audience(&claims, client_id)?;
    check_time(&claims, now, 10)?;
    let host = |name: &str| {
        let url = url::Url::parse(claims.get(name)?.as_str()?).ok()?;
        (url.scheme() == "https" && url.port().is_none()).then(|| url.host_str().map(str::to_owned))?
    };
    let issuer = host("iss").ok_or(IdTokenError::Issuer)?;
    let destination = host("dest").ok_or(IdTokenError::Destination)?;
    if issuer != destination {
        return Err(IdTokenError::Destination);
    }
    let subject = claims.get("sub").and_then(Value::as_str).ok_or(IdTokenError::Subject)?;
    Ok(SessionToken { host: destination, subject: subject.to_owned() })
}

fn read_header(token: &Secret<String>) -> Result<Header, IdTokenError> {
    let token = token.expose();
    if token.len() > MAX_LEN {
        return Err(IdTokenError::Unreadable);
    }
    let json = token.split('.').next().and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let json: Value =
        json.and_then(|json| serde_json::from_slice(&json).ok()).ok_or(IdTokenError::Unreadable)?;
    if json.get("crit").is_some() {
        return Err(IdTokenError::Unreadable);
    }
    serde_json::from_value(json).map_err(|_| IdTokenError::Algorithm)
}

/// The key with the header's id; without an id, the one key there is. Keys for encryption do not count.
fn choose_key<'a>(keys: &'a JwkSet, header: &Header) -> Option<&'a Jwk> {
    let mut candidates = keys.keys.iter().filter(|key| {
        let signs = !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption));
        let has_id = header.kid.is_none() || key.common.key_id == header.kid;
        let fits = key.common.key_algorithm.is_none_or(|own| own == header.alg.into());
        signs && has_id && fits
    });
    candidates.next().filter(|_| header.kid.is_some() || candidates.next().is_none())
}

fn verify_signature(
    token: &Secret<String>,
    key: &DecodingKey,
    alg: Algorithm,
) -> Result<Map<String, Value>, IdTokenError> {
    // The clock is an argument of ours, so the library checks nothing but the signature.
    let mut validation = Validation::new(alg);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let data = jsonwebtoken::decode::<Map<String, Value>>(token.expose(), key, &validation);
    data.map(|data| data.claims).map_err(|_| IdTokenError::Signature)
}

/// OpenID Connect Core 3.1.3.7, rules 3 to 5.
fn check_audience(claims: &Map<String, Value>, client_id: &str) -> Result<(), IdTokenError> {
    let (is_ours, is_alone) = match claims.get("aud") {
        Some(Value::String(audience)) => (audience == client_id, true),
        Some(Value::Array(audiences)) => (audiences.iter().any(|one| one == client_id), audiences.len() == 1),
        _ => (false, false),
    };
    let azp_holds = claims.get("azp").map_or(is_alone, |azp| azp == client_id);
    if is_ours && azp_holds { Ok(()) } else { Err(IdTokenError::Audience) }
}

fn check_time(claims: &Map<String, Value>, now: Timestamp, leeway: i64) -> Result<(), IdTokenError> {
    let now = now.as_secs();
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, which keeps the order")]
    let instant = |name: &str| {
        claims.get(name).and_then(|value| value.as_i64().or_else(|| value.as_f64().map(|secs| secs as i64)))
    };
    let expires_at = instant("exp").ok_or(IdTokenError::Time)?;
    let begins_at = instant("nbf").into_iter().chain(instant("iat")).max().unwrap_or(i64::MIN);
    if now >= expires_at.saturating_add(leeway) || now < begins_at.saturating_sub(leeway) {
        return Err(IdTokenError::Time);
    }
    Ok(())
}

/// OpenID Connect Core 3.1.3.6, `at_hash`.
fn left_half_hash(alg: Algorithm, access_token: &str) -> String {
    let algorithm = match alg {
        Algorithm::RS384 | Algorithm::PS384 | Algorithm::ES384 => &digest::SHA384,
        Algorithm::RS512 | Algorithm::PS512 | Algorithm::EdDSA => &digest::SHA512,
        _ => &digest::SHA256,
    };
    let hash = digest::digest(algorithm, access_token.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..hash.as_ref().len() / 2])
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
    use jsonwebtoken::EncodingKey;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_700_000_000;

    struct Issuer {
        key: EncodingKey,
        keys: JwkSet,
    }

    fn issuer() -> Issuer {
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let key = EncodingKey::from_ec_der(pkcs8.as_ref());
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
        jwk.common.key_id = Some("k1".to_owned());
        Issuer { key, keys: JwkSet { keys: vec![jwk] } }
    }

    fn claims() -> Value {
        json!({
            "iss": "https://issuer.test",
            "sub": "user-1",
            "aud": "client-1",
            "exp": NOW + 600,
            "iat": NOW,
            "nonce": "n-1",
            "at_hash": left_half_hash(Algorithm::ES256, "access-1"),
        })
    }

    fn header() -> Header {
        Header { kid: Some("k1".to_owned()), ..Header::new(Algorithm::ES256) }
    }

    fn verify(issuer: &Issuer, token: String) -> Result<Map<String, Value>, IdTokenError> {
        let expected = ExpectedIdToken {
            issuer: "https://issuer.test",
            client_id: "client-1",
            nonce: Some("n-1"),
            access_token: "access-1",
            now: Timestamp::from_secs(NOW),
        };
        UnverifiedIdToken(&Secret::new(token)).verify(&issuer.keys, &expected)
    }

    #[test]
    fn at_hash_matches_the_vector_of_the_specification() {
        // OpenID Connect Core, appendix A.3: the id token and the access token of its example.
        assert_eq!(
            left_half_hash(Algorithm::RS256, "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"),
            "77QmUPtjPfzWtF2AnpK9RQ"
        );
    }

    #[test]
    fn a_good_id_token_gives_its_claims() {
        let issuer = issuer();
        let token = jsonwebtoken::encode(&header(), &claims(), &issuer.key).unwrap();
        assert_eq!(verify(&issuer, token).unwrap()["sub"], "user-1");
    }

    #[test]
    fn each_claim_that_is_wrong_is_refused_for_what_it_is() {
        let issuer = issuer();
        let cases = [
            ("iss", json!("https://issuer.test/"), IdTokenError::Issuer),
            ("aud", json!("client-2"), IdTokenError::Audience),
            ("aud", json!(["client-1", "client-2"]), IdTokenError::Audience),
            ("azp", json!("client-2"), IdTokenError::Audience),
            ("exp", json!(NOW - 61), IdTokenError::Time),
            ("exp", Value::Null, IdTokenError::Time),
            ("iat", json!(NOW + 61), IdTokenError::Time),
            ("iat", Value::Null, IdTokenError::Time),
            ("nbf", json!(NOW + 61), IdTokenError::Time),
            ("nonce", json!("n-2"), IdTokenError::Nonce),
            ("nonce", Value::Null, IdTokenError::Nonce),
            ("at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA"), IdTokenError::AccessToken),
            ("sub", json!(""), IdTokenError::Subject),
        ];
        for (claim, value, error) in cases {
            let mut changed = claims();
            changed[claim] = value.clone();
            let token = jsonwebtoken::encode(&header(), &changed, &issuer.key).unwrap();
            assert_eq!(verify(&issuer, token), Err(error), "{claim} {value}");
        }
    }

    #[test]
    fn signatures_that_prove_nothing_are_refused() {
        let (issuer, other) = (issuer(), issuer());
        let foreign = jsonwebtoken::encode(&header(), &claims(), &other.key).unwrap();
        assert_eq!(verify(&issuer, foreign), Err(IdTokenError::Signature));
        let unknown = Header { kid: Some("k2".to_owned()), ..header() };
        let unknown = jsonwebtoken::encode(&unknown, &claims(), &issuer.key).unwrap();
        assert_eq!(verify(&issuer, unknown), Err(IdTokenError::UnknownKey));
        let shared =
            jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims(), &EncodingKey::from_secret(b"x"))
                .unwrap();
        assert_eq!(verify(&issuer, shared), Err(IdTokenError::Algorithm));
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let unsigned = format!("{}.{}.", part(json!({"alg": "none"})), part(claims()));
        assert_eq!(verify(&issuer, unsigned), Err(IdTokenError::Algorithm));
        let critical = format!("{}.{}.AA", part(json!({"alg": "ES256", "crit": ["b64"]})), part(claims()));
        assert_eq!(verify(&issuer, critical), Err(IdTokenError::Unreadable));
        assert_eq!(verify(&issuer, "x".repeat(MAX_LEN + 1)), Err(IdTokenError::Unreadable));
        assert_eq!(verify(&issuer, "not a token".to_owned()), Err(IdTokenError::Unreadable));
    }

    #[test]
    fn session_tokens_match_the_published_library() {
        #[derive(Deserialize)]
        struct Vectors {
            session_tokens: Vec<Vector>,
        }
        #[derive(Deserialize)]
        struct Vector {
            name: String,
            token: String,
            accepted: bool,
        }
        let vectors: Vectors =
            serde_json::from_str(include_str!("../tests/vectors/signed-callbacks.json")).unwrap();
        let secret = Secret::new("hush".to_owned());
        for Vector { name, token, accepted } in vectors.session_tokens {
            let token = Secret::new(token);
            let verified = verify_session_token(&token, "api-key-123", &secret, Timestamp::from_secs(NOW));
            assert_eq!(verified.is_ok(), accepted, "{name}: {verified:?}");
            if let Ok(verified) = verified {
                assert_eq!(
                    (verified.host.as_str(), verified.subject.as_str()),
                    ("some-shop.myshopify.com", "42")
                );
                let late =
                    verify_session_token(&token, "api-key-123", &secret, Timestamp::from_secs(4_000_000_070));
                assert_eq!(late, Err(IdTokenError::Time));
                let early =
                    verify_session_token(&token, "api-key-123", &secret, Timestamp::from_secs(NOW - 11));
                assert_eq!(early, Err(IdTokenError::Time));
                let in_time =
                    verify_session_token(&token, "api-key-123", &secret, Timestamp::from_secs(4_000_000_069));
                assert!(in_time.is_ok(), "ten seconds of leeway");
                let other = Secret::new("other".to_owned());
                let forged = verify_session_token(&token, "api-key-123", &other, Timestamp::from_secs(NOW));
                assert_eq!(forged, Err(IdTokenError::Signature));
            }
        }
    }
}
