//! One attempt, top to bottom: open, start, wait, settle.

use std::cell::RefCell;
use std::rc::Rc;

use gloo_events::EventListener;
use gloo_timers::callback::{Interval, Timeout};
use handfast_protocol::{ConfigKey, ConnectionId, ErrorCode, NameError, PROTOCOL_VERSION};
use js_sys::{Function, JSON, Object, Promise};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Document, Window};

use crate::attempt_status::{Ask, Standing, StatusRequest};
use crate::callback_listener::{self, Outcome};
use crate::connect_error::ConnectError;
use crate::host::Host;
use crate::js::{property, set_property, text_property};
use crate::options::{ConnectOptions, Mode};
use crate::popup::Popup;
use crate::{random, redirect, start_form};

/// How often the window is looked at, in milliseconds.
const TICK_MS: u32 = 200;
/// How long the page holds the focus, in ticks, before a window that is out of reach counts as given up: long enough
/// for a glance back at the page, short enough that closing the window is answered within three seconds.
const HELD_TICKS: u32 = 12;
/// The same where the server has not heard of the attempt, so that nothing can be lost.
const HELD_TICKS_UNKNOWN: u32 = 2;
/// How many ticks to wait before asking a server again that did not know or did not answer.
const PAUSE_TICKS: u32 = 5;
/// How long a cancel may take, in milliseconds: the server answers one that meets a running exchange when that is over,
/// and a rejection must not hide a success.
const CANCEL_MS: u32 = 30_000;

thread_local! {
    static RUNNING: RefCell<Vec<Rc<Attempt>>> = const { RefCell::new(Vec::new()) };
}

/// Connects: opens the window before it returns, and promises the ids or a `ConnectError`.
///
/// While an attempt for the same server and pair of names runs, focuses its window and returns its promise.
pub(crate) fn connect(
    host: &Host,
    config_key: &str,
    connection_id: &JsValue,
    options: ConnectOptions,
) -> Promise {
    let text = connection_id.as_string().unwrap_or_default();
    begin(host, config_key, connection_id, &text, options)
        .unwrap_or_else(|error| Promise::reject(&error.to_js(config_key, &text)))
}

/// Cancels every running attempt at this server.
pub(crate) fn cancel(host: &Host) {
    let running = RUNNING.with_borrow(Clone::clone);
    for attempt in running.iter().filter(|attempt| attempt.host == *host) {
        attempt.give_up(aborted());
    }
}

struct Attempt {
    host: Host,
    config_key: ConfigKey,
    connection_id: ConnectionId,
    names: (String, String),
    page: Window,
    promise: Promise,
    on_event: Option<Function>,
    live: RefCell<Option<Live>>,
}

type Hears = Closure<dyn FnMut(JsValue)>;

/// What a running attempt holds; dropped as a whole when it settles.
struct Live {
    settle: (Function, Function),
    /// `None` in redirect mode.
    popup: Option<Popup>,
    listeners: Vec<EventListener>,
    _interval: Interval,
    timeout: Option<Timeout>,
    token: Option<[Hears; 2]>,
    request: Option<StatusRequest>,
    standing: Standing,
    submitted: bool,
    giving_up: Option<ConnectError>,
    ticks_held: u32,
    pause: u32,
}

