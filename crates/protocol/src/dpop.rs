//! DPoP proofs (RFC 9449): that who shows a token, or asks for one, holds a private key.

use core::time::Duration;

use url::Url;

use crate::{JwkError, JwtError, PublicJwk, Sha256Hash, Timestamp, UnverifiedJwt, replay::ReplayGuard};

/// The request that a proof has to have been made for.
#[derive(Clone, Copy, Debug)]
pub struct DpopRequest<'a> {
    /// The HTTP method, in upper case.
    pub method: &'a str,
    /// The address as the client knows it; query and fragment do not count (RFC 9449 4.2, `htu`).
    pub url: &'a str,
    /// The access token shown beside the proof; none at the token endpoint.
    pub access_token: Option<&'a str>,
}

/// A proof that was made for this request, a moment ago, by the holder of a key.
#[derive(Clone, Debug)]
pub struct DpopProof {
    thumbprint: String,
    id: String,
    expires_at: Timestamp,
    nonce: Option<String>,
}

/// Why a proof is refused: `invalid_dpop_proof` (RFC 9449 4.3, whose numbers stand behind the variants).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DpopError {
    /// The request has more than one `DPoP` header (1).
    #[error("the request has more than one DPoP proof")]
    Repeated,
    /// Not a JWT, or of a refused algorithm, or its signature is not the embedded key's (2, 5, 7).
    #[error("the DPoP proof: {0}")]
    Jwt(#[from] JwtError),
    /// `typ` is not `dpop+jwt` (4).
    #[error("the DPoP proof is not of type dpop+jwt")]
    Type,
    /// The embedded key is missing or not a public key (6, 8).
    #[error("the DPoP proof: {0}")]
    Key(#[from] JwkError),
    /// `jti` is missing or longer than 512 bytes (3).
    #[error("the DPoP proof has no jti of 1 to 512 bytes")]
    Id,
    /// `htm` is not the method of this request (9).
    #[error("the DPoP proof is for another HTTP method")]
    Method,
    /// `htu` is not the address of this request (10).
    #[error("the DPoP proof is for another address")]
    Url,
    /// `iat` is missing, more than a minute ago, or ahead of our clock (12).
    #[error("the DPoP proof was not made within the last minute; look at both clocks")]
    Age,
    /// `ath` is missing or not the hash of the access token (13).
    #[error("the DPoP proof is for another access token")]
    AccessToken,
    /// The same proof came before (RFC 9449 11.1).
    #[error("the DPoP proof was used before")]
    Replayed,
}

impl DpopProof {
    /// How long a proof is good after `iat`.
    pub const LIFETIME: Duration = Duration::from_mins(1);

    /// How far the client's clock may differ from ours.
    pub const LEEWAY: Duration = Duration::from_secs(30);

    /// Reads a `DPoP` header and checks everything but replay and nonce (RFC 9449 4.3).
    ///
    /// # Errors
    /// The proof is not one for this request at this time.
    pub fn verify(header: &str, request: &DpopRequest<'_>, now: Timestamp) -> Result<Self, DpopError> {
        let jwt = UnverifiedJwt::parse(header)?;
        if !jwt.is_of_type("dpop+jwt") {
            return Err(DpopError::Type);
        }
        let key = PublicJwk::parse(jwt.embedded_key().ok_or(JwkError::Unsupported)?)?;
        let claims = jwt.verify(&key)?;
        let jti = claims.text("jti").filter(|jti| (1..=512).contains(&jti.len())).ok_or(DpopError::Id)?;
        if claims.text("htm") != Some(request.method) {
            return Err(DpopError::Method);
        }
        let own = address(request.url);
        if own.is_none() || claims.text("htu").and_then(address) != own {
            return Err(DpopError::Url);
        }
        let made_at = claims.instant("iat").ok_or(DpopError::Age)?;
        let expires_at = made_at + Self::LIFETIME + Self::LEEWAY;
        if made_at > now + Self::LEEWAY || now > expires_at {
            return Err(DpopError::Age);
        }
        if let Some(token) = request.access_token {
            let shown = claims.text("ath").map(|hash| Sha256Hash::from_stored(hash.to_owned()));
            if shown != Some(Sha256Hash::of(token)) {
                return Err(DpopError::AccessToken);
            }
        }
        // The thumbprint is of one length, so the two cannot be confused.
        let id = format!("{}{jti}", key.thumbprint());
        let nonce = claims.text("nonce").map(str::to_owned);
        Ok(Self { thumbprint: key.thumbprint().to_owned(), id, expires_at, nonce })
    }

    /// The thumbprint of the key (RFC 7638), which `cnf.jkt` of a bound token repeats (RFC 9449 6.1).
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// Names the proof among all proofs of all keys: who remembers it until [`Self::expires_at`] takes it once
    /// (RFC 9449 11.1).
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The last instant at which it is good.
    #[must_use]
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// The nonce it repeats, for a server that hands out nonces (RFC 9449 8).
    #[must_use]
    pub fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }
}

