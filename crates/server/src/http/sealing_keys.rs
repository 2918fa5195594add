//! `POST /sealing_keys/rotate`: changes the key that seals what is stored.

use axum::{Json, extract::State};
use handfast_broker::ApiKeyScope;
use schemars::JsonSchema;
use serde::Serialize;

use super::{caller::Caller, error::Problem};
use crate::{app::App, rotation};

/// What the change has done.
#[derive(Serialize, JsonSchema)]
pub(crate) struct RotatedBody {
    /// False where a run that was cut short was gone on with.
    added_key: bool,
    /// How many values were sealed anew.
    resealed: u64,
    /// False where there is more to seal than one request waits for: send it again.
    is_finished: bool,
}

/// Seals every value with a new key. A run that was cut short is gone on with by the next.
pub(crate) async fn rotate(caller: Caller, State(app): State<App>) -> Result<Json<RotatedBody>, Problem> {
    caller.require(ApiKeyScope::KeysWrite)?;
    // A caller who hangs up does not end the run.
    let task = tokio::spawn(async move { app.rotate_sealing_key().await });
    let rotated = task.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    let rotation::Rotated { added_key, resealed, is_finished } =
        rotated.map_err(|error| Problem::invalid_request(format!("{error:#}")))?;
    tracing::info!(added_key, resealed, is_finished, "sealing key changed");
    Ok(Json(RotatedBody { added_key, resealed, is_finished }))
}
