//! What the callback page says: right origin, right window, right attempt.

use handfast_protocol::{CALLBACK_MESSAGE_VERSION, EVENT_FAILED, EVENT_SUCCEEDED, ErrorCode};
use wasm_bindgen::JsValue;

use crate::connect_error::{failure, js_error};
use crate::js::{is, number_property, property};

/// How an attempt ended: a success, or the JavaScript error.
pub(crate) type Outcome = Result<(), JsValue>;

/// The outcome that a `message` event tells, if it comes from a page of `origin` in `window` and is about this attempt.
pub(crate) fn heard(
    event: &JsValue,
    window: &JsValue,
    origin: &JsValue,
    attempt_id: &JsValue,
) -> Option<Outcome> {
    let data = property(event, "data");
    let ours = property(event, "source") == *window
        && property(event, "origin") == *origin
        && property(&data, "attempt_id") == *attempt_id;
    if !ours {
        return None;
    }
    if number_property(&data, "handfast", 0) != CALLBACK_MESSAGE_VERSION.cast_signed() {
        return Some(Err(failure(
            ErrorCode::UnsupportedProtocol,
            "the server speaks a newer protocol: update the handfast package",
        )));
    }
    read_outcome(&data)
}

/// Reads `eventType` and `data` of a callback message or of a final status; `None` if they hold no outcome.
pub(crate) fn read_outcome(message: &JsValue) -> Option<Outcome> {
    let event_type = property(message, "eventType");
    if is(&event_type, EVENT_SUCCEEDED) {
        Some(Ok(()))
    } else if is(&event_type, EVENT_FAILED) {
        let error = property(&property(message, "data"), "error");
        Some(Err(js_error(&property(&error, "type"), &property(&error, "message"))))
    } else {
        None
    }
}
