//! Protects an application's own API with the access tokens of Handfast's issuer.
//!
//! [`ResourceServer`] answers one question: may this request pass, and for whom? It verifies the token against the
//! issuer's published keys, which it caches and fetches again when they rotate, checks issuer, audience, times and
//! scopes (RFC 9068 4), and, for tokens bound to a key, the DPoP proof (RFC 9449 7). A refusal says what belongs into
//! `WWW-Authenticate` (RFC 6750 3). How the keys are fetched is up to the application: any HTTP client will do.
//!
//! With the feature `axum`, `ProtectLayer` does this for a router, and handlers take the [`AccessToken`] as an
//! argument:
//!
//! ```
//! # #[cfg(feature = "axum")]
//! # fn example() -> Result<axum::Router, Box<dyn std::error::Error>> {
//! use handfast_resource::{AccessToken, ProtectLayer, ResourceServer, ResourceSettings};
//!
//! let settings = ResourceSettings::new(
//!     "https://auth.example.com/auth/oauth2", // the issuer
//!     "https://api.example.com",              // the audience its tokens must name
//!     "https://api.example.com",              // where clients reach this API
//! );
//! let resource = ResourceServer::new(settings, || async {
//!     // GET https://auth.example.com/auth/jwks.json, with a time limit, by the HTTP client of your choice
//! #   Ok::<_, std::io::Error>(Vec::new())
//! })?;
//! async fn hello(token: AccessToken) -> String {
//!     format!("Hello {}!", token.subject())
//! }
//! let api = axum::Router::new()
//!     .route("/hello", axum::routing::get(hello))
//!     .layer(ProtectLayer::new(resource).scope("profile"));
//! # Ok(api)
//! # }
//! ```

mod access_token;
mod keys;
#[cfg(feature = "axum")]
mod layer;
mod refusal;
mod resource;

pub use access_token::{AccessToken, AccessTokenError, TokenFormats};
pub use handfast_protocol::{Clock, DpopError, JwkSet, JwtClaims, JwtError, Scopes, Timestamp};
pub use keys::{FetchError, KeyError};
#[cfg(feature = "axum")]
pub use layer::{ProtectLayer, Protected};
pub use refusal::{DpopPolicy, Refusal};
pub use resource::{RequestParts, ResourceServer, ResourceSettings, SettingsError};
