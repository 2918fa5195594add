//! Reading and making plain JavaScript values.

use js_sys::{Object, Reflect};
use wasm_bindgen::JsValue;

/// The property `name` of `object`; `undefined` where there is none, where `object` is no object, or where it may not
/// be read, as with a window of another origin.
pub(crate) fn property(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED)
}

/// The property `name` of `object` as text, if it is text.
pub(crate) fn text_property(object: &JsValue, name: &str) -> Option<String> {
    property(object, name).as_string()
}

/// Sets the property `name` of `object`, one of our own.
pub(crate) fn set_property(object: &Object, name: &str, value: &JsValue) {
    // Only a frozen object refuses, and ours are fresh.
    let _ = Reflect::set(object, &JsValue::from_str(name), value);
}

/// Appends a whole number in decimal; `format!` would bring the formatting machinery along.
pub(crate) fn push_number(text: &mut String, number: i32) {
    if number < 0 {
        text.push('-');
    }
    let mut digits = number.unsigned_abs();
    let mut divisor = 1;
    while digits / divisor >= 10 {
        divisor *= 10;
    }
    while divisor > 0 {
        text.push(char::from(b'0' + u8::try_from(digits / divisor).unwrap_or(0)));
        digits %= divisor;
        divisor /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        for number in [0, 7, 10, 600, -1, -240, i32::MAX, i32::MIN] {
            let mut text = String::new();
            push_number(&mut text, number);
            assert_eq!(text, number.to_string());
        }
    }
}
