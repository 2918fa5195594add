//! Pages for people about themselves: what they allowed, the applications they registered, logging out. The routes
//! and form fields of the small OAuth 2 server keep their published spelling here.

use axum::{
    body::Bytes,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, Method, StatusCode},
    response::{IntoResponse, Response},
};
use handfast_issuer::{
    AccountError, Client, ClientMetadata, ClientProfile, Logout, NewClientError, Params, RedirectUri,
    SignedIn, StoreError,
};
use handfast_protocol::Secret;
use maud::{Markup, html};

use super::{Cookies, issuer, pages, redirect, storage_failed};
use crate::{
    app::App,
    http::page::{FormAction, Page},
};

const REGISTER: &str = "/oauth/register";
const APPLICATIONS: &str = "/oauth/applications";
const AUTHORIZED: &str = "/auth/applications";
/// What the page at [`AUTHORIZED`] is called, also where other pages speak of it.
pub(super) const AUTHORIZED_TITLE: &str = "Applications you allowed";

/// Where one begins.
pub(super) async fn home(State(app): State<App>) -> Page {
    let name = &issuer(&app).settings().name;
    let body = html! {
        h1 { "Build with " (name) }
        p { "Register an application, and people can log in to it with their " (name) " account." }
        p { a.button href=(REGISTER) { "Register an application" } }
        p { a.button.quiet href=(APPLICATIONS) { "Your applications" } }
        p { a.button.quiet href=(AUTHORIZED) { (AUTHORIZED_TITLE) } }
    };
    Page::new(format!("Build with {name}"), body)
}

/// Answers with `page` for who is logged in; sends everyone else to log in first.
async fn with_user(
    app: &App,
    headers: &HeaderMap,
    path: &str,
    page: impl AsyncFnOnce(SignedIn) -> Result<Page, StoreError>,
) -> Response {
    let cookies = Cookies::new(app, headers);
    let answer = async {
        if let Some(user) = issuer(app).signed_in(cookies.of_browser_session().as_ref()).await? {
            return Ok(page(user).await?.into_response());
        }
        let (id, cookie) = issuer(app).begin_page_login(path).await?;
        let mut response = redirect(&pages::login_location(app, &id));
        cookies.set_login_session(&mut response, &cookie);
        Ok(response)
    };
    answer.await.unwrap_or_else(|error: StoreError| storage_failed(&error).into_response())
}

pub(super) async fn authorized(State(app): State<App>, headers: HeaderMap) -> Response {
    with_user(&app, &headers, AUTHORIZED, async |user| {
        let applications = issuer(&app).authorized_applications(&user.user).await?;
        let settings = issuer(&app).settings();
        let body = html! {
            h1 { (AUTHORIZED_TITLE) }
            p { "You are logged in as " strong { (user.name) } "." }
            @if applications.is_empty() {
                p.soft { "There is none." }
            }
            @for application in &applications {
                h2 { (application.client.name) }
                ul.scopes {
                    @for scope in application.scopes.iter() {
                        li { (settings.describe_scope(scope)) }
                    }
                }
                form method="post" {
                    (csrf(&user))
                    input type="hidden" name="client_id" value=(application.client.client_id);
                    button.quiet { "Take access away from " (application.client.name) }
                }
            }
        };
        Ok(Page::new(AUTHORIZED_TITLE, body).form_action(FormAction::SelfOnly))
    })
    .await
}

pub(super) async fn withdraw(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    let form = Params::parse(&body);
    acted(&app, &headers, &form, AUTHORIZED, async |user| {
        let client_id = form.value("client_id").unwrap_or_default();
        Ok(issuer(&app).withdraw(&user.user, client_id).await?)
    })
    .await
}

/// Does what a form of ours asks for, and goes back to `path`.
async fn acted(
    app: &App,
    headers: &HeaderMap,
    form: &Params,
    path: &str,
    act: impl AsyncFnOnce(SignedIn) -> Result<(), AccountError>,
) -> Response {
    match signed_in_form(app, headers, form).await {
        Ok(user) => match act(user).await {
            Ok(()) => redirect(&issuer(app).settings().endpoint(path)),
            Err(error) => refused(&error),
        },
        Err(error) => refused(&error),
    }
}

async fn signed_in_form(app: &App, headers: &HeaderMap, form: &Params) -> Result<SignedIn, AccountError> {
    let cookie = Cookies::new(app, headers).of_browser_session();
    issuer(app).signed_in_form(cookie.as_ref(), form.value("csrf_token").unwrap_or_default()).await
}

