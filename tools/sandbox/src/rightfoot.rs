//! Rightfoot: no signature, retries for half an hour, and balances that are 404 until the batch is done.
//!
//! Sources: the "Balance Check Run Completed" page for the webhook and its retries; the API reference for the calls.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::{Path, Query, Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use crate::config::loopback;
use crate::control::{Problem, read};
use crate::deliveries::now;
use crate::json::{fields, text};
use crate::oauth::bearer;
use crate::provider::{Attempted, Ending, Event, Forgery, Letter, Provider, Verdict, follow};
use crate::sandbox::{Sandbox, locked};
use crate::shelf::Shelf;
use crate::sign::digest;

const API_KEY: &str = "sandbox-rightfoot-key";

/// +1, +2, +4 and +8 minutes: the next doubling would pass the half hour after which Rightfoot stops.
const WAITS: [Duration; 4] =
    [Duration::from_mins(1), Duration::from_mins(2), Duration::from_mins(4), Duration::from_mins(8)];

/// "Up to 1,000 authorizers in a single request".
const AUTHORIZERS_LIMIT: usize = 1_000;

/// Rows on a page, and the default when none is asked for.
const PAGE_LIMIT: usize = 100;

/// An identical request is answered from memory for this long.
const SAME_ANSWER: Duration = Duration::from_hours(24);

const BATCHES_LIMIT: usize = 10_000;

/// Rightfoot's side of things.
pub(crate) struct Rightfoot {
    batches: Mutex<Shelf<Batch>>,
    /// By the digest of the request, whose authorizers' data is not kept.
    answers: Mutex<Shelf<Answered>>,
}

/// A batch of balance checks.
#[derive(Default)]
struct Batch {
    balances: Vec<Box<RawValue>>,
    complete: bool,
    complete_at: Option<Instant>,
    /// Each request names its own webhook URL; one on this machine is honoured.
    webhook_url: Option<Uri>,
}

#[derive(Clone)]
struct Answered {
    at: Instant,
    answer: Submitted,
}

#[derive(Clone, Serialize)]
struct Submitted {
    batch_id: String,
    submitted_at: String,
    message: &'static str,
}

impl Default for Rightfoot {
    fn default() -> Self {
        Self { batches: Mutex::new(Shelf::new(BATCHES_LIMIT)), answers: Mutex::new(Shelf::new(BATCHES_LIMIT)) }
    }
}

impl Provider for Rightfoot {
    fn name(&self) -> &'static str {
        "rightfoot"
    }

    fn base(&self) -> &'static str {
        "/rightfoot"
    }

    fn api(&self, _: &Arc<Sandbox>) -> Router<Arc<Sandbox>> {
        Router::new()
            .route("/v1/balances", get(balances))
            .route("/v1/balance_requests", post(submit))
            .route_layer(from_fn(key_holder))
    }

    fn control(&self) -> Router<Arc<Sandbox>> {
        Router::new().route("/batches/{batch_id}", put(put_batch))
    }

    fn error(&self, status: StatusCode, message: &str) -> Response {
        error(status, message, None)
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

    /// The key is fixed.
    fn lapse_tokens(&self) {}

    fn reset(&self) {
        locked(&self.batches).clear();
        locked(&self.answers).clear();
    }
}

impl Batch {
    fn is_complete(&self) -> bool {
        self.complete || self.complete_at.is_some_and(|at| at <= Instant::now())
    }
}

async fn key_holder(request: Request, next: Next) -> Response {
    if bearer(request.headers()) == Some(API_KEY) {
        return next.run(request).await;
    }
    error(StatusCode::UNAUTHORIZED, "Missing or invalid API key", None)
}

/// The query of `GET /v1/balances`. The cursor's name changed between two versions of the reference; both are read.
#[derive(Deserialize)]
struct BalancesQuery {
    #[serde(rename = "batchId")]
    batch_id: Option<String>,
    limit: Option<String>,
    #[serde(alias = "nextPageToken")]
    next_page_token: Option<String>,
}

#[derive(Serialize)]
struct BalancesPage<'a> {
    batch_id: &'a str,
    total_processed: usize,
    balances: &'a [Box<RawValue>],
    has_more: bool,
    next_page_token: Option<String>,
}

