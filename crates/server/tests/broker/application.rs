//! The application's webhook address: remembers what comes, and answers as the test tells it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use handfast_broker::WebhookKey;
use handfast_protocol::{Secret, Timestamp};
use serde::Serialize;
use serde_json::Value;
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle};

/// What signs the webhooks.
pub(crate) const WEBHOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A running application. Ends when dropped.
pub(crate) struct Application {
    url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    heard: Mutex<Vec<Delivery>>,
    /// What is answered; 0: nothing, for ever.
    status: AtomicU16,
    came: Notify,
}

/// A webhook as it arrived.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Delivery {
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Application {
    pub(crate) async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        shared.status.store(204, Ordering::Relaxed);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhooks", listener.local_addr().unwrap());
        let routes = Router::new().route("/webhooks", post(hear)).with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { url, shared, task }
    }

    /// The variables with which a server delivers here.
    pub(crate) fn variables(&self) -> [(&str, &str); 3] {
        [
            ("HANDFAST_WEBHOOK_URL", &self.url),
            ("HANDFAST_WEBHOOK_SECRET", WEBHOOK_SECRET),
            ("HANDFAST_DANGER_ALLOW_PRIVATE_ADDRESSES", "true"),
        ]
    }

    /// Answers so from now on.
    pub(crate) fn answer(&self, status: u16) {
        self.shared.status.store(status, Ordering::Relaxed);
    }

    /// Leaves whoever comes from now on without an answer.
    pub(crate) fn hang(&self) {
        self.answer(0);
    }

    /// The delivery of this number, waited for.
    pub(crate) async fn delivery(&self, number: usize) -> Delivery {
        loop {
            let heard = self.shared.heard.lock().unwrap().get(number).cloned();
            if let Some(delivery) = heard {
                return delivery;
            }
            let came = tokio::time::timeout(Duration::from_secs(30), self.shared.came.notified());
            came.await.expect("the webhook comes");
        }
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Delivery {
    /// What it reports, once its signature is found to hold.
    pub(crate) fn verified(&self) -> Value {
        let key = WebhookKey::parse(&Secret::new(WEBHOOK_SECRET.to_owned())).unwrap();
        assert_eq!(self.headers["webhook-signature"], key.sign(self.id(), self.sent_at(), &self.body));
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    pub(crate) fn sent_at(&self) -> Timestamp {
        Timestamp::from_secs(self.headers["webhook-timestamp"].parse().unwrap())
    }
}

async fn hear(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let text = |value: &axum::http::HeaderValue| value.to_str().unwrap().to_owned();
    let headers = headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    shared.heard.lock().unwrap().push(Delivery { headers, body: String::from_utf8(body.to_vec()).unwrap() });
    shared.came.notify_one();
    match shared.status.load(Ordering::Relaxed) {
        0 => std::future::pending().await,
        status => StatusCode::from_u16(status).unwrap(),
    }
}
