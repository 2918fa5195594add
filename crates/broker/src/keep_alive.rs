//! Renews tokens that nobody asks for, because some refresh tokens die when they are not used.

use core::time::Duration;
use std::sync::Arc;

use handfast_protocol::{Clock, ConfigKey, ConnectionId, Randomness, Timestamp};
use tokio::task::JoinSet;

use crate::{Broker, Refresh, Store, StoreError, TokenEndpoint};

/// How many refreshes run at once.
const CONCURRENCY: usize = 8;

/// How many idle connections are looked up at once.
const PAGE_LEN: u32 = 100;

/// How many sweeps there are in the time that a token may idle. Also how long, as a part of it, one whose refresh failed is
/// left alone.
const SWEEPS: u32 = 24;

/// The longest pause between two sweeps.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// A connection that nobody has asked for since its token was due.
#[derive(Clone, Debug)]
pub struct IdleConnection {
    /// Random and opaque.
    pub id: String,
    /// The integration.
    pub config_key: ConfigKey,
    /// The connection.
    pub connection_id: ConnectionId,
    /// Since when it has been due.
    pub refresh_at: Timestamp,
}

/// Which connections count as idle: active ones, without a running lease, that match.
#[derive(Clone, Copy, Debug)]
pub struct IdleFilter {
    /// Due since then, or for longer.
    pub due_since: Timestamp,
    /// Not to be left alone, after a failed refresh, until any later.
    pub paused_until: Timestamp,
    /// Now.
    pub now: Timestamp,
}

/// Finds idle connections.
pub trait IdleConnections: Send + Sync {
    /// Idle connections after `after`, those that have been due for longest first.
    fn idle_connections(
        &self,
        filter: IdleFilter,
        after: Option<&IdleConnection>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<IdleConnection>, StoreError>> + Send;
}

/// What a sweep came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Connections with a living token, renewed by this process or by another one.
    pub alive: u64,
    /// Connections that could not be renewed.
    pub failed: u64,
}

impl<S: Store + IdleConnections, T: TokenEndpoint, C: Clock + 'static, R: Randomness + 'static>
    Broker<S, T, C, R>
{
    /// Renews every connection whose token has been due for `idle_after`, a few at a time, each as if somebody had asked
    /// for it: once for all processes, and not at all where the user has to connect again. Dropped, it begins no further
    /// refresh.
    ///
    /// # Errors
    /// The store failed.
    pub async fn keep_alive(self: &Arc<Self>, idle_after: Duration) -> Result<Sweep, StoreError> {
        let now = self.clock.now();
        let filter = IdleFilter { due_since: now - idle_after, paused_until: now - idle_after / SWEEPS, now };
        let (mut sweep, mut last) = (Sweep::default(), None);
        loop {
            let page = self.store.idle_connections(filter, last.as_ref(), PAGE_LEN).await?;
            let Some(end) = page.last().cloned() else { return Ok(sweep) };
            last = Some(end);
            self.renew_all(page, &mut sweep).await;
        }
    }

    async fn renew_all(self: &Arc<Self>, idle: Vec<IdleConnection>, sweep: &mut Sweep) {
        let mut running = JoinSet::new();
        let mut count = |is_alive: bool| if is_alive { sweep.alive += 1 } else { sweep.failed += 1 };
        for IdleConnection { config_key, connection_id, .. } in idle {
            if running.len() == CONCURRENCY
                && let Some(ended) = running.join_next().await
            {
                count(ended.unwrap_or(false));
            }
            let broker = Arc::clone(self);
            running.spawn(async move {
                broker.access_token(&config_key, &connection_id, Refresh::WhenDue).await.is_ok()
            });
        }
        while let Some(ended) = running.join_next().await {
            count(ended.unwrap_or(false));
        }
    }

    /// How long to wait before the next sweep; at random, so that processes that started together do not stay together.
    #[must_use]
    pub fn pause_between_sweeps(&self, idle_after: Duration) -> Duration {
        jittered((idle_after / SWEEPS).min(LONGEST_PAUSE), &self.randomness)
    }
}

/// Between half and all of `longest`.
pub(crate) fn jittered(longest: Duration, randomness: &impl Randomness) -> Duration {
    let mut random = [0; 1];
    randomness.fill(&mut random);
    longest / 2 + longest / 2 * u32::from(random[0]) / 255
}
