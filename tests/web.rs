//! The SDK in a headless browser: what can be seen from inside one page.
//!
//! The page plays the server: requests to it end at a stand-in for `XMLHttpRequest`, and its window is an inner frame,
//! so that nothing depends on how a driver treats new windows.
#![cfg(target_arch = "wasm32")]

use std::time::Duration;

use gloo_timers::future::sleep;
use handfast::{ConnectOptions, ErrorCode, Handfast};
use js_sys::{Function, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use web_sys::{AbortController, HtmlIFrameElement, Window};

wasm_bindgen_test_configure!(run_in_browser);

/// A server of this page's own origin, so that its messages can be posted from the inner frame.
fn handfast() -> Handfast {
    Handfast::new(&page().origin()).unwrap()
}

fn page() -> Window {
    web_sys::window().unwrap()
}

/// A blank inner window in the popup's place, which hears the form's submission instead of going away.
fn window() -> Window {
    let document = page().document().unwrap();
    let frame: HtmlIFrameElement = document.create_element("iframe").unwrap().unchecked_into();
    document.body().unwrap().append_child(&frame).unwrap();
    let window = frame.content_window().unwrap();
    run(
        &window,
        "HTMLFormElement.prototype.submit = function () { window.submitted = this }; window.close = () => { window.closedBySdk = true }",
    );
    window
}

/// Runs a script inside `window`, with its own functions and as the source of its messages.
fn run(window: &Window, script: &str) -> JsValue {
    let function = Reflect::get(window, &"Function".into()).unwrap().unchecked_into::<Function>();
    let script = function.call1(&JsValue::UNDEFINED, &script.into()).unwrap().unchecked_into::<Function>();
    script.call0(&JsValue::UNDEFINED).unwrap()
}

/// What the form in `window` would send.
fn submitted(window: &Window) -> JsValue {
    run(window, "return JSON.parse(window.submitted.elements.request.value)")
}

fn text(object: &JsValue, name: &str) -> String {
    Reflect::get(object, &name.into()).unwrap().as_string().unwrap_or_default()
}

/// Posts the callback page's message for `attempt_id` out of `window`.
fn post(window: &Window, attempt_id: &str, event_type: &str) {
    let script = [
        "parent.postMessage({handfast: 1, attempt_id: '",
        attempt_id,
        "', eventType: '",
        event_type,
        "', data: {error: {type: 'access_denied', message: 'no'}}}, '*')",
    ];
    run(window, &script.concat());
}

/// Answers every request to the server with this body until it is dropped.
struct Server(JsValue);

impl Server {
    fn answering(body: &str) -> Self {
        let script = "
            const real = window.XMLHttpRequest;
            window.asked = [];
            window.XMLHttpRequest = class extends EventTarget {
                open() {} setRequestHeader() {} abort() {}
                send(body) {
                    window.asked.push(body);
                    this.response = BODY;
                    setTimeout(() => this.dispatchEvent(new Event('loadend')));
                }
            };
            return real;";
        Self(run(&page(), &script.replace("BODY", body)))
    }
}

/// The bodies of all requests since the last server began.
fn asked() -> String {
    run(&page(), "return window.asked.join()").as_string().unwrap()
}

impl Drop for Server {
    fn drop(&mut self) {
        Reflect::set(&page(), &"XMLHttpRequest".into(), &self.0).unwrap();
    }
}

#[wasm_bindgen_test]
fn a_host_is_an_http_address_and_nothing_more() {
    for good in ["http://localhost:3004", "https://connect.example.com/", "https://example.com/handfast"] {
        assert!(Handfast::new(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "localhost:3004",
        "ftp://example.com",
        "javascript:alert(1)",
        "https://a@b.example",
        "https://b.example?x",
        "https://b.example#x",
    ] {
        assert_eq!(Handfast::new(bad).unwrap_err().known_code(), Some(ErrorCode::InvalidHost), "{bad}");
    }
}

#[wasm_bindgen_test]
async fn names_are_checked_before_a_window_opens() {
    let handfast = handfast();
    for (config_key, connection_id) in [("", "user-1"), ("a/b", "user-1"), ("github", ""), ("github", "a\0b")]
    {
        let error = handfast.connect(config_key, connection_id, ConnectOptions::new()).await.unwrap_err();
        assert_eq!(error.known_code(), Some(ErrorCode::InvalidName), "{config_key:?} {connection_id:?}");
    }
}

#[wasm_bindgen_test]
async fn the_start_request_is_one_field_of_json() {
    let _server = Server::answering("{status: 'unknown'}");
    let window = window();
    let options = ConnectOptions::new()
        .popup_window(&window)
        .connect_token("hct_1")
        .param("subdomain", "acme")
        .scopes(["repo", "user"])
        .authorization_param("prompt", "login");
    let id = "\"'`</script>\n\u{1f600}";
    let handfast = handfast();
    let connecting = handfast.connect("github", id, options);
    let request = submitted(&window);
    assert_eq!(text(&request, "connection_id"), id);
    assert_eq!(text(&request, "connect_token"), "hct_1");
    assert_eq!(text(&request, "mode"), "popup");
    assert_eq!(text(&request, "attempt_id").len(), 22);
    assert_eq!(text(&request, "attempt_secret").len(), 43);
    let form = run(
        &window,
        "const f = window.submitted; return [f.elements.length, f.method, f.acceptCharset, new URL(f.action).pathname,
            document.querySelector('meta[name=referrer]').content, JSON.parse(f.elements.request.value).params.subdomain,
            JSON.parse(f.elements.request.value).scopes, JSON.parse(f.elements.request.value).authorization_params.prompt].join()",
    );
    assert_eq!(form.as_string().unwrap(), "1,post,utf-8,/oauth/connect/github,origin,acme,repo,user,login");
    handfast.cancel();
    assert_eq!(connecting.await.unwrap_err().code(), "aborted");
}

#[wasm_bindgen_test]
async fn only_the_message_of_this_attempt_from_this_window_settles() {
    let _server = Server::answering("{status: 'pending'}");
    let (first, second) = (window(), window());
    let handfast = handfast();
    let one = handfast.connect("github", "one", ConnectOptions::new().popup_window(&first));
    let two = handfast.connect("github", "two", ConnectOptions::new().popup_window(&second));
    let id = |window| text(&submitted(window), "attempt_id");
    let (one_id, two_id) = (id(&first), id(&second));
    // The right attempt from the wrong window, the wrong attempt from the right window, and no attempt at all.
    post(&second, &one_id, "AUTHORIZATION_SUCEEDED");
    post(&first, &two_id, "AUTHORIZATION_SUCEEDED");
    post(&first, "", "AUTHORIZATION_SUCEEDED");
    post(&first, &one_id, "SOMETHING_ELSE");
    post(&first, &one_id, "AUTHORIZATION_FAILED");
    post(&second, &two_id, "AUTHORIZATION_SUCEEDED");
    let error = one.await.unwrap_err();
    assert_eq!((error.code(), error.message()), ("access_denied", "no"));
    assert_eq!(two.await.unwrap().connection_id, "two");
    assert!(run(&first, "return window.closedBySdk === true").is_truthy());
}

#[wasm_bindgen_test]
async fn one_pair_of_names_has_one_attempt() {
    let _server = Server::answering("{status: 'pending'}");
    let (first, second) = (window(), window());
    let handfast = handfast();
    let one = handfast.connect("github", "same", ConnectOptions::new().popup_window(&first));
    let again = handfast.connect("github", "same", ConnectOptions::new().popup_window(&second));
    assert!(run(&second, "return window.submitted === undefined").is_truthy());
    post(&first, &text(&submitted(&first), "attempt_id"), "AUTHORIZATION_SUCEEDED");
    assert_eq!(one.await.unwrap(), again.await.unwrap());
}

#[wasm_bindgen_test]
async fn a_timeout_cancels_at_the_server() {
    let _server = Server::answering("{status: 'unknown'}");
    let options = ConnectOptions::new().popup_window(&window()).timeout(Duration::from_millis(10));
    let error = handfast().connect("github", "slow", options).await.unwrap_err();
    assert_eq!(error.known_code(), Some(ErrorCode::Timeout));
    assert!(asked().ends_with("&action=cancel"), "{}", asked());
}

#[wasm_bindgen_test]
async fn a_cancel_that_loses_the_race_resolves() {
    let _server = Server::answering("{status: 'final', eventType: 'AUTHORIZATION_SUCEEDED', data: {}}");
    let options = ConnectOptions::new().popup_window(&window()).timeout(Duration::from_millis(10));
    assert!(handfast().connect("github", "just in time", options).await.is_ok());
}

#[wasm_bindgen_test]
async fn an_abort_signal_aborts_before_and_after_the_start() {
    let _server = Server::answering("{status: 'unknown'}");
    let controller = AbortController::new().unwrap();
    let options = || ConnectOptions::new().popup_window(&window()).signal(&controller.signal());
    let running = handfast().connect("github", "aborted", options());
    controller.abort();
    assert_eq!(running.await.unwrap_err().known_code(), Some(ErrorCode::Aborted));
    let late = handfast().connect("github", "aborted", options()).await.unwrap_err();
    assert_eq!(late.known_code(), Some(ErrorCode::Aborted));
}

#[wasm_bindgen_test]
async fn a_connect_token_may_come_later_or_not_at_all() {
    let _server = Server::answering("{status: 'unknown'}");
    let window = window();
    let options = ConnectOptions::new().popup_window(&window);
    let handfast = handfast();
    let connecting =
        handfast.connect("github", "later", options.fetch_connect_token(async || Ok("hct_2".to_owned())));
    assert!(run(&window, "return document.body.textContent.startsWith('Connecting')").is_truthy());
    sleep(Duration::from_millis(50)).await;
    assert_eq!(text(&submitted(&window), "connect_token"), "hct_2");
    handfast.cancel();
    assert!(connecting.await.is_err());

    let options = ConnectOptions::new().popup_window(&self::window());
    let refused = options.fetch_connect_token(async || Err("nobody is logged in".to_owned()));
    let error = handfast.connect("github", "not at all", refused).await.unwrap_err();
    assert_eq!(error.known_code(), Some(ErrorCode::InvalidConnectToken));
    assert!(error.message().contains("nobody is logged in"));
}

#[wasm_bindgen_test]
async fn events_tell_how_far_an_attempt_has_come() {
    let _server = Server::answering("{status: 'unknown'}");
    let heard = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let list = heard.clone();
    let window = window();
    let options = ConnectOptions::new().popup_window(&window);
    let options = options.on_event(move |event| list.borrow_mut().push(event.to_owned()));
    let connecting = handfast().connect("github", "events", options);
    post(&window, &text(&submitted(&window), "attempt_id"), "AUTHORIZATION_SUCEEDED");
    connecting.await.unwrap();
    assert_eq!(*heard.borrow(), ["opened", "started", "returned"]);
}

#[cfg(feature = "serde")]
#[wasm_bindgen_test]
async fn params_and_results_are_written_by_serde() {
    let _server = Server::answering("{status: 'unknown'}");
    let window = window();
    let params = std::collections::BTreeMap::from([("subdomain", "acme"), ("region", "eu")]);
    let options = ConnectOptions::new().popup_window(&window).params(&params).unwrap();
    let connecting = handfast().connect("github", "serde", options);
    let request = submitted(&window);
    let sent = Reflect::get(&request, &"params".into()).unwrap();
    assert_eq!((text(&sent, "subdomain").as_str(), text(&sent, "region").as_str()), ("acme", "eu"));
    post(&window, &text(&request, "attempt_id"), "AUTHORIZATION_SUCEEDED");
    let connected = serde_wasm_bindgen::to_value(&connecting.await.unwrap()).unwrap();
    assert_eq!(
        (text(&connected, "configKey").as_str(), text(&connected, "connectionId").as_str()),
        ("github", "serde")
    );
}
