//! The form whose POST starts the attempt, built by DOM calls inside the blank window.

use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Document, Element, HtmlFormElement};

/// Builds the form in `document` and submits it to `action` with the one field `request`.
///
/// One field of JSON, because form encoding turns line feeds into CR LF and lone surrogates into U+FFFD, and because a
/// field named `submit` would hide the method. The `referrer` meta makes the browser state the page's origin even where
/// the page's own referrer policy hides it.
///
/// # Errors
/// The document does not take the form, or, in Firefox, its Content-Security-Policy forbids it.
pub(crate) fn submit(document: &Document, action: &str, request: &str) -> Result<(), JsValue> {
    let root: Element = document.document_element().ok_or(JsValue::UNDEFINED)?;
    append(document, &root, "meta", &[("name", "referrer"), ("content", "origin")])?;
    let form = append(
        document,
        &root,
        "form",
        &[("method", "post"), ("accept-charset", "utf-8"), ("action", action)],
    )?;
    append(document, &form, "input", &[("type", "hidden"), ("name", "request"), ("value", request)])?;
    form.unchecked_into::<HtmlFormElement>().submit()
}

fn append(
    document: &Document,
    parent: &Element,
    tag: &str,
    attributes: &[(&str, &str)],
) -> Result<Element, JsValue> {
    let element = document.create_element(tag)?;
    for (name, value) in attributes {
        element.set_attribute(name, value)?;
    }
    parent.append_child(&element)?;
    Ok(element)
}
