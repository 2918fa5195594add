//! The address of the Handfast server.

use handfast_protocol::ErrorCode;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

use crate::connect_error::failure;
use crate::js::{concat, is, property, with_value};

/// An http or https address without query, fragment or user name, and without a slash at its end.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    address: JsValue,
    origin: JsValue,
}

#[wasm_bindgen]
extern "C" {
    type URL;

    #[wasm_bindgen(constructor, catch)]
    fn new(text: &JsValue) -> Result<URL, JsValue>;

    type Address;

    #[wasm_bindgen(method)]
    fn slice(this: &Address, start: i32, end: i32) -> JsValue;
}

impl Host {
    /// Reads an address such as `https://connect.example.com` or `https://example.com/handfast`.
    pub(crate) fn parse(text: &JsValue) -> Result<Self, JsValue> {
        let url = URL::new(text).unwrap_or_else(|_| JsValue::UNDEFINED.into());
        let (protocol, origin) = (property(&url, "protocol"), property(&url, "origin"));
        let address = property(&url, "href");
        // What the address holds beyond origin and path does not belong to a server's address.
        if !(is(&protocol, "http:") || is(&protocol, "https:"))
            || with_value(&origin, &property(&url, "pathname")) != address
        {
            return Err(failure(
                ErrorCode::InvalidHost,
                "host must be the http or https address of your server, such as \"http://localhost:3004\"",
            ));
        }
        let text: &Address = address.unchecked_ref();
        let address = if is(&text.slice(-1, i32::MAX), "/") { text.slice(0, -1) } else { address };
        Ok(Self { address, origin })
    }

    /// The address followed by a path, which begins with a slash.
    pub(crate) fn at(&self, path: &str) -> JsValue {
        concat(&self.address, path)
    }

    /// The origin of the server's pages.
    pub(crate) fn into_origin(self) -> JsValue {
        self.origin
    }
}
