//! Signed JWTs as they come from outside (RFC 7515, 7517, 7519): bounded, then verified by a key, and only then read.

use aws_lc_rs::{
    digest,
    signature::{self, RsaPublicKeyComponents, UnparsedPublicKey},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use crate::Timestamp;

/// Longer JWTs are refused unread, in bytes.
pub const MAX_JWT_LEN: usize = 16 * 1024;

/// The signature algorithms that both server roles speak (RFC 7518 3.1, RFC 8037 3.1). There is no `none` and no HMAC
/// among them, so no public key is ever taken for a shared secret (RFC 8725 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum SigningAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 bits or more.
    #[default]
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

/// A public key that verifies signatures of one algorithm.
#[derive(Clone, Debug)]
pub struct PublicJwk {
    algorithm: SigningAlgorithm,
    key_id: Option<String>,
    thumbprint: String,
    key: Key,
}

#[derive(Clone)]
enum Key {
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    /// An uncompressed point (SEC 1, 2.3.3).
    Ec(Vec<u8>),
    Ed(Vec<u8>),
}

/// Public keys by their `kid` (RFC 7517 5).
#[derive(Clone, Debug, Default)]
pub struct JwkSet(Vec<PublicJwk>);

/// A JWT of which only the header has been looked at. Nothing it says is to be believed.
#[derive(Clone, Debug)]
pub struct UnverifiedJwt<'a> {
    text: &'a str,
    algorithm: SigningAlgorithm,
    header: Map<String, Value>,
}

/// What a JWT says, after its signature has been verified. Neither times nor audience have been looked at.
#[derive(Clone, Debug, Default)]
pub struct JwtClaims(Map<String, Value>);

/// Why a text is not a key of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkError {
    /// Neither RSA of 2048 bits or more, P-256 nor Ed25519, or a member is missing.
    #[error("the key is none of RSA (2048 bits or more), P-256 and Ed25519")]
    Unsupported,
    /// It holds a private or a symmetric key, which must never be shown.
    #[error("the key is not a public one")]
    NotPublic,
}

/// Why a JWT is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// Longer than [`MAX_JWT_LEN`].
    #[error("the JWT is longer than {MAX_JWT_LEN} bytes")]
    TooLong,
    /// Not three parts of base64url around JSON objects.
    #[error("not a signed JWT")]
    Malformed,
    /// `none`, an HMAC, or an algorithm that is not spoken here (RFC 8725 3.1).
    #[error("the JWT is signed with an algorithm other than RS256, ES256 and EdDSA")]
    Algorithm,
    /// The header demands that an extension be understood (RFC 7515 4.1.11); none is.
    #[error("the JWT demands an extension (crit) that is not understood")]
    Critical,
    /// The signature is not this key's, or the key is of another algorithm.
    #[error("the signature of the JWT does not verify")]
    Signature,
}

impl SigningAlgorithm {
    /// Every algorithm, in the order of metadata documents.
    pub const ALL: [Self; 3] = [Self::Rs256, Self::Es256, Self::EdDsa];

    /// The name on the wire (`alg`).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Reads a name; `None` for any other. RFC 9864 2.2 gives Ed25519 a second name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "Ed25519" => Some(Self::EdDsa),
            name => Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name),
        }
    }
}

impl PublicJwk {
    /// Reads one key (RFC 7517 4, RFC 7518 6, RFC 8037 2).
    ///
    /// # Errors
    /// The key is of another kind, too small, incomplete, or not public.
    pub fn parse(jwk: &Value) -> Result<Self, JwkError> {
        let member = |name: &str| jwk.get(name).and_then(Value::as_str);
        if ["d", "k", "p", "q"].iter().any(|private| jwk.get(private).is_some()) {
            return Err(JwkError::NotPublic);
        }
        let decode = |name: &str| member(name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let long = |name: &str, len: usize| decode(name).filter(|bytes| bytes.len() == len);
        let (algorithm, key) = match (member("kty"), member("crv")) {
            (Some("RSA"), _) => {
                let (modulus, exponent) = decode("n").zip(decode("e")).ok_or(JwkError::Unsupported)?;
                if !(256..=1024).contains(&modulus.len()) || exponent.len() > 8 {
                    return Err(JwkError::Unsupported);
                }
                (SigningAlgorithm::Rs256, Key::Rsa(RsaPublicKeyComponents { n: modulus, e: exponent }))
            }
            (Some("EC"), Some("P-256")) => {
                let (x, y) = long("x", 32).zip(long("y", 32)).ok_or(JwkError::Unsupported)?;
                (SigningAlgorithm::Es256, Key::Ec([&[4], &*x, &*y].concat()))
            }
            (Some("OKP"), Some("Ed25519")) => {
                (SigningAlgorithm::EdDsa, Key::Ed(long("x", 32).ok_or(JwkError::Unsupported)?))
            }
            _ => return Err(JwkError::Unsupported),
        };
        if member("alg").is_some_and(|name| SigningAlgorithm::parse(name) != Some(algorithm)) {
            return Err(JwkError::Unsupported);
        }
        let thumbprint = thumbprint(jwk).ok_or(JwkError::Unsupported)?;
        Ok(Self { algorithm, key_id: member("kid").map(str::to_owned), thumbprint, key })
    }

    /// What it verifies.
    #[must_use]
    pub const fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// Its `kid`.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Its SHA-256 thumbprint (RFC 7638), 43 characters of base64url: the `jkt` of RFC 9449 6.1.
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }
}

