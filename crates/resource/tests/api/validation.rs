//! Tokens, proofs and rotating keys against a resource server with a clock of our own.

use std::sync::{Arc, atomic::Ordering};

use handfast_resource::{
    DpopPolicy, RequestParts, ResourceServer, ResourceSettings, SettingsError, TokenFormats,
};
use serde_json::json;

use crate::issuer::{AUDIENCE, ISSUER, Issuer, Key, NOW, with};

struct World {
    issuer: Arc<Issuer>,
    resource: ResourceServer,
}

fn world_with(change: impl FnOnce(&mut ResourceSettings)) -> World {
    let issuer = Arc::new(Issuer::new());
    let mut settings = ResourceSettings::new(ISSUER, AUDIENCE, "https://api.example.com");
    change(&mut settings);
    let resource = issuer.resource(settings);
    World { issuer, resource }
}

fn world() -> World {
    world_with(|_| ())
}

impl World {
    /// `ada`, or the code and status of the refusal with the first challenge.
    async fn ask(&self, request: &RequestParts<'_>) -> Result<String, (u16, String, Vec<String>)> {
        let answer = self.resource.authenticate(request).await;
        answer.map(|token| token.subject().to_owned()).map_err(|refusal| {
            let text = refusal.to_string();
            (refusal.status(), text, self.resource.challenges(request, &refusal))
        })
    }

    async fn bearer(&self, token: &str) -> Result<String, (u16, String, Vec<String>)> {
        let value = format!("Bearer {token}");
        self.ask(&request(&[&value], &[])).await
    }

    async fn refusal_of(&self, token: &str) -> String {
        self.bearer(token).await.unwrap_err().1
    }
}

