//! The control API: what a person or a test tells the sandbox to do. Each provider adds its own part.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use bytes::Bytes;
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::config::{Patch as ConfigPatch, View};
use crate::deliveries::Delivery;
use crate::faults::{Faults, Patch as FaultsPatch};
use crate::sandbox::{Sandbox, locked};
use crate::send::{Refused, SendRequest, send};

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

/// The key that counts from now on, at a provider whose keys do not lapse by themselves.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKey {
    pub(crate) api_key: String,
}

/// A control request that can't be met.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    message: String,
}

impl Problem {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: message.into() }
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self { status: StatusCode::CONFLICT, message: message.into() }
    }

    pub(crate) fn unknown(what: &str) -> Self {
        Self { status: StatusCode::NOT_FOUND, message: format!("no such {what}") }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.message }))).into_response()
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let (status, message) = match refused {
            Refused::Invalid(message) => (StatusCode::BAD_REQUEST, message),
            Refused::Unconfigured(message) => (StatusCode::CONFLICT, message),
            Refused::Busy => (StatusCode::SERVICE_UNAVAILABLE, "too many deliveries are under way".to_owned()),
        };
        Self { status, message }
    }
}

/// Reads a control request's body. Not axum's extractor: the content type is nobody's concern here.
pub(crate) fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| Problem::invalid(error.to_string()))
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
    let names = sandbox.providers().map(|provider| provider.name());
    Json(names.into_iter().map(|name| (name, set.get(name).cloned().unwrap_or_default())).collect())
}

async fn get_requests(State(sandbox): State<Arc<Sandbox>>) -> Json<BTreeMap<&'static str, BTreeMap<String, u64>>> {
    let counted = locked(&sandbox.requests);
    let names = sandbox.providers().map(|provider| provider.name());
    Json(names.into_iter().map(|name| (name, counted.get(name).cloned().unwrap_or_default())).collect())
}

async fn post_reset(State(sandbox): State<Arc<Sandbox>>) -> StatusCode {
    sandbox.reset();
    StatusCode::NO_CONTENT
}
