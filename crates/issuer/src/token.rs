//! The token endpoint (RFC 6749 3.2 and 5): codes and refresh tokens become access tokens.

use handfast_protocol::{
    Clock, CodeVerifier, OAuthErrorCode, Randomness, Scopes, Secret, Sha256Hash, SigningAlgorithm, Timestamp,
    random_token,
};
use serde_json::{Map, Value, json};

use crate::{
    Issuer,
    client::{Client, ClientProfile, GrantType},
    client_authentication::Credentials,
    grant::{AuthorizationCode, Grant, GrantDetails, RefreshToken},
    keys::KeyRing,
    params::Params,
    ports::{Documents, Store, StoreError},
    settings::IssuerSettings,
    userinfo::released_claims,
};

/// What a token request gets (RFC 6749 5.1).
#[derive(Debug)]
pub struct TokenResponse {
    /// A JWT (RFC 9068).
    pub access_token: Secret<String>,
    /// `Bearer`, or `DPoP` where the access token is bound to a key (RFC 9449 5).
    pub token_type: &'static str,
    /// How many seconds the access token lives.
    pub expires_in: u64,
    /// The successor of the refresh token.
    pub refresh_token: Option<Secret<String>>,
    /// The scopes of the access token.
    pub scopes: Scopes,
    /// Who the user is, for the client (OpenID Connect Core 2).
    pub id_token: Option<Secret<String>>,
}

/// Why a request to the token endpoint, or to one that authenticates clients alike, was refused (RFC 6749 5.2).
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The request is at fault.
    #[error("{code}: {description}")]
    Refused {
        /// The code the client gets.
        code: OAuthErrorCode,
        /// The sentence beside it.
        description: String,
    },
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl TokenError {
    pub(crate) fn new(code: OAuthErrorCode, description: impl Into<String>) -> Self {
        Self::Refused { code, description: description.into() }
    }
}

fn invalid_grant(description: &str) -> TokenError {
    TokenError::new(OAuthErrorCode::InvalidGrant, description)
}

fn invalid_request(description: &str) -> TokenError {
    TokenError::new(OAuthErrorCode::InvalidRequest, description)
}

impl<S: Store, D: Documents, C: Clock, R: Randomness> Issuer<S, D, C, R> {
    /// Answers a token request.
    ///
    /// # Errors
    /// As RFC 6749 5.2 names them. A code or refresh token that is used a second time revokes its whole grant.
    pub async fn token(
        &self,
        params: &Params,
        credentials: &Credentials,
    ) -> Result<TokenResponse, TokenError> {
        if let Some(name) = params.repeated() {
            return Err(invalid_request(&format!("the parameter {name:?} stands more than once")));
        }
        let client = self.authenticate(credentials, params).await?;
        let bound_to = self.verify_proof(&credentials.proof, None).await?;
        if bound_to.is_none() && client.metadata.dpop_bound_access_tokens {
            let text = "the client is registered for tokens bound to a key: send a DPoP proof";
            return Err(TokenError::new(OAuthErrorCode::InvalidDpopProof, text));
        }
        let word = params.value("grant_type").ok_or_else(|| invalid_request("grant_type is missing"))?;
        let grant_type = GrantType::parse(word).ok_or_else(|| {
            TokenError::new(OAuthErrorCode::UnsupportedGrantType, "this grant_type is not supported")
        })?;
        if !client.metadata.grant_types.contains(&grant_type) {
            let text = "the client is not registered for this grant_type";
            return Err(TokenError::new(OAuthErrorCode::UnauthorizedClient, text));
        }
        match grant_type {
            GrantType::AuthorizationCode => self.redeem_code(&client, params, bound_to).await,
            GrantType::RefreshToken => self.refresh(&client, params, bound_to).await,
            GrantType::ClientCredentials => self.grant_to_client(&client, params, bound_to).await,
            GrantType::DeviceCode => self.redeem_device_code(&client, params, bound_to).await,
        }
    }

