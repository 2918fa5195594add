//! The catalogue as pages to search and read, and as JSON: `GET /providers`, `GET /providers/{name}`.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use handfast_broker::{Evidence, Policy, Protocol, Provider, VariableKind};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use super::page::{FormAction, Page};
use crate::app::App;

/// What is searched for.
#[derive(Deserialize)]
pub(crate) struct Search {
    #[serde(default)]
    q: String,
}

/// An entry as JSON: its own fields, and what this server adds.
#[derive(Serialize)]
struct ProviderJson<'a> {
    name: &'a str,
    redirect_uri: String,
    #[serde(flatten)]
    provider: &'a Provider,
}

/// The entries that match, or all.
pub(crate) async fn list(
    State(app): State<App>,
    Query(search): Query<Search>,
    headers: HeaderMap,
) -> Response {
    let catalog = app.integrations().catalog();
    let found = catalog.search(&search.q);
    if wants_json(&headers) {
        let entries: Vec<_> = found.into_iter().map(|provider| as_json(app.policy(), provider)).collect();
        return Json(serde_json::json!({ "providers": entries })).into_response();
    }
    let body = html! {
        h1 { "Providers" }
        form method="get" {
            p { input type="text" name="q" value=(search.q) placeholder="Search" aria-label="Search" autofocus; }
        }
        p.soft {
            (found.len()) @if found.len() == 1 { " provider." } @else { " providers." }
            " Any other server that publishes OpenID Connect or OAuth metadata works by its issuer's address."
        }
        ul.providers {
            @for provider in &found {
                li { a href=(link(provider)) { (provider.display_name) } " " code { (provider.name) } }
            }
        }
    };
    Page::new("Providers", body).wide().form_action(FormAction::SelfOnly).into_response()
}

/// One entry.
pub(crate) async fn show(State(app): State<App>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(provider) = app.integrations().catalog().find(&name) else {
        if wants_json(&headers) {
            return super::error::not_found().await.into_response();
        }
        let body = html! {
            h1 { "No such provider" }
            p { "There is no provider called " code { (name) } "." }
            p { a href=(app.policy().address("/providers")) { "All providers" } }
        };
        return Page::new("No such provider", body).status(StatusCode::NOT_FOUND).into_response();
    };
    if wants_json(&headers) {
        return Json(as_json(app.policy(), provider)).into_response();
    }
    Page::new(provider.display_name.clone(), details(provider, app.policy())).wide().into_response()
}

fn as_json<'a>(policy: &Policy, provider: &'a Provider) -> ProviderJson<'a> {
    ProviderJson { name: &provider.name, redirect_uri: policy.usual_redirect_uri(provider), provider }
}

fn details(provider: &Provider, policy: &Policy) -> Markup {
    let all = policy.address("/providers");
    let takes_grant = matches!(provider.protocol, Protocol::Oauth2 | Protocol::Oauth1);
    let default_scopes = provider.default_scopes.join(",");
    let scopes = if default_scopes.is_empty() { "scope,scope" } else { &default_scopes };
    html! {
        p.soft { a href=(all) { "Providers" } }
        h1 { (provider.display_name) }
        @if let Some(note) = &provider.note { p { (note) } }
        @if takes_grant {
            h2 { "Register at the provider" }
            @if provider.prefers_own_redirect_uri() {
                p { "Callback address (redirect URI), one of its own for each integration:" }
                pre { code { (policy.usual_redirect_uri(provider)) } }
            } @else {
                p { "Callback address (redirect URI), shared by all integrations:" }
                pre { code { (policy.usual_redirect_uri(provider)) } }
                p { "or, for an integration made with " code { "--redirect-uri own" } ":" }
                pre { code { (policy.redirect_uri(Some("CONFIG_KEY"))) } }
            }
            h2 { "Create the integration" }
            pre { code { "handfast config create my-key " (provider.name) " CLIENT_ID CLIENT_SECRET \"" (scopes) "\"" } }
        } @else {
            h2 { "Create the integration" }
            p { "There is nothing to register: each user types their own credentials into the popup." }
            pre { code { "handfast config create my-key " (provider.name) } }
        }
        h2 { "Details" }
        table {
            tbody {
                tr { th scope="row" { "Protocol" } td { (protocol(provider)) } }
                @if takes_grant {
                    tr { th scope="row" { "Scopes are joined by" } td { (separator(provider)) } }
                }
                @if !provider.aliases.is_empty() {
                    tr { th scope="row" { "Also called" } td { (provider.aliases.join(", ")) } }
                }
                tr { th scope="row" { "Evidence" } td { (evidence(provider)) } }
                @if let Some(docs) = &provider.docs {
                    tr { th scope="row" { "Documentation" } td { a href=(docs) rel="noreferrer" { (docs) } } }
                }
                @for source in &provider.sources {
                    tr { th scope="row" { "Source" } td { (source) } }
                }
            }
        }
        @if !provider.variables.is_empty() {
            h2 { "Parameters" }
            p { "Given with " code { "connect" } " as " code { "params" } "; the popup asks for what is missing." }
            table {
                thead { tr { th { "name" } th { "what" } th { "example" } th { "else" } } }
                tbody {
                    @for (name, variable) in &provider.variables {
                        tr {
                            td { code { (name) } }
                            td { (kind(variable.kind)) }
                            td { code { (variable.example) } }
                            td { @if let Some(default) = &variable.default { code { (default) } } }
                        }
                    }
                }
            }
        }
    }
}

/// Relative to `/providers`, so that it also holds where the server is mounted below a path.
fn link(provider: &Provider) -> String {
    format!("providers/{}", provider.name)
}

fn protocol(provider: &Provider) -> &'static str {
    match provider.protocol {
        Protocol::Oauth2 if provider.needs_discovery() => "OpenID Connect, by discovery",
        Protocol::Oauth2 => "OAuth 2",
        Protocol::Oauth1 => "OAuth 1.0a",
        Protocol::ApiKey => "API key",
        Protocol::Basic => "user name and password",
    }
}

fn separator(provider: &Provider) -> Markup {
    match provider.scope_separator() {
        " " => html! { "a space" },
        other => html! { code { (other) } },
    }
}

fn evidence(provider: &Provider) -> String {
    match provider.evidence {
        Some(Evidence::Documentation(_)) => "the provider's own documentation".to_owned(),
        Some(Evidence::Sources(1)) => "one source: try it before you rely on it".to_owned(),
        Some(Evidence::Sources(count)) => format!("{count} independent sources agree"),
        None => "this server's own configuration".to_owned(),
    }
}

fn kind(kind: VariableKind) -> &'static str {
    match kind {
        VariableKind::DnsLabel => "a name of letters, digits and hyphens",
        VariableKind::Host => "a host name",
        VariableKind::Region => "one of a few values",
        VariableKind::PathSegment => "letters, digits, dots, hyphens and underscores",
    }
}

fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.contains("application/json")
}
