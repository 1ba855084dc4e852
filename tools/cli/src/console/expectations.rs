//! What was announced, and is waited for.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State as Shared};
use axum::response::Response;
use hookledger_core::model::time::UnixMs;

use super::frame::{Asked, Failure, Frame, html, lasted, status, tried, wanted};
use super::state::Console;
use crate::announce::list::{Found, State, Which, find};

const PATH: &str = "/expectations";
const SHOWN: usize = 100;

#[derive(Template)]
#[template(path = "expectations.html")]
struct Expectations {
    frame: Frame,
    providers: Vec<String>,
    wanted: String,
    expired: bool,
    late_only: bool,
    list: Result<List, Failure>,
}

struct List {
    rows: Vec<Row>,
    all: usize,
    /// How many are not in the list, and why.
    missing: Vec<String>,
}

struct Row {
    deadline: UnixMs,
    next: Option<UnixMs>,
    late: Option<String>,
    polls: u32,
    found: u32,
    provider: String,
    reference: String,
    subject: String,
    state: &'static str,
}

/// Shows it.
pub(crate) async fn page(Shared(console): Shared<Arc<Console>>, Query(asked): Query<Asked>) -> Response {
    let frame = Frame::new(&console, PATH, "Expectations");
    let expired = asked.get("state").is_some_and(|state| state == "expired");
    let which = Which {
        provider: wanted(&asked, "provider"),
        state: if expired { State::Expired } else { State::Waiting },
        late: wanted(&asked, "late").is_some(),
        ..Default::default()
    };
    let found = tried("What is waited for", find(&console.stack, &console.inbox, &which)).await;
    let list = found.map(|Found { rows, unreadable, unseen, is_cut }| {
        let mut missing = Vec::new();
        if unreadable > 0 {
            missing.push(format!("{unreadable} more can't be read by this version"));
        }
        if unseen > 0 {
            missing.push(format!("{unseen} more were not looked at: a provider narrows it down"));
        }
        if is_cut {
            missing.push("not all rows were read: there may be more".to_string());
        }
        let all = rows.len();
        let row = |of: hookledger_core::model::debt::Expectation| Row {
            deadline: of.deadline,
            next: of.due_at.filter(|_| !expired),
            late: of.due_at.filter(|at| !expired && *at < frame.now).map(|at| lasted(frame.now.since_ms(at))),
            polls: of.polls,
            found: of.found,
            provider: of.provider,
            reference: of.reference,
            subject: of.key.pk,
            state: of.state.as_str(),
        };
        List { rows: rows.into_iter().take(SHOWN).map(row).collect(), all, missing }
    });
    let providers = console.stack.providers.iter().map(|provider| provider.id().to_string()).collect();
    let (wanted, late_only) = (which.provider.unwrap_or_default(), which.late);
    html(status(&list), &Expectations { frame, providers, wanted, expired, late_only, list })
}
