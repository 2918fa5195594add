//! Connections as a list: pages of them, and what the application keeps with each.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use handfast_protocol::{Clock, ConfigKey, ConnectionId, Timestamp};
use serde_json::{Map, Value};

use crate::connection::{Connection, ConnectionKey, ConnectionStatus};
use crate::{Broker, Connections, StoreError};

/// The most connections on one page.
pub const MAX_PAGE_LEN: u32 = 200;

/// The most that metadata may take as JSON, in bytes.
pub const MAX_METADATA_LEN: usize = 16 * 1024;

/// How often an edit of metadata is tried again when another one came between.
const EDIT_TRIES: usize = 5;

/// Which connections are asked for; `None` is any.
#[derive(Clone, Debug, Default)]
pub struct ConnectionFilter {
    /// Of this integration.
    pub config_key: Option<ConfigKey>,
    /// Of this id, with whatever integrations.
    pub connection_id: Option<ConnectionId>,
    /// In this state.
    pub status: Option<ConnectionStatus>,
}

/// The place in the list after which the next page begins: oldest first. Written as text that tells nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// When the last connection of the page was made.
    pub created_at: Timestamp,
    /// Its id.
    pub id: String,
}

impl Cursor {
    /// The place after `connection`.
    #[must_use]
    pub fn after(connection: &Connection) -> Self {
        Self { created_at: connection.created_at, id: connection.id.clone() }
    }

    /// Reads a cursor; `None` if the text is not one of ours.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let decoded = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (millis, id) = decoded.split_once('.')?;
        Some(Self { created_at: Timestamp::from_millis(millis.parse().ok()?), id: id.to_owned() })
    }
}

impl core::fmt::Display for Cursor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(format!("{}.{}", self.created_at.as_millis(), self.id)))
    }
}

/// Lists connections, and edits what the application keeps with them.
pub trait ConnectionList: Send + Sync {
    /// Connections after `cursor`, oldest first.
    fn connections(
        &self,
        filter: &ConnectionFilter,
        after: Option<&Cursor>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Connection>, StoreError>> + Send;

    /// Replaces the metadata of a connection if it still is `expected`. Answers whether it was.
    fn replace_metadata(
        &self,
        key: &ConnectionKey,
        expected: &Map<String, Value>,
        metadata: &Map<String, Value>,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// Why metadata cannot be edited.
#[derive(Debug, thiserror::Error)]
pub enum EditMetadataError {
    /// No such connection.
    #[error("The integration \"{config_key}\" has no connection called {connection_id:?}.")]
    UnknownConnection {
        /// The integration.
        config_key: ConfigKey,
        /// The connection.
        connection_id: String,
    },
    /// More than may be kept.
    #[error("metadata: may take {MAX_METADATA_LEN} bytes of JSON at most")]
    TooLarge,
    /// Others edit it all the time.
    #[error("the metadata was changed at the same time; try again")]
    Conflict,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<S: ConnectionList + Connections, T, C: Clock, R> Broker<S, T, C, R> {
    /// A page of connections, and where the next one begins if there is more.
    ///
    /// # Errors
    /// The store failed.
    pub async fn connections(
        &self,
        filter: &ConnectionFilter,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<(Vec<Connection>, Option<Cursor>), StoreError> {
        let limit = limit.clamp(1, MAX_PAGE_LEN);
        // One more than asked for tells whether there is a next page.
        let mut page = self.store.connections(filter, after, limit + 1).await?;
        let is_full = page.len() > limit as usize;
        page.truncate(limit as usize);
        let next = page.last().filter(|_| is_full).map(Cursor::after);
        Ok((page, next))
    }

    /// Merges `patch` into a connection's metadata (RFC 7396): null removes a key. Answers the connection as it is now.
    ///
    /// # Errors
    /// No such connection, or more metadata than may be kept.
    pub async fn edit_metadata(
        &self,
        config_key: &ConfigKey,
        connection_id: &ConnectionId,
        patch: &Map<String, Value>,
    ) -> Result<Connection, EditMetadataError> {
        for _ in 0..EDIT_TRIES {
            let found = self.store.connection(config_key, connection_id).await?;
            let found = found.ok_or_else(|| EditMetadataError::UnknownConnection {
                config_key: config_key.clone(),
                connection_id: connection_id.to_string(),
            })?;
            let mut connection = Arc::unwrap_or_clone(found);
            let before = connection.metadata.clone();
            merge(&mut connection.metadata, patch);
            let len = serde_json::to_vec(&connection.metadata).map_or(usize::MAX, |text| text.len());
            if len > MAX_METADATA_LEN {
                return Err(EditMetadataError::TooLarge);
            }
            let now = self.clock.now();
            if self.store.replace_metadata(&connection.key, &before, &connection.metadata, now).await? {
                connection.updated_at = now;
                return Ok(connection);
            }
        }
        Err(EditMetadataError::Conflict)
    }
}

/// RFC 7396 2.
fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => drop(target.remove(name)),
            Value::Object(inner) => {
                let slot = target.entry(name.clone()).or_insert(Value::Null);
                if !slot.is_object() {
                    *slot = Value::Object(Map::new());
                }
                if let Value::Object(slot) = slot {
                    merge(slot, inner);
                }
            }
            other => drop(target.insert(name.clone(), other.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn merging_follows_the_rfc_vectors() {
        // RFC 7396 appendix A, those whose both sides are objects.
        for (target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let (Value::Object(mut target), Value::Object(patch)) = (target, patch) else { unreachable!() };
            merge(&mut target, &patch);
            assert_eq!(Value::Object(target), result);
        }
    }

    #[test]
    fn a_cursor_reads_back_and_nothing_else_does() {
        let cursor = Cursor { created_at: Timestamp::from_millis(7), id: "a.b".to_owned() };
        assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        for bad in ["", "!", "Nw", "YS5i"] {
            assert_eq!(Cursor::parse(bad), None, "{bad}");
        }
    }
}
