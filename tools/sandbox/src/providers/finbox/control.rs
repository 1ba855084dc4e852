//! What a test may set of FinBox's state.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::put;
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;

use super::{PAYLOADS_LIMIT, Session};
use crate::json::{Fields, raw};
use crate::lock::locked;
use crate::problem::{NewKey, Problem, read};
use crate::sandbox::Sandbox;

pub(crate) fn router() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/key", put(put_key))
        .route("/entities/{entity_id}", put(put_entity))
        .route("/payloads/{link_id}", put(put_payloads).post(post_payload))
        .route("/sessions/{session_id}", put(put_session))
}

/// From now on this key counts, and no other.
async fn put_key(State(sandbox): State<Arc<Sandbox>>, body: Bytes) -> Result<StatusCode, Problem> {
    *locked(&sandbox.providers.finbox.api_key) = read::<NewKey>(&body)?.api_key;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn put_entity(
    State(sandbox): State<Arc<Sandbox>>,
    Path(entity_id): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let given = read::<Fields>(&body)?;
    if let Some(entity) = locked(&sandbox.providers.finbox.entities).entry(&entity_id, Fields::new) {
        entity.extend(given);
    }
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PayloadsPut {
    payloads: Vec<Fields>,
}

async fn put_payloads(
    State(sandbox): State<Arc<Sandbox>>,
    Path(link_id): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let given = read::<PayloadsPut>(&body)?;
    if given.payloads.len() > PAYLOADS_LIMIT {
        return Err(Problem::invalid(format!("at most {PAYLOADS_LIMIT} payloads a link")));
    }
    // Given newest first, as they are served; kept oldest first.
    locked(&sandbox.providers.finbox.payloads).put(&link_id, Vec::new());
    for row in given.payloads.into_iter().rev() {
        sandbox.providers.finbox.append(&link_id, row);
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn post_payload(
    State(sandbox): State<Arc<Sandbox>>,
    Path(link_id): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    sandbox.providers.finbox.append(&link_id, read::<Fields>(&body)?);
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn put_session(
    State(sandbox): State<Arc<Sandbox>>,
    Path(session_id): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let mut answer = read::<Fields>(&body)?;
    let http_status = match answer.remove("http_status") {
        Some(status) => serde_json::from_str(status.get()).map_err(|error| Problem::invalid(error.to_string()))?,
        None => 200,
    };
    if ![200, 400, 403, 404, 410].contains(&http_status) {
        return Err(Problem::invalid("http_status is 200, 400, 403, 404 or 410"));
    }
    let upload = answer.remove("upload");
    let mut upload: Fields = match &upload {
        Some(upload) => serde_json::from_str(upload.get()).map_err(|error| Problem::invalid(error.to_string()))?,
        None => Fields::default(),
    };
    for fields in [&mut answer, &mut upload] {
        fields.entry("session_id".to_owned()).or_insert_with(|| raw(&session_id));
    }
    upload.entry("upload_status".to_owned()).or_insert_with(|| raw("COMPLETED"));
    upload.entry("session_expiry_timestamp".to_owned()).or_insert_with(|| raw("2099-01-01 00:00:00"));
    upload.entry("accounts".to_owned()).or_insert_with(|| raw::<[u8; 0]>(&[]));
    answer.entry("progress".to_owned()).or_insert_with(|| raw::<[u8; 0]>(&[]));
    locked(&sandbox.providers.finbox.sessions).put(&session_id, Session { http_status, answer, upload });
    Ok(StatusCode::NO_CONTENT)
}