    /// RFC 6749 4.1.3, RFC 7636 4.6.
    async fn redeem_code(
        &self,
        client: &Client,
        params: &Params,
        bound_to: Option<String>,
    ) -> Result<TokenResponse, TokenError> {
        const REFUSED: &str = "the code is unknown, expired, used, or another client's";
        let now = self.now();
        let hash = Sha256Hash::of(params.value("code").ok_or_else(|| invalid_request("code is missing"))?);
        let (code, grant) = self.store.code(&hash).await?.ok_or_else(|| invalid_grant(REFUSED))?;
        if code.used_at.is_some() {
            return Err(self.revoke_reused(&grant, "an authorization code").await?);
        }
        if grant.client_id != client.client_id || now >= code.expires_at || !grant.is_live(now) {
            return Err(invalid_grant(REFUSED));
        }
        check_code_binding(client, &code, params)?;
        // RFC 9449 10.
        if code.dpop_jkt.is_some() && code.dpop_jkt != bound_to {
            return Err(invalid_grant("the code is bound to a key: send a DPoP proof made with it"));
        }
        let resources = chosen_resources(&grant, params)?;
        let (refresh_token, row) = self.new_refresh_token(client, &grant, bound_to.as_deref(), now);
        if !self.store.take_code(&hash, Some(&row), now).await? {
            return Err(self.revoke_reused(&grant, "an authorization code").await?);
        }
        let scopes = grant.details.scopes.clone();
        let issue = Issue { scopes, resources, refresh_token: Some(refresh_token), bound_to };
        self.issue(client, &grant, issue, code.nonce.as_deref()).await
    }

    /// RFC 8628 3.4 and 3.5.
    async fn redeem_device_code(
        &self,
        client: &Client,
        params: &Params,
        bound_to: Option<String>,
    ) -> Result<TokenResponse, TokenError> {
        let now = self.now();
        let (device_code_hash, grant_id) = self.poll_device(client, params).await?;
        let grant = self.store.grant(&grant_id).await?.filter(|grant| grant.is_live(now));
        let grant = grant.ok_or_else(|| invalid_grant("the user has revoked the grant"))?;
        let (refresh_token, row) = self.new_refresh_token(client, &grant, bound_to.as_deref(), now);
        if !self.store.take_device(&device_code_hash, &row, now).await? {
            return Err(invalid_grant("the device code was used"));
        }
        let scopes = grant.details.scopes.clone();
        let issue = Issue { scopes, resources: Vec::new(), refresh_token: Some(refresh_token), bound_to };
        self.issue(client, &grant, issue, None).await
    }

    /// RFC 6749 6, with rotation (RFC 9700 4.14.2).
    async fn refresh(
        &self,
        client: &Client,
        params: &Params,
        bound_to: Option<String>,
    ) -> Result<TokenResponse, TokenError> {
        const REFUSED: &str = "the refresh token is unknown, expired, used, or another client's";
        let now = self.now();
        let token =
            params.value("refresh_token").ok_or_else(|| invalid_request("refresh_token is missing"))?;
        let hash = Sha256Hash::of(token);
        let (row, grant) = self.store.refresh_token(&hash).await?.ok_or_else(|| invalid_grant(REFUSED))?;
        if grant.client_id != client.client_id {
            return Err(invalid_grant(REFUSED));
        }
        if row.used_at.is_some() {
            return Err(self.revoke_reused(&grant, "a refresh token").await?);
        }
        if now >= row.expires_at || !grant.is_live(now) {
            return Err(invalid_grant(REFUSED));
        }
        if row.dpop_jkt.is_some() && row.dpop_jkt != bound_to {
            return Err(invalid_grant("the refresh token is bound to a key: send a DPoP proof made with it"));
        }
        let scopes = match params.value("scope") {
            Some(asked) => Scopes::parse_separated(asked, " "),
            None => grant.details.scopes.clone(),
        };
        if scopes.is_empty() || !scopes.is_subset_of(&grant.details.scopes) {
            return Err(TokenError::new(OAuthErrorCode::InvalidScope, "scope exceeds what the user granted"));
        }
        let resources = chosen_resources(&grant, params)?;
        let (refresh_token, successor) = self.new_refresh_token(client, &grant, bound_to.as_deref(), now);
        if !self.store.rotate_refresh_token(&hash, &successor, now).await? {
            return Err(self.revoke_reused(&grant, "a refresh token").await?);
        }
        let issue = Issue { scopes, resources, refresh_token: Some(refresh_token), bound_to };
        self.issue(client, &grant, issue, None).await
    }

    /// RFC 6749 4.4: the client acts for itself. What people's scopes release it cannot ask for.
    async fn grant_to_client(
        &self,
        client: &Client,
        params: &Params,
        bound_to: Option<String>,
    ) -> Result<TokenResponse, TokenError> {
        let now = self.now();
        let asked = Scopes::parse_separated(params.value("scope").unwrap_or_default(), " ");
        let own = |scope: &&str| self.settings.scopes.iter().any(|own| own.scope == *scope);
        if !asked.iter().all(|scope| own(&scope) && client.may_ask_for(scope)) {
            let text = "a scope is not one that this client may have for itself";
            return Err(TokenError::new(OAuthErrorCode::InvalidScope, text));
        }
        let resources = params.values("resource").map(str::to_owned).collect::<Vec<_>>();
        if !resources.iter().all(|resource| self.settings.knows_resource(resource)) {
            return Err(TokenError::new(
                OAuthErrorCode::InvalidTarget,
                "the resource is not one of this issuer's",
            ));
        }
        let id = self.draw_id();
        let grant = Grant {
            id,
            client_id: client.client_id.clone(),
            // RFC 9068 2.2: the subject is the client itself.
            user: client.client_id.clone(),
            created_at: now,
            expires_at: now + self.settings.access_token_lifetime,
            revoked_at: None,
            details: GrantDetails {
                scopes: asked.clone(),
                resources: resources.clone(),
                ..GrantDetails::default()
            },
        };
        self.store.put_grant(&grant).await?;
        let issue = Issue { scopes: asked, resources, refresh_token: None, bound_to };
        self.issue(client, &grant, issue, None).await
    }

