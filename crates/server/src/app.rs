//! What every request handler may reach, put together once at start.

use std::sync::Arc;

use crate::storage::Storage;

/// The running application. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

struct Parts {
    storage: Storage,
}

impl App {
    pub(crate) fn new(storage: Storage) -> Self {
        Self(Arc::new(Parts { storage }))
    }

    /// Whether the database answers.
    pub(crate) async fn is_ready(&self) -> bool {
        self.0.storage.ping().await.is_ok()
    }
}
