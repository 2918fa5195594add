//! The layer and the extractor in front of a small router.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
    routing::get,
};
use handfast_resource::{AccessToken, ProtectLayer, ResourceSettings};
use serde_json::json;
use tower::ServiceExt;

use crate::issuer::{AUDIENCE, ISSUER, Issuer, Key, with};

async fn name(token: AccessToken) -> String {
    format!("{} by {}", token.subject(), token.client_id())
}

fn api(issuer: &Arc<Issuer>) -> Router {
    let resource = issuer.resource(ResourceSettings::new(ISSUER, AUDIENCE, "https://api.example.com"));
    let documents = Router::new()
        .route("/documents", get(name))
        .layer(ProtectLayer::new(resource.clone()).scope("documents"));
    let admin = Router::new()
        .route("/admin", get(name))
        .layer(ProtectLayer::new(resource).scope("documents").scope("admin"));
    Router::new().nest("/v1", documents).merge(admin).route("/unprotected", get(name))
}

async fn ask(api: &Router, path: &str, headers: &[(&str, &str)]) -> (StatusCode, Vec<String>, String) {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = api.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let challenges = response.headers().get_all(header::WWW_AUTHENTICATE).iter();
    let challenges = challenges.map(|value| value.to_str().unwrap().to_owned()).collect();
    let status = response.status();
    let body = to_bytes(response.into_body(), 10_000).await.unwrap();
    (status, challenges, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn the_layer_lets_valid_tokens_through_and_tells_others_why_not() {
    let issuer = Arc::new(Issuer::new());
    let api = api(&issuer);
    let bearer = format!("Bearer {}", issuer.key().access_token(&issuer.claims()));

    let (status, _, body) = ask(&api, "/v1/documents?page=2", &[("authorization", &bearer)]).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "ada by client1"));

    let (status, challenges, body) = ask(&api, "/v1/documents", &[]).await;
    assert_eq!((status, challenges.len()), (StatusCode::UNAUTHORIZED, 2));
    assert!(body.contains("Authorization: Bearer"), "{body}");

    let (status, challenges, _) = ask(&api, "/admin", &[("authorization", &bearer)]).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(challenges[0].ends_with("scope=\"documents admin\""), "{challenges:?}");
}

#[tokio::test]
async fn a_proof_is_compared_with_the_whole_path_also_below_a_nested_router() {
    let issuer = Arc::new(Issuer::new());
    let api = api(&issuer);
    let holder = Key::es256("holder");
    let claims = with(&issuer.claims(), "cnf", json!({"jkt": holder.thumbprint()}));
    let token = issuer.key().access_token(&claims);
    let value = format!("DPoP {token}");
    for (id, path, status) in
        [("1", "/v1/documents", StatusCode::OK), ("2", "/documents", StatusCode::UNAUTHORIZED)]
    {
        let proof = holder.proof(id, "GET", &format!("https://api.example.com{path}"), Some(&token));
        let answer = ask(&api, "/v1/documents", &[("authorization", &value), ("dpop", &proof)]).await;
        assert_eq!(answer.0, status, "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn a_route_without_the_layer_says_what_is_missing() {
    let (status, _, body) = ask(&api(&Arc::new(Issuer::new())), "/unprotected", &[]).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(body.contains("ProtectLayer"), "{body}");
}