    /// RFC 6749 4.1.2 and RFC 9700 4.14.2: what is used twice may be stolen; everything it bought ends.
    async fn revoke_reused(&self, grant: &Grant, what: &str) -> Result<TokenError, StoreError> {
        self.store.revoke_grant(&grant.id, self.now()).await?;
        Ok(invalid_grant(&format!("{what} was used a second time; everything it bought is revoked")))
    }

    fn new_refresh_token(
        &self,
        client: &Client,
        grant: &Grant,
        bound_to: Option<&str>,
        now: Timestamp,
    ) -> (Secret<String>, RefreshToken) {
        let token = random_token(&self.randomness);
        let row = RefreshToken {
            hash: Sha256Hash::of(token.expose()),
            grant_id: grant.id.clone(),
            // Rotation never extends the grant itself.
            expires_at: grant.expires_at.min(now + self.settings.refresh_token_lifetime),
            used_at: None,
            // RFC 9449 5: a confidential client's token is bound to its authentication already.
            dpop_jkt: bound_to.filter(|_| !client.is_confidential()).map(str::to_owned),
        };
        (token, row)
    }

    async fn issue(
        &self,
        client: &Client,
        grant: &Grant,
        issue: Issue,
        nonce: Option<&str>,
    ) -> Result<TokenResponse, TokenError> {
        let now = self.now();
        let keys = self.key_ring().await?;
        let expires_at = grant.expires_at.min(now + self.settings.access_token_lifetime);
        // RFC 9068 2.2: without a user the subject is the client itself.
        let by_user = grant.user != client.client_id;
        let subject = if by_user { self.subject(client, &grant.user).await? } else { grant.user.clone() };
        let access_token = self.access_token(&keys, client, (grant, &subject), &issue, now, expires_at);
        let Issue { scopes, refresh_token, bound_to, .. } = issue;
        let id_token = scopes.contains("openid").then(|| {
            let claims = self.id_token_claims(client, (grant, &subject), nonce, access_token.expose(), now);
            keys.sign(client.metadata.id_token_signed_response_alg, "JWT", &claims)
        });
        let expires_in = expires_at.since(now).as_secs();
        let token_type = if bound_to.is_some() { "DPoP" } else { "Bearer" };
        Ok(TokenResponse { access_token, token_type, expires_in, refresh_token, scopes, id_token })
    }