fn refused(error: &AccountError) -> Response {
    let status = match error {
        AccountError::Forged => StatusCode::FORBIDDEN,
        AccountError::Unknown => StatusCode::NOT_FOUND,
        AccountError::Refused(_) => StatusCode::BAD_REQUEST,
        AccountError::Store(error) => return storage_failed(error).into_response(),
    };
    let body = html! {
        h1 { "That did not work" }
        p { (sentence(error)) }
    };
    Page::new("That did not work", body).status(status).into_response()
}

/// An error as people read it.
fn sentence(error: &impl ToString) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

fn csrf(user: &SignedIn) -> Markup {
    html! { input type="hidden" name="csrf_token" value=(user.csrf_token.expose()); }
}

/// The registration form. A demonstration registers for everyone, as its endpoint for programs does.
pub(super) async fn registration(State(app): State<App>, headers: HeaderMap) -> Response {
    if issuer(&app).settings().demo {
        let cookie = Cookies::new(&app, &headers).of_browser_session();
        return match issuer(&app).signed_in(cookie.as_ref()).await {
            Ok(user) => registration_page(&app, user.as_ref(), &Fields::default(), None).into_response(),
            Err(error) => storage_failed(&error).into_response(),
        };
    }
    let page = async |user| Ok(registration_page(&app, Some(&user), &Fields::default(), None));
    with_user(&app, &headers, REGISTER, page).await
}

fn registration_page(
    app: &App,
    user: Option<&SignedIn>,
    typed: &Fields<'_>,
    problem: Option<&NewClientError>,
) -> Page {
    let body = html! {
        h1 { "Register an application" }
        form method="post" {
            @if let Some(user) = user {
                (csrf(user))
            }
            (fields(app, typed, problem))
            button { "Register" }
        }
    };
    Page::new("Register an application", body).form_action(FormAction::SelfOnly)
}

/// What stands in the form about an application.
#[derive(Default)]
struct Fields<'a> {
    name: &'a str,
    home_page: &'a str,
    description: &'a str,
    callback: &'a str,
    is_legacy: bool,
}

impl<'a> Fields<'a> {
    fn registered(client: &'a Client) -> Self {
        let metadata = &client.metadata;
        Self {
            name: &client.name,
            home_page: metadata.client_uri.as_ref().map(url::Url::as_str).unwrap_or_default(),
            description: metadata.description.as_deref().unwrap_or_default(),
            callback: metadata.redirect_uris.first().map(RedirectUri::as_str).unwrap_or_default(),
            is_legacy: metadata.profile == ClientProfile::LegacyConfidential,
        }
    }

    fn typed(form: &'a Params) -> Self {
        let value = |name| form.value(name).unwrap_or_default();
        Self {
            name: value("applicationName"),
            home_page: value("applicationUrl"),
            description: value("applicationDescription"),
            callback: value("applicationCallbackUrl"),
            is_legacy: form.value("legacy") == Some("true"),
        }
    }
}

fn fields(
    app: &App,
    Fields { name, home_page, description, callback, is_legacy }: &Fields<'_>,
    problem: Option<&NewClientError>,
) -> Markup {
    html! {
        @if let Some(problem) = problem {
            p.error role="alert" { (sentence(problem)) }
        }
        label for="applicationName" { "Name" }
        input type="text" id="applicationName" name="applicationName" required maxlength="100" value=(name);
        label for="applicationUrl" { "Home page" }
        input type="url" id="applicationUrl" name="applicationUrl" value=(home_page)
            placeholder="https://app.example.com";
        label for="applicationDescription" { "Description" }
        textarea id="applicationDescription" name="applicationDescription" rows="2" maxlength="1000" { (description) }
        label for="applicationCallbackUrl" { "Authorization callback URL" }
        input type="url" id="applicationCallbackUrl" name="applicationCallbackUrl" required maxlength="2000"
            value=(callback) placeholder="https://app.example.com/authorized" aria-describedby="exactly";
        p.soft id="exactly" { "People come back to exactly this address, letter by letter." }
        @if app.issuer_rules().legacy_clients {
            label.check {
                input type="checkbox" name="legacy" value="true" checked[*is_legacy] aria-describedby="older";
                "An older client that cannot send PKCE"
            }
            p.error id="older" {
                "Such a client cannot notice a code that was slipped to it. Tick this only if its library is too old."
            }
        }
    }
}

