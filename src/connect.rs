//! One attempt, top to bottom: open, start, wait, settle.

use std::cell::RefCell;
use std::rc::Rc;

use gloo_timers::callback::Interval;
use handfast_protocol::{ConfigKey, ConnectionId, ErrorCode, PROTOCOL_VERSION};
use js_sys::{Function, JSON, Object, Promise};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Document, Window};

use crate::attempt_status::{self, Answer, Ask, Standing, StatusRequest};
use crate::callback_listener::{self, Outcome};
use crate::connect_error::{failure, failure_with, named};
use crate::host::Host;
use crate::js::{
    Callback, Listener, concat, is, number_property, object_property, property, set_property, set_text, utf8,
    with_value,
};
use crate::options::ConnectOptions;
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
const CANCEL_MS: f64 = 30_000.0;
/// How long the user may take unless the application says otherwise, in milliseconds.
const TIMEOUT_MS: i32 = 600_000;

#[wasm_bindgen]
extern "C" {
    /// Milliseconds by a clock that nobody sets.
    #[wasm_bindgen(js_namespace = performance)]
    fn now() -> f64;

    #[wasm_bindgen(js_name = encodeURIComponent, catch)]
    fn encode_uri_component(text: &JsValue) -> Result<JsValue, JsValue>;
}

thread_local! {
    static RUNNING: RefCell<Vec<Rc<Attempt>>> = const { RefCell::new(Vec::new()) };
}

/// Connects: opens the window before it returns, and promises the ids or a `ConnectError`.
///
/// While an attempt for the same server and pair of names runs, focuses its window and returns its promise.
pub(crate) fn connect(
    page: Option<Window>,
    host: Result<Host, JsValue>,
    config_key: &JsValue,
    connection_id: &JsValue,
    options: ConnectOptions,
) -> Promise {
    let ids = connected(config_key, connection_id);
    host.and_then(|host| begin(page, host, config_key, connection_id, &ids, options))
        .unwrap_or_else(|error| Promise::reject(&named(error, &ids)))
}

/// Cancels every running attempt at this server.
pub(crate) fn cancel(host: &Host) {
    let url = host.at(attempt_status::PATH);
    let running = |attempt: &Attempt| attempt.status_url == url && !attempt.is_giving_up();
    while let Some(attempt) = find(running) {
        attempt.give_up(aborted());
    }
}

/// The first of the running attempts that is as `so` says.
fn find(so: impl Fn(&Attempt) -> bool) -> Option<Rc<Attempt>> {
    RUNNING.with_borrow(|running| running.iter().find(|attempt| so(attempt)).cloned())
}

struct Attempt {
    page: Window,
    /// The origin of the server's pages.
    origin: JsValue,
    start_url: JsValue,
    status_url: JsValue,
    /// Its id and secret, by the names that the server knows.
    names: Object,
    /// What the promise resolves to.
    ids: Object,
    options: ConnectOptions,
    promise: Promise,
    live: RefCell<Option<Live>>,
}

/// What a running attempt holds; dropped as a whole when it settles.
struct Live {
    settle: Settle,
    /// `None` in redirect mode.
    popup: Option<Popup>,
    /// For the answer, the abort and the blocked form.
    listeners: [Option<Listener>; 3],
    _ticking: Interval,
    /// When to give up, or to stop waiting for the answer to a cancel.
    deadline: f64,
    token: Option<[Callback; 2]>,
    /// A question on its way, and who waits for the answer: first nobody listens, then it is aborted.
    request: Option<(Listener, StatusRequest)>,
    standing: Standing,
    submitted: bool,
    giving_up: Option<JsValue>,
    ticks_held: u32,
    pause: u32,
}

/// The two functions that settle the promise.
struct Settle {
    resolve: Function,
    reject: Function,
}

