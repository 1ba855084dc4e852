//! Run Payments' API: access tokens, the merchant list and the reports.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{OriginalUri, Path, Query, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode, Uri, header};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{REPORTS, RunPayments, spelling};
use crate::json::{Fields, fields, text};
use crate::lock::locked;
use crate::oauth::{Purse, dead};
use crate::odd::mark;
use crate::paging::link;
use crate::provider::Provider;
use crate::sandbox::Sandbox;

/// One of the two APIs, as its callers prove themselves to it.
#[derive(Clone, Copy)]
enum Api {
    Boarding,
    Reporting,
}

impl Api {
    /// Client id and secret, as HTTP Basic has them.
    fn client(self) -> &'static str {
        match self {
            Self::Boarding => "sandbox-run-client:sandbox-run-secret",
            Self::Reporting => "sandbox-run-reporting-client:sandbox-run-reporting-secret",
        }
    }

    fn tokens(self, runpayments: &RunPayments) -> &Purse {
        match self {
            Self::Boarding => &runpayments.boarding_tokens,
            Self::Reporting => &runpayments.reporting_tokens,
        }
    }
}

/// Items on a page: the most, and Oracle REST Data Services' default.
const PAGE_LIMIT: usize = 1_000;
const PAGE_DEFAULT: usize = 25;

pub(crate) fn router(sandbox: &Arc<Sandbox>) -> Router<Arc<Sandbox>> {
    let guarded = |routes: Router<Arc<Sandbox>>, api: Api| {
        routes.route_layer(from_fn_with_state((sandbox.clone(), api), token_holder))
    };
    let boarding = Router::new()
        .route("/relay/api/boarding/v1/merchants", get(list_merchants))
        .route("/relay/api/boarding/v1/merchants/{merchant_id}", get(get_merchant));
    let reporting = Router::new().route("/sprint/api/3p/v1/{report}", get(get_report));
    let issue = |api: Api| {
        post(
            async move |State(sandbox): State<Arc<Sandbox>>,
                        headers: HeaderMap,
                        grant: Result<Form<Grant>, FormRejection>| {
                issue_token(api, &sandbox, &headers, grant)
            },
        )
    };
    Router::new()
        .route("/relay/oauth/token", issue(Api::Boarding))
        .route("/sprint/oauth/token", issue(Api::Reporting))
        .merge(guarded(boarding, Api::Boarding))
        .merge(guarded(reporting, Api::Reporting))
}

#[derive(Deserialize)]
struct Grant {
    grant_type: String,
}

/// Client credentials over HTTP Basic.
fn issue_token(
    api: Api,
    sandbox: &Sandbox,
    headers: &HeaderMap,
    grant: Result<Form<Grant>, FormRejection>,
) -> Response {
    if basic(headers).as_deref() != Some(api.client()) {
        return sandbox.providers.runpayments.error(StatusCode::UNAUTHORIZED, "Unauthorized");
    }
    if !grant.is_ok_and(|Form(grant)| grant.grant_type == "client_credentials") {
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": "unsupported_grant_type" }))).into_response();
    }
    let token = locked(&sandbox.dice).token();
    let expires_in = api
        .tokens(&sandbox.providers.runpayments)
        .issue(&token, sandbox.faults_of(&sandbox.providers.runpayments).token_life_ms);
    let answer = json!({ "access_token": token, "token_type": "Bearer", "expires_in": expires_in });
    Json(answer).into_response()
}

fn basic(headers: &HeaderMap) -> Option<String> {
    let (scheme, encoded) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let decoded = STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    String::from_utf8(decoded).ok()
}

async fn token_holder(State((sandbox, api)): State<(Arc<Sandbox>, Api)>, request: Request, next: Next) -> Response {
    if api.tokens(&sandbox.providers.runpayments).admits(request.headers()) {
        return next.run(request).await;
    }
    let status = sandbox.faults_of(&sandbox.providers.runpayments).dead_token_status;
    dead(&sandbox.providers.runpayments, status, "Unauthorized")
}

/// A page as Oracle REST Data Services writes it; `count` is of this page.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    items: Vec<Fields>,
    has_more: bool,
    limit: usize,
    offset: usize,
    count: usize,
    links: Vec<serde_json::Value>,
}

fn page(
    sandbox: &Sandbox,
    (headers, uri): (&HeaderMap, &Uri),
    rows: Vec<Fields>,
    query: &BTreeMap<String, String>,
) -> Response {
    let number = |name: &str, default| query.get(name).map_or(Some(default), |text| text.parse().ok());
    let (Some(limit), Some(offset)) = (number("limit", PAGE_DEFAULT), number("offset", 0)) else {
        return sandbox.providers.runpayments.error(StatusCode::BAD_REQUEST, "limit and offset are numbers");
    };
    let limit = limit.clamp(1, PAGE_LIMIT);
    let end = offset.saturating_add(limit);
    let has_more = rows.len() > end;
    let items: Vec<Fields> = rows.into_iter().skip(offset).take(limit).collect();
    let next = json!({ "rel": "next", "href": link(headers, uri, &[("limit", limit), ("offset", end)]) });
    let links = if has_more { vec![next] } else { Vec::new() };
    Json(Page { has_more, limit, offset, count: items.len(), items, links }).into_response()
}

async fn list_merchants(
    State(sandbox): State<Arc<Sandbox>>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let status = query.get("merchant_status");
    let rows: Vec<Fields> = {
        let merchants = locked(&sandbox.providers.runpayments.merchants);
        let rows = merchants.iter().map(|(_, merchant)| &merchant.row);
        rows.filter(|row| status.is_none() || text(row, "merchant_status").as_ref() == status).cloned().collect()
    };
    let odd = sandbox.faults_of(&sandbox.providers.runpayments).odd_spellings;
    let rows = if odd { rows.into_iter().map(spelling::spelt).collect() } else { rows };
    let mut response = page(&sandbox, (&headers, &uri), rows, &query);
    if odd {
        mark(&mut response, "odd_spellings");
    }
    response
}

async fn get_merchant(State(sandbox): State<Arc<Sandbox>>, Path(merchant_id): Path<String>) -> Response {
    let row = locked(&sandbox.providers.runpayments.merchants).get(&merchant_id).map(|merchant| merchant.row.clone());
    match row {
        Some(row) => Json(row).into_response(),
        None => sandbox.providers.runpayments.error(StatusCode::NOT_FOUND, "Not Found"),
    }
}

/// `q` is an object; a row is shown if it has all of its values.
async fn get_report(
    State(sandbox): State<Arc<Sandbox>>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
    Path(report): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    if !REPORTS.contains(&report.as_str()) {
        return sandbox.providers.runpayments.error(StatusCode::NOT_FOUND, "Not Found");
    }
    let wanted = query.get("q").filter(|q| !q.is_empty()).map_or(Some(Fields::new()), |q| fields(q.as_bytes()));
    let Some(wanted) = wanted else {
        return sandbox.providers.runpayments.error(StatusCode::BAD_REQUEST, "q is not a JSON object");
    };
    let matches = |row: &Fields| wanted.keys().all(|name| text(row, name) == text(&wanted, name));
    let rows = locked(&sandbox.providers.runpayments.reports).get(&report).cloned().unwrap_or_default();
    page(&sandbox, (&headers, &uri), rows.into_iter().filter(matches).collect(), &query)
}
