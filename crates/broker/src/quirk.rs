//! What only an algorithm can say of a provider: a closed list, named by what is done.

use serde::{Deserialize, Serialize};

/// An algorithm that no field can express.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quirk {
    /// The client secret is a JWT (ES256) that the client signs itself, shortly before each token request: `iss` is the
    /// variable `team_id`, `kid` the variable `key_id`, `sub` the client id, `aud` the issuer. The integration's client
    /// secret is the private key as PKCS #8 in PEM.
    ClientSecretSignedJwt,
    /// Instead of the client secret the token request carries `hash`: the lower-case hex SHA-256 of
    /// `client_secret|code`, or of `client_secret|refresh_token`.
    ClientSecretHashed,
}