fn begin(
    page: Option<Window>,
    host: Host,
    config_key: &JsValue,
    connection_id: &JsValue,
    ids: &Object,
    options: ConnectOptions,
) -> Result<Promise, JsValue> {
    // Room for one character more than any name has.
    let mut buffer = [0; 4 * (ConnectionId::MAX_CHARS + 1)];
    if let Err(error) = ConfigKey::check(utf8(config_key, &mut buffer)) {
        return Err(invalid_name("configKey ", error.expected));
    }
    if let Err(error) = ConnectionId::check(utf8(connection_id, &mut buffer)) {
        return Err(invalid_name("connectionId ", error.expected));
    }
    // It fails for a lone surrogate, which the server would read as U+FFFD and could not tell from another.
    if encode_uri_component(connection_id).is_err() {
        return Err(invalid_name("connectionId ", "well-formed Unicode"));
    }
    let start_url = with_value(&host.at("/oauth/connect/"), config_key);
    let same = |attempt: &Attempt| {
        attempt.start_url == start_url && property(&attempt.ids, "connectionId") == *connection_id
    };
    if let Some(attempt) = find(same) {
        attempt.with_popup(Popup::focus);
        return Ok(attempt.promise.clone());
    }
    let Some(page) = page else {
        return Err(failure(ErrorCode::PopupBlocked, "connect needs a page: call it in a browser"));
    };
    let signal = property(options.as_js(), "signal");
    if property(&signal, "aborted").is_truthy() {
        return Err(aborted());
    }
    if is(&property(&page, "origin"), "null") {
        return Err(failure(
            ErrorCode::Sandboxed,
            "this page has no origin: give its frame sandbox=\"allow-same-origin allow-popups\", or serve it over http",
        ));
    }
    let status_url = host.at(attempt_status::PATH);
    let names = random::attempt_names();
    let popup = if is_redirect(&options) {
        if redirect::remember(&page, &status_url, &names, ids).is_none() {
            return Err(failure(
                ErrorCode::Sandboxed,
                "redirect mode needs sessionStorage, which this page has not: use mode: \"popup\"",
            ));
        }
        None
    } else {
        let popup = Popup::open(&page, &property(options.as_js(), "popup"));
        if popup.is_none() {
            return Err(failure(
                ErrorCode::PopupBlocked,
                "the browser did not open a window: call connect directly in the click, or use mode: \"redirect\"",
            ));
        }
        popup
    };
    let attempt = Attempt::run(page, host, start_url, names, ids, options, popup);
    attempt.tell("opened");
    attempt.ask_token();
    Ok(attempt.promise.clone())
}

/// Promises the ids of the attempt that left the page in redirect mode, or `null`, or rejects with a `ConnectError`.
///
/// Believes the server only, never the page's address. A cancel answers the outcome where there is one, and ends the
/// attempt where the user came back without.
pub(crate) fn resume(page: Option<Window>, host: Host) -> Promise {
    let status_url = host.at(attempt_status::PATH);
    let remembered = page.and_then(|page| {
        let (names, ids) = redirect::remembered(&page, &status_url)?;
        Some((page, names, ids))
    });
    let Some((page, names, ids)) = remembered else { return Promise::resolve(&JsValue::NULL) };
    let start_url = status_url.clone();
    let options = ConnectOptions::default();
    let attempt = Attempt::run(page, host, start_url, names, &ids, options, None);
    if let Some(live) = &mut *attempt.live.borrow_mut() {
        live.submitted = true;
    }
    attempt.give_up(popup_closed());
    attempt.promise.clone()
}

