//! Asks the server how an attempt stands, or to cancel it, when the window can no longer speak.

use gloo_events::EventListener;
use handfast_protocol::{STATUS_PENDING, STATUS_UNKNOWN};
use js_sys::Object;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

use crate::callback_listener::{Outcome, read_outcome};
use crate::js::{is, property, set_property, set_text};

/// What is asked.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Ask {
    /// Answer when the attempt is final, at the latest after 25 seconds.
    Wait,
    /// End the attempt; if it has ended already, answer how.
    Cancel,
}

/// How an attempt stands.
pub(crate) enum Standing {
    /// No answer, or none that is one.
    Unreachable,
    /// The start request has not arrived.
    Unknown,
    /// Started, not ended.
    Pending,
    /// Ended.
    Final(Outcome),
}

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
pub(crate) struct StatusRequest {
    request: XMLHttpRequest,
    answered: Option<EventListener>,
}

impl StatusRequest {
    /// Sends the request and calls `answered` with the event that ends it. A form needs no preflight.
    pub(crate) fn send(
        url: &JsValue,
        id: &JsValue,
        secret: &JsValue,
        ask: Ask,
        answered: impl Fn(&JsValue) + 'static,
    ) -> Self {
        let fields = Object::new();
        set_property(&fields, "attempt_id", id);
        set_property(&fields, "attempt_secret", secret);
        if ask == Ask::Wait {
            set_text(&fields, "wait", "25");
        }
        set_text(&fields, "action", if ask == Ask::Wait { "status" } else { "cancel" });
        let request = XMLHttpRequest::new();
        request.open("POST", url);
        set_text(&request, "responseType", "json");
        let answered =
            Some(EventListener::new(request.unchecked_ref(), "loadend", move |event| answered(event)));
        request.send(&URLSearchParams::new(&fields));
        Self { request, answered }
    }
}

impl Drop for StatusRequest {
    fn drop(&mut self) {
        // Aborting fires `loadend` at once: nobody listens any more.
        self.answered = None;
        self.request.abort();
    }
}

/// Reads the answer out of the event that ended a request.
pub(crate) fn read(event: &JsValue) -> Standing {
    let answer = property(&property(event, "target"), "response");
    if let Some(outcome) = read_outcome(&answer) {
        return Standing::Final(outcome);
    }
    let status = property(&answer, "status");
    if is(&status, STATUS_UNKNOWN) {
        Standing::Unknown
    } else if is(&status, STATUS_PENDING) {
        Standing::Pending
    } else {
        Standing::Unreachable
    }
}
