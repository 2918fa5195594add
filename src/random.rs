//! Random names from the browser's own generator.

use handfast_protocol::{AttemptId, AttemptSecret};
use js_sys::Object;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::js::{concat, set_property};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn fill_randomly(bytes: &mut [u8]);
}

/// The public id and the secret of a new attempt, 22 and 43 characters of base64url: 132 and 258 random bits.
pub(crate) fn attempt_names() -> Object {
    let mut bytes = [0; AttemptId::LEN + AttemptSecret::LEN];
    fill_randomly(&mut bytes);
    let (id, secret) = bytes.split_at(AttemptId::LEN);
    let names = Object::new();
    set_property(&names, "attempt_id", &base64url(id));
    set_property(&names, "attempt_secret", &base64url(secret));
    names
}

/// One character of base64url (RFC 4648 section 5) for six bits of each byte.
fn base64url(bytes: &[u8]) -> JsValue {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    bytes.iter().fold(JsValue::from_str(""), |text, byte| {
        let at = usize::from(byte & 63);
        concat(&text, ALPHABET.get(at..=at).unwrap_or_default())
    })
}
