//! What the npm package's JavaScript calls.

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::host::Host;
use crate::options::ConnectOptions;

/// Checks the server's address and returns it without the slash at its end; throws `invalid_host`.
#[wasm_bindgen(js_name = parseHost)]
pub fn parse_host(host: &str) -> Result<String, JsValue> {
    Host::parse(host).map(|host| host.as_str().to_owned()).map_err(|error| error.to_js("", ""))
}

/// Connects; `host` is what [`parse_host`] returned.
#[wasm_bindgen]
pub fn connect(host: &str, config_key: &JsValue, connection_id: &JsValue, options: &JsValue) -> Promise {
    let config_key = config_key.as_string().unwrap_or_default();
    crate::connect::connect(&Host::parsed(host), &config_key, connection_id, ConnectOptions::read(options))
}

/// Cancels what runs at `host`.
#[wasm_bindgen]
pub fn cancel(host: &str) {
    crate::connect::cancel(&Host::parsed(host));
}

/// Ends an attempt that left the page in redirect mode; resolves to `null` if there was none.
#[wasm_bindgen]
pub fn resume(host: &str) -> Promise {
    crate::redirect::resume(&Host::parsed(host))
}
