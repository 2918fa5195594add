//! The description at `/openapi.json`: what it says is what the server does.

use std::path::Path;

use reqwest::Method;
use serde_json::Value;

use crate::support::{API_KEY, Options, Server, answer};

async fn document(server: &Server) -> Value {
    let (status, document) = server.get("/openapi.json").await;
    assert_eq!(status, 200);
    document
}

// Written anew by `HANDFAST_BLESS=1 cargo test -p handfast-server openapi`.
#[tokio::test]
async fn the_document_is_the_one_that_was_reviewed() {
    let mut document = document(&Server::start()).await;
    document["servers"] = Value::Null;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/openapi.json");
    let text = format!("{document:#}\n");
    if std::env::var_os("HANDFAST_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap());
}

#[tokio::test]
async fn every_operation_is_there_and_wants_a_key() {
    let server = Options::new().variable("HANDFAST_API_KEY", API_KEY).start();
    let document = document(&server).await;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let address = path.replace(['{', '}'], "");
            let method: Method = method.to_uppercase().parse().unwrap();
            let request = server.request(method.clone(), &address).header("content-type", "application/json");
            let (status, body) = answer(request).await;
            assert_eq!((status, &body["code"]), (401, &Value::from("missing_api_key")), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = document(&Server::start()).await;
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 10);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}
