//! Rust's `openidconnect`: finds the issuer, registers, signs in with PKCE, checks the id token, asks userinfo, refreshes.

use std::{env, io};

use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientName, CsrfToken, IssuerUrl, Nonce, OAuth2TokenResponse,
    PkceCodeChallenge, RedirectUrl, Scope, TokenResponse,
    core::{
        CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreClientRegistrationRequest,
        CoreProviderMetadata, CoreUserInfoClaims,
    },
    registration::{EmptyAdditionalClientMetadata, EmptyAdditionalClientRegistrationResponse},
    ureq,
    url::Url,
};

const REDIRECT_URI: &str = "http://127.0.0.1:9/callback";

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let http = ureq::AgentBuilder::new().redirects(0).build();
    let issuer = IssuerUrl::new(env::var("ISSUER")?)?;
    let metadata = CoreProviderMetadata::discover(&issuer, &http)?;
    for method in [CoreClientAuthMethod::ClientSecretBasic, CoreClientAuthMethod::ClientSecretPost] {
        sign_in(&http, &metadata, method)?;
    }
    Ok(())
}

fn sign_in(
    http: &ureq::Agent,
    metadata: &CoreProviderMetadata,
    method: CoreClientAuthMethod,
) -> Result<(), Failure> {
    let redirect_uri = RedirectUrl::new(REDIRECT_URI.to_owned())?;
    let registration: openidconnect::core::CoreClientRegistrationResponse =
        CoreClientRegistrationRequest::new(vec![redirect_uri.clone()], EmptyAdditionalClientMetadata {})
            .set_client_name(Some(
                [(None, ClientName::new("openidconnect".to_owned()))].into_iter().collect(),
            ))
            .set_token_endpoint_auth_method(Some(method.clone()))
            .register(metadata.registration_endpoint().ok_or("no registration")?, http)?;
    let _: &EmptyAdditionalClientRegistrationResponse = registration.additional_response();

    let auth_type = match method {
        CoreClientAuthMethod::ClientSecretPost => openidconnect::AuthType::RequestBody,
        _ => openidconnect::AuthType::BasicAuth,
    };
    let client = CoreClient::from_provider_metadata(
        metadata.clone(),
        registration.client_id().clone(),
        registration.client_secret().cloned(),
    )
    .set_redirect_uri(redirect_uri)
    .set_auth_type(auth_type);

    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state, nonce) = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .add_scope(Scope::new("email".to_owned()))
        .set_pkce_challenge(challenge)
        .url();
    println!("visit {url}");
    let mut landing = String::new();
    io::stdin().read_line(&mut landing)?;
    let landing = Url::parse(landing.trim())?;
    let param = |name: &str| {
        landing
            .query_pairs()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.into_owned())
            .ok_or("no parameter")
    };
    assert_eq!(&param("state")?, state.secret());
    assert_eq!(param("iss")?, metadata.issuer().as_str());

    let tokens = client
        .exchange_code(AuthorizationCode::new(param("code")?))?
        .set_pkce_verifier(verifier)
        .request(http)?;
    let id_token = tokens.id_token().ok_or("no id token")?;
    let id_token_verifier = client.id_token_verifier();
    let claims = id_token.claims(&id_token_verifier, &nonce)?;
    assert_eq!(claims.subject().as_str(), "ada");
    if let Some(expected) = claims.access_token_hash() {
        let key = id_token.signing_key(&id_token_verifier)?;
        let actual = AccessTokenHash::from_token(tokens.access_token(), id_token.signing_alg()?, key)?;
        assert_eq!(&actual, expected);
    }
    let user: CoreUserInfoClaims =
        client.user_info(tokens.access_token().clone(), Some(claims.subject().clone()))?.request(http)?;
    assert_eq!(user.email().map(|email| email.as_str()), Some("ada@example.com"));

    let old = tokens.refresh_token().ok_or("no refresh token")?;
    let renewed = client.exchange_refresh_token(old)?.request(http)?;
    assert_ne!(renewed.refresh_token().map(|token| token.secret()), Some(old.secret()));
    let _again: CoreUserInfoClaims = client.user_info(renewed.access_token().clone(), None)?.request(http)?;
    Ok(())
}
