//! Why a connect did not succeed, as a JavaScript `Error` with a stable code.

use handfast_protocol::ErrorCode;
use js_sys::Object;
use wasm_bindgen::JsValue;
#[cfg(feature = "npm")]
use wasm_bindgen::prelude::wasm_bindgen;

use crate::js::text_property;

/// Why a connect did not succeed. The code stays text: a newer server may send one that this build does not know.
#[derive(Clone, Debug)]
pub struct ConnectError {
    code: String,
    message: String,
}

impl ConnectError {
    /// Reads the error that a promise of ours was rejected with.
    pub(crate) fn read(error: &JsValue) -> Self {
        let part = |name| text_property(error, name).unwrap_or_default();
        Self { code: part("code"), message: part("message") }
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The code, if this release knows it.
    #[must_use]
    pub fn known_code(&self) -> Option<ErrorCode> {
        ErrorCode::parse(&self.code)
    }

    /// A sentence that says what happened and what to do.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl core::fmt::Display for ConnectError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl core::error::Error for ConnectError {}

/// The JavaScript error of an ending that the SDK itself found.
#[expect(
    clippy::inline_always,
    reason = "folds the code to its text, so that no table of all codes is needed"
)]
#[inline(always)]
pub(crate) fn failure(code: ErrorCode, message: &str) -> JsValue {
    js_error_of(code.as_str(), &message.into())
}

/// The same with a message put together.
#[expect(clippy::inline_always, reason = "as above")]
#[inline(always)]
pub(crate) fn failure_with(code: ErrorCode, message: &JsValue) -> JsValue {
    js_error_of(code.as_str(), message)
}

fn js_error_of(code: &str, message: &JsValue) -> JsValue {
    js_error(&code.into(), message)
}

/// The JavaScript error with this code and message.
#[cfg(feature = "npm")]
pub(crate) fn js_error(code: &JsValue, message: &JsValue) -> JsValue {
    JsConnectError::new(code, message).into()
}

/// The JavaScript error with this code and message.
#[cfg(not(feature = "npm"))]
pub(crate) fn js_error(code: &JsValue, message: &JsValue) -> JsValue {
    let error = js_sys::Error::new(&message.as_string().unwrap_or_default());
    error.set_name("ConnectError");
    crate::js::set_property(&error, "code", code);
    error.into()
}

/// Adds the names of the attempt.
pub(crate) fn named(error: JsValue, ids: &Object) -> JsValue {
    Object::assign(&error.into(), ids).into()
}

#[cfg(feature = "npm")]
#[wasm_bindgen(raw_module = "./connect_error.js")]
extern "C" {
    type JsConnectError;

    #[wasm_bindgen(constructor, js_class = "ConnectError")]
    fn new(code: &JsValue, message: &JsValue) -> JsConnectError;
}
