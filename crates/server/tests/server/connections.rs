//! Connections as a list, their metadata, and their way in from another system and out again.

use reqwest::Method;
use serde_json::{Value, json};

use super::options;
use crate::support::{API_KEY, Options, Server, answer};

async fn server(options: Options) -> Server {
    let server = options.variable("HANDFAST_API_KEY", API_KEY).start();
    for config_key in ["a", "b"] {
        let new = json!({"config_key": config_key, "provider_name": "github", "client_id": "id", "client_secret": "s"});
        assert_eq!(ask(&server, Method::POST, "/integrations", Some(new)).await.0, 201);
    }
    server
}

async fn ask(server: &Server, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
    let request = server.request(method, path).bearer_auth(API_KEY);
    answer(if let Some(body) = body { request.json(&body) } else { request }).await
}

fn line(config_key: &str, connection_id: &str, access_token: &str) -> Value {
    json!({
        "config_key": config_key,
        "connection_id": connection_id,
        "credentials": {"type": "OAUTH2", "access_token": access_token, "refresh_token": "r"},
        "metadata": {"plan": "free"},
    })
}

async fn import(server: &Server, query: &str, lines: &[Value]) -> Value {
    let text = lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    let request = server.request(Method::POST, &format!("/import/connections{query}")).bearer_auth(API_KEY);
    let (status, report) = answer(request.header("content-type", "application/x-ndjson").body(text)).await;
    assert_eq!(status, 200, "{report}");
    report
}

async fn token(server: &Server, config_key: &str, connection_id: &str) -> Value {
    let path = format!("/connections/{connection_id}?config_key={config_key}");
    ask(server, Method::GET, &path, None).await.1["credentials"]["access_token"].clone()
}

#[tokio::test]
async fn an_import_runs_again_and_keeps_what_is_there() {
    let server = server(options()).await;
    let lines = [line("a", "u1", "t1"), line("b", "u1", "t2")];
    let report = import(&server, "", &lines).await;
    assert_eq!((&report["created"], &report["failed"]), (&json!(2), &json!(0)));
    assert_eq!(token(&server, "a", "u1").await, "t1");

    let more = [line("a", "u1", "other"), line("a", "u2", "t3")];
    let report = import(&server, "", &more).await;
    assert_eq!((&report["created"], &report["kept"]), (&json!(1), &json!(1)));
    assert_eq!(token(&server, "a", "u1").await, "t1");
    let report = import(&server, "?existing=replace", &more).await;
    assert_eq!((&report["created"], &report["replaced"]), (&json!(0), &json!(2)));
    assert_eq!(token(&server, "a", "u1").await, "other");
}

