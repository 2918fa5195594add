//! The OAuth 2.1 and OpenID Connect authorization-server role.
//!
//! No axum, no sqlx, no reqwest, and never the broker: what the issuer needs from outside it names in `ports`.