impl Attempt {
    /// Makes the attempt, listens and keeps time; nothing is sent yet.
    fn run(
        page: Window,
        host: Host,
        start_url: JsValue,
        names: Object,
        ids: &Object,
        options: ConnectOptions,
        popup: Option<Popup>,
    ) -> Rc<Self> {
        let mut settle = None;
        let promise = Promise::new(&mut |resolve, reject| settle = Some(Settle { resolve, reject }));
        let timeout_ms = number_property(options.as_js(), "timeoutMs", TIMEOUT_MS);
        let attempt = Rc::new(Self {
            page,
            status_url: host.at(attempt_status::PATH),
            origin: host.into_origin(),
            start_url,
            names,
            ids: ids.clone(),
            options,
            promise,
            live: RefCell::new(None),
        });
        let answer = match &popup {
            Some(_) => attempt.listen(&attempt.page, "message", Self::hear),
            // The user may come back by the browser's own button, to a page that was only put aside.
            None => attempt.listen(&attempt.page, "pageshow", Self::come_back),
        };
        let signal = property(attempt.options.as_js(), "signal");
        let abort = signal
            .is_truthy()
            .then(|| attempt.listen(&signal, "abort", |attempt, _| attempt.give_up(aborted())));
        let ticking = attempt.clone();
        *attempt.live.borrow_mut() = settle.map(|settle| Live {
            settle,
            popup,
            listeners: [Some(answer), abort, None],
            _ticking: Interval::new(TICK_MS, move || ticking.tick()),
            deadline: now() + f64::from(timeout_ms),
            token: None,
            request: None,
            standing: Standing::Pending,
            submitted: false,
            giving_up: None,
            ticks_held: 0,
            pause: 0,
        });
        RUNNING.with_borrow_mut(|running| running.push(attempt.clone()));
        attempt
    }

    /// A function of JavaScript that runs `then` with this attempt.
    fn callback(self: &Rc<Self>, then: fn(&Rc<Self>, &JsValue)) -> Callback {
        let attempt = self.clone();
        Callback::new(move |value: JsValue| then(&attempt, &value))
    }

    fn listen(
        self: &Rc<Self>,
        target: &JsValue,
        name: &'static str,
        then: fn(&Rc<Self>, &JsValue),
    ) -> Listener {
        Listener::new(target, name, self.callback(then))
    }

    fn hear(self: &Rc<Self>, event: &JsValue) {
        let live = self.live.borrow();
        let Some(popup) = live.as_ref().and_then(|live| live.popup.as_ref()) else { return };
        let outcome = callback_listener::heard(
            event,
            popup.as_js(),
            &self.origin,
            &property(&self.names, "attempt_id"),
        );
        drop(live);
        if let Some(outcome) = outcome {
            self.settle(outcome);
        }
    }

    fn come_back(self: &Rc<Self>, event: &JsValue) {
        if property(event, "persisted").is_truthy() {
            self.give_up(popup_closed());
        }
    }

    /// Starts at once with the connect token that is there, or when the application's function has brought it.
    fn ask_token(self: &Rc<Self>) {
        let token = property(self.options.as_js(), "connectToken");
        let Some(ask) = token.dyn_ref::<Function>() else {
            return self.start(&token);
        };
        self.with_popup(Popup::show_connecting);
        let brought = match ask.call0(&JsValue::UNDEFINED) {
            Ok(token) => Promise::resolve(&token),
            Err(error) => Promise::reject(&error),
        };
        let given = self.callback(Self::start);
        let refused = self.callback(|attempt, error| {
            let message = with_value(&"connectToken gave no token: ".into(), &property(error, "message"));
            attempt.settle(Err(failure_with(ErrorCode::InvalidConnectToken, &message)));
        });
        let _ = brought.then2(&given, &refused);
        if let Some(live) = &mut *self.live.borrow_mut() {
            live.token = Some([given, refused]);
        }
    }

    /// Submits the start request out of the blank window, or in redirect mode out of the page.
    fn start(self: &Rc<Self>, token: &JsValue) {
        let Some(document) = self.document() else {
            return self.settle(Err(failure(
                ErrorCode::Sandboxed,
                "the window is out of reach: give this frame sandbox=\"allow-same-origin\"",
            )));
        };
        let listener = self.listen(&document, "securitypolicyviolation", |attempt, event| {
            if is(&property(event, "effectiveDirective"), "form-action") {
                attempt.settle(Err(attempt.csp_blocked()));
            }
        });
        {
            let mut live = self.live.borrow_mut();
            let Some(live) = &mut *live else { return };
            live.listeners[2] = Some(listener);
            live.submitted = true;
        }
        self.with_popup(Popup::show_connecting);
        if start_form::submit(&document, &self.start_url, &self.request(token)).is_none() {
            return self.settle(Err(self.csp_blocked()));
        }
        self.tell("started");
    }

