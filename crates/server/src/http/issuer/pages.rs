//! The pages that people see: login (demo), consent, errors; and the answers that travel by the browser.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use handfast_issuer::{
    AuthorizationResponse, AuthorizeError, AuthorizePageError, Authorized, ConsentDecision, ConsentError,
    ConsentPrompt, DemoUser, LoginPrompt, Params,
};
use handfast_protocol::Secret;
use maud::{Markup, html};
use serde_json::json;

use super::{Cookies, account, deliver, issuer, redirect, storage_failed};
use crate::{
    app::App,
    http::page::{FormAction, Page},
};

pub(super) async fn authorize(
    State(app): State<App>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    begin(&app, &headers, &Params::parse(query.unwrap_or_default().as_bytes())).await
}

/// OpenID Connect Core 3.1.2.1: the request may come as a form, too.
pub(super) async fn authorize_by_post(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    begin(&app, &headers, &Params::parse(&body)).await
}

async fn begin(app: &App, headers: &HeaderMap, params: &Params) -> Response {
    let cookies = Cookies::new(app, headers);
    match issuer(app).authorize(params, cookies.of_browser_session().as_ref()).await {
        Ok(Authorized::Login { id, cookie }) => {
            let mut response = redirect(&login_location(app, &id));
            cookies.set_login_session(&mut response, &cookie);
            response
        }
        Ok(Authorized::Answer(answer)) | Err(AuthorizeError::Redirect(answer)) => deliver(&answer),
        Err(AuthorizeError::Page(error)) => refusal(&error).into_response(),
        Err(AuthorizeError::Store(error)) => storage_failed(&error).into_response(),
    }
}

/// The application's login URL with the login session as `token`, or the demo's own page.
pub(super) fn login_location(app: &App, id: &Secret<String>) -> String {
    let settings = issuer(app).settings();
    match &settings.login_url {
        Some(login_url) => {
            let mut url = login_url.clone();
            url.query_pairs_mut().append_pair("token", id.expose());
            url.into()
        }
        None => settings.endpoint(&format!("/auth/login/{}", id.expose())),
    }
}

/// Client or redirect URI cannot be trusted: the user is told, nobody else (RFC 6749 4.1.2.1).
fn refusal(error: &AuthorizePageError) -> Page {
    let body = html! {
        h1 { "This link does not work" }
        p { (error.to_string()) }
        @if let AuthorizePageError::RedirectUriMismatch { registered, came } = error {
            dl {
                dt { "Asked for" }
                dd { code { (came) } }
                dt { "Registered" }
                @for address in registered {
                    dd { code { (address) } }
                }
            }
            p.soft { "The two must be the same, letter by letter. Register the address, or correct the request." }
        }
        p.soft { "You can close this window. If it happens again, tell the application you came from." }
    };
    Page::new("This link does not work", body).status(StatusCode::BAD_REQUEST)
}

pub(super) async fn login(State(app): State<App>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    let cookies = Cookies::new(&app, &headers).of_login_sessions();
    match issuer(&app).prompt_for_login(&Secret::new(id), &cookies).await {
        Ok(prompt) => login_page(&app, &prompt).into_response(),
        Err(error) => cannot_go_on(&error),
    }
}

fn login_page(app: &App, prompt: &LoginPrompt) -> Page {
    let settings = issuer(app).settings();
    let mut users = settings.demo_users();
    // Whom the client expects comes first.
    users.sort_by_key(|user| prompt.request.login_hint.as_ref() != Some(&user.user));
    let csrf = html! { input type="hidden" name="csrf_token" value=(prompt.csrf_token.expose()); };
    let body = html! {
        h1 { "Log in" }
        p { "to go on to " strong { (prompt.client.name) } }
        form method="post" {
            (csrf)
            @for user in users {
                p { button.quiet name="user" value=(user.user) { (user.name) } }
            }
        }
        form method="post" {
            (csrf)
            label for="name" { "Or be someone else" }
            input type="text" id="name" name="name" required maxlength="60" autocomplete="off" placeholder="Your name";
            p { button { "Log in" } }
        }
        form method="post" {
            (csrf)
            p { button.quiet name="cancel" value="cancel" { "Cancel" } }
        }
        p.soft { "This is a demonstration: nobody asks for a password, and these people exist here only." }
    };
    Page::new("Log in", body).form_action(FormAction::Redirecting)
}

pub(super) async fn answer_login(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let cookies = Cookies::new(&app, &headers).of_login_sessions();
    let form = Params::parse(&body);
    let chosen = form
        .value("user")
        .and_then(|user| issuer(&app).settings().demo_users().into_iter().find(|known| known.user == user));
    let named = || form.value("name").map(str::trim).filter(|name| !name.is_empty()).map(DemoUser::of_name);
    let user = if form.value("cancel").is_some() { None } else { chosen.or_else(named) };
    let csrf_token = form.value("csrf_token").unwrap_or_default();
    match issuer(&app).answer_login(&Secret::new(id), &cookies, csrf_token, user.as_ref()).await {
        Ok(location) => redirect(&location),
        Err(error) => cannot_go_on(&error),
    }
}

pub(super) async fn consent(State(app): State<App>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    let cookies = Cookies::new(&app, &headers);
    match issuer(&app).prompt_for_consent(&Secret::new(id), &cookies.of_login_sessions()).await {
        Ok((Ok(prompt), _)) => consent_page(&app, &prompt).into_response(),
        Ok((Err(answer), browser_session)) => concluded(&app, &cookies, &answer, browser_session.as_ref()),
        Err(error) => cannot_go_on(&error),
    }
}

