//! What a test may set of Run Payments' state.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::put;
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;

use super::{Merchant, REPORT_ROWS_LIMIT, REPORTS};
use crate::json::{Fields, raw};
use crate::lock::locked;
use crate::problem::{Problem, read};
use crate::sandbox::Sandbox;

pub(crate) fn router() -> Router<Arc<Sandbox>> {
    Router::new().route("/merchants/{merchant_id}", put(put_merchant)).route("/reports/{report}", put(put_report))
}

async fn put_merchant(
    State(sandbox): State<Arc<Sandbox>>,
    Path(merchant_id): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let given = read::<Fields>(&body)?;
    let mut merchants = locked(&sandbox.providers.runpayments.merchants);
    if let Some(merchant) = merchants.entry(&merchant_id, || Merchant { row: Fields::new(), status_at: None }) {
        // The list's ids are numbers.
        let id = merchant_id.parse::<u64>().map_or_else(|_| raw(&merchant_id), |number| raw(&number));
        merchant.row.entry("merchant_id".to_owned()).or_insert(id);
        merchant.row.extend(given);
        merchant.status_at = None;
    }
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReportPut {
    items: Vec<Fields>,
}

async fn put_report(
    State(sandbox): State<Arc<Sandbox>>,
    Path(report): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let given = read::<ReportPut>(&body)?;
    if !REPORTS.contains(&report.as_str()) {
        return Err(Problem::unknown("report"));
    }
    if given.items.len() > REPORT_ROWS_LIMIT {
        return Err(Problem::invalid(format!("at most {REPORT_ROWS_LIMIT} rows a report")));
    }
    locked(&sandbox.providers.runpayments.reports).put(&report, given.items);
    Ok(StatusCode::NO_CONTENT)
}
