//! Replay and close, by form: the acts of the commands, with what came of each row.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use askama::Template;
use axum::Extension;
use axum::extract::{Query, State};
use axum::response::Response;
use hookledger_core::model::act::Order;
use hookledger_core::model::identity::ItemKey;
use tokio::task::JoinError;
use tokio::time::{MissedTickBehavior, interval};

use super::frame::{Asked, Failure, Frame, html, status, tried};
use super::guard::Fields;
use super::parked::{Chosen, MAX_AT_A_TIME};
use super::state::Console;
use crate::mend::close::end;
use crate::mend::replay::open;
use crate::mend::why;

/// So many in a second at most, as the commands do.
const RATE: u32 = 20;

#[derive(Template)]
#[template(path = "outcome.html")]
struct OutcomePage {
    frame: Frame,
    outcome: Result<Outcome, Failure>,
}

struct Outcome {
    done: &'static str,
    by: Order,
    filter: Vec<(&'static str, String)>,
    rows: Vec<(ItemKey, Result<String, String>)>,
    left: usize,
}

impl Outcome {
    fn failed(&self) -> usize {
        self.rows.iter().filter(|(_, outcome)| outcome.is_err()).count()
    }
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
    act(console, Act::Replay, &asked, &fields).await
}

/// Ends what waits for a person.
pub(crate) async fn close(
    State(console): State<Arc<Console>>,
    Query(asked): Query<Asked>,
    Extension(Fields(fields)): Extension<Fields>,
) -> Response {
    act(console, Act::Close, &asked, &fields).await
}

async fn act(console: Arc<Console>, act: Act, asked: &Asked, fields: &Asked) -> Response {
    let title = if act == Act::Replay { "Replayed" } else { "Closed" };
    let frame = Frame::new(&console, "/parked", title);
    let outcome = match tried("What came of it", prepare(&console, act, asked, fields)).await {
        // Apart from the request: what has begun is carried out, though nobody waits for the answer any more.
        Ok((chosen, by)) => {
            let carried_out = tokio::spawn(async move { carry_out(&console, act, chosen, by).await });
            tried_to_end(carried_out.await)
        }
        Err(failure) => Err(failure),
    };
    html(status(&outcome), &OutcomePage { frame, outcome })
}

fn tried_to_end(ended: Result<Outcome, JoinError>) -> Result<Outcome, Failure> {
    let todo = "Some of it may be done: see what still waits.";
    ended.map_err(|error| Failure { what: "The outcome", why: vec![error.to_string()], todo })
}

/// Who orders it, and on what.
async fn prepare(console: &Console, act: Act, asked: &Asked, fields: &Asked) -> anyhow::Result<(Chosen, Order)> {
    let given = fields.get("why").map(String::as_str).unwrap_or_default();
    let reason = match why(given) {
        Ok(reason) => Some(reason),
        Err(_) if act == Act::Replay && given.trim().is_empty() => None,
        Err(error) => return Err(anyhow!("nothing was done: {error}")),
    };
    let mut chosen = Chosen::find(console, asked).await.context("nothing was done")?;
    chosen.rows.retain(|row| act == Act::Close || row.is_entry);
    if chosen.rows.is_empty() {
        let why_not = chosen.why_not.as_deref().unwrap_or("nothing waits with this reason any more");
        return Err(anyhow!("nothing was done: {why_not}"));
    }
    Ok((chosen, console.stack.order(reason).await?))
}

async fn carry_out(console: &Console, act: Act, chosen: Chosen, by: Order) -> Outcome {
    let left = chosen.rows.len().saturating_sub(MAX_AT_A_TIME);
    let mut ticks = interval(Duration::from_secs(1) / RATE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rows = Vec::new();
    // The longest waiting first.
    for row in chosen.rows.into_iter().rev().take(MAX_AT_A_TIME) {
        ticks.tick().await;
        let outcome = match act {
            Act::Replay => open(&console.stack, &console.inbox, &row.key, &by).await,
            Act::Close => end(&console.inbox, &row.key, &by).await.map(ToString::to_string),
        };
        rows.push((row.key, outcome));
    }
    let done = if act == Act::Replay { "opened" } else { "closed" };
    Outcome { done, by, filter: chosen.filter, rows, left }
}