async fn balances(State(sandbox): State<Arc<Sandbox>>, Query(query): Query<BalancesQuery>) -> Response {
    let Some(batch_id) = query.batch_id.as_deref() else {
        return error(StatusCode::BAD_REQUEST, "batchId is required", None);
    };
    let limit = query.limit.map_or(Some(PAGE_LIMIT), |limit| limit.parse().ok());
    let Some(limit) = limit.filter(|limit| (1..=PAGE_LIMIT).contains(limit)) else {
        return error(StatusCode::BAD_REQUEST, "limit must be from 1 to 100", Some(batch_id));
    };
    let offset = query.next_page_token.map_or(Some(0), |token| read_cursor(&token, batch_id));
    let Some(offset) = offset else {
        return error(StatusCode::BAD_REQUEST, "The page token is not valid", Some(batch_id));
    };
    let batches = locked(&sandbox.rightfoot.batches);
    // A batch nobody submitted and one still at work look the same.
    let Some(batch) = batches.get(batch_id).filter(|batch| batch.is_complete()) else {
        return error(StatusCode::NOT_FOUND, "The batch is still processing or does not exist", Some(batch_id));
    };
    let rest = batch.balances.get(offset..).unwrap_or_default();
    let page = rest.get(..limit).unwrap_or(rest);
    let has_more = rest.len() > page.len();
    Json(BalancesPage {
        batch_id,
        total_processed: batch.balances.len(),
        balances: page,
        has_more,
        next_page_token: has_more.then(|| write_cursor(batch_id, offset + page.len())),
    })
    .into_response()
}

/// Opaque to the client, and of no use for another batch.
fn write_cursor(batch_id: &str, offset: usize) -> String {
    URL_SAFE_NO_PAD.encode(format!("{offset}:{batch_id}"))
}

fn read_cursor(token: &str, batch_id: &str) -> Option<usize> {
    let decoded = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let (offset, of_batch) = decoded.split_once(':')?;
    (of_batch == batch_id).then_some(offset)?.parse().ok()
}

#[derive(Deserialize)]
struct Submission {
    authorizers: Vec<serde::de::IgnoredAny>,
    webhook_url: Option<String>,
}

async fn submit(State(sandbox): State<Arc<Sandbox>>, body: Bytes) -> Response {
    let Ok(submission) = serde_json::from_slice::<Submission>(&body) else {
        return error(StatusCode::BAD_REQUEST, "authorizers is required", None);
    };
    if !(1..=AUTHORIZERS_LIMIT).contains(&submission.authorizers.len()) {
        return error(StatusCode::BAD_REQUEST, "A request takes from 1 to 1000 authorizers", None);
    }
    let time_scale = locked(&sandbox.config).time_scale;
    let mut answers = locked(&sandbox.rightfoot.answers);
    let key = digest(&body);
    let kept = answers.get(&key).filter(|kept| kept.at.elapsed() < SAME_ANSWER.div_f64(time_scale));
    if let Some(kept) = kept {
        return Json(kept.answer.clone()).into_response();
    }
    let answer = Submitted {
        batch_id: locked(&sandbox.dice).uuid(),
        submitted_at: now(),
        message: "Batch has been successfully submitted and is pending processing.",
    };
    let webhook_url = submission.webhook_url.and_then(|url| loopback(&url).ok());
    locked(&sandbox.rightfoot.batches).put(&answer.batch_id, Batch { webhook_url, ..Batch::default() });
    answers.put(&key, Answered { at: Instant::now(), answer: answer.clone() });
    Json(answer).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchPatch {
    state: BatchState,
    balances: Option<Vec<Box<RawValue>>>,
    complete_after_ms: Option<u64>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum BatchState {
    Processing,
    Complete,
}

async fn put_batch(
    State(sandbox): State<Arc<Sandbox>>,
    Path(batch_id): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let patch = read::<BatchPatch>(&body)?;
    let mut batches = locked(&sandbox.rightfoot.batches);
    if let Some(batch) = batches.entry(&batch_id, Batch::default) {
        batch.complete = patch.state == BatchState::Complete;
        batch.complete_at =
            patch.complete_after_ms.and_then(|ms| Instant::now().checked_add(Duration::from_millis(ms)));
        batch.balances = patch.balances.unwrap_or_else(|| std::mem::take(&mut batch.balances));
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The error object of the API reference.
fn error(status: StatusCode, message: &str, batch_id: Option<&str>) -> Response {
    let code = status.canonical_reason().unwrap_or("Error").to_uppercase().replace(' ', "_");
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
