//! Credentials that the user types instead of granting: an API key, or a user name and a password.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::variable::UrlTemplate;

/// One field of the form in the popup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialField {
    /// What the form calls it, in the provider's own words.
    pub label: String,
    /// Where the user finds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// What a value looks like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
    /// Whether it is typed openly. Whatever is not is a password field.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub public: bool,
}

/// A harmless GET that succeeds exactly when the credentials hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verification {
    /// Where. May hold the provider's variables, never a credential.
    pub url: UrlTemplate,
    /// Headers in which `{name}` stands for a credential.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The two halves of `Authorization: Basic` (RFC 7617), in which `{name}` stands for a credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<[String; 2]>,
}
