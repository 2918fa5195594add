//! SHA-256 as the form in which the servers remember what they must recognise but not know.

use aws_lc_rs::{constant_time, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{Randomness, Secret};

/// The SHA-256 of a secret with at least 128 bits of entropy, written as base64url without padding (43 characters).
///
/// No salt and no stretching: what is hashed here was drawn at random, never chosen by a person. Equality takes
/// constant time.
#[derive(Clone)]
pub struct Sha256Hash(String);

impl Sha256Hash {
    /// Hashes `input`.
    #[must_use]
    pub fn of(input: impl AsRef<[u8]>) -> Self {
        Self(URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, input.as_ref())))
    }

    /// Takes a hash back from where it was stored.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The text that is stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Sha256Hash {
    fn eq(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(self.0.as_bytes(), other.0.as_bytes()).is_ok()
    }
}

impl Eq for Sha256Hash {}

impl core::fmt::Debug for Sha256Hash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Sha256Hash({}..)", self.0.get(..6).unwrap_or_default())
    }
}

/// Draws 256 random bits and writes them as base64url without padding (43 characters).
pub fn random_token(randomness: &impl Randomness) -> Secret<String> {
    let mut bytes = [0; 32];
    randomness.fill(&mut bytes);
    Secret::new(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_is_base64url_of_sha256() {
        assert_eq!(Sha256Hash::of("").as_str(), "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
    }
}
