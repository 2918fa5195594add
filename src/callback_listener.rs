//! Hears one result: right origin, right window, right attempt; detached on drop.

use gloo_events::EventListener;
use handfast_protocol::{CALLBACK_MESSAGE_VERSION, EVENT_FAILED, EVENT_SUCCEEDED, ErrorCode};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{MessageEvent, Window};

use crate::connect_error::ConnectError;
use crate::host::Host;
use crate::js::{property, text_property};

/// How an attempt ended.
pub(crate) type Outcome = Result<(), ConnectError>;

/// Calls `heard` with the outcome that the callback page posts.
pub(crate) fn listen(
    page: &Window,
    popup: &Window,
    host: &Host,
    attempt_id: &str,
    heard: impl Fn(Outcome) + 'static,
) -> EventListener {
    let (popup, host, attempt_id) = (popup.clone(), host.clone(), attempt_id.to_owned());
    EventListener::new(page, "message", move |event| {
        let event: &MessageEvent = event.unchecked_ref();
        let data = event.data();
        let ours = host.is_at(&event.origin())
            && event.source().is_some_and(|source| *source == ***popup)
            && text_property(&data, "attempt_id").as_deref() == Some(&attempt_id);
        if !ours {
            return;
        }
        if property(&data, "handfast").as_f64() != Some(f64::from(CALLBACK_MESSAGE_VERSION)) {
            heard(Err(ConnectError::new(
                ErrorCode::UnsupportedProtocol,
                "the server speaks a newer protocol: update the handfast package of this page",
            )));
        } else if let Some(outcome) = read_outcome(&data) {
            heard(outcome);
        }
    })
}

/// Reads `eventType` and `data` of a callback message or of a final status; `None` if they hold no outcome.
pub(crate) fn read_outcome(message: &JsValue) -> Option<Outcome> {
    let event_type = text_property(message, "eventType")?;
    if event_type == EVENT_SUCCEEDED {
        return Some(Ok(()));
    }
    if event_type != EVENT_FAILED {
        return None;
    }
    let error = property(&property(message, "data"), "error");
    Some(Err(ConnectError::received(
        text_property(&error, "type").unwrap_or_else(|| ErrorCode::Internal.as_str().to_owned()),
        text_property(&error, "message").unwrap_or_default(),
    )))
}