fn consent_page(app: &App, prompt: &ConsentPrompt) -> Page {
    let settings = issuer(app).settings();
    let name = &prompt.client.name;
    let title = format!("Allow {name}?");
    let shown =
        prompt.approval.claims.get("name").and_then(|name| name.as_str()).unwrap_or(&prompt.approval.user);
    let body = html! {
        h1 { (title) }
        p { "You are logged in as " strong { (shown) } ". " strong { (name) } " asks to:" }
        ul.scopes {
            @for scope in prompt.scopes().iter() {
                li { (settings.describe_scope(scope)) }
            }
        }
        (where_it_goes(prompt))
        p.soft {
            "This ends after " (in_words(settings.grant_lifetime)) " at the latest, and earlier where you take it back under \u{201c}"
            (account::AUTHORIZED_TITLE) "\u{201d}."
        }
        form method="post" {
            input type="hidden" name="csrf_token" value=(prompt.csrf_token.expose());
            div.actions {
                button.quiet name="decision" value="deny" { "Deny" }
                button name="decision" value="allow" { "Allow" }
            }
        }
    };
    Page::new(title, body).form_action(FormAction::Redirecting)
}

/// Where the answer goes, so that a name alone does not persuade.
fn where_it_goes(prompt: &ConsentPrompt) -> Markup {
    if prompt.for_device {
        // RFC 8628 5.4: somebody else may have sent the code.
        return html! {
            p { "Your device gets this access. Allow it only if you began this on a device of your own." }
        };
    }
    let response_to = url::Url::parse(&prompt.request.redirect_uri).ok();
    let host = response_to.and_then(|url| url.host_str().map(str::to_owned));
    html! {
        @if let Some(host) = host {
            p.soft { "Afterwards you go back to " (host) "." }
        }
    }
}

/// A length of time in its largest whole unit.
fn in_words(length: Duration) -> String {
    let seconds = length.as_secs();
    let units = [(86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")];
    let (unit, name) = units.into_iter().find(|(unit, _)| seconds >= *unit).unwrap_or((1, "second"));
    let count = seconds / unit;
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

pub(super) async fn answer_consent(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let cookies = Cookies::new(&app, &headers);
    let form = Params::parse(&body);
    let decision = match form.value("decision") {
        Some("allow") => ConsentDecision::Allow,
        _ => ConsentDecision::Deny,
    };
    let csrf_token = form.value("csrf_token").unwrap_or_default();
    let own = cookies.of_login_sessions();
    match issuer(&app).answer_consent(&Secret::new(id), &own, csrf_token, decision).await {
        Ok((answer, browser_session)) => concluded(&app, &cookies, &answer, browser_session.as_ref()),
        Err(error) => cannot_go_on(&error),
    }
}

/// Brings the answer to the client and remembers the browser.
fn concluded(
    app: &App,
    cookies: &Cookies<'_>,
    answer: &AuthorizationResponse,
    browser_session: Option<&Secret<String>>,
) -> Response {
    let mut response = deliver(answer);
    if let Some(cookie) = browser_session {
        let max_age = issuer(app).settings().browser_session_lifetime.as_secs();
        cookies.set_browser_session(&mut response, cookie, max_age);
    }
    response
}

fn cannot_go_on(error: &ConsentError) -> Response {
    let status = match error {
        ConsentError::Unknown => StatusCode::NOT_FOUND,
        ConsentError::WrongBrowser | ConsentError::Forged => StatusCode::FORBIDDEN,
        ConsentError::Store(error) => return storage_failed(error).into_response(),
    };
    let body = html! {
        h1 { "This cannot go on" }
        p { (error.to_string()) }
        p.soft { "Go back to the application you came from and try again there." }
    };
    Page::new("This cannot go on", body).status(status).into_response()
}

/// OAuth 2.0 Form Post Response Mode 2.
pub(super) fn form_post(answer: &AuthorizationResponse) -> Page {
    let body = html! {
        h1 { "One moment" }
        form method="post" action=(answer.redirect_uri) {
            @for (name, value) in &answer.params {
                input type="hidden" name=(name) value=(value);
            }
            button { "Continue" }
        }
    };
    Page::new("One moment", body)
        .script("document.forms[0].submit();", &())
        .form_action(FormAction::Redirecting)
}

/// Posts the answer to the window that opened or embeds this one, at the redirect URI's own origin.
pub(super) fn web_message(answer: &AuthorizationResponse) -> Response {
    const SCRIPT: &str = "\
        const { message, origin } = JSON.parse(document.getElementById('data').textContent);\
        const target = window.opener ?? (window.parent === window ? null : window.parent);\
        target?.postMessage(message, origin);\
        if (window.opener) window.close();";
    let Some(origin) = answer.origin() else { return StatusCode::BAD_REQUEST.into_response() };
    let params = answer.params.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
    let response = params.collect::<serde_json::Map<_, _>>();
    let message = json!({"type": "authorization_response", "response": response});
    let body = html! {
        h1 { "Done" }
        p { "You can close this window." }
    };
    let page = Page::new("Done", body).script(SCRIPT, &json!({"message": message, "origin": origin}));
    // A silent request is made in a frame of the client's own page.
    page.frame_ancestor(origin).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_said_in_its_largest_unit() {
        let said = |seconds| in_words(Duration::from_secs(seconds));
        assert_eq!((said(90 * 86_400).as_str(), said(86_400).as_str()), ("90 days", "1 day"));
        assert_eq!((said(7200).as_str(), said(900).as_str()), ("2 hours", "15 minutes"));
        assert_eq!((said(1).as_str(), said(0).as_str()), ("1 second", "0 seconds"));
    }
}
