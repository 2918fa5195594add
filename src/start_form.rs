//! The form whose POST starts the attempt, built by DOM calls inside the blank window.

use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Document, HtmlFormElement, Node};

use crate::js::property;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = Node)]
    type Part;

    #[wasm_bindgen(method, js_name = setAttribute)]
    fn set_attribute(this: &Part, name: &str, value: &JsValue);

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
    let append = |parent: &Part, tag, attributes: &[(&str, &JsValue)]| {
        let element = maker.create_element(tag);
        for (name, value) in attributes {
            element.set_attribute(name, value);
        }
        parent.append_child(&element);
        element
    };
    append(&root, "meta", &[("name", &"referrer".into()), ("content", &"origin".into())]);
    let attributes = [("method", &"post".into()), ("accept-charset", &"utf-8".into()), ("action", action)];
    let form = append(&root, "form", &attributes);
    append(&form, "input", &[("type", &"hidden".into()), ("name", &"request".into()), ("value", request)]);
    form.unchecked_into::<HtmlFormElement>().submit().ok()
}
