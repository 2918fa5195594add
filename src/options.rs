//! What one connect may be told besides its two names.

use std::future::Future;
use std::time::Duration;

use js_sys::futures::future_to_promise;
use js_sys::{Array, Object};
#[cfg(feature = "npm")]
use wasm_bindgen::JsCast;
use wasm_bindgen::JsValue;
use wasm_bindgen::closure::Closure;
use web_sys::{AbortSignal, Window};

use crate::js::{object_property, set_property, text_property};

/// What one connect may be told besides its two names: by default a window of 600 by 700 CSS pixels and ten minutes.
///
/// It holds the options object of JavaScript, which is read where each option is needed.
#[derive(Debug, Default)]
pub struct ConnectOptions(Object);

impl ConnectOptions {
    /// No option.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The options object of JavaScript, or what an application gave in its place.
    #[cfg(feature = "npm")]
    pub(crate) fn given(options: JsValue) -> Self {
        Self(options.unchecked_into())
    }

    /// The options object of JavaScript.
    pub(crate) fn as_js(&self) -> &JsValue {
        &self.0
    }

    /// The connect token that the application's backend made.
    #[must_use]
    pub fn connect_token(self, token: &str) -> Self {
        self.set("connectToken", &token.into())
    }

    /// Fetches the connect token while the window is already open. An error is shown to the application as
    /// `invalid_connect_token` with this text.
    #[must_use]
    pub fn fetch_connect_token<F>(self, fetch: impl FnOnce() -> F + 'static) -> Self
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
        self.set("connectToken", &Closure::once_into_js(start))
    }

    /// A value that the provider's addresses need, such as `subdomain`.
    #[must_use]
    pub fn param(self, name: &str, value: &str) -> Self {
        self.set_in("params", name, &value.into())
    }

    /// All values that the provider's addresses need, as a map or a struct.
    ///
    /// # Errors
    /// The value cannot be written as a JavaScript value.
    #[cfg(feature = "serde")]
    pub fn params<T: serde::Serialize>(self, params: &T) -> Result<Self, serde_wasm_bindgen::Error> {
        let params = params.serialize(&serde_wasm_bindgen::Serializer::json_compatible())?;
        Ok(self.set("params", &params))
    }

    /// Scopes for this connect, where the integration lets the page choose.
    #[must_use]
    pub fn scopes<'a>(self, scopes: impl IntoIterator<Item = &'a str>) -> Self {
        let list: Array = scopes.into_iter().map(JsValue::from_str).collect();
        self.set("scopes", &list)
    }

    /// A further parameter of the authorization request, where the integration allows it.
    #[must_use]
    pub fn authorization_param(self, name: &str, value: &str) -> Self {
        self.set_in("authorizationParams", name, &value.into())
    }

    /// Leaves the page instead of opening a window; the browser comes back to `return_to`, an address of this origin,
    /// and that page calls [`Handfast::resume`](crate::Handfast::resume).
    #[must_use]
    pub fn redirect(self, return_to: &str) -> Self {
        self.set("mode", &"redirect".into()).set("returnTo", &return_to.into())
    }

    /// The window's width and height in CSS pixels.
    #[must_use]
    pub fn popup_size(self, width: i32, height: i32) -> Self {
        self.set_in("popup", "width", &width.into()).set_in("popup", "height", &height.into())
    }

    /// A blank window that the application has opened in the click itself.
    #[must_use]
    pub fn popup_window(self, window: &Window) -> Self {
        self.set_in("popup", "window", window)
    }

    /// How long the user may take, in whole milliseconds, at most some 24 days.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        self.set("timeoutMs", &i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX).into())
    }

    /// Aborts the attempt.
    #[must_use]
    pub fn signal(self, signal: &AbortSignal) -> Self {
        self.set("signal", signal)
    }

    /// Hears how far the attempt has come: `opened`, `started`, `returned`.
    #[must_use]
    pub fn on_event(self, hear: impl Fn(&str) + 'static) -> Self {
        let hear = move |event: JsValue| hear(&text_property(&event, "type").unwrap_or_default());
        self.set("onEvent", &Closure::<dyn Fn(JsValue)>::new(hear).into_js_value())
    }

    fn set(self, name: &str, value: &JsValue) -> Self {
        set_property(&self.0, name, value);
        self
    }

    /// Sets a property of the object that the option `option` is.
    fn set_in(self, option: &str, name: &str, value: &JsValue) -> Self {
        let object = object_property(&self.0, option).unwrap_or_default();
        set_property(&object, name, value);
        self.set(option, &object)
    }
}
