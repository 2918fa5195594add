//! Events and their delivery to the application: each kind, signed, at least once.

use std::{path::Path, process::Command, time::Duration};

use serde_json::{Value, json};

use super::DATABASE;
use crate::{
    application::{Application, Delivery, WEBHOOK_SECRET},
    browser::Browser,
    provider::{Provider, tokens},
    server::{Server, eventually},
};

/// A server whose connections' tokens are due at once.
async fn world(application: &Application) -> (Provider, Server) {
    let provider = Provider::start().await;
    provider.answer(200, tokens("access-1", "refresh-1", 60));
    let mut entry = provider.entry();
    entry["refresh_margin"] = json!(60);
    let server = Server::start_with(DATABASE, entry, json!({}), &application.variables()).await;
    (provider, server)
}

async fn events(server: &Server) -> Vec<Value> {
    server.get(&["events"], &[]).await.1["events"].as_array().unwrap().clone()
}

/// What `verifyWebhook` of the package for Node makes of the deliveries.
fn verified_in_node(deliveries: &[Delivery]) -> Vec<Value> {
    let script = "const { verifyWebhook } = await import(process.argv[1]);
        const [deliveries, secret] = JSON.parse(process.argv[2]);
        const events = deliveries.map(({ headers, body }) => verifyWebhook(body, headers, secret));
        const forged = { ...deliveries[0], body: deliveries[0].body + ' ' };
        try { verifyWebhook(forged.body, forged.headers, secret); throw new Error('a forged one is believed'); }
        catch (error) { if (error.code !== 'invalid_signature') throw error; }
        console.log(JSON.stringify(events));";
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pkg-template/src/node.js");
    let ended = Command::new("node")
        .args(["--input-type=module", "--eval", script, "--"])
        .arg(module.canonicalize().unwrap())
        .arg(json!([deliveries, WEBHOOK_SECRET]).to_string())
        .output()
        .expect("Node is installed");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    serde_json::from_slice(&ended.stdout).unwrap()
}

#[tokio::test]
async fn each_kind_of_event_arrives_with_a_signature_that_holds() {
    let application = Application::start().await;
    let (provider, server) = world(&application).await;
    let mut deliveries = Vec::new();

    Browser::default().connect(&server, "user-1").await;
    deliveries.push(application.delivery(0).await);
    provider.answer(503, json!({}));
    assert_eq!(server.access_token("user-1").await, "access-1", "it still lives");
    deliveries.push(application.delivery(1).await);
    // Some providers repeat what they were sent.
    let repeated = "no refresh-1 of client client-secret-1";
    provider.answer(400, json!({"error": "invalid_grant", "error_description": repeated}));
    eventually(async || server.connection("user-1").await.0 == 409).await;
    deliveries.push(application.delivery(2).await);
    server.delete("user-1").await;
    deliveries.push(application.delivery(3).await);

    let unavailable = json!("the provider is unavailable (HTTP 503)");
    let refused = json!("the provider refused: invalid_grant (no [hidden] of client [hidden])");
    let kinds = [
        ("created", Value::Null),
        ("refresh_failed", unavailable),
        ("needs_reconnect", refused),
        ("deleted", Value::Null),
    ];
    for (delivery, (kind, reason)) in deliveries.iter().zip(kinds) {
        let mut event = delivery.verified();
        assert_eq!(event["type"], format!("connection.{kind}"));
        let told = event["data"].as_object_mut().unwrap().remove("reason").unwrap_or_default();
        assert_eq!(told, reason);
        assert_eq!(event["data"], json!({"config_key": "acme", "connection_id": "user-1"}));
        assert!(event["timestamp"].is_string(), "{event}");
    }
    let seen: Vec<Value> = deliveries.iter().map(Delivery::verified).collect();
    assert_eq!(verified_in_node(&deliveries), seen);

    eventually(async || events(&server).await.iter().all(|event| event["delivered_at"].is_string())).await;
    let listed = events(&server).await;
    let listed: Vec<_> = listed.iter().rev().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(listed, deliveries.iter().map(Delivery::id).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_was_not_taken_comes_again_after_a_pause_even_after_a_kill() {
    let application = Application::start().await;
    application.answer(500);
    let (_provider, mut server) = world(&application).await;
    Browser::default().connect(&server, "user-1").await;
    let first = application.delivery(0).await;
    // While a delivery runs, the next one is due a minute later; once it has failed, after a few seconds.
    let instant = |text: &Value| text.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    eventually(async || {
        let event = &events(&server).await[0];
        instant(&event["deliver_at"]).duration_since(instant(&event["created_at"])).as_secs() < 30
    })
    .await;
    application.answer(200);
    server.kill_and_restart();
    let again = application.delivery(1).await;
    assert_eq!((again.id(), &again.body), (first.id(), &first.body), "a repetition is known by its id");
    again.verified();
    assert!(again.sent_at().since(first.sent_at()) >= Duration::from_secs(4), "it came again at once");
    eventually(async || events(&server).await[0]["delivered_at"].is_string()).await;
    let event = &events(&server).await[0];
    assert_eq!((&event["deliveries"], &event["deliver_at"]), (&json!(2), &Value::Null));
}

#[tokio::test]
async fn a_kill_in_the_midst_of_a_delivery_leaves_it_owed_and_a_command_makes_it_once_more() {
    let application = Application::start().await;
    application.hang();
    let (_provider, mut server) = world(&application).await;
    Browser::default().connect(&server, "user-1").await;
    let first = application.delivery(0).await;
    server.kill_and_restart();
    let owed = &events(&server).await[0];
    assert!(owed["delivered_at"].is_null() && owed["deliver_at"].is_string(), "{owed}");

    application.answer(200);
    // The minute in which nobody else takes it is over.
    server.execute("UPDATE events SET deliver_at = deliver_at - 60000").await;
    assert_eq!(application.delivery(1).await.id(), first.id());
    eventually(async || events(&server).await[0]["delivered_at"].is_string()).await;
    let listed = server.run(&["event", "list"]).await;
    assert!(listed.contains(first.id()) && listed.contains("connection.created"), "{listed}");
    // One that was taken can be replayed too.
    server.run(&["event", "replay", first.id()]).await;
    assert_eq!(application.delivery(2).await.id(), first.id());
    assert_eq!(server.try_run(&["event", "replay", "evt_none"]).await.status.code(), Some(3));
}

#[tokio::test]
async fn events_are_listed_also_without_a_webhook() {
    let provider = Provider::start().await;
    let server = Server::start(DATABASE, &provider).await;
    Browser::default().connect(&server, "user-1").await;
    server.delete("user-1").await;
    let listed = events(&server).await;
    let kinds: Vec<_> = listed.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["connection.deleted", "connection.created"]);
    assert!(listed.iter().all(|event| event["deliver_at"].is_null()), "{listed:?}");
    let page = server.get(&["events"], &[("before", listed[0]["id"].as_str().unwrap())]).await.1;
    assert_eq!(page["events"], json!([listed[1]]));
}
