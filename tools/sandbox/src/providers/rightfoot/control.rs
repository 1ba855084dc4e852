//! What a test may set of Rightfoot's state.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::{post, put};
use bytes::Bytes;
use http::StatusCode;

use super::{batches, monitoring};
use crate::lock::locked;
use crate::problem::{NewKey, Problem, read};
use crate::sandbox::Sandbox;

pub(crate) fn router() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/key", put(put_key))
        .route("/batches/{batch_id}", put(batches::put_batch))
        .route("/schedules/{schedule_id}", put(monitoring::put_schedule))
        .route("/schedules/{schedule_id}/runs", post(monitoring::post_run))
        .route("/authorizers/{authorizer_id}/history", put(monitoring::put_history))
}

/// From now on this key counts, and no other.
async fn put_key(State(sandbox): State<Arc<Sandbox>>, body: Bytes) -> Result<StatusCode, Problem> {
    *locked(&sandbox.providers.rightfoot.api_key) = read::<NewKey>(&body)?.api_key;
    Ok(StatusCode::NO_CONTENT)
}
