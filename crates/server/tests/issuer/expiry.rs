//! What has expired: refused at once, and forgotten in time.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::json;

use super::DATABASE;
use crate::{
    support::Server,
    world::{Browser, Registered},
};

/// Lets a statement change rows until none is left that it would change, or fails.
async fn gone(server: &Server, statements: &[&'static str]) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let left = DATABASE.execute(server, statements).await;
        if left.iter().all(|rows| *rows == 0) {
            return;
        }
        assert!(Instant::now() < deadline, "{left:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// RFC 6749 4.1.2, ASVS 10.4.3: a code that is a minute old is refused.
#[tokio::test]
async fn a_code_lives_sixty_seconds() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({})).await;
    let code = async || server.grant(&Browser::new(), &client, &[]).await["code"].clone();
    let (young, old) = (code().await, code().await);
    DATABASE.execute(&server, &["UPDATE issuer_codes SET expires_at = expires_at - 50000"]).await;
    assert_eq!(server.redeem(&client, &young).await.0, 200);
    DATABASE.execute(&server, &["UPDATE issuer_codes SET expires_at = expires_at - 10000"]).await;
    let (status, refused) = server.redeem(&client, &old).await;
    assert_eq!((status, &refused["error"]), (400, &json!("invalid_grant")));
}

/// ASVS 10.4.8: a refresh token dies of disuse, and of old age however often it was used.
#[tokio::test]
async fn refresh_tokens_and_login_sessions_end() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({})).await;
    let refresh = async |statement: &'static str| {
        let tokens = server.tokens(&client, &[]).await;
        DATABASE.execute(&server, &[statement]).await;
        server.refresh(&client, tokens["refresh_token"].as_str().unwrap()).await.0
    };
    // Seven days unused; ninety days in all.
    assert_eq!(refresh("UPDATE issuer_refresh_tokens SET expires_at = expires_at - 600000000").await, 200);
    assert_eq!(refresh("UPDATE issuer_refresh_tokens SET expires_at = expires_at - 604800000").await, 400);
    assert_eq!(refresh("UPDATE issuer_grants SET expires_at = expires_at - 7776000000").await, 400);

    let browser = Browser::new();
    let id = server.login_session(&browser, &client, &[]).await;
    let (_, approved) = server.approve(&id, json!({"user": "ada"})).await;
    DATABASE.execute(&server, &["UPDATE issuer_login_sessions SET expires_at = expires_at - 600000"]).await;
    let consent = browser.get(approved["redirect_uri"].as_str().unwrap()).await;
    assert_eq!(consent.status, StatusCode::NOT_FOUND);
    assert_eq!(server.approve(&id, json!({"user": "ada"})).await.0, 404);
}

/// Rows that nobody can use any more are forgotten; the rest stays.
#[tokio::test]
async fn what_has_expired_is_forgotten() {
    let server = DATABASE.issuer().start();
    let client = server.client(json!({})).await;
    let old: Registered = server.client(json!({})).await;
    server.tokens(&old, &[]).await;
    let two_days = [
        "UPDATE issuer_login_sessions SET expires_at = expires_at - 7948800000",
        "UPDATE issuer_browser_sessions SET expires_at = expires_at - 7948800000",
        "UPDATE issuer_codes SET expires_at = expires_at - 7948800000",
        "UPDATE issuer_refresh_tokens SET expires_at = expires_at - 7948800000",
        "UPDATE issuer_grants SET expires_at = expires_at - 7948800000",
    ];
    assert_eq!(DATABASE.execute(&server, &two_days).await, [1; 5]);
    let tokens = server.tokens(&client, &[]).await;
    // The first round of forgetting comes with the start.
    let server = server.kill().start();
    gone(
        &server,
        &[
            "UPDATE issuer_login_sessions SET ended_at = ended_at WHERE expires_at < created_at",
            "UPDATE issuer_grants SET revoked_at = NULL WHERE expires_at < created_at",
            "UPDATE issuer_codes SET used_at = used_at \
             WHERE NOT EXISTS (SELECT 1 FROM issuer_grants g WHERE g.grant_id = issuer_codes.grant_id)",
            "UPDATE issuer_refresh_tokens SET used_at = used_at \
             WHERE NOT EXISTS (SELECT 1 FROM issuer_grants g WHERE g.grant_id = issuer_refresh_tokens.grant_id)",
        ],
    )
    .await;
    let kept = [
        "UPDATE issuer_login_sessions SET ended_at = ended_at",
        "UPDATE issuer_browser_sessions SET sid = sid",
        "UPDATE issuer_codes SET used_at = used_at",
        "UPDATE issuer_refresh_tokens SET used_at = used_at",
        "UPDATE issuer_grants SET revoked_at = revoked_at",
    ];
    assert_eq!(DATABASE.execute(&server, &kept).await, [1; 5]);
    assert_eq!(server.refresh(&client, tokens["refresh_token"].as_str().unwrap()).await.0, 200);
}
