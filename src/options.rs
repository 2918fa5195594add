//! What one connect may be told besides its two names.

use std::future::Future;
use std::time::Duration;

use js_sys::futures::future_to_promise;
use js_sys::{Array, Function, Object};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{AbortSignal, Window};

use crate::js::{property, set_property, text_property};

/// How the user is taken to the provider.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mode {
    /// In a window of its own.
    Popup,
    /// In the page's own window, which comes back to `return_to`.
    Redirect,
}

/// What one connect may be told besides its two names.
///
/// A `JsValue` among the fields goes to the server as it is, or not at all where it is `undefined`.
#[derive(Debug)]
pub struct ConnectOptions {
    /// Text, or a function that returns text or a promise of it.
    pub(crate) connect_token: JsValue,
    pub(crate) params: JsValue,
    pub(crate) scopes: JsValue,
    pub(crate) authorization_params: JsValue,
    pub(crate) mode: Mode,
    pub(crate) return_to: Option<String>,
    /// Width and height of the window in CSS pixels.
    pub(crate) size: (i32, i32),
    /// A blank window that the application has opened itself.
    pub(crate) window: Option<Window>,
    pub(crate) timeout_ms: i32,
    pub(crate) signal: Option<AbortSignal>,
    pub(crate) on_event: Option<Function>,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self::read(&JsValue::UNDEFINED)
    }
}

impl ConnectOptions {
    /// A window of 600 by 700 CSS pixels, ten minutes, nothing else.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The connect token that the application's backend made.
    #[must_use]
    pub fn connect_token(mut self, token: &str) -> Self {
        self.connect_token = token.into();
        self
    }

    /// Fetches the connect token while the window is already open. An error is shown to the application as
    /// `invalid_connect_token` with this text.
    #[must_use]
    pub fn fetch_connect_token<F>(mut self, fetch: impl FnOnce() -> F + 'static) -> Self
    where
        F: Future<Output = Result<String, String>> + 'static,
    {
        let start = move || {
            let token = fetch();
            let promise = future_to_promise(async move {
                token.await.map(JsValue::from).map_err(|message| js_sys::Error::new(&message).into())
            });
            JsValue::from(promise)
        };
        self.connect_token = Closure::once_into_js(start);
        self
    }

    /// A value that the provider's addresses need, such as `subdomain`.
    #[must_use]
    pub fn param(mut self, name: &str, value: &str) -> Self {
        self.params = with(&self.params, name, value);
        self
    }

    /// All values that the provider's addresses need, as a map or a struct.
    ///
    /// # Errors
    /// The value cannot be written as a JavaScript value.
    #[cfg(feature = "serde")]
    pub fn params<T: serde::Serialize>(mut self, params: &T) -> Result<Self, serde_wasm_bindgen::Error> {
        self.params = params.serialize(&serde_wasm_bindgen::Serializer::json_compatible())?;
        Ok(self)
    }

    /// Scopes for this connect, where the integration lets the page choose.
    #[must_use]
    pub fn scopes<'a>(mut self, scopes: impl IntoIterator<Item = &'a str>) -> Self {
        let list: Array = scopes.into_iter().map(JsValue::from_str).collect();
        self.scopes = list.into();
        self
    }

    /// A further parameter of the authorization request, where the integration allows it.
    #[must_use]
    pub fn authorization_param(mut self, name: &str, value: &str) -> Self {
        self.authorization_params = with(&self.authorization_params, name, value);
        self
    }

    /// Leaves the page instead of opening a window; the browser comes back to `return_to`, an address of this origin,
    /// and that page calls [`Handfast::resume`](crate::Handfast::resume).
    #[must_use]
    pub fn redirect(mut self, return_to: &str) -> Self {
        self.mode = Mode::Redirect;
        self.return_to = Some(return_to.to_owned());
        self
    }

    /// The window's width and height in CSS pixels.
    #[must_use]
    pub const fn popup_size(mut self, width: i32, height: i32) -> Self {
        self.size = (width, height);
        self
    }

    /// A blank window that the application has opened in the click itself.
    #[must_use]
    pub fn popup_window(mut self, window: Window) -> Self {
        self.window = Some(window);
        self
    }

    /// How long the user may take, in whole milliseconds, at most some 24 days.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        self
    }

    /// Aborts the attempt.
    #[must_use]
    pub fn signal(mut self, signal: AbortSignal) -> Self {
        self.signal = Some(signal);
        self
    }

    /// Hears how far the attempt has come: `opened`, `started`, `returned`.
    #[must_use]
    pub fn on_event(mut self, hear: impl Fn(&str) + 'static) -> Self {
        let hear = move |event: JsValue| hear(&text_property(&event, "type").unwrap_or_default());
        self.on_event = Some(Closure::<dyn Fn(JsValue)>::new(hear).into_js_value().unchecked_into());
        self
    }

    /// Reads the options object of JavaScript, or `undefined`.
    pub(crate) fn read(options: &JsValue) -> Self {
        let popup = property(options, "popup");
        let redirect = text_property(options, "mode").as_deref() == Some("redirect");
        Self {
            connect_token: property(options, "connectToken"),
            params: property(options, "params"),
            scopes: property(options, "scopes"),
            authorization_params: property(options, "authorizationParams"),
            mode: if redirect { Mode::Redirect } else { Mode::Popup },
            return_to: text_property(options, "returnTo"),
            size: (whole_number(&popup, "width", 600), whole_number(&popup, "height", 700)),
            window: object(&popup, "window"),
            timeout_ms: whole_number(options, "timeoutMs", 600_000),
            signal: object(options, "signal"),
            on_event: object(options, "onEvent"),
        }
    }
}

/// `object`, or a new one, with one more property.
fn with(object: &JsValue, name: &str, value: &str) -> JsValue {
    let object = if object.is_undefined() { Object::new() } else { object.clone().unchecked_into() };
    set_property(&object, name, &value.into());
    object.into()
}

fn object<T: JsCast>(of: &JsValue, name: &str) -> Option<T> {
    let value = property(of, name);
    // A value of another frame is no instance of this frame's classes.
    (!value.is_falsy()).then(|| value.unchecked_into())
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a float beyond i32 becomes its nearest end, which is what is meant"
)]
fn whole_number(of: &JsValue, name: &str, default: i32) -> i32 {
    property(of, name).as_f64().map_or(default, |number| number as i32)
}
