//! Dynamic client registration (RFC 7591) and its management (RFC 7592).

use handfast_protocol::{Clock, OAuthErrorCode, Randomness, Scopes, Secret, Sha256Hash, random_token};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::{
    Issuer,
    client::{Client, ClientMetadata, NewClientError, RedirectUri},
    ports::{Documents, Store, StoreError},
};

/// Why a registration is refused.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// The metadata are not acceptable (RFC 7591 3.2.2).
    #[error("{code}: {description}")]
    Refused {
        /// The code the client gets.
        code: OAuthErrorCode,
        /// The sentence beside it.
        description: String,
    },
    /// The token is not the one of this registration, or there is none (RFC 7592 2).
    #[error("the registration access token is missing or not the one of this client")]
    Unauthorized,
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<NewClientError> for RegistrationError {
    fn from(error: NewClientError) -> Self {
        let code = match error {
            NewClientError::Store(error) => return Self::Store(error),
            NewClientError::RedirectUri(_) | NewClientError::NoRedirectUri => {
                OAuthErrorCode::InvalidRedirectUri
            }
            _ => OAuthErrorCode::InvalidClientMetadata,
        };
        Self::Refused { code, description: error.to_string() }
    }
}

impl<S: Store, D: Documents, C: Clock, R: Randomness> Issuer<S, D, C, R> {
    /// Registers a client from its metadata document, and answers the client information response (RFC 7591 3.2.1).
    /// Whether the caller may register at all is decided before.
    ///
    /// # Errors
    /// A member is not acceptable.
    pub async fn register_dynamically(&self, document: &Value) -> Result<Value, RegistrationError> {
        let (name, metadata) = read_document(document)?;
        let client_id = self.draw_id();
        let secret = metadata.token_endpoint_auth_method.has_secret().then(|| random_token(&self.randomness));
        let registration_token = random_token(&self.randomness);
        let mut client =
            self.describe_client(&client_id, secret.as_ref(), &client_id, &name, metadata).await?;
        client.registration_token_hash = Some(Sha256Hash::of(registration_token.expose()));
        if !self.store.put_client(&client).await? {
            return Err(NewClientError::Duplicate.into());
        }
        Ok(self.information(&client, secret.as_ref(), &registration_token))
    }

    /// What is registered (RFC 7592 2.1).
    ///
    /// # Errors
    /// The token is not this client's.
    pub async fn registration(
        &self,
        client_id: &str,
        token: Option<&Secret<String>>,
    ) -> Result<Value, RegistrationError> {
        let (client, token) = self.open_registration(client_id, token).await?;
        Ok(self.information(&client, None, &token))
    }

    /// Replaces what is registered (RFC 7592 2.2). The secret stays; a client that has none yet gets one.
    ///
    /// # Errors
    /// The token is not this client's, or a member is not acceptable.
    pub async fn replace_registration(
        &self,
        client_id: &str,
        token: Option<&Secret<String>>,
        document: &Value,
    ) -> Result<Value, RegistrationError> {
        let (old, token) = self.open_registration(client_id, token).await?;
        if document.get("client_id").and_then(Value::as_str) != Some(client_id) {
            return Err(invalid("client_id must be the one of this registration"));
        }
        let (name, metadata) = read_document(document)?;
        let keeps_secret = metadata.token_endpoint_auth_method.has_secret();
        let new_secret = (keeps_secret && old.secret_hash.is_none()).then(|| random_token(&self.randomness));
        let described =
            self.describe_client(client_id, new_secret.as_ref(), &old.owner, &name, metadata).await?;
        let client = Client {
            secret_hash: described.secret_hash.or(old.secret_hash.filter(|_| keeps_secret)),
            registration_token_hash: old.registration_token_hash,
            created_at: old.created_at,
            ..described
        };
        if !self.store.replace_client(&client).await? {
            return Err(NewClientError::Duplicate.into());
        }
        Ok(self.information(&client, new_secret.as_ref(), &token))
    }

    /// Ends a registration and everything it was granted (RFC 7592 2.3).
    ///
    /// # Errors
    /// The token is not this client's.
    pub async fn delete_registration(
        &self,
        client_id: &str,
        token: Option<&Secret<String>>,
    ) -> Result<(), RegistrationError> {
        let (client, _) = self.open_registration(client_id, token).await?;
        self.store.delete_client(&client.client_id, self.now()).await?;
        Ok(())
    }

