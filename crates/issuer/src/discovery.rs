//! What the issuer says about itself (RFC 8414, OpenID Connect Discovery 3).

use handfast_protocol::{Clock, Randomness, SigningAlgorithm};
use serde_json::{Value, json};

use crate::{
    Issuer,
    authorize::ResponseMode,
    client::GrantType,
    client_authentication::ClientAuthenticationMethod,
    ports::{Documents, Store},
};

impl<S: Store, D: Documents, C: Clock, R: Randomness> Issuer<S, D, C, R> {
    /// The metadata document, the same at every address where one may look for it.
    pub fn metadata(&self) -> Value {
        let settings = self.settings();
        let methods = ClientAuthenticationMethod::ALL.map(ClientAuthenticationMethod::as_str);
        let algorithms = SigningAlgorithm::ALL.map(SigningAlgorithm::as_str);
        json!({
            "issuer": settings.issuer(),
            "authorization_endpoint": settings.endpoint("/auth/oauth2/authorize"),
            "token_endpoint": settings.endpoint("/auth/oauth2/token"),
            "userinfo_endpoint": settings.endpoint("/auth/oauth2/userinfo"),
            "jwks_uri": settings.endpoint("/auth/jwks.json"),
            "scopes_supported": settings.known_scopes().collect::<Vec<_>>(),
            "response_types_supported": ["code"],
            "response_modes_supported": ResponseMode::ALL.map(ResponseMode::as_str),
            "grant_types_supported": GrantType::ALL.map(GrantType::as_str),
            "device_authorization_endpoint": settings.endpoint("/auth/oauth2/device_authorization"),
            "introspection_endpoint": settings.endpoint("/auth/oauth2/introspect"),
            "revocation_endpoint": settings.endpoint("/auth/oauth2/revoke"),
            "pushed_authorization_request_endpoint": settings.endpoint("/auth/oauth2/par"),
            "end_session_endpoint": settings.endpoint("/auth/oauth2/logout"),
            "userinfo_signing_alg_values_supported": algorithms,
            "introspection_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_methods_supported": methods,
            "registration_endpoint": settings.endpoint("/auth/oauth2/register"),
            "subject_types_supported": ["public", "pairwise"],
            "id_token_signing_alg_values_supported": algorithms,
            "token_endpoint_auth_methods_supported": methods,
            "token_endpoint_auth_signing_alg_values_supported": algorithms,
            "dpop_signing_alg_values_supported": algorithms,
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
            "claims_supported": [
                "sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "name", "preferred_username",
                "email", "email_verified",
            ],
            "claims_parameter_supported": true,
            "request_parameter_supported": false,
            "request_uri_parameter_supported": false,
        })
    }
}
