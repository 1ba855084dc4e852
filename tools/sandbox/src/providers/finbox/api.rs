//! FinBox's API: entities and their statements, the payload list, sessions, and where webhooks go.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{OriginalUri, Path, Query, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use crate::config::loopback;
use crate::json::{Fields, raw, text};
use crate::lock::locked;
use crate::odd::mark;
use crate::paging::link;
use crate::provider::Provider;
use crate::sandbox::Sandbox;

const SERVER_HASH: &str = "sandbox-finbox-hash";

/// "There are 10 records per page at max."
const PAGE_SIZE: usize = 10;

pub(crate) fn router(sandbox: &Arc<Sandbox>) -> Router<Arc<Sandbox>> {
    // Written out, not nested: nesting would drop the final slash of `/v1/entity/`.
    let entities = Router::new()
        .route("/v1/entity/", get(list_entities))
        .route("/v1/entity/webhook_payloads/", get(webhook_payloads))
        .route("/v1/entity/update_webhook/", post(update_webhook))
        .route("/v1/entity/{entity_id}/", get(entity))
        .route("/v1/entity/{entity_id}/{view}/", get(entity_view))
        .route_layer(from_fn_with_state(sandbox.clone(), entity_caller));
    let sessions = Router::new()
        .route("/v1/session_data/update_webhook/", post(update_webhook))
        .route("/v1/session_data/{session_id}/progress/", get(session_progress))
        .route("/v1/session_data/{session_id}/session_upload_status/", get(session_upload_status))
        .route_layer(from_fn_with_state(sandbox.clone(), session_caller));
    entities.merge(sessions)
}

fn authenticated(sandbox: &Sandbox, headers: &HeaderMap) -> bool {
    let given = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let api_key = locked(&sandbox.providers.finbox.api_key);
    (given("x-api-key"), given("server-hash")) == (Some(api_key.as_str()), Some(SERVER_HASH))
}

async fn entity_caller(State(sandbox): State<Arc<Sandbox>>, request: Request, next: Next) -> Response {
    if authenticated(&sandbox, request.headers()) {
        return next.run(request).await;
    }
    let detail = json!({ "detail": "Authentication credentials were not provided." });
    (StatusCode::UNAUTHORIZED, Json(detail)).into_response()
}

async fn session_caller(State(sandbox): State<Arc<Sandbox>>, request: Request, next: Next) -> Response {
    if authenticated(&sandbox, request.headers()) { next.run(request).await } else { session_error(403) }
}

#[derive(Serialize)]
struct EntityList {
    count: usize,
    next: Option<String>,
    previous: Option<String>,
    results: Vec<EntityRow>,
}

#[derive(Serialize)]
struct EntityRow {
    entity_id: String,
    link_id: Option<String>,
    meta_data: Box<RawValue>,
}

impl EntityRow {
    fn new(entity_id: &str, entity: &Fields) -> Self {
        let meta_data = entity.get("meta_data").cloned().unwrap_or_else(|| RawValue::NULL.to_owned());
        Self { entity_id: entity_id.to_owned(), link_id: text(entity, "link_id"), meta_data }
    }
}

async fn list_entities(
    State(sandbox): State<Arc<Sandbox>>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let link_id = query.get("link_id");
    let entities = locked(&sandbox.providers.finbox.entities);
    let all: Vec<EntityRow> = entities.iter().map(|(id, entity)| EntityRow::new(id, entity)).collect();
    drop(entities);
    let all: Vec<EntityRow> =
        all.into_iter().filter(|row| link_id.is_none() || row.link_id.as_ref() == link_id).collect();
    let pages = all.len().div_ceil(PAGE_SIZE).max(1);
    let page: Option<usize> = query.get("page").map_or(Some(1), |page| page.parse().ok());
    let Some(page) = page.filter(|page| (1..=pages).contains(page)) else {
        return sandbox.providers.finbox.error(StatusCode::NOT_FOUND, "Invalid page.");
    };
    let link = |page: usize| link(&headers, &uri, &[("page", page)]);
    let (next, previous) = ((page < pages).then(|| link(page + 1)), (page > 1).then(|| link(page - 1)));
    let count = all.len();
    let results = all.into_iter().skip((page - 1) * PAGE_SIZE).take(PAGE_SIZE).collect();
    Json(EntityList { count, next, previous, results }).into_response()
}