fn begin(
    host: &Host,
    config_key: &str,
    connection_id: &JsValue,
    text: &str,
    options: ConnectOptions,
) -> Result<Promise, ConnectError> {
    let config_key = ConfigKey::parse(config_key).map_err(invalid_name)?;
    let connection_id = ConnectionId::parse(text)
        .ok()
        // A lone surrogate became U+FFFD on the way in: such a text cannot be told apart from others.
        .filter(|_| *connection_id == JsValue::from_str(text))
        .ok_or_else(|| {
            ConnectError::new(
                ErrorCode::InvalidName,
                "connectionId must be a text of 1 to 255 characters without U+0000, such as your own user id",
            )
        })?;
    let running = RUNNING.with_borrow(|running| {
        let same = |attempt: &&Rc<Attempt>| {
            attempt.host == *host
                && attempt.config_key == config_key
                && attempt.connection_id == connection_id
        };
        running.iter().find(same).cloned()
    });
    if let Some(attempt) = running {
        if let Some(popup) = attempt.live.borrow().as_ref().and_then(|live| live.popup.as_ref()) {
            popup.focus();
        }
        return Ok(attempt.promise.clone());
    }
    let page = web_sys::window().ok_or_else(|| {
        ConnectError::new(ErrorCode::PopupBlocked, "connect needs a page: call it in a browser")
    })?;
    if options.signal.as_ref().is_some_and(web_sys::AbortSignal::aborted) {
        return Err(aborted());
    }
    if page.origin() == "null" {
        return Err(ConnectError::new(
            ErrorCode::Sandboxed,
            "this page has no origin: give its frame sandbox=\"allow-same-origin allow-popups\", or serve it over http",
        ));
    }
    let names = random::attempt_names(&page)
        .map_err(|_| ConnectError::new(ErrorCode::Internal, "the browser gave no random numbers"))?;
    let popup = if options.mode == Mode::Popup {
        Some(Popup::open(&page, options.size, options.window.clone()).ok_or_else(|| {
            ConnectError::new(
                ErrorCode::PopupBlocked,
                "the browser did not open a window: call connect directly in the click, or use mode: \"redirect\"",
            )
        })?)
    } else {
        redirect::remember(&page, host, &names, &config_key, &connection_id)?;
        None
    };
    Ok(Attempt::run(host, config_key, connection_id, names, page, popup, options))
}

impl Attempt {
    fn run(
        host: &Host,
        config_key: ConfigKey,
        connection_id: ConnectionId,
        names: (String, String),
        page: Window,
        popup: Option<Popup>,
        options: ConnectOptions,
    ) -> Promise {
        let mut settle = None;
        let promise = Promise::new(&mut |resolve, reject| settle = Some((resolve, reject)));
        let Some(settle) = settle else { return promise };
        let attempt = Rc::new(Self {
            host: host.clone(),
            config_key,
            connection_id,
            names,
            page,
            promise: promise.clone(),
            on_event: options.on_event.clone(),
            live: RefCell::new(None),
        });
        let mut listeners = vec![match &popup {
            Some(popup) => callback_listener::listen(
                &attempt.page,
                popup.window(),
                host,
                &attempt.names.0,
                attempt.calls(Self::settle),
            ),
            // The user came back by the browser's own button, to a page that was only put aside.
            None => EventListener::new(&attempt.page, "pageshow", {
                let back = attempt.calls(|attempt, ()| attempt.give_up(popup_closed()));
                move |event| {
                    if property(event, "persisted").is_truthy() {
                        back(());
                    }
                }
            }),
        }];
        if let Some(signal) = &options.signal {
            let abort = attempt.calls(|attempt, ()| attempt.give_up(aborted()));
            listeners.push(EventListener::new(signal, "abort", move |_| abort(())));
        }
        let tick = attempt.calls(|attempt, ()| attempt.tick());
        let time_out = attempt.calls(|attempt, ()| {
            attempt.give_up(ConnectError::new(ErrorCode::Timeout, "the attempt took longer than timeoutMs"));
        });
        *attempt.live.borrow_mut() = Some(Live {
            settle,
            popup,
            listeners,
            _interval: Interval::new(TICK_MS, move || tick(())),
            timeout: Some(Timeout::new(options.timeout_ms.unsigned_abs(), move || time_out(()))),
            token: None,
            request: None,
            standing: Standing::Pending,
            submitted: false,
            giving_up: None,
            ticks_held: 0,
            pause: 0,
        });
        RUNNING.with_borrow_mut(|running| running.push(attempt.clone()));
        attempt.tell("opened");
        attempt.ask_token(options);
        promise
    }

    /// A callback that runs `then` with this attempt.
    fn calls<T: 'static>(self: &Rc<Self>, then: fn(&Rc<Self>, T)) -> impl Fn(T) + 'static {
        let attempt = self.clone();
        move |value| then(&attempt, value)
    }

    fn ask_token(self: &Rc<Self>, options: ConnectOptions) {
        let Some(ask) = options.connect_token.dyn_ref::<Function>() else {
            let token = options.connect_token.clone();
            return self.start(&options, &token);
        };
        self.show_connecting();
        let promise = match ask.call0(&JsValue::UNDEFINED) {
            Ok(token) => Promise::resolve(&token),
            Err(error) => Promise::reject(&error),
        };
        let (attempt, refused) = (self.clone(), self.clone());
        let given = Closure::new(move |token| attempt.start(&options, &token));
        let not_given = Closure::new(move |error: JsValue| {
            let reason = text_property(&error, "message").unwrap_or_default();
            let message = ["connectToken gave no token: ", &reason].concat();
            refused.settle(Err(ConnectError::with(ErrorCode::InvalidConnectToken, message)));
        });
        let _ = promise.then2(&given, &not_given);
        if let Some(live) = &mut *self.live.borrow_mut() {
            live.token = Some([given, not_given]);
        }
    }