#[tokio::test]
async fn the_list_has_pages_and_filters() {
    let server = server(options()).await;
    let lines: Vec<_> =
        (0..7).map(|n| line(if n % 2 == 0 { "a" } else { "b" }, &format!("u{n}"), "t")).collect();
    import(&server, "", &lines).await;
    let mut seen = Vec::new();
    let mut path = "/connections?limit=3".to_owned();
    loop {
        let (status, page) = ask(&server, Method::GET, &path, None).await;
        assert_eq!(status, 200, "{page}");
        let connections = page["connections"].as_array().unwrap();
        assert!(connections.len() <= 3 && !page.to_string().contains("access_token"), "{page}");
        seen.extend(connections.iter().map(|one| one["connection_id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/connections?limit=3&cursor={cursor}");
    }
    seen.sort();
    assert_eq!(seen, ["u0", "u1", "u2", "u3", "u4", "u5", "u6"]);
    let count = async |query: &str| {
        let (_, page) = ask(&server, Method::GET, &format!("/connections?{query}"), None).await;
        page["connections"].as_array().map(Vec::len)
    };
    assert_eq!(count("config_key=a").await, Some(4));
    assert_eq!(count("connection_id=u3").await, Some(1));
    assert_eq!(count("status=needs_reconnect").await, Some(0));
    for (query, field) in [("limit=0", "limit"), ("limit=x", "limit"), ("cursor=x", "cursor")] {
        let (status, body) = ask(&server, Method::GET, &format!("/connections?{query}"), None).await;
        assert_eq!((status, &body["field"]), (400, &json!(field)));
    }
    for query in ["colour=red", "limit=1&limit=2"] {
        let (status, body) = ask(&server, Method::GET, &format!("/connections?{query}"), None).await;
        let named = query.split('=').next().unwrap();
        assert!(status == 400 && body["detail"].as_str().unwrap().contains(named), "{body}");
    }
}

#[tokio::test]
async fn what_was_exported_can_be_imported() {
    let first = server(options()).await;
    let mut lines = vec![line("a", "with \"quotes\" and\nbreaks 🦀", "t1"), line("b", "u2", "t2")];
    lines.push(json!({"config_key": "a", "connection_id": "old",
        "credentials": {"type": "OAUTH1", "oauth_token": "o", "oauth_token_secret": "os"}}));
    import(&first, "", &lines).await;
    let mut exported = String::new();
    let mut path = "/export/connections?limit=2".to_owned();
    loop {
        let answer = first.request(Method::GET, &path).bearer_auth(API_KEY).send().await.unwrap();
        let link = answer.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
        exported += &answer.text().await.unwrap();
        let Some(link) = link else { break };
        let query = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
        path = format!("/export/connections{query}");
    }
    let exported: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(exported.len(), 3);
    let second = server(options()).await;
    assert_eq!(import(&second, "", &exported).await["created"], 3);
    assert_eq!(token(&second, "b", "u2").await, "t2");
    let (_, old) = ask(&second, Method::GET, "/connections/old?config_key=a", None).await;
    assert_eq!(old["credentials"]["oauth_token_secret"], "os");
}

#[tokio::test]
async fn metadata_is_merged() {
    let server = server(options()).await;
    import(&server, "", &[line("a", "u1", "t")]).await;
    let edit = async |metadata: Value| {
        let body = Some(json!({"metadata": metadata}));
        ask(&server, Method::PATCH, "/connections/u1?config_key=a", body).await
    };
    let (status, edited) = edit(json!({"plan": null, "seats": 3})).await;
    assert_eq!((status, &edited["metadata"]), (200, &json!({"seats": 3})));
    assert_eq!(edit(json!({"seats": {"used": 1}})).await.1["metadata"], json!({"seats": {"used": 1}}));
    assert_eq!(edit(json!({"big": "x".repeat(20_000)})).await.1["field"], "metadata");
    let unknown =
        ask(&server, Method::PATCH, "/connections/u2?config_key=a", Some(json!({"metadata": {}}))).await;
    assert_eq!((unknown.0, &unknown.1["code"]), (404, &json!("unknown_connection")));
}

#[tokio::test]
async fn a_bad_line_is_named_and_the_others_are_stored() {
    let server = server(options()).await;
    let text = format!(
        "{}\n\nnot json hush-1\n{}\n{}\n{}",
        line("a", "u1", "t"),
        line("nobody", "u2", "t"),
        json!({"config_key": "a", "connection_id": "u3", "credentials": {"type": "OAUTH2"}}),
        json!({"config_key": "a", "connection_id": "u4", "credentials": {"type": "OAUTH2", "access_token": "t", "expires_at": "hush-2"}}),
    );
    let request = server.request(Method::POST, "/import/connections").bearer_auth(API_KEY);
    let (status, report) = answer(request.header("content-type", "application/x-ndjson").body(text)).await;
    assert_eq!((status, &report["created"], &report["failed"]), (200, &json!(1), &json!(4)));
    let lines: Vec<_> =
        report["failures"].as_array().unwrap().iter().map(|failure| failure["line"].clone()).collect();
    assert_eq!(lines, [json!(3), json!(4), json!(5), json!(6)]);
    assert_eq!(report["failures"][1]["code"], "unknown_integration");
    assert!(!report.to_string().contains("hush"), "{report}");
}

// RFC 6749 3.2: the client secret goes to the provider and nowhere else.
#[tokio::test]
async fn an_imported_parameter_cannot_lead_to_another_host() {
    let provider = "[providers.shop]\ndisplay_name = \"Shop\"\n\
         authorization_endpoint = \"https://{shop}.shop.example/authorize\"\n\
         token_endpoint = \"https://{shop}.shop.example/token\"\nevidence = \"documentation\"\n\
         [providers.shop.variables.shop]\nkind = \"dns_label\"\nexample = \"acme\"\n";
    let server = server(options().file(provider)).await;
    let new = json!({"config_key": "shop", "provider_name": "shop", "client_id": "id", "client_secret": "s"});
    ask(&server, Method::POST, "/integrations", Some(new)).await;
    let mut evil = line("shop", "u1", "t");
    evil["params"] = json!({"shop": "evil.test/#"});
    let report = import(&server, "", &[evil]).await;
    assert_eq!(
        (&report["created"], &report["failures"][0]["code"]),
        (&json!(0), &json!("invalid_parameter"))
    );
}

#[tokio::test]
async fn an_import_may_be_longer_than_any_other_body() {
    let server = server(options()).await;
    let lines: Vec<_> = (0..600).map(|n| line("a", &format!("user-{n}"), &"t".repeat(200))).collect();
    assert_eq!(import(&server, "", &lines).await["created"], 600);
    let endless = "x".repeat(200_000);
    let request = server.request(Method::POST, "/import/connections").bearer_auth(API_KEY);
    assert_eq!(answer(request.header("content-type", "application/x-ndjson").body(endless)).await.0, 400);
}