async fn entity(State(sandbox): State<Arc<Sandbox>>, Path(entity_id): Path<String>) -> Response {
    let row =
        locked(&sandbox.providers.finbox.entities).get(&entity_id).map(|entity| EntityRow::new(&entity_id, entity));
    row.map_or_else(
        || sandbox.providers.finbox.error(StatusCode::NOT_FOUND, "Not found."),
        |row| Json(row).into_response(),
    )
}

/// Every read of an entity has the progress of its statements and, as available, its accounts, frauds and the data
/// asked for.
async fn entity_view(State(sandbox): State<Arc<Sandbox>>, Path((entity_id, view)): Path<(String, String)>) -> Response {
    let entities = locked(&sandbox.providers.finbox.entities);
    let known = ["transactions", "accounts", "identity", "salary"].contains(&view.as_str());
    let Some(entity) = entities.get(&entity_id).filter(|_| known) else {
        return sandbox.providers.finbox.error(StatusCode::NOT_FOUND, "Not found.");
    };
    let empty = raw::<[u8; 0]>(&[]);
    let given = |name: &str| entity.get(name).cloned().unwrap_or_else(|| empty.clone());
    let mut answer: Fields =
        ["progress", "accounts", "fraud"].iter().map(|name| ((*name).to_owned(), given(name))).collect();
    answer.insert(view.clone(), given(&view));
    Json(answer).into_response()
}

#[derive(Serialize)]
struct Payloads {
    payloads: Vec<Fields>,
}

async fn webhook_payloads(
    State(sandbox): State<Arc<Sandbox>>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let Some(link_id) = query.get("link_id") else {
        return sandbox.providers.finbox.error(StatusCode::BAD_REQUEST, "link_id is required");
    };
    let mut payloads = locked(&sandbox.providers.finbox.payloads).get(link_id).cloned().unwrap_or_default();
    // "Decreasing order of time": of two in one second, the later one in the list came later.
    payloads.reverse();
    payloads.sort_by_key(|row| Reverse(text(row, "date_time")));
    Json(Payloads { payloads }).into_response()
}

#[derive(Deserialize)]
struct WebhookSetting {
    webhook_url: String,
    /// Left out, it is 0: net banking only. The sandbox sends what it is told either way.
    #[serde(default)]
    webhook_mode: u8,
}

async fn update_webhook(State(sandbox): State<Arc<Sandbox>>, body: Bytes) -> Response {
    let Ok(setting) = serde_json::from_slice::<WebhookSetting>(&body) else {
        return sandbox.providers.finbox.error(StatusCode::BAD_REQUEST, "webhook_url is required");
    };
    match loopback(&setting.webhook_url) {
        Ok(_) if setting.webhook_mode > 3 => {
            sandbox.providers.finbox.error(StatusCode::BAD_REQUEST, "webhook_mode is 0 to 3")
        }
        Ok(target) => {
            locked(&sandbox.config).targets.insert(sandbox.providers.finbox.name().to_owned(), target);
            Json(json!({ "message": "success" })).into_response()
        }
        Err(message) => sandbox.providers.finbox.error(StatusCode::BAD_REQUEST, &message),
    }
}

async fn session_progress(State(sandbox): State<Arc<Sandbox>>, Path(session_id): Path<String>) -> Response {
    let sessions = locked(&sandbox.providers.finbox.sessions);
    match sessions.get(&session_id) {
        Some(session) if session.http_status == 200 => Json(&session.answer).into_response(),
        Some(session) if session.http_status == 400 => {
            let mut response = session_error(400);
            mark(&mut response, "processing_not_requested");
            response
        }
        Some(session) => session_error(session.http_status),
        None => session_error(404),
    }
}

/// There also before anybody asked for processing.
async fn session_upload_status(State(sandbox): State<Arc<Sandbox>>, Path(session_id): Path<String>) -> Response {
    let sessions = locked(&sandbox.providers.finbox.sessions);
    match sessions.get(&session_id) {
        Some(session) if matches!(session.http_status, 200 | 400) => Json(&session.upload).into_response(),
        Some(session) => session_error(session.http_status),
        None => session_error(404),
    }
}

/// The session flow's table of error codes.
fn session_error(status: u16) -> Response {
    let (code, message) = match status {
        400 => ("PROCESSING_NOT_REQUESTED", "Cannot proceed as the processing has not been requested yet"),
        403 => ("ACCESS_DENIED", "Authentication credentials were not provided"),
        410 => ("SESSION_DELETED", "The provided session ID has been deleted"),
        _ => ("SESSION_NOT_FOUND", "The provided session ID is invalid"),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::NOT_FOUND);
    (status, Json(json!({ "error": { "code": code, "message": message } }))).into_response()
}