    /// Submits the start request out of the blank window.
    fn start(self: &Rc<Self>, options: &ConnectOptions, token: &JsValue) {
        let Some(document) = self.document() else {
            return self.settle(Err(ConnectError::new(
                ErrorCode::Sandboxed,
                "the new window's document is out of reach: give this frame sandbox=\"allow-same-origin\"",
            )));
        };
        let blocked = self.calls(|attempt, ()| attempt.settle(Err(csp_blocked(&attempt.host))));
        let listener = EventListener::new(&document, "securitypolicyviolation", move |event| {
            if text_property(event, "effectiveDirective").as_deref() == Some("form-action") {
                blocked(());
            }
        });
        {
            let mut live = self.live.borrow_mut();
            let Some(live) = &mut *live else { return };
            live.listeners.push(listener);
            live.submitted = true;
        }
        self.show_connecting();
        let action = [self.host.as_str(), "/oauth/connect/", self.config_key.as_str()].concat();
        if start_form::submit(&document, &action, &self.request(options, token)).is_err() {
            return self.settle(Err(csp_blocked(&self.host)));
        }
        self.tell("started");
    }

    /// The start request as JSON; what is `undefined` is left out.
    fn request(&self, options: &ConnectOptions, token: &JsValue) -> String {
        let request = Object::new();
        let (mode, return_to) = match options.mode {
            Mode::Popup => ("popup", None),
            Mode::Redirect => {
                ("redirect", options.return_to.clone().or_else(|| self.page.location().href().ok()))
            }
        };
        for (name, value) in [
            ("protocol", &JsValue::from_f64(f64::from(PROTOCOL_VERSION))),
            ("attempt_id", &JsValue::from_str(&self.names.0)),
            ("attempt_secret", &JsValue::from_str(&self.names.1)),
            ("connection_id", &JsValue::from_str(self.connection_id.as_str())),
            ("connect_token", token),
            ("params", &options.params),
            ("scopes", &options.scopes),
            ("authorization_params", &options.authorization_params),
            ("mode", &JsValue::from_str(mode)),
            ("return_to", &return_to.as_deref().map_or(JsValue::UNDEFINED, JsValue::from_str)),
        ] {
            set_property(&request, name, value);
        }
        JSON::stringify(&request).ok().and_then(|json| json.as_string()).unwrap_or_default()
    }

    /// Looks at the window, and once it is out of reach at the focus and the server.
    fn tick(self: &Rc<Self>) {
        let mut guard = self.live.borrow_mut();
        let Some(live) = &mut *guard else { return };
        let watched = live.popup.as_ref().filter(|_| live.giving_up.is_none());
        if !watched.is_some_and(Popup::is_out_of_reach) {
            return;
        }
        let held = self.page.document().is_some_and(|document| document.has_focus().unwrap_or(false));
        live.ticks_held = if held { live.ticks_held + 1 } else { 0 };
        let limit = match live.standing {
            Standing::Unknown => HELD_TICKS_UNKNOWN,
            _ => HELD_TICKS,
        };
        if !live.submitted || live.ticks_held >= limit {
            let reason = if matches!(live.standing, Standing::Unreachable) {
                unreachable()
            } else {
                ConnectError::new(
                    ErrorCode::PopupClosed,
                    "the window was closed before the connection was made",
                )
            };
            drop(guard);
            return self.give_up(reason);
        }
        if live.request.is_some() {
            return;
        }
        if live.pause > 0 {
            live.pause -= 1;
            return;
        }
        live.request = self.ask(Ask::Wait);
    }

    fn ask(self: &Rc<Self>, ask: Ask) -> Option<StatusRequest> {
        let answered = self.calls(Self::answered);
        StatusRequest::send(&self.host, (&self.names.0, &self.names.1), ask, answered).ok()
    }

