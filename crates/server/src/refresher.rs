//! Keeps alive the connections that nobody asks for, where the configuration wants it.

use std::{sync::Arc, time::Duration};

use crate::app::Broker;

/// Sweeps again and again, for as long as it is polled.
pub(crate) async fn keep_alive(broker: Arc<Broker>, idle_after: Duration) {
    loop {
        tokio::time::sleep(broker.pause_between_sweeps(idle_after)).await;
        match broker.keep_alive(idle_after).await {
            Ok(sweep) if sweep.alive + sweep.failed > 0 => {
                tracing::info!(alive = sweep.alive, failed = sweep.failed, "idle connections were renewed");
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "idle connections cannot be looked up"
                );
            }
        }
    }
}
