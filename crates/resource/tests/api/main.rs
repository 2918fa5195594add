//! An API behind the resource server, with an issuer that exists in memory.

mod issuer;
#[cfg(feature = "axum")]
mod layer;
mod validation;
