//! The one look of every HTML page: layout, style sheet, and the headers that keep foreign script out.
//!
//! Text reaches a page only through `maud`, which escapes it, or through the JSON island, which scripts read; no string
//! is ever spliced into script.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use handfast_protocol::Randomness;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Serialize;

use crate::system::SystemRandomness;

const STYLE: &str = include_str!("page.css");

/// One HTML page, answered with `Cache-Control: no-store` and a Content-Security-Policy that allows exactly its own
/// script and style. It carries no Cross-Origin-Opener-Policy, which would cut a popup from its opener.
pub(crate) struct Page {
    status: StatusCode,
    title: String,
    body: Markup,
    script: Option<(&'static str, String)>,
    form_action: FormAction,
    wide: bool,
    frame_ancestor: Option<String>,
}

/// Where the forms of a page may go, also by the redirects that answer them (Chromium and WebKit check those too).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FormAction {
    /// The page has no form.
    None,
    /// Forms stay on this server, and so do the answers' redirects.
    SelfOnly,
    /// The answer to a form redirects to an address checked by the server, such as a client's redirect URI.
    Redirecting,
}

impl Page {
    /// A page with a heading's worth of `title` and the `body` below it.
    pub(crate) fn new(title: impl Into<String>, body: Markup) -> Self {
        Self {
            status: StatusCode::OK,
            title: title.into(),
            body,
            script: None,
            form_action: FormAction::None,
            wide: false,
            frame_ancestor: None,
        }
    }

    /// Answers with another status than 200.
    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Runs `script` after the body. It finds `data` as JSON in the element with the id `data`.
    pub(crate) fn script(mut self, script: &'static str, data: &impl Serialize) -> Self {
        self.script = Some((script, json_island(data)));
        self
    }

    /// Gives the page room for a table.
    pub(crate) fn wide(mut self) -> Self {
        self.wide = true;
        self
    }

    /// Lets pages of `origin`, and of no other, show the page in a frame.
    pub(crate) fn frame_ancestor(mut self, origin: String) -> Self {
        self.frame_ancestor = Some(origin);
        self
    }

    /// Lets the page's forms be submitted.
    pub(crate) fn form_action(mut self, form_action: FormAction) -> Self {
        self.form_action = form_action;
        self
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let nonce = nonce();
        let markup = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="robots" content="noindex";
                    title { (self.title) }
                    // A data address keeps the browser from asking for /favicon.ico.
                    link rel="icon" href="data:,";
                    style nonce=(nonce) { (PreEscaped(STYLE)) }
                }
                body {
                    main class=[self.wide.then_some("wide")] { (self.body) }
                    @if let Some((script, data)) = &self.script {
                        script type="application/json" id="data" { (PreEscaped(data)) }
                        script nonce=(nonce) { (PreEscaped(script)) }
                    }
                }
            }
        };
        let mut response = (self.status, markup.into_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        let policy = content_security_policy(&nonce, self.form_action, self.frame_ancestor.as_deref());
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_str(&policy).expect("a policy is made of visible ASCII"),
        );
        response
    }
}

fn content_security_policy(nonce: &str, form_action: FormAction, frame_ancestor: Option<&str>) -> String {
    let frame_ancestor = frame_ancestor.unwrap_or("'none'");
    let form_action = match form_action {
        FormAction::None => "form-action 'none'; ",
        FormAction::SelfOnly => "form-action 'self'; ",
        FormAction::Redirecting => "",
    };
    format!(
        "default-src 'none'; img-src data:; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; base-uri 'none'; \
         {form_action}frame-ancestors {frame_ancestor}"
    )
}

/// 128 random bits as hexadecimal digits.
fn nonce() -> String {
    let mut bytes = [0; 16];
    SystemRandomness.fill(&mut bytes);
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// JSON that can stand inside a `script` element: no `<` opens a tag or a comment, no line separator ends a string.
fn json_island(data: &impl Serialize) -> String {
    let json = serde_json::to_string(data).expect("the data of a page are plain structs with string keys");
    let mut island = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' => island.push_str("\\u003c"),
            '>' => island.push_str("\\u003e"),
            '&' => island.push_str("\\u0026"),
            '\u{2028}' => island.push_str("\\u2028"),
            '\u{2029}' => island.push_str("\\u2029"),
            c => island.push(c),
        }
    }
    island
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_island_cannot_close_its_element() {
        let text = "</script><!--\u{2028}&\"'`";
        let island = json_island(&text);
        assert!(!island.contains('<') && !island.contains('&') && !island.contains('\u{2028}'));
        assert_eq!(serde_json::from_str::<String>(&island).unwrap(), text);
    }

    #[test]
    fn a_page_allows_only_its_own_script_and_no_form() {
        let response = Page::new("t", html! { p { "<b>" } }).script("1", &()).into_response();
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("form-action 'none'"));
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe-inline"));
        assert!(!response.headers().contains_key("cross-origin-opener-policy"));
    }
}
