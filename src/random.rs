//! Random names from the browser's own generator.

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn fill_randomly(bytes: &mut [u8]);
}

/// The public id and the secret of a new attempt, 22 and 43 characters of base64url.
pub(crate) fn attempt_names() -> (JsValue, JsValue) {
    let mut bytes = [0; 48];
    fill_randomly(&mut bytes);
    let (id, secret) = bytes.split_at(16);
    (base64url(id), base64url(secret))
}

/// Base64url without padding, RFC 4648 section 5.
fn base64url(bytes: &[u8]) -> JsValue {
    base64url_text(bytes).into()
}

fn base64url_text(bytes: &[u8]) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    let (mut buffer, mut bits) = (0_u32, 0);
    let mut push = |sextet: u32| {
        let at = (sextet & 63) as usize;
        text.push_str(ALPHABET.get(at..=at).unwrap_or_default());
    };
    for byte in bytes {
        buffer = buffer << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 6 {
            bits -= 6;
            push(buffer >> bits);
        }
    }
    if bits > 0 {
        push(buffer << (6 - bits));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_matches_rfc_4648_section_10_without_padding() {
        for (plain, coded) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg")] {
            assert_eq!(base64url_text(plain.as_bytes()), coded);
        }
        assert_eq!(base64url_text(&[0xfb, 0xff]), "-_8");
    }

    #[test]
    fn names_have_the_lengths_that_the_server_expects() {
        assert_eq!(base64url_text(&[0; 16]).len(), handfast_protocol::AttemptId::LEN);
        assert_eq!(base64url_text(&[0; 32]).len(), handfast_protocol::AttemptSecret::LEN);
    }
}
