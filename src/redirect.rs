//! Redirect mode: what the page remembers while the user is away, and how it learns the outcome when they are back.

use std::cell::RefCell;
use std::rc::Rc;

use handfast_protocol::{ConfigKey, ConnectionId, ErrorCode};
use js_sys::Promise;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Storage, Window};

use crate::attempt_status::{Ask, Standing, StatusRequest};
use crate::connect::{connected, popup_closed, unreachable};
use crate::connect_error::ConnectError;
use crate::host::Host;
use crate::js::property;

/// Remembers an attempt in this tab's storage, one name a line. The connection id comes last: it may hold lines.
pub(crate) fn remember(
    page: &Window,
    host: &Host,
    names: &(String, String),
    config_key: &ConfigKey,
    connection_id: &ConnectionId,
) -> Result<(), ConnectError> {
    let text = [&names.0, &names.1, config_key.as_str(), connection_id.as_str()].join("\n");
    let stored = storage(page).and_then(|storage| storage.set_item(&key(host), &text).ok());
    stored.ok_or_else(|| {
        ConnectError::new(
            ErrorCode::Sandboxed,
            "this page has no sessionStorage, which redirect mode needs: use mode: \"popup\"",
        )
    })
}

/// Forgets what [`remember`] stored.
pub(crate) fn forget(page: &Window, host: &Host) {
    if let Some(storage) = storage(page) {
        let _ = storage.remove_item(&key(host));
    }
}

/// Promises the ids of the attempt under way, or `null`, or rejects with a `ConnectError`.
///
/// Believes the server only, never the page's address. A cancel answers the outcome where there is one, and ends the
/// attempt where the user came back without.
pub(crate) fn resume(host: &Host) -> Promise {
    let Some((page, text)) = web_sys::window().and_then(|page| {
        let text = storage(&page)?.get_item(&key(host)).ok()??;
        Some((page, text))
    }) else {
        return Promise::resolve(&JsValue::NULL);
    };
    let mut lines = text.as_str();
    let mut line = || {
        let end = lines.bytes().position(|byte| byte == b'\n').unwrap_or(lines.len());
        let line = lines.get(..end).unwrap_or_default().to_owned();
        lines = lines.get(end + 1..).unwrap_or_default();
        line
    };
    let (id, secret, config_key) = (line(), line(), line());
    let connection_id = lines.to_owned();
    let host = host.clone();
    Promise::new(&mut move |resolve, reject| {
        let (page, host) = (page.clone(), host.clone());
        let (config_key, connection_id) = (config_key.clone(), connection_id.clone());
        let on_its_way = Rc::new(RefCell::new(None));
        let held = on_its_way.clone();
        let server = host.clone();
        let request = StatusRequest::send(&server, (&id, &secret), Ask::Cancel, move |standing| {
            if !matches!(standing, Standing::Unreachable) {
                forget(&page, &host);
            }
            let outcome = match standing {
                Standing::Unreachable => Err(unreachable()),
                // Ended by this very question, or long ago.
                Standing::Final(Err(error)) if error.code() == ErrorCode::Aborted.as_str() => {
                    Err(popup_closed())
                }
                Standing::Final(outcome) => outcome,
                Standing::Unknown | Standing::Pending => Err(popup_closed()),
            };
            let _ = match outcome {
                Ok(()) => resolve.call1(&JsValue::UNDEFINED, &connected(&config_key, &connection_id)),
                Err(error) => reject.call1(&JsValue::UNDEFINED, &error.to_js(&config_key, &connection_id)),
            };
            held.take();
        });
        *on_its_way.borrow_mut() = request.ok();
    })
}

fn key(host: &Host) -> String {
    ["handfast ", host.as_str()].concat()
}

/// The tab's storage, where the browser lets this page have it.
fn storage(page: &Window) -> Option<Storage> {
    let storage = property(page, "sessionStorage");
    (!storage.is_falsy()).then(|| storage.unchecked_into())
}
