//! Sealing at rest: AES-256-GCM bound to the row it belongs to, with the id of its key in front.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{Randomness, Secret};

const KEY_LEN: usize = 32;
const KEY_ID_LEN: usize = 8;

/// The keys that seal what is stored: the newest seals, every one opens.
pub struct SealingKeys(Vec<SealingKey>);

struct SealingKey {
    id: [u8; KEY_ID_LEN],
    key: LessSafeKey,
}

/// Why a sealed value, or a list of sealing keys, cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealError {
    /// A line of the key list is not 43 characters of base64url, or there is none.
    NotAKey,
    /// The value is too short to have been sealed by us.
    NotSealed,
    /// None of our keys has the id the value names.
    UnknownKey,
    /// The value was changed, or belongs to another row.
    WrongPlace,
}

impl core::fmt::Display for SealError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NotAKey => "a sealing key must be 256 random bits as 43 characters of base64url",
            Self::NotSealed => "the stored value was never sealed",
            Self::UnknownKey => "the key that sealed this value is not among the sealing keys; restore it",
            Self::WrongPlace => "the sealed value was changed or belongs to another row",
        })
    }
}

impl core::error::Error for SealError {}

impl SealingKeys {
    /// Reads keys, newest first, one a line: 256 bits as 43 characters of base64url. Empty lines are skipped.
    ///
    /// # Errors
    /// [`SealError::NotAKey`].
    pub fn parse(text: &Secret<String>) -> Result<Self, SealError> {
        let lines = text.expose().lines().map(str::trim).filter(|line| !line.is_empty());
        let keys = lines.map(SealingKey::parse).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err(SealError::NotAKey) } else { Ok(Self(keys)) }
    }

    /// The id of the key that seals, as 16 hexadecimal digits.
    #[must_use]
    pub fn newest_id(&self) -> String {
        use core::fmt::Write;
        self.0[0].id.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Whether `sealed` was sealed by the newest key.
    #[must_use]
    pub fn is_newest(&self, sealed: &[u8]) -> bool {
        sealed.starts_with(&self.0[0].id)
    }

    /// Seals `plaintext` for the place that `associated_data` names: table, column and the row's key, each part
    /// framed by its length, so that no two places read alike.
    ///
    /// # Panics
    /// Never: AES-256-GCM seals every text that fits in memory.
    #[must_use]
    pub fn seal(&self, plaintext: &[u8], associated_data: &[&str], randomness: &impl Randomness) -> Vec<u8> {
        let SealingKey { id, key } = &self.0[0];
        let mut nonce = [0; NONCE_LEN];
        randomness.fill(&mut nonce);
        let mut ciphertext = plaintext.to_vec();
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(frame(associated_data)),
            &mut ciphertext,
        )
        .expect("AES-256-GCM seals every text that fits in memory");
        [id.as_slice(), &nonce, &ciphertext].concat()
    }

    /// Opens what [`Self::seal`] sealed for the same place.
    ///
    /// # Errors
    /// [`SealError::NotSealed`], [`SealError::UnknownKey`] or [`SealError::WrongPlace`].
    pub fn open(&self, sealed: &[u8], associated_data: &[&str]) -> Result<Secret<Vec<u8>>, SealError> {
        let (id, rest) = sealed.split_at_checked(KEY_ID_LEN).ok_or(SealError::NotSealed)?;
        let (nonce, ciphertext) = rest.split_at_checked(NONCE_LEN).ok_or(SealError::NotSealed)?;
        let SealingKey { key, .. } = self.0.iter().find(|key| key.id == id).ok_or(SealError::UnknownKey)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::NotSealed)?;
        let mut text = ciphertext.to_vec();
        let length = key
            .open_in_place(nonce, Aad::from(frame(associated_data)), &mut text)
            .map_err(|_| SealError::WrongPlace)?
            .len();
        text.truncate(length);
        Ok(Secret::new(text))
    }
}

impl core::fmt::Debug for SealingKeys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SealingKeys({} keys, newest {})", self.0.len(), self.newest_id())
    }
}

impl SealingKey {
    fn parse(line: &str) -> Result<Self, SealError> {
        let bytes = URL_SAFE_NO_PAD.decode(line).map_err(|_| SealError::NotAKey)?;
        if bytes.len() != KEY_LEN {
            return Err(SealError::NotAKey);
        }
        let hash = digest::digest(&digest::SHA256, &[b"handfast sealing key id:", bytes.as_slice()].concat());
        let mut id = [0; KEY_ID_LEN];
        id.copy_from_slice(&hash.as_ref()[..KEY_ID_LEN]);
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| SealError::NotAKey)?;
        Ok(Self { id, key: LessSafeKey::new(key) })
    }
}

fn frame(parts: &[&str]) -> Vec<u8> {
    parts.iter().flat_map(|part| [&(part.len() as u64).to_be_bytes(), part.as_bytes()].concat()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random_token;

    struct SystemRandomness;

    impl Randomness for SystemRandomness {
        fn fill(&self, bytes: &mut [u8]) {
            aws_lc_rs::rand::fill(bytes).unwrap();
        }
    }

    fn keys(lines: &[&Secret<String>]) -> SealingKeys {
        let text = lines.iter().map(|line| line.expose().as_str()).collect::<Vec<_>>().join("\n");
        SealingKeys::parse(&Secret::new(text)).unwrap()
    }

    #[test]
    fn a_sealed_value_opens_in_its_own_row_only() {
        let keys = keys(&[&random_token(&SystemRandomness)]);
        let sealed = keys.seal(b"hush", &["connections", "token", "a", "b"], &SystemRandomness);
        assert_eq!(keys.open(&sealed, &["connections", "token", "a", "b"]).unwrap().expose(), b"hush");
        assert_eq!(
            keys.open(&sealed, &["connections", "token", "ab", ""]).unwrap_err(),
            SealError::WrongPlace
        );
        assert_eq!(keys.open(b"short", &[]).unwrap_err(), SealError::NotSealed);
        assert!(!sealed.windows(4).any(|window| window == b"hush"));
    }

    #[test]
    fn an_older_key_still_opens_and_the_newest_seals() {
        let (old, new) = (random_token(&SystemRandomness), random_token(&SystemRandomness));
        let before = keys(&[&old]);
        let sealed = before.seal(b"hush", &["row"], &SystemRandomness);
        let after = keys(&[&new, &old]);
        assert_eq!(after.open(&sealed, &["row"]).unwrap().expose(), b"hush");
        assert!(!after.is_newest(&sealed));
        let resealed = after.seal(b"hush", &["row"], &SystemRandomness);
        assert!(after.is_newest(&resealed));
        assert_eq!(before.open(&resealed, &["row"]).unwrap_err(), SealError::UnknownKey);
    }

    #[test]
    fn a_list_without_a_whole_key_is_refused() {
        for bad in ["", "\n", "AAAA", &"!".repeat(43)] {
            assert_eq!(SealingKeys::parse(&Secret::new(bad.to_owned())).unwrap_err(), SealError::NotAKey);
        }
    }
}
