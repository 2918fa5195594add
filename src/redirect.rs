//! Redirect mode: what the page remembers while the user is away, and how it learns the outcome when they are back.

use std::cell::RefCell;
use std::rc::Rc;

use handfast_protocol::ErrorCode;
use js_sys::{Array, JSON, Promise};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::Window;

use crate::attempt_status::{self, Ask, Standing, StatusRequest};
use crate::connect::{self, connected, popup_closed, unreachable};
use crate::host::Host;
use crate::js::{is, object_property, property};

/// Remembers an attempt in this tab's storage under the address of its status. `None` where there is no storage.
pub(crate) fn remember(
    page: &Window,
    url: &JsValue,
    id: &JsValue,
    secret: &JsValue,
    config_key: &JsValue,
    connection_id: &JsValue,
) -> Option<()> {
    let names = Array::of4(id, secret, config_key, connection_id);
    let text = JSON::stringify(&names).ok()?;
    storage(page)?.set_item(url, &text);
    Some(())
}

/// Forgets what [`remember`] stored.
pub(crate) fn forget(page: &Window, url: &JsValue) {
    if let Some(storage) = storage(page) {
        storage.remove_item(url);
    }
}

/// Promises the ids of the attempt under way, or `null`, or rejects with a `ConnectError`.
///
/// Believes the server only, never the page's address. A cancel answers the outcome where there is one, and ends the
/// attempt where the user came back without.
pub(crate) fn resume(page: Option<Window>, host: &Host) -> Promise {
    let url = host.at(attempt_status::PATH, "");
    let remembered = page.and_then(|page| {
        let text = storage(&page)?.get_item(&url)?;
        Some((page, JSON::parse(&text).ok()?.unchecked_into::<Array>()))
    });
    let Some((page, names)) = remembered else { return Promise::resolve(&JsValue::NULL) };
    let ids = connected(&names.get(2), &names.get(3));
    let (promise, settle) = connect::promise();
    let on_its_way = Rc::new(RefCell::new(None));
    let (request, address) = (on_its_way.clone(), url.clone());
    let answered = move |event: &JsValue| {
        let standing = attempt_status::read(event);
        if !matches!(standing, Standing::Unreachable) {
            forget(&page, &url);
        }
        let outcome = match standing {
            Standing::Unreachable => Err(unreachable()),
            // Ended by this very question, or long ago.
            Standing::Final(Err(error))
                if is(&property(&error, "code"), ErrorCode::Aborted.as_str()) =>
            {
                Err(popup_closed())
            }
            Standing::Final(outcome) => outcome,
            Standing::Unknown | Standing::Pending => Err(popup_closed()),
        };
        settle.settle(outcome, &ids);
        request.take();
    };
    let sent = StatusRequest::send(&address, &names.get(0), &names.get(1), Ask::Cancel, answered);
    *on_its_way.borrow_mut() = Some(sent);
    promise
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
