//! The OAuth client role: begins attempts, completes them, and keeps the tokens fresh.
//!
//! No axum, no sqlx, no reqwest: what the broker needs from outside it names in `ports`.

mod catalog;

pub use catalog::{
    Catalog, ClientAuthentication, CodeChallengeMethod, Evidence, Provider, RefreshTokenPolicy,
    TokenRequestShape, Variable, VariableKind,
};
