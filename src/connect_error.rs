//! Why a connect did not succeed, as a JavaScript `Error` with a stable code.

use handfast_protocol::ErrorCode;
use wasm_bindgen::JsValue;
#[cfg(feature = "npm")]
use wasm_bindgen::prelude::wasm_bindgen;

/// An ending that is not success. The code stays text: a newer server may send one that this build does not know.
#[derive(Clone)]
pub(crate) struct ConnectError {
    code: String,
    message: String,
}

impl ConnectError {
    /// An ending that the SDK itself found.
    #[inline]
    pub(crate) fn new(code: ErrorCode, message: &str) -> Self {
        Self::received(code.as_str().to_owned(), message.to_owned())
    }

    /// An ending that the server reported.
    pub(crate) fn received(code: String, message: String) -> Self {
        Self { code, message }
    }

    /// The JavaScript error for an attempt of these two names; both are empty where there was no attempt.
    pub(crate) fn to_js(&self, config_key: &str, connection_id: &str) -> JsValue {
        js_error(&self.code, &self.message, config_key, connection_id)
    }
}

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
