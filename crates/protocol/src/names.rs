//! The names that cross every border: config keys, connection ids, attempt ids and attempt secrets.
//!
//! Each is parsed once, at the door, and carries its promise from there on.

use crate::Secret;

/// Why a text cannot be a name. The sentence names the field and the remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameError {
    /// The field the text was meant for.
    pub field: &'static str,
    /// What the field holds.
    pub expected: &'static str,
}

impl core::fmt::Display for NameError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.field)?;
        f.write_str(" must be ")?;
        f.write_str(self.expected)
    }
}

impl core::error::Error for NameError {}

/// Names an integration: 1 to 128 of the characters `A-Z a-z 0-9 . _ ~ -`, which stand unescaped in any URL.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ConfigKey(String);

impl ConfigKey {
    /// The longest config key, in bytes.
    pub const MAX_LEN: usize = 128;

    /// Reads a config key.
    ///
    /// # Errors
    /// Those of [`check`](Self::check).
    pub fn parse(text: &str) -> Result<Self, NameError> {
        Self::check(text.as_bytes()).map(|()| Self(text.to_owned()))
    }

    /// Checks a text, given as UTF-8, without keeping it.
    ///
    /// # Errors
    /// The text is empty, too long, holds another character, or is `.` or `..`, which URLs swallow.
    pub fn check(text: &[u8]) -> Result<(), NameError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'-');
        if text.is_empty()
            || text.len() > Self::MAX_LEN
            || !text.iter().copied().all(allowed)
            || matches!(text, b"." | b"..")
        {
            return Err(NameError {
                field: "config_key",
                expected: "1 to 128 letters, digits, dots, underscores, tildes or hyphens, such as \"github\"",
            });
        }
        Ok(())
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Names a connection: any text of 1 to 255 characters without U+0000, chosen by the application.
///
/// It is data to us: quotes, markup, line breaks and emoji are all fine.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ConnectionId(String);

impl ConnectionId {
    /// The longest connection id, in Unicode scalar values.
    pub const MAX_CHARS: usize = 255;

    /// Reads a connection id.
    ///
    /// # Errors
    /// Those of [`check`](Self::check).
    pub fn parse(text: &str) -> Result<Self, NameError> {
        Self::check(text.as_bytes()).map(|()| Self(text.to_owned()))
    }

    /// Checks a text, given as UTF-8, without keeping it.
    ///
    /// # Errors
    /// The text is empty, too long, or holds U+0000, which no SQL text can.
    pub fn check(text: &[u8]) -> Result<(), NameError> {
        // No text of more bytes can be short enough: look before counting.
        let chars = || text.iter().filter(|byte| *byte & 0xc0 != 0x80).count();
        let too_long = text.len() > 4 * Self::MAX_CHARS || chars() > Self::MAX_CHARS;
        if text.is_empty() || too_long || text.contains(&0) {
            return Err(NameError {
                field: "connection_id",
                expected: "1 to 255 characters without U+0000, such as your own user id",
            });
        }
        Ok(())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Names an attempt: 128 random bits made by the page, as 22 characters of base64url. Public.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct AttemptId(String);

impl AttemptId {
    /// Its length in characters.
    pub const LEN: usize = 22;

    /// Reads an attempt id.
    ///
    /// # Errors
    /// The text is not 22 characters of base64url.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.len() != Self::LEN || !is_base64url(text) {
            return Err(NameError {
                field: "attempt_id",
                expected: "128 random bits as 22 characters of base64url",
            });
        }
        Ok(Self(text.to_owned()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Shows that one may ask for, or cancel, an attempt: 256 random bits made by the page, as 43 characters of base64url.
#[derive(Clone, Debug)]
pub struct AttemptSecret(Secret<String>);

impl AttemptSecret {
    /// Its length in characters.
    pub const LEN: usize = 43;

    /// Reads an attempt secret.
    ///
    /// # Errors
    /// The text is not 43 characters of base64url.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.len() != Self::LEN || !is_base64url(text) {
            return Err(NameError {
                field: "attempt_secret",
                expected: "256 random bits as 43 characters of base64url",
            });
        }
        Ok(Self(Secret::new(text.to_owned())))
    }

    /// The secret itself, for hashing or for the start form.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

fn is_base64url(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

macro_rules! name_is_text {
    ($($name:ident),*) => {$(
        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl core::str::FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

name_is_text!(ConfigKey, ConnectionId, AttemptId);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn config_key_stands_unescaped_in_a_url() {
        assert!(ConfigKey::parse("github").is_ok());
        assert!(ConfigKey::parse("my.app_v2-eu~1").is_ok());
        for bad in ["", ".", "..", "a/b", "a b", "ümlaut", "a%2f", "a?b", &"x".repeat(129)] {
            assert_eq!(ConfigKey::parse(bad).unwrap_err().field, "config_key", "{bad:?}");
        }
    }

    #[test]
    fn connection_id_is_any_text_but_nul() {
        for good in ["user-1", "\"'`</script>\n\u{1f600}", &"\u{1f600}".repeat(255)] {
            assert!(ConnectionId::parse(good).is_ok(), "{good:?}");
        }
        for bad in ["", "a\0b", &"x".repeat(256)] {
            assert_eq!(ConnectionId::parse(bad).unwrap_err().field, "connection_id");
        }
    }

    #[test]
    fn attempt_secret_does_not_print() {
        let secret = AttemptSecret::parse(&"s".repeat(43)).unwrap();
        assert!(!format!("{secret:?}").contains("sss"));
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_keeps_the_text(text in ".*") {
            if let Ok(key) = ConfigKey::parse(&text) {
                prop_assert_eq!(key.as_str(), text.as_str());
            }
            if let Ok(id) = ConnectionId::parse(&text) {
                prop_assert_eq!(id.as_str(), text.as_str());
            }
        }
    }
}
