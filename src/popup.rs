//! The window: opened blank inside the click, watched, closed on drop.

use wasm_bindgen::JsCast;
use web_sys::{Document, Window};

use crate::js::{property, push_number};

/// An open window of our own.
pub(crate) struct Popup(Window);

impl Popup {
    /// Opens a blank window over the middle of the page's window, or takes the application's. `None` if the browser
    /// refuses.
    pub(crate) fn open(page: &Window, (width, height): (i32, i32), given: Option<Window>) -> Option<Self> {
        if given.is_some() {
            return given.map(Self);
        }
        let mut features = String::from("popup");
        for (name, value) in [
            (",width=", width),
            (",height=", height),
            (",left=", middle(page, "screenX", "outerWidth", width)),
            (",top=", middle(page, "screenY", "outerHeight", height)),
        ] {
            features.push_str(name);
            push_number(&mut features, value);
        }
        page.open_with_url_and_target_and_features("", "", &features).ok().flatten().map(Self)
    }

    /// Its document, while that is still the blank one and this page may touch it.
    pub(crate) fn document(&self) -> Option<Document> {
        let document = property(&self.0, "document");
        (!document.is_falsy()).then(|| document.unchecked_into())
    }

    /// Shows that something is under way while the window is still blank.
    pub(crate) fn show_connecting(&self) {
        let Some(document) = self.document() else { return };
        document.set_title("Connecting\u{2026}");
        if let Some(body) = document.body() {
            body.set_text_content(Some("Connecting\u{2026}"));
        }
    }

    /// Whether `closed` reads true: the window is closed, or a Cross-Origin-Opener-Policy has cut it off.
    pub(crate) fn is_out_of_reach(&self) -> bool {
        self.0.closed().unwrap_or(true)
    }

    /// The window itself, to compare with a message's source.
    pub(crate) fn window(&self) -> &Window {
        &self.0
    }

    pub(crate) fn focus(&self) {
        let _ = self.0.focus();
    }

    pub(crate) fn close(&self) {
        let _ = self.0.close();
    }
}

impl Drop for Popup {
    fn drop(&mut self) {
        self.close();
    }
}

/// Where a window of `length` begins so that its middle is the page's. A browser without the measure places it itself.
#[expect(clippy::cast_possible_truncation, reason = "screens are smaller than i32")]
fn middle(page: &Window, start: &str, extent: &str, length: i32) -> i32 {
    let measure = |name| property(page, name).as_f64().unwrap_or(0.0) as i32;
    measure(start) + (measure(extent) - length) / 2
}
