//! The pages a person sees in the window of an attempt: on the way to the provider, at the end, and where a link led nowhere.

use handfast_broker::{Ended, Form, Outcome, RefusedStart};
use handfast_protocol::{CALLBACK_MESSAGE_VERSION, EVENT_FAILED, EVENT_SUCCEEDED, ErrorCode, Secret};
use maud::{Markup, html};
use serde::Serialize;

use super::page::{FormAction, Page};

/// `{handfast: 1, attempt_id, eventType, data}`, as the SDK and published Pizzly clients read it. Never a token, code or
/// secret.
#[derive(Serialize)]
pub(crate) struct CallbackMessage {
    handfast: u32,
    attempt_id: Option<String>,
    #[serde(flatten)]
    event: AttemptEvent,
}

/// How an attempt ended, in the words of the message and of the status resource.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AttemptEvent {
    event_type: &'static str,
    data: EventData,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventData {
    connection_id: String,
    config_key: String,
    /// What version 0.3 and later of Pizzly's clients read.
    provider_config_key: String,
    /// What earlier ones read.
    integration_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<EventError>,
}

#[derive(Serialize)]
struct EventError {
    #[serde(rename = "type")]
    code: ErrorCode,
    message: String,
}

impl AttemptEvent {
    /// The words for an outcome.
    pub(crate) fn new(config_key: &str, connection_id: &str, outcome: &Outcome) -> Self {
        let (event_type, error) = match outcome {
            Outcome::Succeeded => (EVENT_SUCCEEDED, None),
            Outcome::Failed { code, message } => {
                (EVENT_FAILED, Some(EventError { code: *code, message: message.clone() }))
            }
        };
        let data = EventData {
            connection_id: connection_id.to_owned(),
            config_key: config_key.to_owned(),
            provider_config_key: config_key.to_owned(),
            integration_key: config_key.to_owned(),
            error,
        };
        Self { event_type, data }
    }
}

/// What the script of the page on the way knows.
#[derive(Serialize)]
struct GoOn<'a> {
    url: &'a str,
    drops_opener: bool,
    needs_opener: bool,
}

const GO_ON: &str = r"
const data = JSON.parse(document.getElementById('data').textContent);
if (data.needs_opener && !window.opener) {
  document.getElementById('under-way').hidden = true;
  document.getElementById('no-opener').hidden = false;
} else {
  if (data.drops_opener) window.opener = null;
  location.replace(data.url);
}
";

/// Goes on to the authorization request. A start by a GET does so only in a window that a page opened.
pub(crate) fn go_on(url: &str, drops_opener: bool, needs_opener: bool) -> Page {
    let body = html! {
        div id="under-way" {
            h1 { "Connecting…" }
            p.soft { "You are being taken to the provider's own page." }
            noscript { p.error { "This page needs JavaScript to go on." } }
        }
        div id="no-opener" hidden { (explanation()) }
    };
    Page::new("Connecting…", body).script(GO_ON, &GoOn { url, drops_opener, needs_opener })
}

/// What the script of the result page knows.
#[derive(Serialize)]
struct Result {
    message: CallbackMessage,
    /// The one origin the message is posted to; `None` where nobody is told.
    origin: Option<String>,
    closes: bool,
    return_to: Option<String>,
}

const FINISH: &str = r"
const data = JSON.parse(document.getElementById('data').textContent);
history.replaceState(null, '', location.pathname);
if (data.return_to) {
  location.replace(data.return_to);
} else if (window.opener && data.origin) {
  window.opener.postMessage(data.message, data.origin);
  window.close();
} else if (data.closes) {
  window.close();
}
";

/// The end of an attempt: shown, posted to the page that started it, and closed.
pub(crate) fn result(ended: Ended) -> Page {
    let text = |name: Option<&str>| name.unwrap_or_default().to_owned();
    let attempt = ended.attempt;
    let config_key = text(attempt.config_key.as_ref().map(handfast_protocol::ConfigKey::as_str));
    let connection_id = text(attempt.connection_id.as_ref().map(handfast_protocol::ConnectionId::as_str));
    let (title, body) = match &ended.outcome {
        Outcome::Succeeded => (
            "Connected",
            succeeded(&config_key, &connection_id, ended.provider.as_deref(), ended.account.as_deref()),
        ),
        Outcome::Failed { code, message } => ("Not connected", failed(*code, message)),
    };
    let data = Result {
        message: CallbackMessage {
            handfast: CALLBACK_MESSAGE_VERSION,
            attempt_id: Some(attempt.attempt_id.as_str().to_owned()),
            event: AttemptEvent::new(&config_key, &connection_id, &ended.outcome),
        },
        origin: Some(attempt.origin),
        closes: ended.outcome == Outcome::Succeeded,
        return_to: attempt.return_to,
    };
    Page::new(title, body).script(FINISH, &data)
}

