//! How Fynapse answers with rows: a page of many, or one.

use std::collections::BTreeMap;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::provider::Provider;
use crate::sandbox::Sandbox;

/// Rows on a page: the default and the most.
const PAGE_DEFAULT: usize = 20;
const PAGE_LIMIT: usize = 100;

/// `page` counts from 1.
#[derive(Deserialize)]
pub(super) struct PageQuery {
    page: Option<String>,
    limit: Option<String>,
    #[serde(flatten)]
    pub(super) filters: BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<T> {
    data: Vec<T>,
    page: usize,
    limit: usize,
    total_size: usize,
    total_pages: usize,
}

pub(super) fn page<T: Serialize>(sandbox: &Sandbox, rows: Vec<T>, query: &PageQuery) -> Response {
    let number = |text: &Option<String>, default| text.as_ref().map_or(Some(default), |text| text.parse().ok());
    let page = number(&query.page, 1).filter(|page| *page >= 1);
    let limit = number(&query.limit, PAGE_DEFAULT).filter(|limit| (1..=PAGE_LIMIT).contains(limit));
    let (Some(page), Some(limit)) = (page, limit) else {
        return sandbox.providers.fynapse.error(StatusCode::BAD_REQUEST, "page counts from 1, limit is from 1 to 100");
    };
    let (total_size, total_pages) = (rows.len(), rows.len().div_ceil(limit));
    let skipped = (page - 1).saturating_mul(limit);
    let data = rows.into_iter().skip(skipped).take(limit).collect();
    Json(Page { data, page, limit, total_size, total_pages }).into_response()
}

pub(super) fn found<T: Serialize>(sandbox: &Sandbox, row: Option<T>) -> Response {
    match row {
        Some(row) => Json(row).into_response(),
        None => sandbox.providers.fynapse.error(StatusCode::NOT_FOUND, "Not found"),
    }
}
