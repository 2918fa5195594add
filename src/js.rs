//! Plain JavaScript values: reading, making, and callbacks.
//!
//! The bindings here stand in for calls of js-sys, web-sys and gloo where that saves bytes: they take names as `&str`
//! instead of making a JavaScript string first, do not catch what cannot be thrown, and share one kind of closure.

use js_sys::{Function, Object};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = Reflect, js_name = get, catch)]
    fn reflect_get(object: &JsValue, name: &str) -> Result<JsValue, JsValue>;

    /// Not a number where the property is none.
    #[wasm_bindgen(js_namespace = Reflect, js_name = get, catch)]
    fn reflect_get_number(object: &JsValue, name: &str) -> Result<f64, JsValue>;

    #[wasm_bindgen(js_namespace = Reflect, js_name = set)]
    fn reflect_set(object: &JsValue, name: &str, value: &JsValue) -> bool;

    #[wasm_bindgen(js_namespace = Reflect, js_name = set)]
    fn reflect_set_text(object: &JsValue, name: &str, value: &str) -> bool;

    #[wasm_bindgen(js_namespace = Object, js_name = is)]
    fn object_is(value: &JsValue, text: &str) -> bool;

    type Text;

    #[wasm_bindgen(method, js_name = concat)]
    fn concat_text(this: &Text, more: &str) -> JsValue;

    #[wasm_bindgen(method, js_name = concat)]
    fn concat_value(this: &Text, more: &JsValue) -> JsValue;

    #[wasm_bindgen(method, js_name = concat)]
    fn concat_number(this: &Text, more: i32) -> JsValue;

    type Target;

    #[wasm_bindgen(method, js_name = addEventListener)]
    fn add_listener(this: &Target, name: &str, listener: &Function);

    #[wasm_bindgen(method, js_name = removeEventListener)]
    fn remove_listener(this: &Target, name: &str, listener: &Function);

    type TextEncoder;

    #[wasm_bindgen(constructor)]
    fn new() -> TextEncoder;

    #[wasm_bindgen(method, js_name = encodeInto)]
    fn encode_into(this: &TextEncoder, text: &JsValue, bytes: &mut [u8]) -> JsValue;
}

/// A function that JavaScript calls for as long as this lives.
pub(crate) type Callback = Closure<dyn FnMut(JsValue)>;

/// Listens to one kind of event until it is dropped. It does what gloo's listener does, for half a kilobyte less.
pub(crate) struct Listener {
    target: Target,
    name: &'static str,
    callback: Callback,
}

impl Listener {
    /// Calls `callback` with each event `name` of `target`.
    pub(crate) fn new(target: &JsValue, name: &'static str, callback: Callback) -> Self {
        let target: Target = target.clone().unchecked_into();
        target.add_listener(name, callback.as_ref().unchecked_ref());
        Self { target, name, callback }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.target.remove_listener(self.name, self.callback.as_ref().unchecked_ref());
    }
}

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

/// Whether a value is this text.
pub(crate) fn is(value: &JsValue, text: &str) -> bool {
    object_is(value, text)
}

/// A text of JavaScript with `more` at its end.
pub(crate) fn concat(text: &JsValue, more: &str) -> JsValue {
    text.unchecked_ref::<Text>().concat_text(more)
}

/// A text of JavaScript with another value at its end.
pub(crate) fn with_value(text: &JsValue, value: &JsValue) -> JsValue {
    text.unchecked_ref::<Text>().concat_value(value)
}

/// A text of JavaScript with a number at its end.
pub(crate) fn with_number(text: &JsValue, number: i32) -> JsValue {
    text.unchecked_ref::<Text>().concat_number(number)
}

/// As much of a text of JavaScript as `buffer` has room for, as UTF-8; nothing of what is no text. A lone surrogate
/// becomes U+FFFD.
pub(crate) fn utf8<'a>(text: &JsValue, buffer: &'a mut [u8]) -> &'a [u8] {
    if !text.is_string() {
        return &[];
    }
    let written = number_property(&TextEncoder::new().encode_into(text, buffer), "written", 0);
    usize::try_from(written).ok().and_then(|written| buffer.get(..written)).unwrap_or_default()
}

/// The property `name` of `object` as a whole number, if it is a number.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a float beyond i32 becomes its nearest end, which is what is meant"
)]
pub(crate) fn number_property(object: &JsValue, name: &str, default: i32) -> i32 {
    match reflect_get_number(object, name) {
        Ok(number) if !number.is_nan() => number as i32,
        _ => default,
    }
}

/// Sets the property `name` of `object`, one of our own. Only a frozen object would refuse.
pub(crate) fn set_property(object: &Object, name: &str, value: &JsValue) {
    reflect_set(object, name, value);
}

/// Sets the property `name` of `object`, one of our own, to a text.
pub(crate) fn set_text(object: &Object, name: &str, value: &str) {
    reflect_set_text(object, name, value);
}