    /// RFC 9068 2.2, or what the published `connectivly` package reads.
    fn access_token(
        &self,
        keys: &KeyRing,
        client: &Client,
        (grant, subject): (&Grant, &str),
        issue: &Issue,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Secret<String> {
        let Issue { scopes, resources, .. } = issue;
        // The grant's id in front lets a revocation of the grant end the token (see `verify_access_token`).
        let jti = format!("{}.{}", grant.id, random_token(&self.randomness).expose());
        let mut claims = json!({
            "iss": self.settings.issuer(),
            "sub": subject,
            "client_id": client.client_id,
            "scope": scopes.join(" "),
            "iat": now.as_secs(),
            "exp": expires_at.as_secs(),
            "jti": jti,
        });
        if let Some(thumbprint) = &issue.bound_to {
            claims["cnf"] = json!({"jkt": thumbprint});
        }
        if client.metadata.profile == ClientProfile::Connectivly && resources.is_empty() {
            claims["scopes"] = json!(scopes);
            claims["app"] = json!({
                "id": client.client_id,
                "name": client.name,
                "client_id": client.client_id,
                "redirect_uri": client.metadata.redirect_uris,
            });
            return keys.sign(SigningAlgorithm::Rs256, "JWT", &claims);
        }
        claims["aud"] = match resources.as_slice() {
            [] => json!(self.settings.audience()),
            [one] => json!(one),
            several => json!(several),
        };
        if grant.user != client.client_id {
            claims["auth_time"] = json!(grant.details.auth_time.as_secs());
        }
        if let Some(acr) = &grant.details.acr {
            claims["acr"] = json!(acr);
        }
        keys.sign(SigningAlgorithm::Rs256, "at+jwt", &claims)
    }

    /// OpenID Connect Core 2.
    fn id_token_claims(
        &self,
        client: &Client,
        (grant, subject): (&Grant, &str),
        nonce: Option<&str>,
        access_token: &str,
        now: Timestamp,
    ) -> Value {
        let details = &grant.details;
        let mut claims = released_claims(details, &Scopes::default(), "id_token");
        let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        put("iss", json!(self.settings.issuer()));
        put("sub", json!(subject));
        put("aud", json!(client.client_id));
        put("iat", json!(now.as_secs()));
        put("exp", json!((now + IssuerSettings::ID_TOKEN_LIFETIME).as_secs()));
        put("auth_time", json!(details.auth_time.as_secs()));
        put("at_hash", json!(access_token_hash(client.metadata.id_token_signed_response_alg, access_token)));
        for (name, value) in
            [("nonce", nonce), ("acr", details.acr.as_deref()), ("sid", details.sid.as_deref())]
        {
            if let Some(value) = value {
                put(name, json!(value));
            }
        }
        if !details.amr.is_empty() {
            put("amr", json!(details.amr));
        }
        Value::Object(claims)
    }
}

/// What a token response holds.
struct Issue {
    scopes: Scopes,
    resources: Vec<String>,
    refresh_token: Option<Secret<String>>,
    /// The thumbprint of the key that the access token is bound to (RFC 9449 6).
    bound_to: Option<String>,
}

/// RFC 8707 2.2: all the granted resources, or those the request names among them.
fn chosen_resources(grant: &Grant, params: &Params) -> Result<Vec<String>, TokenError> {
    let asked = params.values("resource").map(str::to_owned).collect::<Vec<_>>();
    if asked.is_empty() {
        return Ok(grant.details.resources.clone());
    }
    if asked.iter().all(|resource| grant.details.resources.contains(resource)) {
        return Ok(asked);
    }
    Err(TokenError::new(
        OAuthErrorCode::InvalidTarget,
        "the resource was not part of the authorization request",
    ))
}

/// RFC 6749 4.1.3 and RFC 7636 4.6: the request repeats the redirect URI and opens the challenge.
fn check_code_binding(client: &Client, code: &AuthorizationCode, params: &Params) -> Result<(), TokenError> {
    let redirect_uri = params.value("redirect_uri");
    let redirect_is_right = match &code.redirect_uri {
        Some(given) => redirect_uri == Some(given.as_str()),
        None => redirect_uri.is_none_or(|uri| client.allows_redirect_to(uri)),
    };
    if !redirect_is_right {
        return Err(invalid_grant("redirect_uri differs from the one in the authorization request"));
    }
    match (&code.code_challenge, params.value("code_verifier")) {
        (None, None) => Ok(()),
        (Some(_), None) => {
            Err(invalid_grant("code_verifier is missing; the authorization request had a challenge"))
        }
        // RFC 9700 2.1.1: a verifier without a challenge means that an attacker took the challenge away.
        (None, Some(_)) => {
            Err(invalid_grant("code_verifier came, but the authorization request had no challenge"))
        }
        (Some(challenge), Some(verifier)) => match CodeVerifier::parse(verifier) {
            Some(verifier) if verifier.challenge() == *challenge => Ok(()),
            _ => Err(invalid_grant("code_verifier does not match the challenge")),
        },
    }
}

/// The left half of the token's hash (OpenID Connect Core 3.1.3.6).
fn access_token_hash(algorithm: SigningAlgorithm, access_token: &str) -> String {
    use aws_lc_rs::digest;
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let hash = match algorithm {
        SigningAlgorithm::Rs256 | SigningAlgorithm::Es256 => &digest::SHA256,
        // Ed25519 hashes with SHA-512.
        SigningAlgorithm::EdDsa => &digest::SHA512,
    };
    let hash = digest::digest(hash, access_token.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..hash.as_ref().len() / 2])
}

impl TokenResponse {
    /// The JSON of the answer.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut answer = Map::new();
        let mut put = |name: &str, value: Value| answer.insert(name.to_owned(), value);
        put("access_token", json!(self.access_token.expose()));
        put("token_type", json!(self.token_type));
        put("expires_in", json!(self.expires_in));
        put("scope", json!(self.scopes.join(" ")));
        if let Some(token) = &self.refresh_token {
            put("refresh_token", json!(token.expose()));
        }
        if let Some(token) = &self.id_token {
            put("id_token", json!(token.expose()));
        }
        Value::Object(answer)
    }
}
