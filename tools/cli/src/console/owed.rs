//! What is to be done, and when: the oldest first.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use hookledger_core::model::time::UnixMs;

use super::frame::{Asked, Failure, Frame, html, lasted, status, tried, wanted};
use super::state::Console;
use crate::see::owed::{Which, find, kind, provider};
use crate::see::status::{self as look, Line};

const PATH: &str = "/owed";
const SHOWN: usize = 100;

#[derive(Template)]
#[template(path = "owed.html")]
struct OwedPage {
    frame: Frame,
    providers: Vec<String>,
    wanted: String,
    late_only: bool,
    reconciler: Result<Line, Failure>,
    list: Result<List, Failure>,
}

struct List {
    rows: Vec<Row>,
    all: usize,
    late: usize,
}

struct Row {
    due_at: UnixMs,
    late: Option<String>,
    kind: &'static str,
    provider: String,
    subject: String,
    key: String,
}

/// Shows it.
pub(crate) async fn page(State(console): State<Arc<Console>>, Query(asked): Query<Asked>) -> Response {
    let frame = Frame::new(&console, PATH, "Owed");
    let which = Which { provider: wanted(&asked, "provider"), late: wanted(&asked, "late").is_some(), limit: SHOWN };
    let (reconciler, found) = tokio::join!(
        tried("The reconciler", look::reconciler(&console.inbox)),
        tried("What is owed", find(&console.stack, &console.inbox, &which)),
    );
    let list = found.map(|due| {
        let late = due.iter().filter(|due| due.due_at < frame.now).count();
        let row = |due: &hookledger_core::model::debt::DueKey| Row {
            due_at: due.due_at,
            late: (due.due_at < frame.now).then(|| lasted(frame.now.since_ms(due.due_at))),
            kind: kind(&due.key.sk),
            provider: provider(&due.key.pk, &due.key.sk).to_string(),
            subject: due.key.pk.clone(),
            key: due.key.sk.clone(),
        };
        List { rows: due.iter().take(SHOWN).map(row).collect(), all: due.len(), late }
    });
    let providers = console.stack.providers.iter().map(|provider| provider.id().to_string()).collect();
    let (wanted, late_only) = (which.provider.unwrap_or_default(), which.late);
    html(status(&list), &OwedPage { frame, providers, wanted, late_only, reconciler, list })
}