/// An address without query and fragment, in the one spelling that the URL standard gives it.
fn address(text: &str) -> Option<Url> {
    let mut url = Url::parse(text).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    Some(url)
}

/// Remembers the proofs of the last minutes, so that none is taken twice (RFC 9449 11.1).
#[derive(Debug)]
pub struct DpopReplayGuard(ReplayGuard);

impl DpopReplayGuard {
    /// A guard that remembers up to `capacity` proofs per two minutes.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        // As long as a proof can be good, from a clock that is ahead to the end of the leeway.
        Self(ReplayGuard::new(capacity, DpopProof::LIFETIME + 2 * DpopProof::LEEWAY))
    }

    /// Takes note of a proof. Call it last, when everything else about the request has been checked.
    ///
    /// # Errors
    /// [`DpopError::Replayed`] if it came before.
    pub fn admit(&self, proof: &DpopProof, now: Timestamp) -> Result<(), DpopError> {
        if self.0.is_first_use(&proof.id, now) { Ok(()) } else { Err(DpopError::Replayed) }
    }
}

impl Default for DpopReplayGuard {
    /// Room for 100 000 proofs per two minutes: some ten megabytes at most.
    fn default() -> Self {
        Self::new(100_000)
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        rand::SystemRandom,
        signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
    };
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::{Value, json};

    use super::*;

    /// RFC 9449 4.1 and 7.1.
    const AT_TOKEN_ENDPOINT: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
    const AT_RESOURCE: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
    const ACCESS_TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    const THUMBPRINT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

