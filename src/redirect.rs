//! What the page remembers in this tab's storage while the user is away in redirect mode.

use js_sys::{Array, JSON, Object};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::Window;

use crate::js::object_property;

/// Remembers an attempt under the address of its status. `None` where there is no storage.
pub(crate) fn remember(page: &Window, url: &JsValue, names: &Object, ids: &Object) -> Option<()> {
    let text = JSON::stringify(&Array::of2(names, ids)).ok()?;
    storage(page)?.set_item(url, &text);
    Some(())
}

/// What [`remember`] stored: names and ids.
pub(crate) fn remembered(page: &Window, url: &JsValue) -> Option<(Object, Object)> {
    let text = storage(page)?.get_item(url)?;
    let stored = JSON::parse(&text).ok()?.unchecked_into::<Array>();
    Some((stored.get(0).unchecked_into(), stored.get(1).unchecked_into()))
}

/// Forgets what [`remember`] stored.
pub(crate) fn forget(page: &Window, url: &JsValue) {
    if let Some(storage) = storage(page) {
        storage.remove_item(url);
    }
}

#[wasm_bindgen]
extern "C" {
    type Storage;

    #[wasm_bindgen(method, js_name = getItem)]
    fn get_item(this: &Storage, key: &JsValue) -> Option<String>;

    #[wasm_bindgen(method, js_name = setItem)]
    fn set_item(this: &Storage, key: &JsValue, value: &JsValue);

    #[wasm_bindgen(method, js_name = removeItem)]
    fn remove_item(this: &Storage, key: &JsValue);
}

/// The tab's storage, where the browser lets this page have it.
fn storage(page: &Window) -> Option<Storage> {
    object_property(page, "sessionStorage")
}
