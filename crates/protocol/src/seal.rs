//! Seals what must not lie in the database in the clear, bound to the row it belongs to.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest;

use crate::{Randomness, Secret};

/// The first byte of every sealed value; another one would mean another layout.
const LAYOUT: u8 = 1;
const KEY_ID_LEN: usize = 4;
const HEADER_LEN: usize = 1 + KEY_ID_LEN + NONCE_LEN;

/// A sealed value: layout (1 byte), key id (4), nonce (12), AES-256-GCM ciphertext and tag.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// Takes a value back from where it was stored.
    #[must_use]
    pub const fn from_stored(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes that are stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Which key sealed it; `None` if the bytes were never sealed by us.
    #[must_use]
    pub fn key_id(&self) -> Option<KeyId> {
        let (&layout, rest) = self.0.split_first()?;
        let id = rest.first_chunk::<KEY_ID_LEN>()?;
        (layout == LAYOUT).then_some(KeyId(*id))
    }
}

/// Names a sealing key without revealing it: the first four bytes of its SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct KeyId([u8; KEY_ID_LEN]);

impl KeyId {
    /// The header that every value sealed by this key begins with.
    #[must_use]
    pub fn header(self) -> Vec<u8> {
        [&[LAYOUT], self.0.as_slice()].concat()
    }
}

impl core::fmt::Display for KeyId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Where a sealed value lives. A value copied to another table, column or row does not open there.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// What names the row and is known before the insert.
    pub key: &'a [&'a str],
}

impl Place<'_> {
    /// Each part is preceded by its length, so that no two places read alike.
    fn associated_data(&self) -> Vec<u8> {
        let mut data = Vec::with_capacity(128);
        for part in [self.table, self.column].into_iter().chain(self.key.iter().copied()) {
            data.extend_from_slice(&(part.len() as u64).to_be_bytes());
            data.extend_from_slice(part.as_bytes());
        }
        data
    }
}

/// Why a sealed value does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The bytes are too short or of another layout.
    #[error("a stored value is not a sealed one")]
    NotSealed,
    /// The key ring lacks the key.
    #[error("a stored value is sealed with key {0}, which the key file does not hold")]
    UnknownKey(KeyId),
    /// The bytes were changed, or moved from another place.
    #[error("a stored value was changed, or belongs to another row")]
    Tampered,
}

/// Why a text is not a key ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// No key at all.
    #[error("there is no key in it")]
    Empty,
    /// A line is not 32 bytes in base64url.
    #[error("line {0} is not a key: 32 bytes as 43 characters of base64url")]
    BadLine(usize),
}

/// The keys that open sealed values. The last one seals.
pub struct Keyring {
    keys: RwLock<Vec<Key>>,
}

#[derive(Clone)]
struct Key {
    id: KeyId,
    cipher: Arc<LessSafeKey>,
}

impl core::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.keys().iter().map(|key| key.id)).finish()
    }
}

impl Keyring {
    /// Reads a key file: one key a line as base64url, the newest last; empty lines and lines that begin with `#` are skipped.
    ///
    /// # Errors
    /// Names the first line that is not a key.
    pub fn parse(text: &str) -> Result<Self, KeyringError> {
        parse_keys(text).map(|keys| Self { keys: RwLock::new(keys) })
    }

