//! The table `key_proofs`.

use super::{Storage, on_either};

impl Storage {
    /// The value sealed at the first start.
    pub(crate) async fn key_proof(&self) -> Result<Option<Vec<u8>>, sqlx::Error> {
        let sql = "SELECT sealed FROM key_proofs WHERE name = 'proof'";
        on_either!(self, pool => sqlx::query_scalar(sql).fetch_optional(pool).await)
    }

    /// Keeps the value of the first start, and answers the one that is kept: another replica may have been first.
    pub(crate) async fn put_key_proof(&self, sealed: &[u8]) -> Result<Vec<u8>, sqlx::Error> {
        let sql = "INSERT INTO key_proofs (name, sealed) VALUES ('proof', $1) \
                   ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING sealed";
        on_either!(self, pool => sqlx::query_scalar(sql).bind(sealed).fetch_one(pool).await)
    }
}