impl Key {
    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Rsa(key) => key.verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, signature),
            Self::Ec(point) => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            Self::Ed(key) => UnparsedPublicKey::new(&signature::ED25519, key).verify(message, signature),
        }
        .is_ok()
    }
}

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Key(..)")
    }
}

/// RFC 7638 3: the hash of the required members, in the order of their names.
fn thumbprint(jwk: &Value) -> Option<String> {
    let members: &[&str] = match jwk.get("kty")?.as_str()? {
        "RSA" => &["e", "kty", "n"],
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        _ => return None,
    };
    let members = members
        .iter()
        .map(|member| Some(format!("{}:{}", json!(member), json!(jwk.get(*member)?.as_str()?))))
        .collect::<Option<Vec<_>>>()?;
    let canonical = format!("{{{}}}", members.join(","));
    Some(URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, canonical.as_bytes())))
}

impl JwkSet {
    /// Reads a JWK set; `None` if it is not one. Keys that are not for signatures, or of a kind that is not spoken
    /// here, are left out (RFC 7517 5).
    #[must_use]
    pub fn parse(set: &Value) -> Option<Self> {
        let keys = set.get("keys")?.as_array()?;
        let for_signatures = |key: &&Value| key.get("use").is_none_or(|use_for| use_for == "sig");
        Some(Self(keys.iter().filter(for_signatures).filter_map(|key| PublicJwk::parse(key).ok()).collect()))
    }

    /// The key that a JWT's header names. Without a `kid` the algorithm must leave no choice.
    #[must_use]
    pub fn find(&self, jwt: &UnverifiedJwt<'_>) -> Option<&PublicJwk> {
        let mut fitting = self.0.iter().filter(|key| key.algorithm == jwt.algorithm);
        match jwt.key_id() {
            Some(key_id) => fitting.find(|key| key.key_id() == Some(key_id)),
            None => fitting.next().filter(|_| fitting.next().is_none()),
        }
    }

    /// Whether there is no key at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> UnverifiedJwt<'a> {
    /// Looks at the header of a JWT in compact form (RFC 7515 3.1).
    ///
    /// # Errors
    /// It is too long, malformed, of a refused algorithm, or has `crit`.
    pub fn parse(text: &'a str) -> Result<Self, JwtError> {
        if text.len() > MAX_JWT_LEN {
            return Err(JwtError::TooLong);
        }
        let mut parts = text.split('.');
        let (Some(header), Some(_), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(JwtError::Malformed);
        };
        let header = decode_object(header).ok_or(JwtError::Malformed)?;
        let name = header.get("alg").and_then(Value::as_str).ok_or(JwtError::Malformed)?;
        let algorithm = SigningAlgorithm::parse(name).ok_or(JwtError::Algorithm)?;
        if header.contains_key("crit") {
            return Err(JwtError::Critical);
        }
        Ok(Self { text, algorithm, header })
    }

    /// The algorithm it claims.
    #[must_use]
    pub const fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// The key it claims to be signed with.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.header.get("kid").and_then(Value::as_str)
    }

    /// The key it brings along (RFC 7515 4.1.3), which proves nothing by itself.
    #[must_use]
    pub fn embedded_key(&self) -> Option<&Value> {
        self.header.get("jwk")
    }

    /// Whether its `typ` is this media type, in lower case and without `application/` (RFC 7515 4.1.9).
    #[must_use]
    pub fn is_of_type(&self, media_type: &str) -> bool {
        let typ = self.header.get("typ").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
        typ.strip_prefix("application/").unwrap_or(&typ) == media_type
    }

    /// A claim that nothing vouches for yet: good only for looking up the key to verify with.
    #[must_use]
    pub fn unverified_text(&self, name: &str) -> Option<String> {
        let claims = decode_object(self.text.split('.').nth(1)?)?;
        claims.get(name)?.as_str().map(str::to_owned)
    }

    /// Verifies the signature and hands out what was signed.
    ///
    /// # Errors
    /// The key is of another algorithm, the signature is not its, or the payload is not a JSON object.
    pub fn verify(&self, key: &PublicJwk) -> Result<JwtClaims, JwtError> {
        if key.algorithm != self.algorithm {
            return Err(JwtError::Signature);
        }
        let (message, signature) = self.text.rsplit_once('.').ok_or(JwtError::Malformed)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| JwtError::Malformed)?;
        if !key.key.verifies(message.as_bytes(), &signature) {
            return Err(JwtError::Signature);
        }
        let (_, payload) = message.split_once('.').ok_or(JwtError::Malformed)?;
        decode_object(payload).map(JwtClaims).ok_or(JwtError::Malformed)
    }
}

