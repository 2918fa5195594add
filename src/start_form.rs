//! The form whose POST starts the attempt, built by DOM calls inside the blank window.

use js_sys::Object;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Document, HtmlFormElement};

use crate::js::{property, set_property, set_text};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = Object)]
    type Part;

    #[wasm_bindgen(method, js_name = appendChild)]
    fn append_child(this: &Part, child: &Part);

    type Maker;

    #[wasm_bindgen(method, js_name = createElement)]
    fn create_element(this: &Maker, tag: &str) -> Part;
}

/// Builds the form in `document` and submits it to `action` with the one field `request`. `None` where, in Firefox, the
/// document's Content-Security-Policy forbids it.
///
/// One field of JSON, because form encoding turns line feeds into CR LF and lone surrogates into U+FFFD, and because a
/// field named `submit` would hide the method. The `referrer` meta makes the browser state the page's origin even where
/// the page's own referrer policy hides it.
pub(crate) fn submit(document: &Document, action: &JsValue, request: &JsValue) -> Option<()> {
    let root: Part = property(document, "documentElement").unchecked_into();
    let maker: &Maker = document.unchecked_ref();
    let append = |parent: &Part, tag| {
        let element = maker.create_element(tag);
        parent.append_child(&element);
        element
    };
    let referrer = append(&root, "meta");
    set_text(&referrer, "name", "referrer");
    set_text(&referrer, "content", "origin");
    let form = append(&root, "form");
    set_text(&form, "method", "post");
    set_text(&form, "acceptCharset", "utf-8");
    set_property(&form, "action", action);
    let field = append(&form, "input");
    set_text(&field, "type", "hidden");
    set_text(&field, "name", "request");
    set_property(&field, "value", request);
    form.unchecked_into::<HtmlFormElement>().submit().ok()
}
