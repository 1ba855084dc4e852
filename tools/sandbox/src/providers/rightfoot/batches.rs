//! Balance batches: submitted, worked on, and read page by page.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::error::{coded, error};
use super::page::{PAGE_LIMIT, page, page_limit, read_cursor};
use super::state::{Answered, Batch, Spelling, Submitted};
use crate::config::loopback;
use crate::deliveries::now;
use crate::lock::locked;
use crate::odd::mark;
use crate::problem::{Problem, read};
use crate::sandbox::Sandbox;
use crate::sign::digest;

/// "Up to 1,000 authorizers in a single request".
const AUTHORIZERS_LIMIT: usize = 1_000;

/// An identical request is answered from memory for this long.
const SAME_ANSWER: Duration = Duration::from_hours(24);

/// The query of `GET /v1/balances`. The cursor's name changed between two versions of the reference; both are read.
#[derive(Deserialize)]
pub(super) struct BalancesQuery {
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
    #[serde(flatten)]
    next: Next,
}

/// What a page says of the next one.
#[derive(Serialize)]
#[serde(untagged)]
enum Next {
    Snake {
        has_more: bool,
        next_page_token: Option<String>,
    },
    #[serde(rename_all = "camelCase")]
    Camel {
        has_more: bool,
        next_page_token: Option<String>,
    },
    NoFlag {
        next_page_token: Option<String>,
    },
}

impl Next {
    fn write(spelling: Spelling, next_page_token: Option<String>) -> Self {
        let has_more = next_page_token.is_some();
        match spelling {
            Spelling::Snake => Self::Snake { has_more, next_page_token },
            Spelling::Camel => Self::Camel { has_more, next_page_token },
            Spelling::NoFlag => Self::NoFlag { next_page_token },
        }
    }
}

pub(super) async fn balances(State(sandbox): State<Arc<Sandbox>>, Query(query): Query<BalancesQuery>) -> Response {
    let Some(batch_id) = query.batch_id.as_deref() else {
        return error(StatusCode::BAD_REQUEST, "batchId is required", None);
    };
    let Some(limit) = page_limit(query.limit, PAGE_LIMIT) else {
        return error(StatusCode::BAD_REQUEST, "limit must be from 1 to 100", Some(batch_id));
    };
    let offset = query.next_page_token.map_or(Some(0), |token| read_cursor(&token, batch_id));
    let Some(offset) = offset else {
        return error(StatusCode::BAD_REQUEST, "The page token is not valid", Some(batch_id));
    };
    let mut batches = locked(&sandbox.providers.rightfoot.batches);
    // A batch nobody submitted and one still at work look the same.
    let Some(batch) = batches.get_mut(batch_id).filter(|batch| batch.is_complete()) else {
        return error(StatusCode::NOT_FOUND, "The batch is still processing or does not exist", Some(batch_id));
    };
    let total_processed = batch.balances.len();
    if batch.is_empty_yet() {
        let next = Next::write(batch.page_spelling, None);
        let mut response = Json(BalancesPage { batch_id, total_processed, balances: &[], next }).into_response();
        mark(&mut response, "empty_batch");
        return response;
    }
    if offset > 0 && batch.refuse_tokens > 0 {
        batch.refuse_tokens -= 1;
        let message = "The page token has expired";
        let mut response = coded(StatusCode::BAD_REQUEST, "INVALID_PAGE_TOKEN", message, Some(batch_id));
        mark(&mut response, "refused_page_token");
        return response;
    }
    let (balances, token) = page(&batch.balances, batch_id, limit, offset);
    let oddity = batch.page_spelling.oddity().filter(|_| token.is_some());
    let next = Next::write(batch.page_spelling, token);
    let mut response = Json(BalancesPage { batch_id, total_processed, balances, next }).into_response();
    if let Some(kind) = oddity {
        mark(&mut response, kind);
    }
    response
}

#[derive(Deserialize)]
struct Submission {
    authorizers: Vec<serde::de::IgnoredAny>,
    webhook_url: Option<String>,
}

pub(super) async fn submit(State(sandbox): State<Arc<Sandbox>>, body: Bytes) -> Response {
    let Ok(submission) = serde_json::from_slice::<Submission>(&body) else {
        return error(StatusCode::BAD_REQUEST, "authorizers is required", None);
    };
    if !(1..=AUTHORIZERS_LIMIT).contains(&submission.authorizers.len()) {
        return error(StatusCode::BAD_REQUEST, "A request takes from 1 to 1000 authorizers", None);
    }
    let time_scale = locked(&sandbox.config).time_scale;
    let mut answers = locked(&sandbox.providers.rightfoot.answers);
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
    locked(&sandbox.providers.rightfoot.batches).put(&answer.batch_id, Batch { webhook_url, ..Batch::default() });
    answers.put(&key, Answered { at: Instant::now(), answer: answer.clone() });
    Json(answer).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchPatch {
    state: BatchState,
    balances: Option<Vec<Box<RawValue>>>,
    complete_after_ms: Option<u64>,
    /// Complete, with its total, and without balances for so long after the first look.
    #[serde(default)]
    empty_for_ms: u64,
    #[serde(default)]
    page_spelling: Spelling,
    /// So many page tokens are answered 400 INVALID_PAGE_TOKEN; a walk from the start succeeds.
    #[serde(default)]
    refuse_tokens: u32,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum BatchState {
    Processing,
    Complete,
}

pub(crate) async fn put_batch(
    State(sandbox): State<Arc<Sandbox>>,
    Path(batch_id): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let patch = read::<BatchPatch>(&body)?;
    let mut batches = locked(&sandbox.providers.rightfoot.batches);
    if let Some(batch) = batches.entry(&batch_id, Batch::default) {
        batch.complete = patch.state == BatchState::Complete;
        batch.complete_at =
            patch.complete_after_ms.and_then(|ms| Instant::now().checked_add(Duration::from_millis(ms)));
        batch.empty_for = Duration::from_millis(patch.empty_for_ms);
        batch.shown_at = None;
        (batch.page_spelling, batch.refuse_tokens) = (patch.page_spelling, patch.refuse_tokens);
        batch.balances = patch.balances.unwrap_or_else(|| std::mem::take(&mut batch.balances));
    }
    Ok(StatusCode::NO_CONTENT)
}
