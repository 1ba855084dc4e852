//! The box in the header: from an id to its subject.

use std::sync::Arc;

use anyhow::Context as _;
use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use hookledger_core::providers::ALL;

use super::frame::{Asked, Failure, Frame, html, subject, tried, wanted};
use super::state::Console;
use crate::see::find::find;

#[derive(Template)]
#[template(path = "find.html")]
struct Find {
    frame: Frame,
    id: String,
    found: Result<Vec<Row>, Failure>,
    kinds: Vec<(String, String)>,
}

struct Row {
    provider: String,
    kind: &'static str,
    subject: String,
}

/// Goes to the one subject that has the id, or shows which have it.
pub(crate) async fn page(State(console): State<Arc<Console>>, Query(asked): Query<Asked>) -> Response {
    let frame = Frame::new(&console, "/find", "Find");
    let id = wanted(&asked, "id").map(|id| id.trim().to_string()).unwrap_or_default();
    let found = tried("What has this id", look(&console, &id)).await;
    let status = match &found {
        Ok(rows) => match rows.as_slice() {
            [only] => return Redirect::to(&subject(&only.subject)).into_response(),
            [] => StatusCode::NOT_FOUND,
            _ => StatusCode::OK,
        },
        Err(_) => StatusCode::BAD_GATEWAY,
    };
    let kinds = ALL.iter().map(|of| (of.id.to_string(), of.kinds.join(", "))).collect();
    html(status, &Find { frame, id, found, kinds })
}

async fn look(console: &Console, id: &str) -> anyhow::Result<Vec<Row>> {
    let row = |provider: &str, kind, subject: &str| Row { provider: provider.into(), kind, subject: subject.into() };
    // What a list shows is a subject, whole.
    if id.contains('#') && console.inbox.ledger.is_known(id).await.context("the table can't be asked")? {
        return Ok(vec![row(id.split('#').next().unwrap_or_default(), "subject", id)]);
    }
    if id.is_empty() {
        return Ok(Vec::new());
    }
    let found = find(&console.inbox, id).await?;
    Ok(found.iter().map(|of| row(of.provider.0, of.kind, of.subject.as_str())).collect())
}
