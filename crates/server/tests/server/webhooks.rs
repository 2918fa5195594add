//! Events and their delivery to the application.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU16, Ordering},
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
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::{Options, Server, answer};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The application: hears webhooks and answers as it is told.
#[derive(Clone)]
struct Application {
    heard: Arc<Mutex<Vec<(HeaderMap, String)>>>,
    status: Arc<AtomicU16>,
    came: Arc<Notify>,
}

impl Application {
    async fn start() -> (Self, String) {
        let application =
            Self { heard: Arc::default(), status: Arc::new(AtomicU16::new(204)), came: Arc::default() };
        let hear = async |State(own): State<Self>, headers: HeaderMap, body: Bytes| {
            own.heard.lock().unwrap().push((headers, String::from_utf8(body.to_vec()).unwrap()));
            own.came.notify_one();
            StatusCode::from_u16(own.status.load(Ordering::Relaxed)).unwrap()
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhooks", listener.local_addr().unwrap());
        let router = Router::new().route("/webhooks", post(hear)).with_state(application.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (application, url)
    }

    /// The delivery of this number, waited for.
    async fn delivery(&self, number: usize) -> (HeaderMap, String) {
        loop {
            let heard = self.heard.lock().unwrap().get(number).cloned();
            if let Some(delivery) = heard {
                return delivery;
            }
            let came = tokio::time::timeout(std::time::Duration::from_mins(1), self.came.notified());
            came.await.expect("the webhook comes");
        }
    }
}

async fn server(url: &str) -> Server {
    let server = Options::new()
        .variable("HANDFAST_WEBHOOK_URL", url)
        .variable("HANDFAST_WEBHOOK_SECRET", SECRET)
        .variable("HANDFAST_DANGER_ALLOW_PRIVATE_ADDRESSES", "true")
        .start();
    let new = json!({"config_key": "a", "provider_name": "github", "client_id": "id", "client_secret": "s"});
    server.send(Method::POST, "/integrations", new).await;
    server
}

/// Something that happens: a connection is there, and then it is gone.
async fn connect_and_delete(server: &Server, connection_id: &str) {
    let line = json!({"config_key": "a", "connection_id": connection_id,
        "credentials": {"type": "OAUTH1", "oauth_token": "o", "oauth_token_secret": "s"}});
    let import =
        server.request(Method::POST, "/import/connections").header("content-type", "application/x-ndjson");
    assert_eq!(answer(import.body(line.to_string())).await.1["created"], 1);
    let path = format!("/connections/{connection_id}?config_key=a");
    assert_eq!(answer(server.request(Method::DELETE, &path)).await.0, 200);
}

#[tokio::test]
async fn a_webhook_is_signed_and_names_the_connection() {
    let (application, url) = Application::start().await;
    let server = server(&url).await;
    connect_and_delete(&server, "user-1").await;
    let (headers, body) = application.delivery(0).await;
    let text = |name: &str| headers[name].to_str().unwrap().to_owned();
    let sent_at = Timestamp::from_secs(text("webhook-timestamp").parse().unwrap());
    let key = WebhookKey::parse(&Secret::new(SECRET.to_owned())).unwrap();
    assert_eq!(text("webhook-signature"), key.sign(&text("webhook-id"), sent_at, &body));
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["type"], "connection.deleted");
    assert_eq!(body["data"], json!({"config_key": "a", "connection_id": "user-1"}));
}

#[tokio::test]
async fn a_delivery_that_fails_is_made_again_even_after_a_kill() {
    let (application, url) = Application::start().await;
    application.status.store(500, Ordering::Relaxed);
    let server = server(&url).await;
    connect_and_delete(&server, "user-1").await;
    let (first, _) = application.delivery(0).await;
    let id = first["webhook-id"].to_str().unwrap().to_owned();
    application.status.store(200, Ordering::Relaxed);
    // Killed with the delivery still owed; the next process makes it.
    let server = server
        .kill()
        .variable("HANDFAST_WEBHOOK_URL", &url)
        .variable("HANDFAST_WEBHOOK_SECRET", SECRET)
        .variable("HANDFAST_DANGER_ALLOW_PRIVATE_ADDRESSES", "true")
        .start();
    let (status, _) = server.send(Method::POST, &format!("/events/{id}/replay"), json!({})).await;
    assert_eq!(status, 202);
    let (again, _) = application.delivery(1).await;
    assert_eq!(again["webhook-id"], id.as_str(), "a repetition keeps the id");
}

#[tokio::test]
async fn events_are_listed_also_without_a_webhook() {
    let server = Server::start();
    let new = json!({"config_key": "a", "provider_name": "github", "client_id": "id", "client_secret": "s"});
    server.send(Method::POST, "/integrations", new).await;
    connect_and_delete(&server, "user-1").await;
    let (_, listed) = server.get("/events").await;
    assert_eq!(listed["events"][0]["type"], "connection.deleted");
    assert_eq!(listed["events"][0]["deliver_at"], Value::Null);
    let before = listed["events"][0]["id"].as_str().unwrap();
    assert_eq!(server.get(&format!("/events?before={before}")).await.1["events"], json!([]));
    let (status, _) = server.send(Method::POST, "/events/none/replay", json!({})).await;
    assert_eq!(status, 404);
}

#[test]
fn half_a_webhook_is_refused() {
    let refused = Options::new().variable("HANDFAST_WEBHOOK_URL", "https://app.test").start_refused();
    assert!(refused.contains("webhook_secret"), "{refused}");
    let refused = Options::new()
        .variable("HANDFAST_WEBHOOK_URL", "https://app.test")
        .variable("HANDFAST_WEBHOOK_SECRET", "hush-hush")
        .start_refused();
    assert!(refused.contains("webhook_secret") && !refused.contains("hush-hush"), "{refused}");
}