    fn token_request() -> DpopRequest<'static> {
        DpopRequest { method: "POST", url: "https://server.example.com/token", access_token: None }
    }

    fn made_at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(1_562_262_616 + seconds)
    }

    #[test]
    fn the_proofs_of_the_rfc_verify() {
        let proof = DpopProof::verify(AT_TOKEN_ENDPOINT, &token_request(), made_at(1)).unwrap();
        assert_eq!(proof.thumbprint(), THUMBPRINT);
        let request = DpopRequest {
            method: "GET",
            url: "https://resource.example.org:443/protectedresource?page=2#top",
            access_token: Some(ACCESS_TOKEN),
        };
        assert_eq!(DpopProof::verify(AT_RESOURCE, &request, made_at(3)).unwrap().thumbprint(), THUMBPRINT);
        let other = DpopRequest { access_token: Some("another"), ..request };
        assert_eq!(DpopProof::verify(AT_RESOURCE, &other, made_at(3)).unwrap_err(), DpopError::AccessToken);
        let token = DpopRequest { access_token: Some(ACCESS_TOKEN), ..token_request() };
        assert_eq!(
            DpopProof::verify(AT_TOKEN_ENDPOINT, &token, made_at(1)).unwrap_err(),
            DpopError::AccessToken
        );
    }

    #[test]
    fn a_proof_for_another_method_address_or_time_is_refused() {
        let refused =
            |request: DpopRequest<'_>, now| DpopProof::verify(AT_TOKEN_ENDPOINT, &request, now).unwrap_err();
        assert_eq!(refused(DpopRequest { method: "GET", ..token_request() }, made_at(0)), DpopError::Method);
        for url in [
            "https://server.example.com/token/",
            "http://server.example.com/token",
            "https://server.example.com:8443/token",
            "/token",
        ] {
            assert_eq!(refused(DpopRequest { url, ..token_request() }, made_at(0)), DpopError::Url, "{url}");
        }
        for seconds in [-31, 91, 86_400] {
            assert_eq!(refused(token_request(), made_at(seconds)), DpopError::Age, "{seconds}");
        }
        for seconds in [-30, 90] {
            DpopProof::verify(AT_TOKEN_ENDPOINT, &token_request(), made_at(seconds)).unwrap();
        }
    }

    #[test]
    fn each_rule_of_the_rfc_refuses_by_itself() {
        // RFC 9449 4.3.
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
        let point = pair.public_key().as_ref();
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwk = json!({"kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..])});
        let header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk});
        let claims = json!({"jti": "1", "htm": "POST", "htu": token_request().url, "iat": made_at(0).as_secs(), "nonce": "n"});
        let sign = |header: &Value, claims: &Value| {
            let message = format!(
                "{}.{}",
                encode(header.to_string().as_bytes()),
                encode(claims.to_string().as_bytes())
            );
            let signature = pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
            format!("{message}.{}", encode(signature.as_ref()))
        };
        let verify = |proof: &str| DpopProof::verify(proof, &token_request(), made_at(0));
        assert_eq!(verify(&sign(&header, &claims)).unwrap().nonce(), Some("n"));

        let with = |value: &Value, name: &str, new: Value| {
            let mut value = value.clone();
            value[name] = new;
            value
        };
        let mut private = jwk.clone();
        private["d"] = json!("AAAA");
        for (name, new, error) in [
            ("typ", json!("JWT"), DpopError::Type),
            ("alg", json!("HS256"), DpopError::Jwt(JwtError::Algorithm)),
            ("alg", json!("none"), DpopError::Jwt(JwtError::Algorithm)),
            ("alg", json!("EdDSA"), DpopError::Jwt(JwtError::Signature)),
            ("crit", json!(["exp"]), DpopError::Jwt(JwtError::Critical)),
            ("jwk", json!(null), DpopError::Key(JwkError::Unsupported)),
            ("jwk", private, DpopError::Key(JwkError::NotPublic)),
        ] {
            assert_eq!(verify(&sign(&with(&header, name, new), &claims)).unwrap_err(), error, "{name}");
        }
        for (name, new, error) in [
            ("jti", json!(""), DpopError::Id),
            ("jti", json!("x".repeat(513)), DpopError::Id),
            ("jti", json!(null), DpopError::Id),
            ("htm", json!("post"), DpopError::Method),
            ("htu", json!("server.example.com/token"), DpopError::Url),
            ("iat", json!("now"), DpopError::Age),
        ] {
            assert_eq!(verify(&sign(&header, &with(&claims, name, new))).unwrap_err(), error, "{name}");
        }
        let foreign = AT_TOKEN_ENDPOINT.rsplit_once('.').unwrap().1;
        let message = sign(&header, &claims);
        let message = message.rsplit_once('.').unwrap().0;
        assert_eq!(verify(&format!("{message}.{foreign}")).unwrap_err(), DpopError::Jwt(JwtError::Signature));
    }

    #[test]
    fn a_proof_is_taken_once_for_as_long_as_it_is_good() {
        let guard = DpopReplayGuard::default();
        let proof = DpopProof::verify(AT_TOKEN_ENDPOINT, &token_request(), made_at(-30)).unwrap();
        guard.admit(&proof, made_at(-30)).unwrap();
        for seconds in [-30, 0, 60, 90] {
            assert_eq!(guard.admit(&proof, made_at(seconds)).unwrap_err(), DpopError::Replayed, "{seconds}");
        }
    }
}
