//! The page of an act: how far it is, what came of each, and how to stop it. While it goes on the page comes again by itself,
//! by a header, so without script too; whoever reads can hold it still.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderName, HeaderValue, REFRESH};
use axum::response::{IntoResponse as _, Redirect, Response};
use hookledger_core::model::time::UnixMs;
use serde_json::json;

use super::frame::{Asked, Frame, html, link, no_such_page, wanted};
use super::guard::Fields;
use super::jobs::{End, Job, Outcome};
use super::state::Console;

const PATH: &str = "/act";
/// So many that failed are shown, the first, and so many that went well, the latest; the file has each.
const FAILED_SHOWN: usize = 1_000;
const SHOWN: usize = 200;
/// How soon the page comes again, in seconds.
const AGAIN_SECS: &str = "2";

#[derive(Template)]
#[template(path = "act.html")]
struct ActPage {
    frame: Frame,
    job: Arc<Job>,
    end: Option<End>,
    well: usize,
    failed: usize,
    left: usize,
    /// It comes again by itself.
    is_moving: bool,
    still: String,
    moving: String,
    file: String,
    stop: String,
    failures: Vec<Outcome>,
    latest: Vec<Outcome>,
}

impl ActPage {
    fn done(&self) -> usize {
        self.well + self.failed
    }

    fn is_broken(&self) -> bool {
        matches!(self.end, Some(End::Failed(_)))
    }
}

/// The page of the act with this number.
pub(crate) fn link_to(id: usize) -> String {
    link(PATH, &[("n", &id.to_string())])
}

/// Shows it.
pub(crate) async fn page(State(console): State<Arc<Console>>, Query(asked): Query<Asked>) -> Response {
    let Some(job) = find(&console, &asked) else { return no_such_page(&console) };
    let frame = Frame::new(&console, job.plan.page, format!("{} {}", job.plan.title, job.id));
    // Before what came of each: then no outcome is missing on the page that says that it is over.
    let end = job.end();
    let (failures, latest) = {
        let outcomes = job.outcomes();
        let failures = outcomes.iter().filter(|outcome| outcome.words.is_err()).take(FAILED_SHOWN).cloned();
        let latest = outcomes.iter().rev().filter(|outcome| outcome.words.is_ok()).take(SHOWN).cloned();
        (failures.collect(), latest.collect())
    };
    let (well, failed, left) = job.counts();
    let is_moving = end.is_none() && wanted(&asked, "still").is_none();
    let id = job.id.to_string();
    let to = |path: &str| link(path, &[("n", &id)]);
    let page = ActPage {
        frame,
        end,
        well,
        failed,
        left,
        is_moving,
        still: link(PATH, &[("n", &id), ("still", "yes")]),
        moving: to(PATH),
        file: to("/act/outcomes"),
        stop: to("/act/stop"),
        failures,
        latest,
        job,
    };
    let mut response = html(StatusCode::OK, &page);
    if is_moving {
        response.headers_mut().insert(REFRESH, HeaderValue::from_static(AGAIN_SECS));
    }
    response
}

/// Has it begin no other row.
pub(crate) async fn stop(
    State(console): State<Arc<Console>>,
    Query(asked): Query<Asked>,
    Extension(Fields(_)): Extension<Fields>,
) -> Response {
    let Some(job) = find(&console, &asked) else { return no_such_page(&console) };
    job.stop();
    Redirect::to(&link_to(job.id)).into_response()
}

/// What came of each so far, a line each, as the command's `-o jsonl` has it.
pub(crate) async fn outcomes(State(console): State<Arc<Console>>, Query(asked): Query<Asked>) -> Response {
    let Some(job) = find(&console, &asked) else { return no_such_page(&console) };
    let lines: String = job.outcomes().iter().map(|outcome| line(outcome) + "\n").collect();
    let name = format!("attachment; filename=\"{}-{}.jsonl\"", job.plan.title.replace(' ', "-"), job.id);
    let headers: [(HeaderName, String); 2] = [(CONTENT_TYPE, "application/jsonl".into()), (CONTENT_DISPOSITION, name)];
    (headers, lines).into_response()
}

fn line(Outcome { key, at, words }: &Outcome) -> String {
    let (subject, entry) = (key.as_ref().map(|key| &key.pk), key.as_ref().map(|key| &key.sk));
    let (Ok(text) | Err(text)) = words;
    let at = at.as_ref().map(UnixMs::to_string);
    json!({ "at": at, "subject": subject, "entry": entry, "outcome": text, "well": words.is_ok() }).to_string()
}

fn find(console: &Console, asked: &Asked) -> Option<Arc<Job>> {
    console.jobs.get(wanted(asked, "n")?.parse().ok()?)
}