fn decode_object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

impl JwtClaims {
    /// A claim that is a string.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// A claim that is a `NumericDate` (RFC 7519 2); fractions of a second are dropped.
    #[must_use]
    pub fn instant(&self, name: &str) -> Option<Timestamp> {
        /// Year 9999; what lies beyond is no date but an attempt at an overflow.
        const LAST: f64 = 253_402_300_799.0;
        let seconds = self.0.get(name)?.as_f64().filter(|seconds| (0.0..=LAST).contains(seconds))?;
        #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
        Some(Timestamp::from_secs(seconds as i64))
    }

    /// Whether `aud`, one text or a list of them, names `audience` (RFC 7519 4.1.3).
    #[must_use]
    pub fn is_for(&self, audience: &str) -> bool {
        match self.0.get("aud") {
            Some(Value::String(own)) => own == audience,
            Some(Value::Array(several)) => several.iter().any(|own| own == audience),
            _ => false,
        }
    }

    /// Any claim.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// All of them.
    #[must_use]
    pub const fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// All of them, to keep.
    #[must_use]
    pub fn into_map(self) -> Map<String, Value> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        rand::SystemRandom,
        signature::{Ed25519KeyPair, KeyPair},
    };

    use super::*;

    const RFC_7638_MODULUS: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

    fn encode(value: &Value) -> String {
        URL_SAFE_NO_PAD.encode(value.to_string())
    }

    /// A key pair, its JWK, and what signs a header and claims with it.
    fn signer() -> (Value, impl Fn(&Value, &Value) -> String) {
        let pair = Ed25519KeyPair::generate().unwrap();
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let sign = move |header: &Value, claims: &Value| {
            let message = format!("{}.{}", encode(header), encode(claims));
            format!("{message}.{}", URL_SAFE_NO_PAD.encode(pair.sign(message.as_bytes())))
        };
        (json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "one"}), sign)
    }

    #[test]
    fn thumbprint_matches_the_rfc_vector() {
        // RFC 7638 3.1.
        let jwk =
            json!({"kty": "RSA", "n": RFC_7638_MODULUS, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"});
        let key = PublicJwk::parse(&jwk).unwrap();
        assert_eq!(key.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn signatures_match_the_rfc_vectors() {
        // RFC 7515 A.2 (RS256) and A.3 (ES256), RFC 8037 A.4 (EdDSA, whose payload is no JSON object).
        let claims =
            "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let rsa = PublicJwk::parse(&json!({"kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"})).unwrap();
        let jwt = format!(
            "eyJhbGciOiJSUzI1NiJ9.{claims}.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
        );
        assert_eq!(UnverifiedJwt::parse(&jwt).unwrap().verify(&rsa).unwrap().text("iss"), Some("joe"));
        let ec = PublicJwk::parse(&json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})).unwrap();
        let jwt = format!(
            "eyJhbGciOiJFUzI1NiJ9.{claims}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
        );
        assert_eq!(UnverifiedJwt::parse(&jwt).unwrap().verify(&ec).unwrap().text("iss"), Some("joe"));
        let ed = PublicJwk::parse(
            &json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}),
        )
        .unwrap();
        assert_eq!(ed.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        let signature = URL_SAFE_NO_PAD
            .decode("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg")
            .unwrap();
        assert!(ed.key.verifies(b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc", &signature));
    }

    #[test]
    fn what_was_changed_or_signed_by_another_key_is_refused() {
        let ((jwk, sign), (other, _)) = (signer(), signer());
        let (key, other) = (PublicJwk::parse(&jwk).unwrap(), PublicJwk::parse(&other).unwrap());
        let jwt = sign(&json!({"alg": "EdDSA", "kid": "one"}), &json!({"sub": "ada"}));
        let parsed = UnverifiedJwt::parse(&jwt).unwrap();
        assert_eq!(parsed.verify(&key).unwrap().text("sub"), Some("ada"));
        assert_eq!(parsed.verify(&other).unwrap_err(), JwtError::Signature);
        let parts: Vec<_> = jwt.split('.').collect();
        let forged = format!("{}.{}.{}", parts[0], encode(&json!({"sub": "eve"})), parts[2]);
        assert_eq!(UnverifiedJwt::parse(&forged).unwrap().verify(&key).unwrap_err(), JwtError::Signature);
    }

    #[test]
    fn none_hmac_crit_and_oversized_are_refused_before_any_key_is_tried() {
        // RFC 8725 3.1 and 3.2, RFC 7515 4.1.11, ASVS 9.1.2.
        let refused = |header: Value| {
            let jwt = format!("{}.{}.", encode(&header), encode(&json!({})));
            UnverifiedJwt::parse(&jwt).unwrap_err()
        };
        for name in ["none", "None", "HS256", "HS512", "PS256", "RS1", ""] {
            assert_eq!(refused(json!({"alg": name})), JwtError::Algorithm, "{name}");
        }
        assert_eq!(refused(json!({"alg": "RS256", "crit": ["b64"], "b64": false})), JwtError::Critical);
        assert_eq!(refused(json!({"alg": 1})), JwtError::Malformed);
        assert_eq!(UnverifiedJwt::parse(&"a".repeat(MAX_JWT_LEN + 1)).unwrap_err(), JwtError::TooLong);
        for text in ["", ".", "..", "a.b.c", "e30.e30", "e30.e30.e30.e30", "e30.e30.e30"] {
            assert_eq!(UnverifiedJwt::parse(text).unwrap_err(), JwtError::Malformed, "{text}");
        }
    }

    #[test]
    fn a_private_symmetric_or_small_key_is_refused() {
        let (mut jwk, _) = signer();
        jwk["d"] = json!("AAAA");
        assert_eq!(PublicJwk::parse(&jwk).unwrap_err(), JwkError::NotPublic);
        assert_eq!(PublicJwk::parse(&json!({"kty": "oct", "k": "AAAA"})).unwrap_err(), JwkError::NotPublic);
        let small = URL_SAFE_NO_PAD.encode([0xff; 128]);
        for bad in [
            json!({"kty": "RSA", "n": small, "e": "AQAB"}),
            json!({"kty": "EC", "crv": "P-384", "x": small, "y": small}),
            json!({"kty": "RSA", "n": RFC_7638_MODULUS, "e": "AQAB", "alg": "PS256"}),
            json!("RSA"),
        ] {
            assert_eq!(PublicJwk::parse(&bad).unwrap_err(), JwkError::Unsupported, "{bad}");
        }
    }

    #[test]
    fn a_set_finds_the_key_by_its_id_and_never_guesses_between_two() {
        let ((mut one, sign), (mut two, _)) = (signer(), signer());
        two["kid"] = json!("two");
        one["use"] = json!("sig");
        let both = JwkSet::parse(&json!({"keys": [two, one, {"kty": "oct", "k": "AAAA"}]})).unwrap();
        let named = sign(&json!({"alg": "EdDSA", "kid": "one"}), &json!({}));
        assert_eq!(both.find(&UnverifiedJwt::parse(&named).unwrap()).unwrap().key_id(), Some("one"));
        let unnamed = sign(&json!({"alg": "EdDSA"}), &json!({}));
        let unnamed = UnverifiedJwt::parse(&unnamed).unwrap();
        assert!(both.find(&unnamed).is_none());
        assert!(JwkSet::parse(&json!({"keys": [one]})).unwrap().find(&unnamed).is_some());
        one["use"] = json!("enc");
        assert!(JwkSet::parse(&json!({"keys": [one]})).unwrap().is_empty());
        assert!(JwkSet::parse(&json!([])).is_none());
    }

    #[test]
    fn dates_and_audiences_are_read_as_the_rfc_writes_them() {
        let claims = |value: Value| JwtClaims(value.as_object().unwrap().clone());
        let read = claims(
            json!({"exp": 1_516_239_022, "iat": 1.9, "nbf": "soon", "auth_time": 1e300, "aud": ["a", "b"]}),
        );
        assert_eq!(read.instant("exp"), Some(Timestamp::from_secs(1_516_239_022)));
        assert_eq!(read.instant("iat"), Some(Timestamp::from_secs(1)));
        assert_eq!((read.instant("nbf"), read.instant("auth_time")), (None, None));
        assert!(read.is_for("b") && !read.is_for("c"));
        assert!(claims(json!({"aud": "a"})).is_for("a") && !claims(json!({})).is_for("a"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            let _ = UnverifiedJwt::parse(&text).map(|jwt| jwt.is_of_type("at+jwt"));
        }
    }

    #[test]
    fn a_signature_of_the_right_length_by_chance_does_not_verify() {
        let mut noise = [0; 64];
        aws_lc_rs::rand::SecureRandom::fill(&SystemRandom::new(), &mut noise).unwrap();
        let (jwk, _) = signer();
        assert!(!PublicJwk::parse(&jwk).unwrap().key.verifies(b"message", &noise));
    }
}
