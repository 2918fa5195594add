//! What the page remembers in this tab's storage while the user is away in redirect mode.

use js_sys::{JSON, Object};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::Window;

use crate::js::{object_property, set_property};

/// Remembers an attempt under the address of its status. `None` where there is no storage.
pub(crate) fn remember(page: &Window, url: &JsValue, names: &Object, ids: &Object) -> Option<()> {
    let remembered = Object::new();
    set_property(&remembered, "names", names);
    set_property(&remembered, "ids", ids);
    let text = JSON::stringify(&remembered).ok()?;
    storage(page)?.set_item(url, &text);
    Some(())
}

/// What [`remember`] stored: names and ids.
pub(crate) fn remembered(page: &Window, url: &JsValue) -> Option<(Object, Object)> {
    let stored = parse(&storage(page)?.get_item(url)).ok()?;
    Some((object_property(&stored, "names")?, object_property(&stored, "ids")?))
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
    fn get_item(this: &Storage, key: &JsValue) -> JsValue;

    #[wasm_bindgen(method, js_name = setItem)]
    fn set_item(this: &Storage, key: &JsValue, value: &JsValue);

    #[wasm_bindgen(method, js_name = removeItem)]
    fn remove_item(this: &Storage, key: &JsValue);

    #[wasm_bindgen(js_namespace = JSON, catch)]
    fn parse(text: &JsValue) -> Result<JsValue, JsValue>;
}

/// The tab's storage, where the browser lets this page have it.
fn storage(page: &Window) -> Option<Storage> {
    object_property(page, "sessionStorage")
}