    async fn open_registration(
        &self,
        client_id: &str,
        token: Option<&Secret<String>>,
    ) -> Result<(Client, Secret<String>), RegistrationError> {
        // An unknown client and a wrong token get the same answer (RFC 7592 2.1).
        let (Some(client), Some(token)) = (self.store.client(client_id).await?, token) else {
            return Err(RegistrationError::Unauthorized);
        };
        if client.registration_token_hash != Some(Sha256Hash::of(token.expose())) {
            return Err(RegistrationError::Unauthorized);
        }
        Ok((client, token.clone()))
    }

    /// The client information response (RFC 7591 3.2.1, RFC 7592 3).
    fn information(&self, client: &Client, secret: Option<&Secret<String>>, token: &Secret<String>) -> Value {
        let metadata = serde_json::to_value(&client.metadata).expect("client metadata are plain structs");
        let Value::Object(mut answer) = metadata else { unreachable!("client metadata are a struct") };
        for own in ["description", "profile", "scopes"] {
            answer.remove(own);
        }
        let mut put = |name: &str, value: Value| answer.insert(name.to_owned(), value);
        put("client_id", json!(client.client_id));
        put("client_id_issued_at", json!(client.created_at.as_secs()));
        put("client_name", json!(client.name));
        put("response_types", json!(["code"]));
        if !client.metadata.scopes.is_empty() {
            put("scope", json!(client.metadata.scopes.join(" ")));
        }
        if let Some(secret) = secret {
            put("client_secret", json!(secret.expose()));
            put("client_secret_expires_at", json!(0));
        }
        put("registration_access_token", json!(token.expose()));
        put(
            "registration_client_uri",
            json!(self.settings.endpoint(&format!("/auth/oauth2/register/{}", client.client_id))),
        );
        Value::Object(answer)
    }
}

fn invalid(description: &str) -> RegistrationError {
    let code = OAuthErrorCode::InvalidClientMetadata;
    RegistrationError::Refused { code, description: description.to_owned() }
}

/// Reads a metadata document (RFC 7591 2); members that we do not know are left out (RFC 7591 2).
fn read_document(document: &Value) -> Result<(String, ClientMetadata), RegistrationError> {
    let Value::Object(document) = document else { return Err(invalid("the body must be a JSON object")) };
    if document.contains_key("request_object_signing_alg") {
        return Err(invalid("request_object_signing_alg is not supported; leave it out"));
    }
    let response_types: Vec<String> = member(document, "response_types")?.unwrap_or_default();
    if response_types.iter().any(|kind| kind != "code") {
        return Err(invalid("response_types may hold code only"));
    }
    let redirect_uris: Vec<String> = member(document, "redirect_uris")?.unwrap_or_default();
    let redirect_uris = redirect_uris.into_iter().map(RedirectUri::try_from).collect::<Result<_, _>>()?;
    let scope: Option<String> = member(document, "scope")?;
    let post_logout: Vec<String> = member(document, "post_logout_redirect_uris")?.unwrap_or_default();
    let metadata = ClientMetadata {
        redirect_uris,
        post_logout_redirect_uris: post_logout
            .into_iter()
            .map(RedirectUri::try_from)
            .collect::<Result<_, _>>()?,
        scopes: scope.map(|scope| Scopes::parse_separated(&scope, " ")).unwrap_or_default(),
        token_endpoint_auth_method: member(document, "token_endpoint_auth_method")?.unwrap_or_default(),
        grant_types: member(document, "grant_types")?
            .unwrap_or_else(|| ClientMetadata::default().grant_types),
        client_uri: member(document, "client_uri")?,
        jwks: member(document, "jwks")?,
        jwks_uri: member(document, "jwks_uri")?,
        sector_identifier_uri: member(document, "sector_identifier_uri")?,
        id_token_signed_response_alg: member(document, "id_token_signed_response_alg")?.unwrap_or_default(),
        userinfo_signed_response_alg: member(document, "userinfo_signed_response_alg")?,
        subject_type: member(document, "subject_type")?.unwrap_or_default(),
        require_pushed_authorization_requests: member(document, "require_pushed_authorization_requests")?
            .unwrap_or_default(),
        dpop_bound_access_tokens: member(document, "dpop_bound_access_tokens")?.unwrap_or_default(),
        default_max_age: member(document, "default_max_age")?,
        ..ClientMetadata::default()
    };
    let name: Option<String> = member(document, "client_name")?;
    Ok((name.unwrap_or_else(|| "Unnamed application".to_owned()), metadata))
}

fn member<T: DeserializeOwned>(
    document: &Map<String, Value>,
    name: &str,
) -> Result<Option<T>, RegistrationError> {
    let Some(value) = document.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
    T::deserialize(value).map(Some).map_err(|error| invalid(&format!("{name}: {error}")))
}
