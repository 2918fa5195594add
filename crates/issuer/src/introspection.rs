//! What a token is worth (RFC 7662), and how it ends early (RFC 7009).

use handfast_protocol::{Clock, OAuthErrorCode, Randomness, Sha256Hash};
use serde_json::{Value, json};

use crate::{
    Issuer,
    client::SubjectType,
    client_authentication::Credentials,
    grant::Grant,
    params::Params,
    ports::{Documents, Store, StoreError},
    token::TokenError,
};

/// The answer about a token that is not worth anything, or not the asker's business (RFC 7662 2.2).
fn inactive() -> Value {
    json!({"active": false})
}

impl<S: Store, D: Documents, C: Clock, R: Randomness> Issuer<S, D, C, R> {
    /// Tells a client about a token of its own.
    ///
    /// # Errors
    /// The client does not authenticate, cannot keep a secret, or names no token.
    pub async fn introspect(&self, params: &Params, credentials: &Credentials) -> Result<Value, TokenError> {
        let token = one_token(params)?;
        let client = self.authenticate(credentials, params).await?;
        if !client.is_confidential() {
            let text = "a public client may not introspect";
            return Err(TokenError::new(OAuthErrorCode::InvalidClient, text));
        }
        let mut answer = self.introspect_any(token).await?;
        if answer["client_id"] != json!(client.client_id) {
            return Ok(inactive());
        }
        if client.metadata.subject_type == SubjectType::Pairwise
            && let Some(members) = answer.as_object_mut()
        {
            members.remove("username");
        }
        Ok(answer)
    }

    /// Tells the operator's own programs about any token.
    ///
    /// # Errors
    /// The storage failed.
    pub async fn introspect_any(&self, token: &str) -> Result<Value, StoreError> {
        if let Some(verified) = self.verify_access_token(token).await? {
            let mut answer = Value::Object(verified.claims);
            answer["active"] = json!(true);
            answer["token_type"] = json!(if answer.get("cnf").is_some() { "DPoP" } else { "Bearer" });
            answer["username"] = json!(verified.grant.user);
            return Ok(answer);
        }
        let Some((row, grant)) = self.store.refresh_token(&Sha256Hash::of(token)).await? else {
            return Ok(inactive());
        };
        let now = self.now();
        if row.used_at.is_some() || now >= row.expires_at || !grant.is_live(now) {
            return Ok(inactive());
        }
        Ok(json!({
            "active": true,
            "iss": self.settings.issuer(),
            "client_id": grant.client_id,
            "username": grant.user,
            "scope": grant.details.scopes.join(" "),
            "iat": grant.created_at.as_secs(),
            "exp": row.expires_at.as_secs(),
        }))
    }

    /// Ends the grant that a client's access or refresh token belongs to (RFC 7009 2.1 lets one end the other).
    /// Unknown tokens are answered alike (RFC 7009 2.2).
    ///
    /// # Errors
    /// The client does not authenticate, names no token, or the token is another client's.
    pub async fn revoke(&self, params: &Params, credentials: &Credentials) -> Result<(), TokenError> {
        let token = one_token(params)?;
        let client = self.authenticate(credentials, params).await?;
        let Some(grant) = self.grant_of(token).await? else { return Ok(()) };
        if grant.client_id != client.client_id {
            let text = "the token was not issued to this client";
            return Err(TokenError::new(OAuthErrorCode::InvalidGrant, text));
        }
        Ok(self.store.revoke_grant(&grant.id, self.now()).await?)
    }

    async fn grant_of(&self, token: &str) -> Result<Option<Grant>, StoreError> {
        if let Some(verified) = self.verify_access_token(token).await? {
            return Ok(Some(verified.grant));
        }
        Ok(self.store.refresh_token(&Sha256Hash::of(token)).await?.map(|(_, grant)| grant))
    }
}

fn one_token(params: &Params) -> Result<&str, TokenError> {
    let refused = |text| TokenError::new(OAuthErrorCode::InvalidRequest, text);
    if params.repeated().is_some() {
        return Err(refused("a parameter stands more than once"));
    }
    params.value("token").ok_or_else(|| refused("token is missing"))
}