    /// The start request as JSON; what is `undefined` is left out.
    fn request(&self, token: &JsValue) -> JsValue {
        let request = Object::assign(&Object::new(), &self.names);
        set_property(&request, "protocol", &PROTOCOL_VERSION.into());
        set_property(&request, "connection_id", &property(&self.ids, "connectionId"));
        set_property(&request, "connect_token", token);
        let options = self.options.as_js();
        set_property(&request, "params", &property(options, "params"));
        set_property(&request, "scopes", &property(options, "scopes"));
        set_property(&request, "authorization_params", &property(options, "authorizationParams"));
        let redirect = is_redirect(&self.options);
        set_text(&request, "mode", if redirect { "redirect" } else { "popup" });
        if redirect {
            let given = property(options, "returnTo");
            let here = || property(&property(&self.page, "location"), "href");
            set_property(&request, "return_to", &if given.is_truthy() { given } else { here() });
        }
        // It fails only for what the application put in, such as a circle.
        JSON::stringify(&request).map_or(JsValue::UNDEFINED, Into::into)
    }

    /// Looks at the window, and once it is out of reach at the focus and the server.
    fn tick(self: &Rc<Self>) {
        let mut guard = self.live.borrow_mut();
        let Some(live) = &mut *guard else { return };
        if now() > live.deadline {
            let giving_up = live.giving_up.is_some();
            drop(guard);
            if giving_up {
                self.answered(Err(Standing::Unreachable));
            } else {
                self.give_up(failure(ErrorCode::Timeout, "the attempt took longer than timeoutMs"));
            }
            return;
        }
        let watched = live.popup.as_ref().filter(|_| live.giving_up.is_none());
        if !watched.is_some_and(Popup::is_out_of_reach) {
            return;
        }
        let held = self.page.document().is_some_and(|document| document.has_focus().unwrap_or(false));
        live.ticks_held = if held { live.ticks_held + 1 } else { 0 };
        let limit = if live.standing == Standing::Unknown { HELD_TICKS_UNKNOWN } else { HELD_TICKS };
        if !live.submitted || live.ticks_held >= limit {
            let is_unreachable = live.standing == Standing::Unreachable;
            drop(guard);
            return self.give_up(if is_unreachable { unreachable() } else { popup_closed() });
        }
        if live.request.is_some() {
            return;
        }
        if live.pause > 0 {
            live.pause -= 1;
            return;
        }
        live.request = Some(self.ask(Ask::Wait));
    }

    fn ask(self: &Rc<Self>, ask: Ask) -> (Listener, StatusRequest) {
        let request = StatusRequest::send(&self.status_url, &self.names, ask);
        let answered = |attempt: &Rc<Self>, event: &JsValue| attempt.answered(attempt_status::read(event));
        (self.listen(request.as_js(), "loadend", answered), request)
    }

    fn answered(self: &Rc<Self>, answer: Answer) {
        let mut guard = self.live.borrow_mut();
        let Some(live) = &mut *guard else { return };
        live.request = None;
        let outcome = match (answer, live.giving_up.take()) {
            // The cancel's own doing, which has a better name here.
            (Ok(Err(error)), Some(reason)) if is(&property(&error, "code"), ErrorCode::Aborted.as_str()) => {
                Err(reason)
            }
            // Where it lost the race, the outcome holds.
            (Ok(outcome), _) => outcome,
            (Err(standing), giving_up) => {
                live.standing = standing;
                live.pause = if standing == Standing::Pending { 0 } else { PAUSE_TICKS };
                match giving_up {
                    None => return,
                    Some(_) if live.keeps_memory() => Err(unreachable()),
                    Some(reason) => Err(reason),
                }
            }
        };
        drop(guard);
        self.settle(outcome);
    }

