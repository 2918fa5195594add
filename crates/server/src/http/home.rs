//! The page at the server's own address: says that it runs, and what to do next.

use axum::extract::State;
use maud::html;

use crate::{app::App, http::page::Page};

/// `GET /`. Shows nothing that is not public: no integration, no version.
pub(crate) async fn show(State(app): State<App>) -> Page {
    let address = app.policy().address("");
    Page::new(
        "Handfast",
        html! {
            h1 { "Handfast is running" }
            p { "It connects accounts for an application, and keeps the tokens fresh. There is nothing to do here by hand." }
            h2 { "In the page" }
            pre { code {
                "const handfast = new Handfast('" (address) "');\n"
                "await handfast.connect('github', 'user-1');"
            } }
            h2 { "In the backend" }
            pre { code { "GET " (address) "/connection/user-1\n    ?integration_key=github" } }
            p {
                a href=(app.policy().address("/providers")) { "Providers" } " and their callback addresses"
                br;
                a href=(app.policy().address("/openapi.json")) { "OpenAPI description" } " of every request"
            }
        },
    )
}
