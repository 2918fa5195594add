//! Every sealed value of the database, for the change of the key.

use handfast_protocol::{ConnectionId, Place, Sealed};

use super::{Storage, on_either};

/// How many values are read at a time.
const BATCH: i64 = 100;

/// A column of sealed values and the one or two columns that name its rows, which the seal is bound to.
pub(crate) struct SealedColumn {
    table: &'static str,
    column: &'static str,
    keys: &'static [&'static str],
}

/// Every such column. A new one belongs here.
pub(crate) const SEALED_COLUMNS: &[SealedColumn] = &[
    SealedColumn { table: "key_proofs", column: "sealed", keys: &["name"] },
    SealedColumn { table: "integrations", column: "sealed_client_secret", keys: &["id"] },
    SealedColumn {
        table: "connections",
        column: "sealed_credentials",
        keys: &["integration_id", "connection_id"],
    },
    SealedColumn { table: "attempts", column: "sealed_details", keys: &["state_hash"] },
    SealedColumn { table: "issuer_keys", column: "sealed_private_key", keys: &["key_id"] },
    SealedColumn { table: "issuer_pairwise_salt", column: "sealed_salt", keys: &["salt_name"] },
];

/// A sealed value and the row it stands in.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct SealedValue {
    first: String,
    second: String,
    sealed: Vec<u8>,
}

impl SealedColumn {
    /// What the values of a row are bound to.
    pub(crate) fn with_place<T>(&self, value: &SealedValue, used: impl FnOnce(Place<'_>) -> T) -> T {
        let key = [value.first.as_str(), value.second.as_str()];
        used(Place { table: self.table, column: self.column, key: &key[..self.keys.len()] })
    }

    fn first(&self) -> &'static str {
        self.keys[0]
    }

    /// The second name, or an empty text that stands in for it.
    fn second(&self) -> &'static str {
        self.keys.get(1).copied().unwrap_or("''")
    }
}

impl SealedValue {
    pub(crate) fn sealed(&self) -> Sealed {
        Sealed::from_stored(self.sealed.clone())
    }
}

impl Storage {
    /// Some of the values that do not begin with `header`, in the order of their rows, after the row of `after`.
    pub(crate) async fn values_sealed_otherwise(
        &self,
        column: &SealedColumn,
        header: &[u8],
        after: Option<&SealedValue>,
    ) -> Result<Vec<SealedValue>, sqlx::Error> {
        let SealedColumn { table, column: sealed, .. } = column;
        let (first, second) = (column.first(), column.second());
        let sql = format!(
            "SELECT {first} AS first, {second} AS second, {sealed} AS sealed FROM {table} \
             WHERE {sealed} IS NOT NULL AND substr({sealed}, 1, {length}) <> $1 \
             AND ({first} > $2 OR ({first} = $2 AND {second} > $3)) ORDER BY 1, 2 LIMIT $4",
            length = header.len()
        );
        on_either!(self, pool => sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(header)
            .bind(after.map_or("", |value| value.first.as_str()))
            .bind(after.map_or("", |value| value.second.as_str()))
            .bind(BATCH)
            .fetch_all(pool)
            .await)
    }

    /// Puts a value sealed anew in the place of the one that was read, unless somebody has written another meanwhile.
    pub(crate) async fn replace_sealed(
        &self,
        column: &SealedColumn,
        old: &SealedValue,
        new: &Sealed,
    ) -> Result<(), sqlx::Error> {
        let connection_id = ConnectionId::parse(&old.second).ok().filter(|_| column.table == "connections");
        let _change = connection_id.as_ref().and_then(|id| self.changing(id));
        let SealedColumn { table, column: sealed, .. } = column;
        let (first, second) = (column.first(), column.second());
        let sql = format!(
            "UPDATE {table} SET {sealed} = $1 WHERE {first} = $2 AND {second} = $3 AND {sealed} = $4"
        );
        on_either!(self, pool => sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(new.as_bytes())
            .bind(&old.first)
            .bind(&old.second)
            .bind(&old.sealed)
            .execute(pool)
            .await
            .map(drop))
    }
}
