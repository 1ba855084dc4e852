//! Replay and close, by form: the acts of the commands. Each goes on by itself once it was ordered; its own page shows how far
//! it is (`act`).

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use askama::Template;
use axum::Extension;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use hookledger_core::model::act::Order;
use hookledger_core::model::identity::ItemKey;
use hookledger_core::ports::Clock as _;

use super::act;
use super::frame::{Asked, Failure, Frame, html, tried};
use super::guard::Fields;
use super::jobs::{self, Job, Outcome, Plan};
use super::parked::Chosen;
use super::state::Console;
use crate::mend::bulk::{MAX_RATE, RATE, each};
use crate::mend::close::end;
use crate::mend::replay::open;
use crate::mend::why;

/// So long the form waits for the act's end before it leads to its page.
const A_LITTLE: Duration = Duration::from_millis(1_500);

/// An act that was not begun.
#[derive(Template)]
#[template(path = "notdone.html")]
struct NotDone {
    frame: Frame,
    failure: Failure,
    back: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Replay,
    Close,
}

/// Opens what is parked again.
pub(crate) async fn replay(
    State(console): State<Arc<Console>>,
    Query(asked): Query<Asked>,
    Extension(Fields(fields)): Extension<Fields>,
) -> Response {
    let prepared = tried("What came of it", prepare(&console, Act::Replay, &asked, &fields)).await;
    begun(&console, "/parked", prepared).await
}

/// Ends what waits for a person.
pub(crate) async fn close(
    State(console): State<Arc<Console>>,
    Query(asked): Query<Asked>,
    Extension(Fields(fields)): Extension<Fields>,
) -> Response {
    let prepared = tried("What came of it", prepare(&console, Act::Close, &asked, &fields)).await;
    begun(&console, "/parked", prepared).await
}

/// Leads to the page of an act that was begun, or says why it was not.
pub(crate) async fn begun(console: &Console, back: &'static str, begun: Result<Arc<Job>, Failure>) -> Response {
    match begun {
        Ok(job) => {
            jobs::wait_a_little(&job, A_LITTLE).await;
            Redirect::to(&act::link_to(job.id)).into_response()
        }
        Err(failure) => {
            let frame = Frame::new(console, back, "Nothing was done");
            html(StatusCode::BAD_GATEWAY, &NotDone { frame, failure, back })
        }
    }
}

/// A person's reason, which may be left out.
pub(crate) fn reason(fields: &Asked) -> anyhow::Result<Option<String>> {
    let given = fields.get("why").map(String::as_str).unwrap_or_default();
    if given.trim().is_empty() {
        return Ok(None);
    }
    why(given).map(Some).map_err(|error| anyhow!("nothing was done: {error}"))
}

/// Finds what it is about, and begins it.
async fn prepare(console: &Arc<Console>, act: Act, asked: &Asked, fields: &Asked) -> anyhow::Result<Arc<Job>> {
    let reason = reason(fields)?;
    ensure!(act == Act::Replay || reason.is_some(), "nothing was done: write why, in a few words");
    let rate = fields.get("rate").map_or(Ok(RATE), |text| text.trim().parse()).unwrap_or_default();
    ensure!((1..=MAX_RATE).contains(&rate), "nothing was done: the rate is 1 to {MAX_RATE} rows in a second");
    let mut chosen = Chosen::find(console, asked).await.context("nothing was done")?;
    chosen.rows.retain(|row| act == Act::Close || row.is_entry);
    if chosen.rows.is_empty() {
        let why_not = chosen.why_not.as_deref().unwrap_or("nothing waits with this reason any more");
        return Err(anyhow!("nothing was done: {why_not}"));
    }
    let by = console.stack.order(reason).await?;
    let (title, done) = if act == Act::Replay { ("Replay", "opened") } else { ("Close", "closed") };
    let again = chosen.again();
    // The longest waiting first, as the commands do: what is stopped goes on from there.
    let keys: Vec<ItemKey> = chosen.rows.into_iter().rev().map(|row| row.key).collect();
    let plan = Plan {
        title,
        done,
        failed: "failed",
        page: "/parked",
        again,
        filter: chosen.filter,
        by: by.clone(),
        all: keys.len(),
        is_counted: true,
    };
    let carry_out = {
        let console = console.clone();
        |job: Arc<Job>| async move {
            carry_out(&console, &job, act, rate, keys, &by).await;
            Ok(())
        }
    };
    Ok(console.jobs.start(console.inbox.clock.now(), plan, carry_out))
}

async fn carry_out(console: &Console, job: &Job, act: Act, rate: u32, keys: Vec<ItemKey>, by: &Order) {
    let one = |key: ItemKey| async move {
        let words = match act {
            Act::Replay => open(&console.stack, &console.inbox, &key, by).await,
            Act::Close => end(&console.inbox, &key, by).await.map(ToString::to_string),
        };
        Outcome { key: Some(key), at: None, words }
    };
    each(rate, keys, || job.goes_on(), one, |outcome| job.told(outcome)).await;
}