/// A start that was refused: shown, and posted to the origin that the browser stated.
pub(crate) fn refused_start(refused: RefusedStart) -> Page {
    let outcome = Outcome::failed(refused.error.code(), refused.error.to_string());
    let body = failed(refused.error.code(), &refused.error.to_string());
    let data = Result {
        message: CallbackMessage {
            handfast: CALLBACK_MESSAGE_VERSION,
            attempt_id: refused.attempt_id.map(|id| id.as_str().to_owned()),
            event: AttemptEvent::new(&refused.config_key, &refused.connection_id, &outcome),
        },
        origin: refused.origin.filter(|origin| origin != "null"),
        closes: false,
        return_to: refused.return_to,
    };
    Page::new("Not connected", body).script(FINISH, &data)
}

fn succeeded(config_key: &str, connection_id: &str, provider: Option<&str>, account: Option<&str>) -> Markup {
    html! {
        h1 { "Connected" }
        p {
            "Your " strong { (provider.unwrap_or(config_key)) } " account "
            @if let Some(account) = account { strong { (account) } " " }
            "is now connected."
        }
        dl { dt { "Connection" } dd.name { (connection_id) } }
        p.soft { "You can close this window." }
    }
}

fn failed(code: ErrorCode, message: &str) -> Markup {
    html! {
        h1 { (if code == ErrorCode::AccessDenied { "Not connected" } else { "This did not work" }) }
        p { (message) }
        p.soft { "Nothing was stored. You can close this window and try again. " code { (code.as_str()) } }
    }
}

/// A callback that belongs to no attempt.
pub(crate) fn no_attempt(code: ErrorCode, message: &str) -> Page {
    Page::new("Not connected", failed(code, message))
}

/// What a plain GET of the connect address shows.
pub(crate) fn explain() -> Page {
    Page::new("Nothing to see here", explanation())
}

fn explanation() -> Markup {
    html! {
        h1 { "Nothing was started" }
        p { "This address connects an account, but only when an application opens it for you. A link cannot do that." }
        p.soft { "Go back to the application and use its own button to connect. If someone sent you this link, you can ignore it." }
    }
}

/// Asks for what the application did not say.
pub(crate) fn form(action: &str, form: &Form) -> Page {
    let body = html! {
        h1 { "Connect " (form.provider) }
        @if let Some(error) = &form.error { p.error role="alert" { (error) } }
        form method="post" action=(action) accept-charset="utf-8" {
            input type="hidden" name="state" value=(form.state.expose());
            @for (index, field) in form.fields.iter().enumerate() {
                @let note = format!("note-{index}");
                label for=(field.name) { (capitalised(&field.label)) }
                @if field.choices.is_empty() {
                    input type=(if field.is_secret { "password" } else { "text" }) id=(field.name) name=(field.name)
                        value=(field.value) required autocomplete="off" autocapitalize="none" spellcheck="false"
                        autofocus[index == 0] aria-describedby=(note) aria-invalid=[field.error.as_ref().map(|_| "true")];
                } @else {
                    select id=(field.name) name=(field.name) autofocus[index == 0] aria-describedby=(note)
                        aria-invalid=[field.error.as_ref().map(|_| "true")] {
                        @for choice in &field.choices {
                            option selected[*choice == field.value] { (choice) }
                        }
                    }
                }
                p id=(note) {
                    @if let Some(error) = &field.error { span.error role="alert" { (error) } " " }
                    span.soft {
                        @if let Some(help) = &field.help { (help) " " }
                        @if let Some(example) = &field.example {
                            "Such as " strong { (example) (field.suffix.as_deref().unwrap_or_default()) }
                        }
                    }
                }
            }
            div.actions { button type="submit" { "Continue" } }
        }
    };
    Page::new(format!("Connect {}", form.provider), body).form_action(FormAction::SelfOnly)
}

fn capitalised(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

/// Posts the fields on to another address of this server, which a custom callback host stands in front of.
pub(crate) fn pass_on(action: &str, params: &[(String, Secret<String>)]) -> Page {
    repeat(action, params).form_action(FormAction::Redirecting)
}

const REPEAT: &str = "HTMLFormElement.prototype.submit.call(document.getElementById('repeat'));";

/// Posts the same fields once more from our own origin, where the attempt's cookie comes along.
pub(crate) fn repeat(action: &str, params: &[(String, Secret<String>)]) -> Page {
    let body = html! {
        h1 { "Connecting…" }
        form id="repeat" method="post" action=(action) accept-charset="utf-8" {
            @for (name, value) in params {
                input type="hidden" name=(name) value=(value.expose());
            }
            noscript { div.actions { button type="submit" { "Continue" } } }
        }
    };
    Page::new("Connecting…", body).form_action(FormAction::SelfOnly).script(REPEAT, &())
}
