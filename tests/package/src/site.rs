//! Serves a folder of files, as a web server in front of a built application does.

use std::{
    ffi::OsStr,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use axum::{
    Router,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header},
    response::IntoResponse,
    routing::get,
};

/// Serves until it is dropped.
#[derive(Debug)]
pub struct Site {
    address: SocketAddr,
    serving: tokio::task::JoinHandle<()>,
}

impl Site {
    /// Serves the files of `folder` with these headers on a free port of `127.0.0.2`.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(folder: &Path, headers: &'static [(&str, &str)]) -> anyhow::Result<Self> {
        let folder = folder.to_owned();
        let router = Router::new().fallback(get(async move |uri: Uri| answer(&folder, headers, uri.path())));
        let listener = tokio::net::TcpListener::bind(("127.0.0.2", 0)).await?;
        let address = listener.local_addr()?;
        let serving = tokio::spawn(async move {
            // It serves until the task is aborted.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, serving })
    }

    /// Its address, with a slash at the end.
    #[must_use]
    pub fn address(&self) -> String {
        format!("http://{}/", self.address)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn answer(folder: &Path, headers: &[(&'static str, &'static str)], path: &str) -> impl IntoResponse + use<> {
    let mut answer = HeaderMap::new();
    for (name, value) in headers {
        answer.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let mut file: PathBuf = folder.join(path.trim_start_matches('/'));
    if file.is_dir() {
        file.push("index.html");
    }
    let media_type = match file.extension().and_then(OsStr::to_str) {
        Some("html") => "text/html",
        Some("js" | "mjs") => "text/javascript",
        Some("wasm") => "application/wasm",
        Some("css") => "text/css",
        _ => "application/octet-stream",
    };
    answer.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    match fs::read(&file) {
        Ok(bytes) if !path.contains("..") => (answer, bytes).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