    /// Ends the attempt at the server too, so that a rejection never hides a success.
    fn give_up(self: &Rc<Self>, reason: JsValue) {
        let mut guard = self.live.borrow_mut();
        let Some(live) = &mut *guard else { return };
        if live.giving_up.is_some() {
            return;
        }
        if !live.submitted {
            drop(guard);
            return self.settle(Err(reason));
        }
        if let Some(popup) = &live.popup {
            popup.close();
        }
        live.giving_up = Some(reason);
        live.request = Some(self.ask(Ask::Cancel));
        live.deadline = now() + CANCEL_MS;
    }

    /// Undoes everything and settles the promise, once.
    fn settle(self: &Rc<Self>, outcome: Outcome) {
        let Some(live) = self.live.take() else { return };
        RUNNING.with_borrow_mut(|running| {
            let at = running.iter().position(|attempt| Rc::ptr_eq(attempt, self));
            at.map(|at| running.swap_remove(at))
        });
        self.tell("returned");
        if live.popup.is_none() && !live.keeps_memory() {
            redirect::forget(&self.page, &self.status_url);
        }
        // These functions never throw.
        let _ = match outcome {
            Ok(()) => live.settle.resolve.call1(&JsValue::UNDEFINED, &self.ids),
            Err(error) => live.settle.reject.call1(&JsValue::UNDEFINED, &named(error, &self.ids)),
        };
    }

    fn tell(&self, what: &str) {
        let Some(on_event) = object_property::<Function>(self.options.as_js(), "onEvent") else { return };
        let event = Object::assign(&Object::new(), &self.ids);
        set_text(&event, "type", what);
        // A progress line that fails is no reason to fail the attempt.
        let _ = on_event.call1(&JsValue::UNDEFINED, &event);
    }

    fn csp_blocked(&self) -> JsValue {
        let add = "the page's Content-Security-Policy forbids the start form: add to it: form-action ";
        failure_with(ErrorCode::CspBlocked, &with_value(&add.into(), &self.origin))
    }

    fn is_giving_up(&self) -> bool {
        self.live.borrow().as_ref().is_none_or(|live| live.giving_up.is_some())
    }

    /// The document that the start form goes into.
    fn document(&self) -> Option<Document> {
        match &self.live.borrow().as_ref()?.popup {
            Some(popup) => popup.document(),
            None => self.page.document(),
        }
    }

    fn with_popup(&self, then: fn(&Popup)) {
        if let Some(popup) = self.live.borrow().as_ref().and_then(|live| live.popup.as_ref()) {
            then(popup);
        }
    }
}

impl Live {
    /// Whether the server could not be asked how an attempt in redirect mode ended: then it can be asked again.
    fn keeps_memory(&self) -> bool {
        self.popup.is_none() && self.standing == Standing::Unreachable
    }
}

/// What the promise resolves to. `integrationKey` and `providerConfigKey` are the names that Pizzly's clients read.
fn connected(config_key: &JsValue, connection_id: &JsValue) -> Object {
    let ids = Object::new();
    for name in ["configKey", "integrationKey", "providerConfigKey"] {
        set_property(&ids, name, config_key);
    }
    set_property(&ids, "connectionId", connection_id);
    ids
}

fn is_redirect(options: &ConnectOptions) -> bool {
    is(&property(options.as_js(), "mode"), "redirect")
}

fn invalid_name(field: &str, expected: &str) -> JsValue {
    failure_with(ErrorCode::InvalidName, &concat(&concat(&field.into(), "must be "), expected))
}

fn aborted() -> JsValue {
    failure(ErrorCode::Aborted, "the application aborted the attempt")
}

fn popup_closed() -> JsValue {
    failure(ErrorCode::PopupClosed, "the user left before the connection was made")
}

fn unreachable() -> JsValue {
    failure(
        ErrorCode::Network,
        "the server is out of reach: check host, and connect-src of the page's Content-Security-Policy",
    )
}