/// What the form says, checked.
fn read_fields(
    app: &App,
    form: &Params,
    old: Option<&Client>,
) -> Result<(String, ClientMetadata), NewClientError> {
    let callback = form.value("applicationCallbackUrl").ok_or(NewClientError::NoRedirectUri)?;
    let home_page = form.value("applicationUrl").map(url::Url::parse).transpose();
    let home_page = home_page.map_err(|_| NewClientError::Metadata("the home page must be an address"))?;
    let web = home_page.as_ref().is_none_or(|url| matches!(url.scheme(), "http" | "https"));
    if !web || form.value("applicationDescription").is_some_and(|text| text.chars().count() > 1000) {
        return Err(NewClientError::Metadata(
            "the home page must be http or https, the description 1000 characters",
        ));
    }
    // What the form does not show stays as it is.
    let kept = old.map(|client| client.metadata.clone()).unwrap_or_default();
    let profile = match (app.issuer_rules().legacy_clients, form.value("legacy") == Some("true")) {
        (true, true) => ClientProfile::LegacyConfidential,
        (true, false) if kept.profile == ClientProfile::LegacyConfidential => ClientProfile::Standard,
        _ => kept.profile,
    };
    let first = RedirectUri::try_from(callback.to_owned())?;
    let others = kept.redirect_uris.iter().skip(1).cloned();
    let metadata = ClientMetadata {
        redirect_uris: std::iter::once(first).chain(others).collect(),
        client_uri: home_page,
        description: form.value("applicationDescription").map(str::to_owned),
        profile,
        ..kept
    };
    Ok((form.value("applicationName").unwrap_or_default().to_owned(), metadata))
}

pub(super) async fn register(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    let form = Params::parse(&body);
    let user = match signed_in_form(&app, &headers, &form).await {
        Ok(user) => Some(user),
        Err(AccountError::Forged) if issuer(&app).settings().demo => None,
        Err(error) => return refused(&error),
    };
    let owner = user.as_ref().map_or("demo", |user| user.user.as_str());
    let registered = async {
        let (name, metadata) = read_fields(&app, &form, None)?;
        issuer(&app).register(owner, &name, metadata).await
    };
    match registered.await {
        Ok((client, secret)) => {
            show_secret("Your application is registered", &client, secret.as_ref()).into_response()
        }
        Err(NewClientError::Store(error)) => storage_failed(&error).into_response(),
        Err(problem) => registration_page(&app, user.as_ref(), &Fields::typed(&form), Some(&problem))
            .status(StatusCode::BAD_REQUEST)
            .into_response(),
    }
}

fn show_secret(title: &str, client: &Client, secret: Option<&Secret<String>>) -> Page {
    let body = html! {
        h1 { (title) }
        dl {
            dt { "Name" }
            dd { (client.name) }
            dt { "Client ID" }
            dd { code id="client_id" { (client.client_id) } }
            @if let Some(secret) = secret {
                dt { "Client secret" }
                dd { code id="client_secret" { (secret.expose()) } }
            }
        }
        @if secret.is_some() {
            p { "Note the secret now: it is not shown again." }
        }
        p { a href=(APPLICATIONS) { "Your applications" } }
    };
    Page::new(title, body)
}

pub(super) async fn applications(State(app): State<App>, headers: HeaderMap) -> Response {
    with_user(&app, &headers, APPLICATIONS, async |user| {
        let own = issuer(&app).own_applications(&user.user).await?;
        let body = html! {
            h1 { "Your applications" }
            p { "You are logged in as " strong { (user.name) } "." }
            @if own.is_empty() {
                p.soft { "There is none." }
            } @else {
                ul {
                    @for client in &own {
                        li {
                            a href=(format!("{APPLICATIONS}/{}", client.client_id)) { (client.name) }
                            @if client.metadata.profile == ClientProfile::LegacyConfidential {
                                span.error { " (older client, without PKCE)" }
                            }
                        }
                    }
                }
            }
            p { a.button href=(REGISTER) { "Register an application" } }
        };
        Ok(Page::new("Your applications", body).form_action(FormAction::SelfOnly))
    })
    .await
}

pub(super) async fn application(
    State(app): State<App>,
    headers: HeaderMap,
    Path(client_id): Path<String>,
) -> Response {
    let path = format!("{APPLICATIONS}/{client_id}");
    with_user(&app, &headers, &path, async |user| {
        let client = match issuer(&app).own_application(&user.user, &client_id).await {
            Ok(client) => client,
            Err(AccountError::Store(error)) => return Err(error),
            Err(error) => {
                let body = html! { h1 { "Not found" } p { (error.to_string()) } };
                return Ok(Page::new("Not found", body).status(StatusCode::NOT_FOUND));
            }
        };
        Ok(application_page(&app, &user, &client, &Fields::registered(&client), None))
    })
    .await
}