fn request<'a>(authorization: &[&'a str], dpop: &[&'a str]) -> RequestParts<'a> {
    RequestParts {
        method: "GET",
        path: "/documents?page=2",
        authorization: authorization.to_vec(),
        dpop: dpop.to_vec(),
    }
}

#[tokio::test]
async fn tokens_of_each_algorithm_pass() {
    let world = world();
    for key in [Key::rs256("r"), Key::es256("e"), Key::ed25519("d")] {
        world.issuer.publish([&key]);
        world.issuer.pass_seconds(10);
        let token = key.access_token(&world.issuer.claims());
        assert_eq!(world.bearer(&token).await.unwrap(), "ada", "{}", key.algorithm());
    }
}

#[tokio::test]
async fn each_claim_is_checked() {
    // RFC 9068 4, RFC 8725 3.8 and 3.9, ASVS 9.2.1 to 9.2.3.
    let world = world();
    let key = world.issuer.key();
    let good = world.issuer.claims();
    for (name, value, error) in [
        ("iss", json!("https://evil.example"), "the access token is from another issuer"),
        ("iss", json!(format!("{ISSUER}/")), "the access token is from another issuer"),
        ("aud", json!("https://other.example.com"), "the access token is for another audience"),
        ("aud", json!(null), "the access token is for another audience"),
        ("exp", json!(NOW - 30), "the access token has expired"),
        ("exp", json!("tomorrow"), "the access token has no valid exp"),
        ("exp", json!(null), "the access token has no valid exp"),
        ("iat", json!(NOW + 31), "the access token is not valid yet; look at both clocks"),
        ("iat", json!(null), "the access token has no valid iat"),
        ("nbf", json!(NOW + 31), "the access token is not valid yet; look at both clocks"),
        ("nbf", json!("now"), "the access token has no valid nbf"),
        ("sub", json!(7), "the access token has no valid sub"),
        ("client_id", json!(null), "the access token has no valid client_id"),
        ("cnf", json!({"x5t#S256": "AAAA"}), "the access token has no valid cnf"),
    ] {
        assert_eq!(world.refusal_of(&key.access_token(&with(&good, name, value))).await, error, "{name}");
    }
    for (name, value) in [
        ("exp", json!(NOW - 29)),
        ("iat", json!(NOW + 30)),
        ("aud", json!(["x", AUDIENCE])),
        ("nbf", json!(NOW)),
    ] {
        world.bearer(&key.access_token(&with(&good, name, value))).await.unwrap();
    }
}

#[tokio::test]
async fn only_the_type_and_algorithms_of_access_tokens_pass() {
    // RFC 8725 3.1 and 3.11, RFC 7515 4.1.11.
    let world = world();
    let key = world.issuer.key();
    let claims = world.issuer.claims();
    let header = json!({"alg": key.algorithm(), "kid": "one", "typ": "at+jwt"});
    world.bearer(&key.sign(&with(&header, "typ", json!("application/AT+JWT")), &claims)).await.unwrap();
    for (name, value, error) in [
        ("typ", json!("JWT"), "the token is not an access token"),
        ("typ", json!(null), "the token is not an access token"),
        ("alg", json!("none"), "the JWT is signed with an algorithm other than RS256, ES256 and EdDSA"),
        ("alg", json!("HS256"), "the JWT is signed with an algorithm other than RS256, ES256 and EdDSA"),
        ("alg", json!("RS256"), "the access token is signed with a key that the issuer does not publish"),
        ("crit", json!(["exp"]), "the JWT demands an extension (crit) that is not understood"),
    ] {
        assert_eq!(world.refusal_of(&key.sign(&with(&header, name, value), &claims)).await, error, "{name}");
    }
    let long = key.access_token(&with(&claims, "padding", json!("x".repeat(16 * 1024))));
    assert_eq!(world.refusal_of(&long).await, "the JWT is longer than 16384 bytes");
    let forged = Key::ed25519("one").access_token(&claims);
    assert_eq!(world.refusal_of(&forged).await, "the signature of the JWT does not verify");
}

#[tokio::test]
async fn connectivly_tokens_pass_where_they_are_asked_for_and_id_tokens_never() {
    let claims = json!({
        "iss": ISSUER, "sub": "ada", "exp": NOW + 60, "iat": NOW, "scopes": ["openid", "documents"],
        "app": {"id": "client1", "name": "Client 1 App", "client_id": "client1", "redirect_uri": []},
    });
    let key = Key::rs256("one");
    let header = json!({"alg": "RS256", "kid": "one", "typ": "JWT"});
    let token = key.sign(&header, &claims);

    let strict = world();
    strict.issuer.publish([&key]);
    assert_eq!(strict.refusal_of(&token).await, "the token is not an access token");

    let compatible = world_with(|settings| settings.formats = TokenFormats::Rfc9068OrConnectivly);
    compatible.issuer.publish([&key]);
    let value = format!("Bearer {token}");
    let token = compatible.resource.authenticate(&request(&[&value], &[])).await.unwrap();
    assert_eq!((token.subject(), token.client_id()), ("ada", "client1"));
    assert!(token.scopes().contains("documents") && !token.scopes().contains("email"));
    compatible.bearer(&key.access_token(&compatible.issuer.claims())).await.unwrap();
    let id_token = json!({"iss": ISSUER, "sub": "ada", "aud": "client1", "exp": NOW + 60, "iat": NOW});
    assert_eq!(
        compatible.refusal_of(&key.sign(&header, &id_token)).await,
        "the token is not an access token"
    );
    let without_app = with(&claims, "app", json!(null));
    assert_eq!(
        compatible.refusal_of(&key.sign(&header, &without_app)).await,
        "the access token has no valid client_id"
    );
}

#[tokio::test]
async fn keys_are_fetched_once_and_again_when_a_new_one_appears() {
    let world = world();
    let first = world.issuer.key().access_token(&world.issuer.claims());
    let all = (0..20).map(|_| world.bearer(&first));
    for answer in futures_of(all).await {
        answer.unwrap();
    }
    assert_eq!(world.issuer.fetches.load(Ordering::SeqCst), 1);

    let second = Key::es256("two");
    world.issuer.publish([world.issuer.key(), &second]);
    world.issuer.pass_seconds(2);
    let token = second.access_token(&world.issuer.claims());
    world.bearer(&token).await.unwrap();
    world.bearer(&first).await.unwrap();
    assert_eq!(world.issuer.fetches.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_flood_of_unknown_keys_asks_the_issuer_once_a_second() {
    let world = world();
    for number in 0..50 {
        let stranger = Key::ed25519(&format!("stranger-{number}")).access_token(&world.issuer.claims());
        let error = world.refusal_of(&stranger).await;
        assert_eq!(error, "the access token is signed with a key that the issuer does not publish");
    }
    assert_eq!(world.issuer.fetches.load(Ordering::SeqCst), 1);
    world.issuer.pass_seconds(1);
    world.refusal_of(&Key::ed25519("late").access_token(&world.issuer.claims())).await;
    assert_eq!(world.issuer.fetches.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn old_keys_serve_an_hour_while_the_issuer_is_away_and_then_no_longer() {
    let world = world();
    let token = |seconds: i64| {
        world.issuer.key().access_token(&with(&world.issuer.claims(), "exp", json!(NOW + seconds)))
    };
    world.bearer(&token(60)).await.unwrap();
    world.issuer.away.store(true, Ordering::SeqCst);
    world.issuer.pass_seconds(3599);
    world.bearer(&token(9000)).await.unwrap();
    world.issuer.pass_seconds(2);
    let (status, text, challenges) = world.bearer(&token(9000)).await.unwrap_err();
    assert_eq!((status, text.as_str()), (503, "the access token cannot be verified at the moment"));
    assert!(challenges.is_empty());
    world.issuer.away.store(false, Ordering::SeqCst);
    world.issuer.pass_seconds(2);
    world.bearer(&token(9000)).await.unwrap();
}

#[tokio::test]
async fn a_withdrawn_key_stops_working_when_the_keys_are_fetched_again() {
    let world = world();
    let token = world.issuer.key().access_token(&with(&world.issuer.claims(), "exp", json!(NOW + 9000)));
    world.bearer(&token).await.unwrap();
    let new = Key::es256("two");
    world.issuer.publish([&new]);
    world.issuer.pass_seconds(400);
    // The new key forces the fetch to its end; the old one is used while one is under way.
    world.bearer(&new.access_token(&with(&world.issuer.claims(), "exp", json!(NOW + 9000)))).await.unwrap();
    let error = world.refusal_of(&token).await;
    assert_eq!(error, "the access token is signed with a key that the issuer does not publish");
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_said_in_the_challenge() {
    // RFC 6750 3, RFC 9449 7.1.
    let world = world();
    let (status, _, challenges) = world.ask(&request(&[], &[])).await.unwrap_err();
    assert_eq!(status, 401);
    assert_eq!(challenges, ["Bearer realm=\"api\"", "DPoP realm=\"api\", algs=\"RS256 ES256 EdDSA\""]);
    assert_eq!(world.ask(&request(&["Basic YTpi"], &[])).await.unwrap_err().2, challenges);
    let (status, _, challenges) = world.ask(&request(&["Bearer a", "Bearer b"], &[])).await.unwrap_err();
    assert_eq!(status, 400);
    assert!(challenges[0].contains("error=\"invalid_request\""), "{challenges:?}");
    for value in ["Bearer", "Bearer  ", "bearer nonsense"] {
        let (status, _, challenges) = world.ask(&request(&[value], &[])).await.unwrap_err();
        assert_eq!((status, challenges.len()), (401, 1));
        assert_eq!(
            challenges[0],
            "Bearer realm=\"api\", error=\"invalid_token\", error_description=\"not a signed JWT\""
        );
    }
}

#[tokio::test]
async fn missing_scopes_are_named_all_at_once() {
    // RFC 6750 3.1.
    let world = world();
    let value = format!("Bearer {}", world.issuer.key().access_token(&world.issuer.claims()));
    let request = request(&[&value], &[]);
    let token = world.resource.authenticate(&request).await.unwrap();
    world.resource.require_scopes(&token, &["documents".to_owned()]).unwrap();
    let wanted = ["documents".to_owned(), "admin".to_owned()];
    let refusal = world.resource.require_scopes(&token, &wanted).unwrap_err();
    assert_eq!(refusal.status(), 403);
    assert_eq!(
        world.resource.challenges(&request, &refusal),
        [
            "Bearer realm=\"api\", error=\"insufficient_scope\", error_description=\"the access token lacks the scope \
          documents admin\", scope=\"documents admin\""
        ]
    );
}

#[tokio::test]
async fn a_bound_token_passes_with_a_proof_of_its_key_once() {
    // RFC 9449 7.1, ASVS 10.3.5.
    let world = world();
    let holder = Key::es256("holder");
    let claims = with(&world.issuer.claims(), "cnf", json!({"jkt": holder.thumbprint()}));
    let token = world.issuer.key().access_token(&claims);
    let value = format!("DPoP {token}");
    let proof = holder.proof("1", "GET", "https://api.example.com/documents", Some(&token));
    assert_eq!(world.ask(&request(&[&value], &[&proof])).await.unwrap(), "ada");

    let refused = async |authorization: &str, proofs: &[&str]| {
        let (status, text, challenges) = world.ask(&request(&[authorization], proofs)).await.unwrap_err();
        assert_eq!((status, challenges.len()), (401, 1));
        assert!(challenges[0].starts_with("DPoP realm=\"api\", error=\""), "{challenges:?}");
        assert!(challenges[0].ends_with("algs=\"RS256 ES256 EdDSA\""), "{challenges:?}");
        text
    };
    assert_eq!(refused(&value, &[&proof]).await, "the DPoP proof was used before");
    let fresh = |id: &str, method: &str, url: &str| holder.proof(id, method, url, Some(&token));
    let (a, b) = (
        fresh("2", "GET", "https://api.example.com/documents"),
        fresh("3", "GET", "https://api.example.com/documents"),
    );
    assert_eq!(refused(&value, &[&a, &b]).await, "the request has more than one DPoP proof");
    let elsewhere = fresh("4", "GET", "https://api.example.com/other");
    assert_eq!(refused(&value, &[&elsewhere]).await, "the DPoP proof is for another address");
    let post = fresh("5", "POST", "https://api.example.com/documents");
    assert_eq!(refused(&value, &[&post]).await, "the DPoP proof is for another HTTP method");
    let without_ath = holder.proof("6", "GET", "https://api.example.com/documents", None);
    assert_eq!(refused(&value, &[&without_ath]).await, "the DPoP proof is for another access token");
    let thief = Key::ed25519("thief").proof("7", "GET", "https://api.example.com/documents", Some(&token));
    assert_eq!(
        refused(&value, &[&thief]).await,
        "the access token is bound to another key than that of the DPoP proof"
    );
    let bare = "the access token is bound to a key; send it as `Authorization: DPoP ..` with a proof";
    assert_eq!(refused(&value, &[]).await, bare);
    assert_eq!(refused(&format!("Bearer {token}"), &[&a]).await, bare);
    let unbound = format!("DPoP {}", world.issuer.key().access_token(&world.issuer.claims()));
    assert_eq!(refused(&unbound, &[&a]).await, "the access token is not bound to a key");
}

#[tokio::test]
async fn where_binding_is_required_a_bearer_token_does_not_pass() {
    let world = world_with(|settings| settings.dpop = DpopPolicy::Required);
    let token = world.issuer.key().access_token(&world.issuer.claims());
    let (status, text, challenges) = world.bearer(&token).await.unwrap_err();
    assert_eq!((status, text.as_str()), (401, "the access token is not bound to a key"));
    assert!(challenges[0].starts_with("DPoP "));
    assert_eq!(world.ask(&request(&[], &[])).await.unwrap_err().2.len(), 1);
}

#[test]
fn settings_that_cannot_be_right_are_named() {
    let issuer = Arc::new(Issuer::new());
    let refused = |issuer_id: &str, audience: &str, url: &str| {
        let settings = ResourceSettings::new(issuer_id, audience, url);
        issuer.try_resource(settings).unwrap_err()
    };
    assert_eq!(refused("", "a", "https://a"), SettingsError::Empty("issuer"));
    assert_eq!(refused("a", "", "https://a"), SettingsError::Empty("audience"));
    assert_eq!(
        refused("a", "a", "api.example.com").to_string(),
        "public_url must begin with https:// (or http:// on a developer's machine), not \"api.example.com\""
    );
}

/// Runs all of them at once.
async fn futures_of<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, output) in &mut futures {
            if output.is_none()
                && let std::task::Poll::Ready(answer) = future.as_mut().poll(context)
            {
                *output = Some(answer);
            }
        }
        if futures.iter().all(|(_, output)| output.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    futures.into_iter().filter_map(|(_, output)| output).collect()
}
