//! What one connect may be told besides its two names.

use js_sys::Function;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{AbortSignal, Window};

use crate::js::{property, text_property};

/// How the user is taken to the provider.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mode {
    /// In a window of its own.
    Popup,
    /// In the page's own window, which comes back to `return_to`.
    Redirect,
}

/// The options of one connect, read once at the door. A `JsValue` goes to the server as it is and may be `undefined`.
pub(crate) struct Options {
    /// Text, or a function that returns text or a promise of it.
    pub(crate) connect_token: JsValue,
    pub(crate) params: JsValue,
    pub(crate) scopes: JsValue,
    pub(crate) authorization_params: JsValue,
    pub(crate) mode: Mode,
    pub(crate) return_to: Option<String>,
    /// Width and height of the window in CSS pixels.
    pub(crate) size: (i32, i32),
    /// A blank window that the application has opened itself.
    pub(crate) window: Option<Window>,
    pub(crate) timeout_ms: u32,
    pub(crate) signal: Option<AbortSignal>,
    pub(crate) on_event: Option<Function>,
}

impl Options {
    /// Reads the options object of JavaScript, or `undefined`.
    pub(crate) fn read(options: &JsValue) -> Self {
        let popup = property(options, "popup");
        Self {
            connect_token: property(options, "connectToken"),
            params: property(options, "params"),
            scopes: property(options, "scopes"),
            authorization_params: property(options, "authorizationParams"),
            mode: if text_property(options, "mode").as_deref() == Some("redirect") {
                Mode::Redirect
            } else {
                Mode::Popup
            },
            return_to: text_property(options, "returnTo"),
            size: (whole_number(&popup, "width", 600), whole_number(&popup, "height", 700)),
            window: object(&popup, "window"),
            timeout_ms: whole_number(options, "timeoutMs", 600_000).unsigned_abs(),
            signal: object(options, "signal"),
            on_event: object(options, "onEvent"),
        }
    }
}

fn object<T: JsCast>(of: &JsValue, name: &str) -> Option<T> {
    let value = property(of, name);
    // A value of another frame is no instance of this frame's classes.
    (!value.is_falsy()).then(|| value.unchecked_into())
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a float beyond i32 becomes its nearest end, which is what is meant"
)]
fn whole_number(of: &JsValue, name: &str, default: i32) -> i32 {
    property(of, name).as_f64().map_or(default, |number| number as i32)
}
