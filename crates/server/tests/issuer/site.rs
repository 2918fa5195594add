//! A web site of a client or of the operator: answers documents and remembers what it was asked.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

/// A running site. Ends when dropped.
pub(crate) struct Site {
    pub(crate) url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    documents: Mutex<BTreeMap<String, Value>>,
    requests: Mutex<Vec<Asked>>,
}

/// A request as the site saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Path and query.
    pub(crate) address: String,
    pub(crate) authorization: String,
}

impl Site {
    pub(crate) async fn start() -> Self {
        let shared = Arc::<Shared>::default();
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { url, shared, task }
    }

    /// Answers `document` at `path` from now on, and says where that is.
    pub(crate) fn publish(&self, path: &str, document: Value) -> String {
        self.shared.documents.lock().unwrap().insert(path.to_owned(), document);
        format!("{}{path}", self.url)
    }

    /// What it was asked so far.
    pub(crate) fn requests(&self) -> Vec<Asked> {
        self.shared.requests.lock().unwrap().clone()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let authorization = request.headers().get(header::AUTHORIZATION);
    shared.requests.lock().unwrap().push(Asked {
        address: request.uri().to_string(),
        authorization: authorization.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default(),
    });
    let document = shared.documents.lock().unwrap().get(request.uri().path()).cloned();
    document.map_or_else(|| StatusCode::NOT_FOUND.into_response(), |document| Json(document).into_response())
}
