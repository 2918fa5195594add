//! Asks the server how an attempt stands, or to cancel it, when the window can no longer speak.

use gloo_events::EventListener;
use handfast_protocol::{STATUS_PENDING, STATUS_UNKNOWN};
use wasm_bindgen::JsValue;
use web_sys::{XmlHttpRequest, XmlHttpRequestResponseType};

use crate::callback_listener::{Outcome, read_outcome};
use crate::host::Host;
use crate::js::text_property;

/// What is asked.
#[derive(Clone, Copy)]
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

/// A request on its way; dropping it aborts it.
pub(crate) struct StatusRequest {
    request: XmlHttpRequest,
    listener: Option<EventListener>,
}

impl StatusRequest {
    /// Sends the request and calls `answered` once.
    pub(crate) fn send(
        host: &Host,
        (attempt_id, attempt_secret): (&str, &str),
        ask: Ask,
        answered: impl Fn(Standing) + 'static,
    ) -> Result<Self, JsValue> {
        let request = XmlHttpRequest::new()?;
        request.open("POST", &[host.as_str(), "/oauth/attempt"].concat())?;
        // A content type that needs no preflight.
        request.set_request_header("content-type", "application/x-www-form-urlencoded")?;
        request.set_response_type(XmlHttpRequestResponseType::Json);
        let heard = request.clone();
        let listener = EventListener::new(&request, "loadend", move |_| {
            answered(heard.response().map_or(Standing::Unreachable, |answer| read(&answer)));
        });
        let ask = match ask {
            Ask::Wait => "&action=status&wait=25",
            Ask::Cancel => "&action=cancel",
        };
        // Base64url needs no escaping.
        let body = ["attempt_id=", attempt_id, "&attempt_secret=", attempt_secret, ask].concat();
        request.send_with_opt_str(Some(&body))?;
        Ok(Self { request, listener: Some(listener) })
    }
}

impl Drop for StatusRequest {
    fn drop(&mut self) {
        // Aborting fires `loadend` at once: nobody listens any more.
        self.listener = None;
        let _ = self.request.abort();
    }
}

fn read(answer: &JsValue) -> Standing {
    if let Some(outcome) = read_outcome(answer) {
        return Standing::Final(outcome);
    }
    match text_property(answer, "status").as_deref() {
        Some(STATUS_UNKNOWN) => Standing::Unknown,
        Some(STATUS_PENDING) => Standing::Pending,
        _ => Standing::Unreachable,
    }
}
