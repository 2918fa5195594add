//! The address of the Handfast server.

use handfast_protocol::ErrorCode;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::connect_error::failure;
use crate::js::{concat, join, text_property};

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
}

impl Host {
    /// Reads an address such as `https://connect.example.com` or `https://example.com/handfast`.
    pub(crate) fn parse(text: &JsValue) -> Result<Self, JsValue> {
        let url = URL::new(text).unwrap_or_else(|_| JsValue::UNDEFINED.into());
        let part = |name| text_property(&url, name).unwrap_or_default();
        let (origin, address) = (part("origin"), part("href"));
        // What the address holds beyond origin and path does not belong to a server's address.
        if !origin.starts_with("http") || join(&[&origin, &part("pathname")]) != JsValue::from_str(&address) {
            return Err(failure(
                ErrorCode::InvalidHost,
                "host must be the http or https address of your Handfast server, such as \"http://localhost:3004\"",
            ));
        }
        let address = address.strip_suffix('/').unwrap_or(&address);
        Ok(Self { address: address.into(), origin: origin.into() })
    }

    /// The address followed by a path, which begins with a slash, and by what ends the path.
    pub(crate) fn at(&self, path: &str, end: &str) -> JsValue {
        concat(&concat(&self.address, path), end)
    }

    /// The origin of the server's pages.
    pub(crate) fn into_origin(self) -> JsValue {
        self.origin
    }
}
