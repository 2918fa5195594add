//! What only an algorithm can say of a provider: a closed list, named by what is done.

use core::time::Duration;
use std::borrow::Cow;

use aws_lc_rs::digest;
use handfast_protocol::{Secret, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};

use crate::callback_signature::lower_hex;
use crate::{Integration, VariableError, VariableValues};

/// An algorithm that no field can express.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quirk {
    /// The client secret is a JWT (ES256) that the client signs itself for each token request: `iss` is the variable
    /// `team_id`, `kid` the variable `key_id`, `sub` the client id, `aud` the issuer. The integration's client secret is
    /// the private key, PKCS #8 in PEM.
    ClientSecretSignedJwt,
    /// Instead of the client secret the token request carries `hash`: the lower-case hex SHA-256 of the client secret,
    /// `|`, and the code or refresh token.
    ClientSecretHashed,
}

/// Why a client cannot authenticate as its provider wants.
#[derive(Debug, thiserror::Error)]
pub enum QuirkError {
    /// A variable that the algorithm needs.
    #[error(transparent)]
    Variable(#[from] VariableError),
    /// The private key cannot be used.
    #[error("its client secret is not a private key for ES256 in PEM (PKCS #8)")]
    PrivateKey,
}

/// How long a client secret lives that we sign ourselves.
const SIGNED_SECRET_LIFETIME: Duration = Duration::from_mins(5);

#[derive(Serialize)]
struct ClientSecretClaims<'a> {
    iss: &'a str,
    iat: i64,
    exp: i64,
    aud: &'a str,
    sub: &'a str,
}

impl Integration {
    /// The integration as it shows itself to the token endpoint: with the client secret that is to be sent.
    pub(crate) fn as_token_client(
        &self,
        values: &VariableValues,
        now: Timestamp,
    ) -> Result<Cow<'_, Self>, QuirkError> {
        let provider = &self.provider;
        if provider.quirk != Some(Quirk::ClientSecretSignedJwt) {
            return Ok(Cow::Borrowed(self));
        }
        let team_id = values.require(&provider.variables, "team_id")?;
        let key_id = values.require(&provider.variables, "key_id")?;
        let audience = provider.issuer(values)?.unwrap_or_default();
        let claims = ClientSecretClaims {
            iss: team_id,
            iat: now.as_secs(),
            exp: (now + SIGNED_SECRET_LIFETIME).as_secs(),
            aud: &audience,
            sub: &self.client_id,
        };
        let header = Header { typ: None, kid: Some(key_id.to_owned()), ..Header::new(Algorithm::ES256) };
        let pem = self.client_secret.as_ref().map_or("", |secret| secret.expose());
        let key = EncodingKey::from_ec_pem(pem.as_bytes()).map_err(|_| QuirkError::PrivateKey)?;
        let secret = jsonwebtoken::encode(&header, &claims, &key).map_err(|_| QuirkError::PrivateKey)?;
        Ok(Cow::Owned(Self { client_secret: Some(Secret::new(secret)), ..self.clone() }))
    }
}

/// The value of `hash` for [`Quirk::ClientSecretHashed`].
pub(crate) fn hashed_client_secret(client_secret: &str, params: &[(&str, &str)]) -> String {
    let grant = params.iter().find(|(name, _)| matches!(*name, "code" | "refresh_token"));
    let text = format!("{client_secret}|{}", grant.map_or("", |(_, value)| value));
    lower_hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}
