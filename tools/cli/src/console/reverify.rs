//! To verify again what was refused: what it would do, and the act. It is `hookledger refused reverify` of a day, by form.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use askama::Template;
use axum::Extension;
use axum::extract::{Query, State};
use axum::response::Response;
use hookledger_core::desk::reverify::{Verdict, reverify_until};
use hookledger_core::model::refused::Kept;
use hookledger_core::ports::Clock as _;

use super::acts::{begun, reason};
use super::frame::{Asked, Failure, Frame, html, link, status, tried, wanted};
use super::guard::Fields;
use super::jobs::{self, Job, Outcome};
use super::refused::{Group, LOOKED_AT, PATH, groups};
use super::state::Console;
use crate::refused::find;
use crate::when;

#[derive(Template)]
#[template(path = "reverify.html")]
struct PlanPage {
    frame: Frame,
    plan: Result<Plan, Failure>,
}

struct Plan {
    provider: String,
    day: String,
    groups: Vec<Group>,
    all: usize,
    /// There are more than were looked at.
    is_cut: bool,
    /// Those of which only the start was kept.
    in_part: usize,
    action: String,
}

/// Says what it would do, and has the form.
pub(crate) async fn plan(State(console): State<Arc<Console>>, Query(asked): Query<Asked>) -> Response {
    let frame = Frame::new(&console, PATH, "Verify again");
    let plan = tried("What was refused", async {
        let (provider, day) = which(&console, &asked)?;
        let (kept, is_cut) = find(&console.stack, &console.inbox, &provider, &day, LOOKED_AT).await?;
        let in_part = kept.iter().filter(|Kept { refused, .. }| refused.body.len() != refused.body_bytes).count();
        let action = link("/refused/reverify", &[("provider", &provider), ("day", &day)]);
        Ok(Plan { provider, day, groups: groups(&kept), all: kept.len(), is_cut, in_part, action })
    })
    .await;
    html(status(&plan), &PlanPage { frame, plan })
}

/// Verifies them again.
pub(crate) async fn reverify(
    State(console): State<Arc<Console>>,
    Query(asked): Query<Asked>,
    Extension(Fields(fields)): Extension<Fields>,
) -> Response {
    let prepared = tried("What came of it", prepare(&console, &asked, &fields)).await;
    begun(&console, PATH, prepared).await
}

async fn prepare(console: &Arc<Console>, asked: &Asked, fields: &Asked) -> anyhow::Result<Arc<Job>> {
    let why = reason(fields)?;
    let (provider, day) = which(console, asked).context("nothing was done")?;
    let (kept, is_cut) = find(&console.stack, &console.inbox, &provider, &day, LOOKED_AT).await?;
    ensure!(!kept.is_empty(), "nothing was done: nothing of {provider} is kept of {day} any more");
    let secrets = console.stack.secrets_of(console.stack.provider(&provider)?).context("nothing was done")?;
    let by = console.stack.order(why).await?;
    let plan = jobs::Plan {
        title: "Verify again",
        done: "let in",
        failed: "stay refused",
        page: PATH,
        again: link("/refused/plan", &[("provider", &provider), ("day", &day)]),
        filter: vec![("provider", provider.clone()), ("day", day.clone())],
        by: by.clone(),
        all: kept.len(),
        is_counted: !is_cut,
    };
    let carry_out = {
        let console = console.clone();
        |job: Arc<Job>| async move {
            let provider = console.stack.provider(&provider).map_err(|error| format!("{error:#}"))?;
            let told = |at, verdict: Verdict| {
                let words = verdict.to_string();
                let (key, words) = match verdict {
                    Verdict::LetIn { key, .. } => (key, Ok(words)),
                    _ => (None, Err(words)),
                };
                job.told(Outcome { key, at: Some(at), words });
                job.goes_on()
            };
            let ended = reverify_until(&console.inbox, &secrets, provider, &day, &by, told).await;
            ended.map_err(|error| error.to_string())
        }
    };
    Ok(console.jobs.start(console.inbox.clock.now(), plan, carry_out))
}

/// Whose, and of which day.
fn which(console: &Console, asked: &Asked) -> anyhow::Result<(String, String)> {
    let provider = wanted(asked, "provider").context("whose? Name a provider")?;
    console.stack.provider(&provider)?;
    let now = console.inbox.clock.now();
    let day = wanted(asked, "day").map_or(Ok(now), |text| when::read(&text, now))?.day();
    Ok((provider, day))
}
