//! Delivers events to the application: at least once, signed as Standard Webhooks asks, with back-off.

use std::time::Duration;

use handfast_broker::{Event, EventStore, SendError, StoreError, TokenEndpoint, TokenRequest, WebhookKey};
use handfast_protocol::{Clock, Secret, Timestamp};
use serde_json::json;
use url::Url;

use crate::{http::rfc3339, storage::Storage, system::SystemClock, token_client::TokenClient};

/// How often the database is asked whether something is due.
const PAUSE: Duration = Duration::from_secs(1);

/// How long nobody else takes an event that is being delivered. Longer than a delivery can last.
const LEASE: Duration = Duration::from_mins(1);

/// Where events go, and who signs them.
#[derive(Clone, Debug)]
pub(crate) struct Webhook {
    pub(crate) url: Url,
    pub(crate) key: WebhookKey,
}

/// Delivers whatever is due, for as long as the server runs.
pub(crate) async fn deliver(webhook: Webhook, storage: Storage, client: TokenClient) {
    loop {
        match deliver_one(&webhook, &storage, &client).await {
            Ok(true) => {}
            Ok(false) => tokio::time::sleep(PAUSE).await,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "webhooks cannot be delivered");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Delivers one event that is due. Answers whether there was one.
async fn deliver_one(webhook: &Webhook, storage: &Storage, client: &TokenClient) -> Result<bool, StoreError> {
    let now = SystemClock.now();
    let Some(event) = storage.take_due_event(now, now + LEASE).await? else { return Ok(false) };
    let outcome = client.send(request(webhook, &event, now)).await;
    let now = SystemClock.now();
    let problem = match outcome {
        Ok(answer) if (200..300).contains(&answer.status) => None,
        Ok(answer) => Some(format!("the application answered HTTP {}", answer.status)),
        // An answer that is too long is an answer; its body means nothing here.
        Err(SendError::TooLarge(_)) => None,
        Err(error) => Some(error.to_string()),
    };
    let Some(problem) = problem else {
        storage.put_delivery(&event.id, Some(now), None).await?;
        return Ok(true);
    };
    let next = Event::next_delivery(event.deliveries, now);
    tracing::warn!(event = event.id, problem, again = next.is_some(), "a webhook was not delivered");
    storage.put_delivery(&event.id, None, next).await?;
    Ok(true)
}

/// The headers and body that the Standard Webhooks specification asks for.
fn request(webhook: &Webhook, event: &Event, now: Timestamp) -> TokenRequest {
    let mut data = json!({"config_key": event.config_key, "connection_id": event.connection_id});
    if let Some(reason) = &event.reason {
        data["reason"] = json!(reason);
    }
    let body = json!({
        "type": event.kind.as_str(),
        "timestamp": rfc3339(event.created_at),
        "data": data,
    })
    .to_string();
    let header = |name: &str, value: String| (name.to_owned(), Secret::new(value));
    TokenRequest {
        method: "POST",
        url: Secret::new(webhook.url.clone()),
        headers: vec![
            header("content-type", "application/json".to_owned()),
            header("webhook-id", event.id.clone()),
            header("webhook-timestamp", now.as_secs().to_string()),
            header("webhook-signature", webhook.key.sign(&event.id, now, &body)),
        ],
        body: Secret::new(body),
    }
}