fn application_page(
    app: &App,
    user: &SignedIn,
    client: &Client,
    shown: &Fields<'_>,
    problem: Option<&NewClientError>,
) -> Page {
    let body = html! {
        h1 { (client.name) }
        dl { dt { "Client ID" } dd { code { (client.client_id) } } }
        form method="post" {
            (csrf(user))
            (fields(app, shown, problem))
            button name="action" value="save" { "Save" }
        }
        @if client.metadata.token_endpoint_auth_method.has_secret() {
            h2 { "Client secret" }
            form method="post" {
                (csrf(user))
                button.quiet name="action" value="rotate" { "Make a new secret; the old one ends at once" }
            }
        }
        h2 { "End it" }
        form method="post" {
            (csrf(user))
            button.quiet name="action" value="delete" { "Delete the application and all its access" }
        }
    };
    Page::new(client.name.clone(), body).form_action(FormAction::SelfOnly)
}

pub(super) async fn change_application(
    State(app): State<App>,
    headers: HeaderMap,
    Path(client_id): Path<String>,
    body: Bytes,
) -> Response {
    let form = Params::parse(&body);
    let user = match signed_in_form(&app, &headers, &form).await {
        Ok(user) => user,
        Err(error) => return refused(&error),
    };
    let done = async {
        let client = issuer(&app).own_application(&user.user, &client_id).await?;
        match form.value("action") {
            Some("rotate") => {
                let secret = issuer(&app).rotate_own_secret(&user.user, &client_id).await?;
                return Ok(show_secret("The new secret", &client, secret.as_ref()).into_response());
            }
            Some("delete") => issuer(&app).delete_own_application(&user.user, &client_id).await?,
            _ => match save(&app, &user, &client, &form).await {
                Err(AccountError::Refused(problem)) => {
                    let page = application_page(&app, &user, &client, &Fields::typed(&form), Some(&problem));
                    return Ok(page.status(StatusCode::BAD_REQUEST).into_response());
                }
                saved => saved?,
            },
        }
        Ok(redirect(&issuer(&app).settings().endpoint(APPLICATIONS)))
    };
    done.await.unwrap_or_else(|error: AccountError| refused(&error))
}

async fn save(app: &App, user: &SignedIn, client: &Client, form: &Params) -> Result<(), AccountError> {
    let (name, metadata) = read_fields(app, form, Some(client))?;
    issuer(app).edit_own_application(&user.user, &client.client_id, &name, metadata).await
}

/// OpenID Connect RP-Initiated Logout 2: by GET or POST.
pub(super) async fn log_out(
    State(app): State<App>,
    method: Method,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    let by_form = method == Method::POST;
    let params = Params::parse(if by_form { &body } else { query.as_deref().unwrap_or_default().as_bytes() });
    let cookie = Cookies::new(&app, &headers).of_browser_session();
    match issuer(&app).log_out(&params, cookie.as_ref()).await {
        Ok(Logout::Ask { user, client_id }) => {
            ask_about_logout(&params, &user, client_id.as_deref()).into_response()
        }
        Ok(Logout::Done(Some(location))) => redirect(&location),
        Ok(Logout::Done(None)) => {
            let body = html! {
                h1 { "You are logged out" }
                p { "You can close this window." }
            };
            Page::new("You are logged out", body).into_response()
        }
        Err(error) => storage_failed(&error).into_response(),
    }
}

/// The hint is not handed on: whoever sends it can take an access token for an ID token.
fn ask_about_logout(params: &Params, user: &SignedIn, client_id: Option<&str>) -> Page {
    let kept = [
        ("client_id", client_id),
        ("post_logout_redirect_uri", params.value("post_logout_redirect_uri")),
        ("state", params.value("state")),
    ];
    let body = html! {
        h1 { "Log out?" }
        p { "You are logged in as " strong { (user.name) } "." }
        form method="post" {
            (csrf(user))
            @for (name, value) in kept {
                @if let Some(value) = value {
                    input type="hidden" name=(name) value=(value);
                }
            }
            button { "Log out" }
        }
    };
    Page::new("Log out?", body).form_action(FormAction::Redirecting)
}
