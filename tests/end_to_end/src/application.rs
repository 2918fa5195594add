//! The web application of the scenarios: a page with one button, on a site of its own.

use std::{ffi::OsStr, fs, net::SocketAddr, path::PathBuf};

use anyhow::Context;
use axum::{
    Router,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse},
    routing::get,
};
use serde_json::Value;

use crate::published;

/// The application's pages, served until this is dropped.
#[derive(Debug)]
pub struct Application {
    address: SocketAddr,
    serving: tokio::task::JoinHandle<()>,
}

impl Application {
    /// Serves them on a free port of this loopback address.
    ///
    /// # Errors
    /// When the address cannot be listened on, or the package is not built.
    pub async fn start(host: &str) -> anyhow::Result<Self> {
        let package = package_folder()?;
        let module = module_name(&package)?;
        let router = Router::new()
            .route("/", get(page))
            .route("/html", get(given))
            .route("/favicon.ico", get(async || StatusCode::NO_CONTENT))
            .route("/pkg/{*path}", get(file))
            .route("/published/{*path}", get(published_file))
            .route("/page-for/{*path}", get(page_for_published))
            .with_state(Pages { package, module });
        let listener = tokio::net::TcpListener::bind((host, 0)).await?;
        let address = listener.local_addr()?;
        let serving = tokio::spawn(async move {
            // It serves until the task is aborted.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, serving })
    }

    /// The origin of its pages.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The page with the button. `headers` are sent with it.
    #[must_use]
    pub fn page(&self, headers: &[(&str, &str)]) -> String {
        self.with_headers("/", headers)
    }

    /// The page with the button, with the module of a published package in our package's place.
    #[must_use]
    pub fn page_for_published(&self, file: &str) -> String {
        format!("{}/page-for/{file}", self.origin())
    }

    /// A page of this markup.
    #[must_use]
    pub fn html(&self, markup: &str) -> String {
        self.with_headers("/html", &[("markup", markup)])
    }

    fn with_headers(&self, path: &str, query: &[(&str, &str)]) -> String {
        let address = format!("{}{path}", self.origin());
        let mut url = url::Url::parse(&address).expect("an address of our own");
        url.query_pairs_mut().extend_pairs(query).finish();
        url.into()
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The built package.
///
/// # Errors
/// When it is not built.
pub fn package_folder() -> anyhow::Result<PathBuf> {
    let folder = xtask::repository().join("pkg");
    folder.canonicalize().context("pkg/ is not built; run `cargo xtask package`")
}

#[derive(Clone)]
struct Pages {
    package: PathBuf,
    module: String,
}

/// The file that a bundler would take for `import 'handfast'`.
fn module_name(package: &std::path::Path) -> anyhow::Result<String> {
    let manifest = fs::read_to_string(package.join("package.json")).context("pkg/ has no package.json")?;
    let manifest: Value = serde_json::from_str(&manifest)?;
    let mut entry = &manifest["exports"]["."];
    for condition in ["browser", "import", "default"] {
        entry = entry.get(condition).unwrap_or(entry);
    }
    let name = entry.as_str().or(manifest["module"].as_str()).context("package.json names no module")?;
    Ok(name.trim_start_matches("./").to_owned())
}

/// Each query parameter becomes a header of the answer.
async fn page(State(pages): State<Pages>, Query(headers): Query<Vec<(String, String)>>) -> impl IntoResponse {
    let mut answer = HeaderMap::new();
    for (name, value) in headers {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
            continue;
        };
        answer.append(name, value);
    }
    (answer, Html(PAGE.replace("MODULE", &format!("/pkg/{}", pages.module))))
}

async fn given(Query(query): Query<Vec<(String, String)>>) -> Html<String> {
    Html(query.into_iter().filter(|(name, _)| name == "markup").map(|(_, markup)| markup).collect())
}

async fn file(State(pages): State<Pages>, Path(path): Path<String>) -> impl IntoResponse {
    let file = pages.package.join(&path);
    let is_wasm = file.extension() == Some(OsStr::new("wasm"));
    let media_type = if is_wasm { "application/wasm" } else { "text/javascript; charset=utf-8" };
    match fs::read(file) {
        Ok(bytes) if !path.contains("..") => ([(header::CONTENT_TYPE, media_type)], bytes).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A file of a published package.
async fn published_file(Path(path): Path<String>) -> impl IntoResponse {
    // Installing may take a while, and must not keep the other pages waiting.
    let read = tokio::task::spawn_blocking(move || Ok(fs::read(published::folder()?.join(path))?)).await;
    match read.map_err(anyhow::Error::from).flatten() {
        Ok(bytes) => ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], bytes).into_response(),
        Err(error) => (StatusCode::NOT_FOUND, format!("{error:#}")).into_response(),
    }
}

async fn page_for_published(Path(path): Path<String>) -> Html<String> {
    Html(PAGE.replace("MODULE", &format!("/published/{path}")))
}

/// `ask` is what the test wants to be connected; `answers` is what came of each click, by connection id.
const PAGE: &str = r#"<!doctype html>
<meta charset="utf-8">
<title>application</title>
<link rel="icon" href="data:,">
<button id="connect">Connect</button>
<pre id="answers"></pre>
<script type="module">
  import Handfast from 'MODULE';
  const settled = (id, outcome) => {
    window.answers[id] = outcome;
    window.settledAt[id] = performance.timeOrigin + performance.now();
    document.querySelector('#answers').textContent = JSON.stringify(window.answers);
  };
  window.answers = {};
  window.settledAt = {};
  window.events = [];
  window.prepare = (host, options) => { window.handfast = new Handfast(host, options); };
  document.querySelector('#connect').onclick = () => {
    const { configKey, connectionId, options } = window.ask;
    window.clickedAt = performance.timeOrigin + performance.now();
    try {
      const connect = window.handfast.connect ?? window.handfast.auth;
      window.promise = connect.call(window.handfast, configKey, connectionId, options);
    } catch (error) {
      settled(connectionId, { threw: String(error) });
      return;
    }
    window.promise.then(
      (result) => settled(connectionId, { resolved: result }),
      (error) => settled(connectionId, { rejected: {
        name: error.name, isError: error instanceof Error, code: error.code, message: error.message,
        configKey: error.configKey, connectionId: error.connectionId, integrationKey: error.integrationKey,
        error: error.error } }),
    );
  };
  window.ready = true;
</script>
"#;