    fn answered(self: &Rc<Self>, standing: Standing) {
        let mut guard = self.live.borrow_mut();
        let Some(live) = &mut *guard else { return };
        live.request = None;
        let outcome = match (standing, live.giving_up.take()) {
            // The cancel lost the race.
            (Standing::Final(Ok(())), _) => Ok(()),
            (_, Some(reason)) => Err(reason),
            (Standing::Final(outcome), None) => outcome,
            (standing, None) => {
                live.pause = if matches!(standing, Standing::Pending) { 0 } else { PAUSE_TICKS };
                live.standing = standing;
                return;
            }
        };
        drop(guard);
        self.settle(outcome);
    }

    /// Ends the attempt at the server too, so that a rejection never hides a success.
    fn give_up(self: &Rc<Self>, reason: ConnectError) {
        let mut guard = self.live.borrow_mut();
        let Some(live) = &mut *guard else { return };
        if live.giving_up.is_some() {
            return;
        }
        if let Some(popup) = &live.popup {
            popup.close();
        }
        live.request = if live.submitted { self.ask(Ask::Cancel) } else { None };
        if live.request.is_none() {
            drop(guard);
            return self.settle(Err(reason));
        }
        live.giving_up = Some(reason);
        let unanswered = self.calls(|attempt, ()| attempt.answered(Standing::Unreachable));
        live.timeout = Some(Timeout::new(CANCEL_MS, move || unanswered(())));
    }

    /// Undoes everything and settles the promise, once.
    fn settle(self: &Rc<Self>, outcome: Outcome) {
        let Some(live) = self.live.take() else { return };
        RUNNING.with_borrow_mut(|running| running.retain(|attempt| !Rc::ptr_eq(attempt, self)));
        self.tell("returned");
        if live.popup.is_none() {
            redirect::forget(&self.page, &self.host);
        }
        let (resolve, reject) = live.settle.clone();
        drop(live);
        let (config_key, connection_id) = (self.config_key.as_str(), self.connection_id.as_str());
        let _ = match outcome {
            Ok(()) => resolve.call1(&JsValue::UNDEFINED, &connected(config_key, connection_id)),
            Err(error) => reject.call1(&JsValue::UNDEFINED, &error.to_js(config_key, connection_id)),
        };
    }

    fn tell(&self, what: &str) {
        let Some(on_event) = &self.on_event else { return };
        let event = connected(self.config_key.as_str(), self.connection_id.as_str());
        set_property(&event, "type", &JsValue::from_str(what));
        // A progress line that fails is no reason to fail the attempt.
        let _ = on_event.call1(&JsValue::UNDEFINED, &event);
    }

    /// The document that the start form goes into.
    fn document(&self) -> Option<Document> {
        match &self.live.borrow().as_ref()?.popup {
            Some(popup) => popup.document(),
            None => self.page.document(),
        }
    }

    fn show_connecting(&self) {
        if let Some(popup) = self.live.borrow().as_ref().and_then(|live| live.popup.as_ref()) {
            popup.show_connecting();
        }
    }
}

/// What the promise resolves to. `integrationKey` and `providerConfigKey` are the names that Pizzly's clients read.
pub(crate) fn connected(config_key: &str, connection_id: &str) -> Object {
    let ids = Object::new();
    let config_key = JsValue::from_str(config_key);
    for name in ["configKey", "integrationKey", "providerConfigKey"] {
        set_property(&ids, name, &config_key);
    }
    set_property(&ids, "connectionId", &JsValue::from_str(connection_id));
    ids
}

fn invalid_name(error: NameError) -> ConnectError {
    let field = if error.field == "config_key" { "configKey" } else { error.field };
    ConnectError::with(ErrorCode::InvalidName, [field, " must be ", error.expected].concat())
}

fn aborted() -> ConnectError {
    ConnectError::new(ErrorCode::Aborted, "the application aborted the attempt")
}

pub(crate) fn popup_closed() -> ConnectError {
    ConnectError::new(ErrorCode::PopupClosed, "the user left before the connection was made")
}

pub(crate) fn unreachable() -> ConnectError {
    ConnectError::new(
        ErrorCode::Network,
        "the server could not be reached: check host, and connect-src if the page has a Content-Security-Policy",
    )
}

fn csp_blocked(host: &Host) -> ConnectError {
    let add = "the page's Content-Security-Policy forbids the start form: add to it: form-action ";
    ConnectError::with(ErrorCode::CspBlocked, [add, host.as_str()].concat())
}
