//! What the npm package's JavaScript calls. `page` is the window, or `undefined` where there is none.

use js_sys::Promise;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::Window;

use crate::host::Host;
use crate::options::ConnectOptions;

/// Checks the server's address and returns it without the slash at its end; throws `invalid_host`.
#[wasm_bindgen(js_name = parseHost)]
pub fn parse_host(host: &JsValue) -> Result<JsValue, JsValue> {
    Host::parse(host).map(|host| host.at(""))
}

/// Connects; `options` is an object.
#[wasm_bindgen]
pub fn connect(
    page: JsValue,
    host: &JsValue,
    config_key: &JsValue,
    connection_id: &JsValue,
    options: JsValue,
) -> Promise {
    crate::connect::connect(
        window(page),
        Host::parse(host),
        config_key,
        connection_id,
        ConnectOptions::given(options),
    )
}

/// Ends an attempt that left the page in redirect mode; resolves to `null` if there was none.
#[wasm_bindgen]
pub fn resume(page: JsValue, host: &JsValue) -> Promise {
    match Host::parse(host) {
        Ok(host) => crate::connect::resume(window(page), host),
        Err(error) => Promise::reject(&error),
    }
}

/// Cancels what runs at `host`.
#[wasm_bindgen]
pub fn cancel(host: &JsValue) {
    if let Ok(host) = Host::parse(host) {
        crate::connect::cancel(&host);
    }
}

fn window(page: JsValue) -> Option<Window> {
    (!page.is_falsy()).then(|| page.unchecked_into())
}
