//! The window: opened blank inside the click, watched, closed on drop.

use js_sys::Object;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Document, Window};

use crate::js::{concat, number_property, object_property, property, set_text, with_number};

#[wasm_bindgen]
extern "C" {
    /// A window of which nothing is used that another origin hides.
    #[derive(Clone)]
    type AnyWindow;

    #[wasm_bindgen(method, js_name = open)]
    fn open_window(this: &AnyWindow, url: &str, target: &str, features: &JsValue) -> JsValue;

    #[wasm_bindgen(method, js_name = focus)]
    fn focus_window(this: &AnyWindow);

    #[wasm_bindgen(method, js_name = close)]
    fn close_window(this: &AnyWindow);
}

/// An open window of our own.
pub(crate) struct Popup(AnyWindow);

impl Popup {
    /// Opens a blank window over the middle of the page's window, or takes the application's. `None` if the browser
    /// refuses. `options` is `{width, height, window}` or `undefined`.
    pub(crate) fn open(page: &Window, options: &JsValue) -> Option<Self> {
        if let Some(given) = object_property(options, "window") {
            return Some(Self(given));
        }
        let (width, height) =
            (number_property(options, "width", 600), number_property(options, "height", 700));
        let mut features = JsValue::from_str("popup");
        let mut add = |name, value| features = with_number(&concat(&features, name), value);
        add(",width=", width);
        add(",height=", height);
        add(",left=", middle(page, "screenX", "outerWidth", width));
        add(",top=", middle(page, "screenY", "outerHeight", height));
        let page: &AnyWindow = page.unchecked_ref();
        let opened = page.open_window("", "", &features);
        opened.is_truthy().then(|| Self(opened.unchecked_into()))
    }

    /// Its document, while that is still the blank one and this page may touch it.
    pub(crate) fn document(&self) -> Option<Document> {
        object_property(&self.0, "document")
    }

    /// Shows that something is under way while the window is still blank.
    pub(crate) fn show_connecting(&self) {
        let Some(document) = self.document() else { return };
        let text = "Connecting\u{2026}";
        set_text(&document, "title", text);
        if let Some(body) = object_property::<Object>(&document, "body") {
            set_text(&body, "textContent", text);
        }
    }

    /// Whether `closed` reads true: the window is closed, or a Cross-Origin-Opener-Policy has cut it off.
    pub(crate) fn is_out_of_reach(&self) -> bool {
        property(&self.0, "closed").is_truthy()
    }

    /// The window itself, to compare with a message's source.
    pub(crate) fn as_js(&self) -> &JsValue {
        &self.0
    }

    pub(crate) fn focus(&self) {
        self.0.focus_window();
    }

    pub(crate) fn close(&self) {
        self.0.close_window();
    }
}

impl Drop for Popup {
    fn drop(&mut self) {
        self.close();
    }
}

/// Where a window of `length` begins so that its middle is the page's. A browser without the measure places it itself.
fn middle(page: &Window, start: &str, extent: &str, length: i32) -> i32 {
    number_property(page, start, 0) + (number_property(page, extent, 0) - length) / 2
}
