//! Why a connect did not succeed, as a JavaScript `Error` with a stable code.

use std::borrow::Cow;

use handfast_protocol::ErrorCode;
use wasm_bindgen::JsValue;
#[cfg(feature = "npm")]
use wasm_bindgen::prelude::wasm_bindgen;

/// Why a connect did not succeed. The code stays text: a newer server may send one that this build does not know.
#[derive(Clone, Debug)]
pub struct ConnectError {
    code: Cow<'static, str>,
    message: Cow<'static, str>,
}

impl ConnectError {
    /// An ending that the SDK itself found.
    #[inline(always)]
    pub(crate) const fn new(code: ErrorCode, message: &'static str) -> Self {
        Self { code: Cow::Borrowed(code.as_str()), message: Cow::Borrowed(message) }
    }

    /// The same with more to say.
    #[inline(always)]
    pub(crate) const fn with(code: ErrorCode, message: String) -> Self {
        Self { code: Cow::Borrowed(code.as_str()), message: Cow::Owned(message) }
    }

    /// An ending that the server reported.
    pub(crate) fn received(code: String, message: String) -> Self {
        Self { code: Cow::Owned(code), message: Cow::Owned(message) }
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

    /// The JavaScript error for an attempt of these two names; both are empty where there was no attempt.
    pub(crate) fn to_js(&self, config_key: &str, connection_id: &str) -> JsValue {
        js_error(&self.code, &self.message, config_key, connection_id)
    }
}

impl core::fmt::Display for ConnectError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl core::error::Error for ConnectError {}

#[cfg(feature = "npm")]
#[wasm_bindgen(raw_module = "./connect_error.js")]
extern "C" {
    type JsConnectError;

    #[wasm_bindgen(constructor, js_class = "ConnectError")]
    fn new(code: &str, message: &str, config_key: &str, connection_id: &str) -> JsConnectError;
}

#[cfg(feature = "npm")]
fn js_error(code: &str, message: &str, config_key: &str, connection_id: &str) -> JsValue {
    JsConnectError::new(code, message, config_key, connection_id).into()
}

#[cfg(not(feature = "npm"))]
fn js_error(code: &str, message: &str, config_key: &str, connection_id: &str) -> JsValue {
    let error = js_sys::Error::new(message);
    error.set_name("ConnectError");
    for (name, value) in [("code", code), ("configKey", config_key), ("connectionId", connection_id)] {
        crate::js::set_property(&error, name, &JsValue::from_str(value));
    }
    error.into()
}
