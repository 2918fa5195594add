//! Asks the server how an attempt stands, or to cancel it, when the window can no longer speak.

use handfast_protocol::{STATUS_PENDING, STATUS_UNKNOWN};
use js_sys::Object;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::callback_listener::{Outcome, read_outcome};
use crate::js::{is, property, set_text};

/// What is asked.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Ask {
    /// Answer when the attempt is final, at the latest after 25 seconds.
    Wait,
    /// End the attempt; if it has ended already, answer how.
    Cancel,
}

/// How an attempt that has not ended stands.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Standing {
    /// No answer, or none that is one.
    Unreachable,
    /// The start request has not arrived.
    Unknown,
    /// Started, not ended.
    Pending,
}

/// What the server answers: how the attempt ended, or how it stands.
pub(crate) type Answer = Result<Outcome, Standing>;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = Object)]
    type XMLHttpRequest;

    #[wasm_bindgen(constructor)]
    fn new() -> XMLHttpRequest;

    #[wasm_bindgen(method)]
    fn open(this: &XMLHttpRequest, method: &str, url: &JsValue);

    #[wasm_bindgen(method)]
    fn send(this: &XMLHttpRequest, body: &URLSearchParams);

    #[wasm_bindgen(method)]
    fn abort(this: &XMLHttpRequest);

    type URLSearchParams;

    #[wasm_bindgen(constructor)]
    fn new(fields: &Object) -> URLSearchParams;
}

/// The path of the resource that is asked.
pub(crate) const PATH: &str = "/oauth/attempt";

/// A request on its way; dropping it aborts it.
pub(crate) struct StatusRequest(XMLHttpRequest);

impl StatusRequest {
    /// Asks about the attempt of these names; the event `loadend` brings the answer. A form needs no preflight.
    pub(crate) fn send(url: &JsValue, names: &Object, ask: Ask) -> Self {
        let fields = Object::assign(&Object::new(), names);
        if ask == Ask::Wait {
            set_text(&fields, "wait", "25");
        }
        set_text(&fields, "action", if ask == Ask::Wait { "status" } else { "cancel" });
        let request = XMLHttpRequest::new();
        request.open("POST", url);
        set_text(&request, "responseType", "json");
        request.send(&URLSearchParams::new(&fields));
        Self(request)
    }

    /// The request itself, to listen to.
    pub(crate) fn as_js(&self) -> &JsValue {
        &self.0
    }
}

impl Drop for StatusRequest {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Reads the answer out of the event that ended a request.
pub(crate) fn read(event: &JsValue) -> Answer {
    let answer = property(&property(event, "target"), "response");
    if let Some(outcome) = read_outcome(&answer) {
        return Ok(outcome);
    }
    let status = property(&answer, "status");
    Err(if is(&status, STATUS_UNKNOWN) {
        Standing::Unknown
    } else if is(&status, STATUS_PENDING) {
        Standing::Pending
    } else {
        Standing::Unreachable
    })
}
