//! Rightfoot: no signature, retries for half an hour, and balances that are 404 until the batch is done.
//!
//! Sources: the "Balance Check Run Completed" page for the webhook and its retries; the API reference for the calls.

pub(crate) mod batches;
mod monitoring;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{StatusCode, Uri};
use serde_json::json;
use serde_json::value::RawValue;

use crate::control::{NewKey, Problem, read};
use crate::deliveries::now;
use crate::faults::Quirk;
use crate::json::{fields, text};
use crate::oauth::bearer;
use crate::provider::{Attempted, Ending, Event, Forgery, Letter, Provider, Verdict, follow};
use crate::sandbox::{Sandbox, locked};
use crate::shelf::Shelf;
use batches::{Answered, Batch};
use monitoring::Schedule;

const API_KEY: &str = "sandbox-rightfoot-key";

/// +1, +2, +4 and +8 minutes: the next doubling would pass the half hour after which Rightfoot stops.
const WAITS: [Duration; 4] =
    [Duration::from_mins(1), Duration::from_mins(2), Duration::from_mins(4), Duration::from_mins(8)];

/// The most rows on a page.
const PAGE_LIMIT: usize = 100;

/// Batches, answers, schedules and authorizers remembered, each.
const ROWS_LIMIT: usize = 10_000;

/// Rightfoot's side of things.
pub(crate) struct Rightfoot {
    /// The one key that counts now.
    api_key: Mutex<String>,
    batches: Mutex<Shelf<Batch>>,
    /// By the digest of the request, whose authorizers' data is not kept.
    answers: Mutex<Shelf<Answered>>,
    schedules: Mutex<Shelf<Schedule>>,
    /// By authorizer, newest run first.
    histories: Mutex<Shelf<Vec<Box<RawValue>>>>,
}

impl Default for Rightfoot {
    fn default() -> Self {
        Self {
            api_key: Mutex::new(API_KEY.to_owned()),
            batches: Mutex::new(Shelf::new(ROWS_LIMIT)),
            answers: Mutex::new(Shelf::new(ROWS_LIMIT)),
            schedules: Mutex::new(Shelf::new(ROWS_LIMIT)),
            histories: Mutex::new(Shelf::new(ROWS_LIMIT)),
        }
    }
}

impl Provider for Rightfoot {
    fn name(&self) -> &'static str {
        "rightfoot"
    }

    fn base(&self) -> &'static str {
        "/rightfoot"
    }

    fn api(&self, sandbox: &Arc<Sandbox>) -> Router<Arc<Sandbox>> {
        Router::new()
            .route("/v1/balances", get(batches::balances))
            .route("/v1/balance_requests", post(batches::submit))
            .route("/v1/monitoring/schedules/{schedule_id}", get(monitoring::schedule))
            .route("/v1/monitoring/authorizers/{authorizer_id}/history", get(monitoring::history))
            .route_layer(from_fn_with_state(sandbox.clone(), key_holder))
    }

    fn control(&self) -> Router<Arc<Sandbox>> {
        Router::new()
            .route("/key", put(put_key))
            .route("/batches/{batch_id}", put(batches::put_batch))
            .route("/schedules/{schedule_id}", put(monitoring::put_schedule))
            .route("/schedules/{schedule_id}/runs", post(monitoring::post_run))
            .route("/authorizers/{authorizer_id}/history", put(monitoring::put_history))
    }

    fn error(&self, status: StatusCode, message: &str) -> Response {
        error(status, message, None)
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

    /// A batch's own webhook URL comes before the configured one.
    fn target(&self, body: &[u8], configured: Option<Uri>) -> Option<Uri> {
        let batch_id = fields(body).filter(|event| text(event, "type").as_deref() == Some("BALANCE_BATCH_COMPLETED"));
        let batch_id = batch_id.and_then(|event| text(&event, "batch_id"));
        let own = batch_id.and_then(|id| locked(&self.batches).get(&id)?.webhook_url.clone());
        own.or(configured)
    }

    fn verdict(&self, attempt: &Attempted) -> Verdict {
        follow(&WAITS, attempt)
    }

    /// Announcing a batch does not complete it: that is the control API's to say, so that a test can tell them apart.
    fn happened(&self, _: &Event<'_>) {}

    fn progressed(&self, _: &str, _: u32, _: Option<u16>, _: Option<Ending>) {}

    fn called_off(&self, _: &str) -> bool {
        false
    }

    /// A key does not lapse by itself: the control API replaces it.
    fn lapse_tokens(&self) {}

    fn reset(&self) {
        API_KEY.clone_into(&mut locked(&self.api_key));
        locked(&self.batches).clear();
        locked(&self.answers).clear();
        locked(&self.schedules).clear();
        locked(&self.histories).clear();
    }
}

/// From now on this key counts, and no other.
async fn put_key(State(sandbox): State<Arc<Sandbox>>, body: Bytes) -> Result<StatusCode, Problem> {
    *locked(&sandbox.rightfoot.api_key) = read::<NewKey>(&body)?.api_key;
    Ok(StatusCode::NO_CONTENT)
}

async fn key_holder(State(sandbox): State<Arc<Sandbox>>, request: Request, next: Next) -> Response {
    let admitted = bearer(request.headers()) == Some(locked(&sandbox.rightfoot.api_key).as_str());
    if admitted {
        return next.run(request).await;
    }
    error(StatusCode::UNAUTHORIZED, "Missing or invalid API key", None)
}

/// One page of a list: its rows, and the token of the next one if there is one.
fn page<'a>(
    rows: &'a [Box<RawValue>],
    list: &str,
    limit: usize,
    offset: usize,
) -> (&'a [Box<RawValue>], Option<String>) {
    let rest = rows.get(offset..).unwrap_or_default();
    let page = rest.get(..limit).unwrap_or(rest);
    (page, (rest.len() > page.len()).then(|| write_cursor(list, offset + page.len())))
}

/// A `limit` as it was asked for, or the default; nothing if it breaks the rule.
fn page_limit(asked: Option<String>, default: usize) -> Option<usize> {
    let limit = asked.map_or(Some(default), |limit| limit.parse().ok());
    limit.filter(|limit| (1..=PAGE_LIMIT).contains(limit))
}

/// Opaque to the client, and of no use for another list.
fn write_cursor(list: &str, offset: usize) -> String {
    URL_SAFE_NO_PAD.encode(format!("{offset}:{list}"))
}

fn read_cursor(token: &str, list: &str) -> Option<usize> {
    let decoded = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let (offset, of_list) = decoded.split_once(':')?;
    (of_list == list).then_some(offset)?.parse().ok()
}

/// The error object of the API reference.
fn error(status: StatusCode, message: &str, batch_id: Option<&str>) -> Response {
    let code = status.canonical_reason().unwrap_or("Error").to_uppercase().replace(' ', "_");
    coded(status, &code, message, batch_id)
}

/// The same with a code of its own.
fn coded(status: StatusCode, code: &str, message: &str, batch_id: Option<&str>) -> Response {
    let body = json!({
        "status": "error",
        "status_code": status.as_u16(),
        "error": {
            "code": code,
            "message": message,
            "timestamp": now(),
            "suggestion": "See the documentation of this call",
        },
        "batch_id": batch_id,
        "documentation_url": "https://docs.rightfoot.com",
    });
    (status, Json(body)).into_response()
}

#[cfg(test)]
mod tests;
