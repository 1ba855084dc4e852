//! Monitoring: schedules, their runs, and what each run found for an authorizer.
//!
//! Neither is listed anywhere: whoever asks must know the schedule's or the authorizer's id. What an unknown one is
//! answered is not documented; 404 is taken here.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::error::error;
use super::page::{page, page_limit, read_cursor};
use super::state::{Batch, Schedule};
use crate::json::{Fields, raw, text};
use crate::lock::locked;
use crate::problem::{Problem, read};
use crate::sandbox::Sandbox;

/// Runs on a page of the history when no number is asked for.
const HISTORY_PAGE: usize = 10;
/// Runs remembered for one authorizer.
const RUNS_LIMIT: usize = 10_000;

#[derive(Serialize)]
struct ScheduleAnswer {
    schedule_id: String,
    #[serde(flatten)]
    schedule: Schedule,
}

pub(super) async fn schedule(State(sandbox): State<Arc<Sandbox>>, Path(schedule_id): Path<String>) -> Response {
    let schedule = locked(&sandbox.providers.rightfoot.schedules).get(&schedule_id).cloned();
    match schedule {
        Some(schedule) => Json(ScheduleAnswer { schedule_id, schedule }).into_response(),
        None => error(StatusCode::NOT_FOUND, "The schedule does not exist", None),
    }
}

#[derive(Deserialize)]
pub(super) struct HistoryQuery {
    limit: Option<String>,
    #[serde(alias = "nextPageToken")]
    next_page_token: Option<String>,
}

#[derive(Serialize)]
struct HistoryPage<'a> {
    authorizer_unique_id: &'a str,
    total_count: usize,
    history: &'a [Box<RawValue>],
    next_page_token: Option<String>,
    has_more: bool,
}

pub(super) async fn history(
    State(sandbox): State<Arc<Sandbox>>,
    Path(authorizer_id): Path<String>,
    Query(query): Query<HistoryQuery>,
) -> Response {
    let Some(limit) = page_limit(query.limit, HISTORY_PAGE) else {
        return error(StatusCode::BAD_REQUEST, "limit must be from 1 to 100", None);
    };
    let offset = query.next_page_token.map_or(Some(0), |token| read_cursor(&token, &authorizer_id));
    let Some(offset) = offset else {
        return error(StatusCode::BAD_REQUEST, "The page token is not valid", None);
    };
    let histories = locked(&sandbox.providers.rightfoot.histories);
    let Some(runs) = histories.get(&authorizer_id) else {
        return error(StatusCode::NOT_FOUND, "The authorizer does not exist", None);
    };
    let (history, next_page_token) = page(runs, &authorizer_id, limit, offset);
    let (total_count, has_more) = (runs.len(), next_page_token.is_some());
    let authorizer_unique_id = authorizer_id.as_str();
    Json(HistoryPage { authorizer_unique_id, total_count, history, next_page_token, has_more }).into_response()
}

pub(super) async fn put_schedule(
    State(sandbox): State<Arc<Sandbox>>,
    Path(schedule_id): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    locked(&sandbox.providers.rightfoot.schedules).put(&schedule_id, read(&body)?);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct History {
    history: Vec<Box<RawValue>>,
}

/// Sets an authorizer's history as it stands, newest first, for tests that want an odd one.
pub(super) async fn put_history(
    State(sandbox): State<Arc<Sandbox>>,
    Path(authorizer_id): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let History { mut history } = read(&body)?;
    history.truncate(RUNS_LIMIT);
    locked(&sandbox.providers.rightfoot.histories).put(&authorizer_id, history);
    Ok(StatusCode::NO_CONTENT)
}

/// A run of a schedule: a complete batch, in the words of `GET /v1/balances`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    batch_id: String,
    run_at: String,
    next_run_at: Option<String>,
    balances: Vec<Fields>,
}

/// Lets a schedule run: its batch is complete, each authorizer's history tells of it, and the schedule moves on. No
/// webhook is sent; `/control/send` does that.
pub(super) async fn post_run(
    State(sandbox): State<Arc<Sandbox>>,
    Path(schedule_id): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let run = read::<Run>(&body)?;
    let rightfoot = &sandbox.providers.rightfoot;
    let mut schedules = locked(&rightfoot.schedules);
    let schedule = schedules.get_mut(&schedule_id).ok_or_else(|| Problem::unknown("schedule"))?;
    schedule.last_run_at = Some(run.run_at.clone());
    schedule.next_run_at = run.next_run_at.unwrap_or_else(|| std::mem::take(&mut schedule.next_run_at));
    let mut histories = locked(&rightfoot.histories);
    for balance in &run.balances {
        let authorizer_id = text(balance, "authorizer_unique_id");
        let authorizer_id = authorizer_id.ok_or_else(|| Problem::invalid("a balance has no authorizer_unique_id"))?;
        let failed = text(balance, "balance").is_none();
        let row = json!({
            "run_at": run.run_at,
            "batch_id": run.batch_id,
            "balance_amount": balance.get("balance"),
            "status": if failed { "failed" } else { "success" },
            "error_message": failed.then_some("Institution not supported"),
        });
        if let Some(runs) = histories.entry(&authorizer_id, Vec::new) {
            runs.insert(0, raw(&row));
            runs.truncate(RUNS_LIMIT);
        }
    }
    let balances = run.balances.iter().map(raw).collect();
    let batch = Batch { balances, complete: true, ..Batch::default() };
    locked(&rightfoot.batches).put(&run.batch_id, batch);
    Ok(StatusCode::NO_CONTENT)
}
