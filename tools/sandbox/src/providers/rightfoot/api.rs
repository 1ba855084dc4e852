//! Rightfoot's API: its calls, for whoever holds the key.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;

use super::error::error;
use super::{batches, monitoring};
use crate::lock::locked;
use crate::oauth::bearer;
use crate::sandbox::Sandbox;

pub(crate) fn router(sandbox: &Arc<Sandbox>) -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/v1/balances", get(batches::balances))
        .route("/v1/balance_requests", post(batches::submit))
        .route("/v1/monitoring/schedules/{schedule_id}", get(monitoring::schedule))
        .route("/v1/monitoring/authorizers/{authorizer_id}/history", get(monitoring::history))
        .route_layer(from_fn_with_state(sandbox.clone(), key_holder))
}

async fn key_holder(State(sandbox): State<Arc<Sandbox>>, request: Request, next: Next) -> Response {
    let admitted = bearer(request.headers()) == Some(locked(&sandbox.providers.rightfoot.api_key).as_str());
    if admitted {
        return next.run(request).await;
    }
    error(StatusCode::UNAUTHORIZED, "Missing or invalid API key", None)
}
