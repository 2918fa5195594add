//! Plain JavaScript values: reading, making, and callbacks.
//!
//! The bindings here stand in for calls of js-sys and web-sys where that saves bytes: they take names as `&str`
//! instead of making a JavaScript string first, and do not catch what cannot be thrown.

use js_sys::Object;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = Reflect, js_name = get, catch)]
    fn reflect_get(object: &JsValue, name: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_namespace = Reflect, js_name = set)]
    fn reflect_set(object: &JsValue, name: &str, value: &JsValue) -> bool;

    #[wasm_bindgen(js_namespace = Reflect, js_name = set)]
    fn reflect_set_text(object: &JsValue, name: &str, value: &str) -> bool;
}

/// A function that JavaScript calls for as long as this lives.
pub(crate) type Callback = Closure<dyn FnMut(JsValue)>;

/// The property `name` of `object`; `undefined` where there is none, where `object` is no object, or where it may not
/// be read, as with a window of another origin.
pub(crate) fn property(object: &JsValue, name: &str) -> JsValue {
    reflect_get(object, name).unwrap_or(JsValue::UNDEFINED)
}

/// The property `name` of `object`, if it holds something.
///
/// Its class is taken on trust: a value of another frame is no instance of this frame's classes.
pub(crate) fn object_property<T: JsCast>(object: &JsValue, name: &str) -> Option<T> {
    let value = property(object, name);
    (!value.is_falsy()).then(|| value.unchecked_into())
}

/// The property `name` of `object` as text, if it is text.
pub(crate) fn text_property(object: &JsValue, name: &str) -> Option<String> {
    property(object, name).as_string()
}

/// The property `name` of `object` as a whole number, if it is a number.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a float beyond i32 becomes its nearest end, which is what is meant"
)]
pub(crate) fn number_property(object: &JsValue, name: &str, default: i32) -> i32 {
    property(object, name).as_f64().map_or(default, |number| number as i32)
}

/// Sets the property `name` of `object`, one of our own. Only a frozen object would refuse.
pub(crate) fn set_property(object: &Object, name: &str, value: &JsValue) {
    reflect_set(object, name, value);
}

/// Sets the property `name` of `object`, one of our own, to a text.
pub(crate) fn set_text(object: &Object, name: &str, value: &str) {
    reflect_set_text(object, name, value);
}

/// Joins texts; the standard library's `concat` is a kilobyte.
pub(crate) fn join(parts: &[&str]) -> JsValue {
    let mut text = String::new();
    for part in parts {
        text.push_str(part);
    }
    text.into()
}

/// Appends a whole number in decimal; `format!` would bring the formatting machinery along.
pub(crate) fn push_number(text: &mut String, number: i32) {
    if number < 0 {
        text.push('-');
    }
    push_digits(text, number.unsigned_abs());
}

fn push_digits(text: &mut String, number: u32) {
    if number > 9 {
        push_digits(text, number / 10);
    }
    let last = (number % 10) as usize;
    text.push_str("0123456789".get(last..=last).unwrap_or_default());
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
