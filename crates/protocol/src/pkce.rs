//! Proof Key for Code Exchange (RFC 7636), method `S256` only.

use crate::{Randomness, Secret, Sha256Hash, random_token};

/// A code verifier: 43 to 128 unreserved characters (RFC 7636 4.1). Never leaves the server that made it, except to
/// the token endpoint.
#[derive(Clone, Debug)]
pub struct CodeVerifier(Secret<String>);

impl CodeVerifier {
    /// Draws a new verifier of 256 random bits.
    pub fn random(randomness: &impl Randomness) -> Self {
        Self(random_token(randomness))
    }

    /// Reads a verifier that a client sent, or that was stored; `None` if it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        let acceptable = (43..=128).contains(&text.len()) && text.bytes().all(unreserved);
        acceptable.then(|| Self(Secret::new(text.to_owned())))
    }

    /// The challenge that stands for this verifier in the authorization request (RFC 7636 4.2).
    #[must_use]
    pub fn challenge(&self) -> CodeChallenge {
        CodeChallenge(Sha256Hash::of(self.expose()))
    }

    /// The verifier itself, for the token request.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// An `S256` code challenge: 43 characters of base64url (RFC 7636 4.2). Compared in constant time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeChallenge(Sha256Hash);

impl CodeChallenge {
    /// Reads a challenge that a client sent, or that was stored; `None` if it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let acceptable = text.len() == 43 && text.bytes().all(base64url);
        acceptable.then(|| Self(Sha256Hash::from_stored(text.to_owned())))
    }

    /// The challenge as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s256_challenge_matches_the_rfc_vector() {
        // RFC 7636 appendix B.
        let verifier = CodeVerifier::parse("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap();
        assert_eq!(verifier.challenge().as_str(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn verifier_of_the_wrong_length_or_alphabet_is_refused() {
        for bad in ["a".repeat(42), "a".repeat(129), "a".repeat(42) + "+"] {
            assert!(CodeVerifier::parse(&bad).is_none());
        }
    }
}
