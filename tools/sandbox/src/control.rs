//! The control API: what a person or a test tells the sandbox to do. Each provider adds its own part.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;

use crate::config::{Patch as ConfigPatch, View};
use crate::deliveries::Delivery;
use crate::faults::{Faults, Patch as FaultsPatch};
use crate::lock::locked;
use crate::problem::{Problem, read};
use crate::sandbox::Sandbox;
use crate::send::request::SendRequest;
use crate::send::send;

pub(crate) fn router() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/control/config", put(put_config).get(get_config))
        .route("/control/send", post(post_send))
        .route("/control/deliveries", get(get_deliveries))
        .route("/control/deliveries/{delivery_id}", get(get_delivery))
        .route("/control/faults", put(put_faults).get(get_faults))
        .route("/control/requests", get(get_requests))
        .route("/control/reset", post(post_reset))
}

async fn put_config(State(sandbox): State<Arc<Sandbox>>, body: Bytes) -> Result<Json<View>, Problem> {
    sandbox.configure(read::<ConfigPatch>(&body)?).map_err(Problem::invalid)?;
    Ok(Json(locked(&sandbox.config).view()))
}

async fn get_config(State(sandbox): State<Arc<Sandbox>>) -> Json<View> {
    Json(locked(&sandbox.config).view())
}

async fn post_send(State(sandbox): State<Arc<Sandbox>>, body: Bytes) -> Result<Json<Delivery>, Problem> {
    let request = read::<SendRequest>(&body)?;
    Ok(Json(send(&sandbox, request).await?))
}

#[derive(Serialize)]
struct Sent {
    deliveries: Vec<Delivery>,
}

async fn get_deliveries(
    State(sandbox): State<Arc<Sandbox>>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Json<Sent> {
    let provider = query.get("provider").map(String::as_str);
    Json(Sent { deliveries: locked(&sandbox.deliveries).list(provider) })
}

async fn get_delivery(
    State(sandbox): State<Arc<Sandbox>>,
    Path(delivery_id): Path<String>,
) -> Result<Json<Delivery>, Problem> {
    locked(&sandbox.deliveries).get(&delivery_id).map(Json).ok_or_else(|| Problem::unknown("delivery"))
}

async fn put_faults(State(sandbox): State<Arc<Sandbox>>, body: Bytes) -> Result<Json<Faults>, Problem> {
    let patch = read::<FaultsPatch>(&body)?;
    let provider = sandbox.provider(&patch.provider).ok_or_else(|| Problem::unknown("provider"))?;
    sandbox.change_faults(provider, &patch).map(Json).map_err(Problem::invalid)
}

async fn get_faults(State(sandbox): State<Arc<Sandbox>>) -> Json<BTreeMap<&'static str, Faults>> {
    let set = locked(&sandbox.faults);
    let names = sandbox.providers.all().map(|provider| provider.name());
    Json(names.map(|name| (name, set.get(name).cloned().unwrap_or_default())).collect())
}

async fn get_requests(State(sandbox): State<Arc<Sandbox>>) -> Json<BTreeMap<&'static str, BTreeMap<String, u64>>> {
    let counted = locked(&sandbox.requests);
    let names = sandbox.providers.all().map(|provider| provider.name());
    Json(names.map(|name| (name, counted.get(name).cloned().unwrap_or_default())).collect())
}

async fn post_reset(State(sandbox): State<Arc<Sandbox>>) -> StatusCode {
    sandbox.reset();
    StatusCode::NO_CONTENT
}
