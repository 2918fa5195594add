//! Connections as they lie in an embedded database, sealed, kept at hand for reading.
//!
//! Only the one server on a database may use it: every change it makes goes through [`ConnectionCache::change`].

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use handfast_broker::Connection;
use handfast_protocol::{ConfigKey, ConnectionId};

/// How many connections are held at most: about 20 MB.
const CAPACITY: usize = 10_000;

/// How long one is held without a look into the database. Nothing of ours writes connections beside the server; whatever
/// else does, by hand say, is seen after this long at the latest.
const LIFETIME: Duration = Duration::from_mins(5);

/// Connections by connection id; the few integrations that share an id stand side by side.
#[derive(Debug, Default)]
pub(super) struct ConnectionCache {
    held: RwLock<HashMap<String, Vec<Held>>>,
    changes: AtomicU64,
}

#[derive(Debug)]
struct Held {
    connection: Arc<Connection>,
    since: Instant,
}

/// A look into the database under way; what it finds may be held if nothing was changed meanwhile.
pub(super) struct Look(u64);

/// A change under way. What it touches is forgotten before it and, whatever becomes of it, after it.
pub(super) struct Change<'a> {
    cache: &'a ConnectionCache,
    connection_id: &'a ConnectionId,
}

impl ConnectionCache {
    /// The connection, if it is held.
    pub(super) fn find(
        &self,
        config_key: &ConfigKey,
        connection_id: &ConnectionId,
    ) -> Option<Arc<Connection>> {
        let held = self.read();
        let found = held
            .get(connection_id.as_str())?
            .iter()
            .find(|held| held.connection.config_key == *config_key)?;
        (found.since.elapsed() < LIFETIME).then(|| Arc::clone(&found.connection))
    }

    /// To be called before the database is asked.
    pub(super) fn look(&self) -> Look {
        Look(self.changes.load(Ordering::SeqCst))
    }

    /// Holds what a look has found.
    pub(super) fn hold(&self, look: &Look, connection: &Arc<Connection>) {
        let mut held = self.write();
        if self.changes.load(Ordering::SeqCst) != look.0 {
            return;
        }
        let id = connection.key.connection_id.as_str();
        if held.len() >= CAPACITY && !held.contains_key(id) {
            let Some(any) = held.keys().next().cloned() else { return };
            held.remove(&any);
        }
        let beside = held.entry(id.to_owned()).or_default();
        beside.retain(|held| held.connection.config_key != connection.config_key);
        beside.push(Held { connection: Arc::clone(connection), since: Instant::now() });
    }

    /// To be held while a connection of this id is written.
    pub(super) fn change<'a>(&'a self, connection_id: &'a ConnectionId) -> Change<'a> {
        self.forget(connection_id);
        Change { cache: self, connection_id }
    }

    fn forget(&self, connection_id: &ConnectionId) {
        let mut held = self.write();
        self.changes.fetch_add(1, Ordering::SeqCst);
        held.remove(connection_id.as_str());
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<String, Vec<Held>>> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<String, Vec<Held>>> {
        self.held.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        self.cache.forget(self.connection_id);
    }
}

#[cfg(test)]
mod tests {
    use handfast_broker::{ConnectionKey, ConnectionStatus, Sealed};
    use handfast_protocol::{Scopes, Timestamp};

    use super::*;

    fn connection(version: i64) -> Connection {
        Connection {
            id: "id".to_owned(),
            key: ConnectionKey {
                integration_id: "i".to_owned(),
                connection_id: ConnectionId::parse("user-1").unwrap(),
            },
            config_key: ConfigKey::parse("acme").unwrap(),
            status: ConnectionStatus::Active,
            sealed_credentials: Sealed::from_stored(Vec::new()),
            version,
            expires_at: None,
            refresh_at: None,
            granted_scopes: Scopes::default(),
            params: std::collections::BTreeMap::new(),
            metadata: serde_json::Map::new(),
            refresh_failures: 0,
            retry_at: None,
            lease_expires_at: None,
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
        }
    }

    fn version(cache: &ConnectionCache) -> Option<i64> {
        let one = connection(0);
        cache.find(&one.config_key, &one.key.connection_id).map(|found| found.version)
    }

    #[test]
    fn what_was_read_is_held_until_it_changes() {
        let cache = ConnectionCache::default();
        let id = ConnectionId::parse("user-1").unwrap();
        cache.hold(&cache.look(), &Arc::new(connection(1)));
        assert_eq!(version(&cache), Some(1));
        drop(cache.change(&id));
        assert_eq!(version(&cache), None);
    }

    #[test]
    fn a_read_that_a_change_overtook_is_not_held() {
        let cache = ConnectionCache::default();
        let id = ConnectionId::parse("user-1").unwrap();
        let look = cache.look();
        drop(cache.change(&id));
        cache.hold(&look, &Arc::new(connection(1)));
        assert_eq!(version(&cache), None);

        let change = cache.change(&id);
        // Read before the change is committed, held before it ends.
        cache.hold(&cache.look(), &Arc::new(connection(1)));
        drop(change);
        assert_eq!(version(&cache), None);
    }

    #[test]
    fn no_more_are_held_than_there_is_room_for() {
        let cache = ConnectionCache::default();
        for number in 0..CAPACITY + 10 {
            let mut one = connection(1);
            one.key.connection_id = ConnectionId::parse(&format!("user-{number}")).unwrap();
            cache.hold(&cache.look(), &Arc::new(one));
        }
        assert_eq!(cache.read().len(), CAPACITY);
    }
}