    /// Takes over the keys of another text: what is sealed from now on is sealed with its last.
    ///
    /// # Errors
    /// Names the first line that is not a key; then nothing has changed.
    pub fn replace(&self, text: &str) -> Result<(), KeyringError> {
        let keys = parse_keys(text)?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// The key that seals.
    #[must_use]
    pub fn newest(&self) -> KeyId {
        self.newest_key().id
    }

    fn newest_key(&self) -> Key {
        self.keys().last().expect("a key ring is never made empty").clone()
    }

    fn keys(&self) -> RwLockReadGuard<'_, Vec<Key>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seals `plain` for `place`.
    ///
    /// # Panics
    /// `plain` is longer than 64 GiB.
    pub fn seal(&self, place: Place<'_>, plain: &[u8], randomness: &impl Randomness) -> Sealed {
        let Key { id, cipher } = self.newest_key();
        let mut nonce = [0; NONCE_LEN];
        randomness.fill(&mut nonce);
        let mut bytes = Vec::with_capacity(HEADER_LEN + plain.len() + AES_256_GCM.tag_len());
        bytes.extend_from_slice(&id.header());
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(plain);
        let tag = cipher
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.associated_data()),
                &mut bytes[HEADER_LEN..],
            )
            .expect("AES-GCM seals any text shorter than 64 GiB");
        bytes.extend_from_slice(tag.as_ref());
        Sealed(bytes)
    }

    /// Opens a value that was sealed for `place`.
    ///
    /// # Errors
    /// The key is missing, or the value is not what was sealed there.
    pub fn open(&self, place: Place<'_>, sealed: &Sealed) -> Result<Secret<Vec<u8>>, OpenError> {
        let id = sealed.key_id().ok_or(OpenError::NotSealed)?;
        let key = self.keys().iter().find(|key| key.id == id).cloned().ok_or(OpenError::UnknownKey(id))?;
        let body = sealed.0.get(1 + KEY_ID_LEN..).ok_or(OpenError::NotSealed)?;
        let (nonce, ciphertext) = body.split_first_chunk::<NONCE_LEN>().ok_or(OpenError::NotSealed)?;
        let mut plain = ciphertext.to_vec();
        let opened = key
            .cipher
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(place.associated_data()),
                &mut plain,
            )
            .map_err(|_| OpenError::Tampered)?
            .len();
        plain.truncate(opened);
        Ok(Secret::new(plain))
    }
}

fn parse_keys(text: &str) -> Result<Vec<Key>, KeyringError> {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let mut keys = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let bytes = URL_SAFE_NO_PAD.decode(line).map_err(|_| KeyringError::BadLine(index + 1))?;
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| KeyringError::BadLine(index + 1))?;
        keys.push(Key { id: key_id(&bytes), cipher: Arc::new(LessSafeKey::new(key)) });
    }
    if keys.is_empty() { Err(KeyringError::Empty) } else { Ok(keys) }
}

fn key_id(key: &[u8]) -> KeyId {
    let hash = digest::digest(&digest::SHA256, key);
    KeyId(*hash.as_ref().first_chunk().expect("SHA-256 is longer than a key id"))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting;

    impl Randomness for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    const OLD: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const NEW: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";

    fn place<'a>(key: &'a [&'a str]) -> Place<'a> {
        Place { table: "connections", column: "sealed_credentials", key }
    }

    #[test]
    fn a_sealed_value_opens_in_its_own_place_only() {
        let keyring = Keyring::parse(OLD).unwrap();
        let sealed = keyring.seal(place(&["a", "bc"]), b"token", &Counting);
        assert_eq!(keyring.open(place(&["a", "bc"]), &sealed).unwrap().expose(), b"token");
        assert_eq!(keyring.open(place(&["ab", "c"]), &sealed).unwrap_err(), OpenError::Tampered);
        let elsewhere = Place { table: "connections", column: "other", key: &["a", "bc"] };
        assert_eq!(keyring.open(elsewhere, &sealed).unwrap_err(), OpenError::Tampered);
    }

    #[test]
    fn a_changed_or_cut_value_does_not_open() {
        let keyring = Keyring::parse(OLD).unwrap();
        let sealed = keyring.seal(place(&["a"]), b"token", &Counting);
        for len in 0..sealed.as_bytes().len() {
            let cut = Sealed::from_stored(sealed.as_bytes()[..len].to_vec());
            assert!(keyring.open(place(&["a"]), &cut).is_err(), "{len}");
        }
        let mut bytes = sealed.as_bytes().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        assert_eq!(
            keyring.open(place(&["a"]), &Sealed::from_stored(bytes)).unwrap_err(),
            OpenError::Tampered
        );
    }

    #[test]
    fn the_newest_key_seals_and_older_ones_still_open() {
        let before = Keyring::parse(OLD).unwrap();
        let sealed = before.seal(place(&["a"]), b"token", &Counting);
        let after = Keyring::parse(&format!("# keys\n{OLD}\n\n{NEW}\n")).unwrap();
        assert_eq!(after.open(place(&["a"]), &sealed).unwrap().expose(), b"token");
        let resealed = after.seal(place(&["a"]), b"token", &Counting);
        assert_ne!(resealed.key_id(), sealed.key_id());
        assert!(matches!(before.open(place(&["a"]), &resealed), Err(OpenError::UnknownKey(_))));
    }

    #[test]
    fn a_bad_key_file_names_the_line() {
        assert_eq!(Keyring::parse("\n").unwrap_err(), KeyringError::Empty);
        assert_eq!(Keyring::parse(&format!("{OLD}\nshort")).unwrap_err(), KeyringError::BadLine(2));
    }
}
