//! FinBox BankConnect: no signature, no retry; a list of what it meant to send, and progress to poll.
//!
//! Sources: the BankConnect "Webhook", "Management" and "REST API" pages, and the session flow's "Check Processing
//! Status". Paths end in a slash, as there.

mod api;

use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::put;
use axum::{Json, Router};
use bytes::Bytes;
use http::{StatusCode, Uri};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use crate::control::{NewKey, Problem, read};
use crate::faults::Quirk;
use crate::json::{Fields, fields, raw, text};
use crate::provider::{Attempted, Ending, Event, Forgery, Letter, Provider, Verdict};
use crate::sandbox::{Sandbox, locked};
use crate::shelf::Shelf;

const ENTITIES_LIMIT: usize = 2_000;
const LINKS_LIMIT: usize = 10_000;
const PAYLOADS_LIMIT: usize = 1_000;
const SESSIONS_LIMIT: usize = 2_000;

/// FinBox's side of things.
pub(crate) struct FinBox {
    /// The one key that counts now, beside a server hash that stays.
    api_key: Mutex<String>,
    entities: Mutex<Shelf<Fields>>,
    /// By link: what was, or should have been, sent for it.
    payloads: Mutex<Shelf<Vec<Fields>>>,
    sessions: Mutex<Shelf<Session>>,
}

struct Session {
    /// Of the answer about its progress.
    http_status: u16,
    answer: Fields,
    /// The answer about its upload.
    upload: Fields,
}

impl Default for FinBox {
    fn default() -> Self {
        Self {
            api_key: Mutex::new(api::API_KEY.to_owned()),
            entities: Mutex::new(Shelf::new(ENTITIES_LIMIT)),
            payloads: Mutex::new(Shelf::new(LINKS_LIMIT)),
            sessions: Mutex::new(Shelf::new(SESSIONS_LIMIT)),
        }
    }
}

impl Provider for FinBox {
    fn name(&self) -> &'static str {
        "finbox"
    }

    fn base(&self) -> &'static str {
        "/finbox/bank-connect"
    }

    fn api(&self, sandbox: &Arc<Sandbox>) -> Router<Arc<Sandbox>> {
        api::router(sandbox)
    }

    fn control(&self) -> Router<Arc<Sandbox>> {
        Router::new()
            .route("/key", put(put_key))
            .route("/entities/{entity_id}", put(put_entity))
            .route("/payloads/{link_id}", put(put_payloads).post(post_payload))
            .route("/sessions/{session_id}", put(put_session))
    }

    fn error(&self, status: StatusCode, message: &str) -> Response {
        (status, Json(json!({ "detail": message }))).into_response()
    }

    fn quirks(&self) -> &'static [Quirk] {
        &[]
    }

    /// Nothing is signed; only the URL can be wrong.
    fn forgeries(&self) -> &'static [Forgery] {
        &[Forgery::Token]
    }

    fn headers(&self, _: &Letter<'_>) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn body(&self, first: &Bytes, _: u32) -> Bytes {
        first.clone()
    }

    fn target(&self, _: &[u8], configured: Option<Uri>) -> Option<Uri> {
        configured
    }

    /// A valid endpoint "returns a 200 status code"; no retry is documented.
    fn verdict(&self, attempt: &Attempted) -> Verdict {
        if attempt.status == Some(200) { Verdict::Delivered } else { Verdict::GiveUp }
    }

    /// The payload list shows when a webhook "was supposed to be sent", whether or not it was.
    fn happened(&self, event: &Event<'_>) {
        let Some(mut sent) = fields(event.body) else { return };
        let Some(link_id) = text(&sent, "link_id") else { return };
        sent.retain(|name, _| ["entity_id", "statement_id", "link_id", "progress", "reason"].contains(&name.as_str()));
        self.append(&link_id, sent);
    }

    fn progressed(&self, _: &str, _: u32, _: Option<u16>, _: Option<Ending>) {}

    fn called_off(&self, _: &str) -> bool {
        false
    }

    /// A key does not lapse by itself: the control API replaces it.
    fn lapse_tokens(&self) {}

    fn reset(&self) {
        api::API_KEY.clone_into(&mut locked(&self.api_key));
        locked(&self.entities).clear();
        locked(&self.payloads).clear();
        locked(&self.sessions).clear();
    }
}

impl FinBox {
    /// Adds a row, dated now unless it says otherwise.
    fn append(&self, link_id: &str, mut row: Fields) {
        row.entry("date_time".to_owned()).or_insert_with(|| raw(&date_time()));
        let mut payloads = locked(&self.payloads);
        if let Some(rows) = payloads.entry(link_id, Vec::new) {
            if rows.len() >= PAYLOADS_LIMIT {
                rows.remove(0);
            }
            rows.push(row);
        }
    }
}

/// `YYYY-MM-DD HH:MM:SS`; the time zone is not documented, UTC is the sandbox's choice.
fn date_time() -> String {
    Timestamp::now().strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// From now on this key counts, and no other.
async fn put_key(State(sandbox): State<Arc<Sandbox>>, body: Bytes) -> Result<StatusCode, Problem> {
    *locked(&sandbox.finbox.api_key) = read::<NewKey>(&body)?.api_key;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn put_entity(
    State(sandbox): State<Arc<Sandbox>>,
    Path(entity_id): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let given = read::<Fields>(&body)?;
    if let Some(entity) = locked(&sandbox.finbox.entities).entry(&entity_id, Fields::new) {
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
    locked(&sandbox.finbox.payloads).put(&link_id, Vec::new());
    for row in given.payloads.into_iter().rev() {
        sandbox.finbox.append(&link_id, row);
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn post_payload(
    State(sandbox): State<Arc<Sandbox>>,
    Path(link_id): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    sandbox.finbox.append(&link_id, read::<Fields>(&body)?);
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
    locked(&sandbox.finbox.sessions).put(&session_id, Session { http_status, answer, upload });
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests;
