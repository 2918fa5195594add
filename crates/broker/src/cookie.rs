//! The cookie that binds an attempt to the browser that started it.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use handfast_protocol::{Secret, Sha256Hash};

use crate::Policy;

/// One attempt's cookie: a fresh 256-bit value under a name of its own, so that parallel attempts do not overwrite each
/// other. The name tells nothing but the first 64 bits of the hash of `state`.
#[derive(Clone, Debug)]
pub struct AttemptCookie {
    state_prefix: String,
    value: Secret<String>,
}

impl AttemptCookie {
    pub(crate) fn new(state_hash: &Sha256Hash, value: Secret<String>) -> Self {
        Self { state_prefix: state_prefix(state_hash), value }
    }

    /// The `Set-Cookie` that sets it. `Secure` and the `__Host-` prefix follow `public_url`, never the request.
    #[must_use]
    pub fn set_header(&self, policy: &Policy) -> Secret<String> {
        let name = name(policy, &self.state_prefix);
        Secret::new(format!(
            "{name}={}; Path=/; {}HttpOnly; SameSite=Lax; Max-Age=600",
            self.value.expose(),
            secure(policy)
        ))
    }
}

/// The name of the cookie that belongs to a state.
pub(crate) fn cookie_name(policy: &Policy, state_hash: &Sha256Hash) -> String {
    name(policy, &state_prefix(state_hash))
}

/// The `Set-Cookie` that deletes the cookie of a state.
pub(crate) fn delete_header(policy: &Policy, state_hash: &Sha256Hash) -> String {
    format!(
        "{}=; Path=/; {}HttpOnly; SameSite=Lax; Max-Age=0",
        cookie_name(policy, state_hash),
        secure(policy)
    )
}

/// The attempt cookies in a `Cookie` header: name and value.
#[must_use]
pub fn attempt_cookies<'a>(policy: &Policy, header: &'a str) -> Vec<(&'a str, &'a str)> {
    let prefix = name(policy, "");
    header
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| name.starts_with(&prefix))
        .collect()
}

fn name(policy: &Policy, state_prefix: &str) -> String {
    format!("{}handfast-{state_prefix}", if policy.is_https() { "__Host-" } else { "" })
}

fn secure(policy: &Policy) -> &'static str {
    if policy.is_https() { "Secure; " } else { "" }
}

/// The first 16 hexadecimal digits of the hash.
fn state_prefix(state_hash: &Sha256Hash) -> String {
    let bytes = URL_SAFE_NO_PAD.decode(state_hash.as_str()).unwrap_or_default();
    bytes.iter().take(8).fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
