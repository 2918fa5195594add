//! Random names from the browser's own generator.

use wasm_bindgen::JsValue;
use web_sys::Window;

/// The public id and the secret of a new attempt, 22 and 43 characters of base64url.
pub(crate) fn attempt_names(page: &Window) -> Result<(String, String), JsValue> {
    let mut bytes = [0; 48];
    page.crypto()?.get_random_values_with_u8_array(&mut bytes)?;
    let (id, secret) = bytes.split_at(16);
    Ok((base64url(id), base64url(secret)))
}

/// Base64url without padding, RFC 4648 section 5.
fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    let (mut buffer, mut bits) = (0_u32, 0);
    for byte in bytes {
        buffer = buffer << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 6 {
            bits -= 6;
            text.push(char::from(ALPHABET[(buffer >> bits & 63) as usize]));
        }
    }
    if bits > 0 {
        text.push(char::from(ALPHABET[(buffer << (6 - bits) & 63) as usize]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_matches_rfc_4648_section_10_without_padding() {
        for (plain, coded) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg")] {
            assert_eq!(base64url(plain.as_bytes()), coded);
        }
        assert_eq!(base64url(&[0xfb, 0xff]), "-_8");
    }

    #[test]
    fn names_have_the_lengths_that_the_server_expects() {
        assert_eq!(base64url(&[0; 16]).len(), handfast_protocol::AttemptId::LEN);
        assert_eq!(base64url(&[0; 32]).len(), handfast_protocol::AttemptSecret::LEN);
    }
}
