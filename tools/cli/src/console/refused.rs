//! What was not let in, by provider and reason.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use hookledger_core::model::refused::Kept;
use hookledger_core::model::time::UnixMs;

use super::frame::{Asked, Failure, Frame, html, link, tried, wanted};
use super::jobs::Job;
use super::state::Console;
use crate::refused::find;
use crate::when;

pub(super) const PATH: &str = "/refused";
/// The most of a provider and a day that are looked at.
pub(super) const LOOKED_AT: usize = 1_000;
/// The most that are listed.
const SHOWN: usize = 100;

#[derive(Template)]
#[template(path = "refused.html")]
struct RefusedPage {
    frame: Frame,
    providers: Vec<String>,
    wanted: String,
    day: Result<Day, Failure>,
    parts: Vec<OfProvider>,
    /// The acts of this console that began here.
    acts: Vec<Arc<Job>>,
}

/// A UTC day, and its neighbours.
struct Day {
    day: String,
    before: String,
    after: Option<String>,
}

struct OfProvider {
    name: String,
    day: String,
    refused: Result<Refused, Failure>,
}

impl OfProvider {
    fn plan(&self) -> String {
        link("/refused/plan", &[("provider", &self.name), ("day", &self.day)])
    }
}

struct Refused {
    groups: Vec<Group>,
    rows: Vec<Row>,
    all: usize,
    is_cut: bool,
    more: u64,
}

/// How many were refused for one reason.
pub(super) struct Group {
    pub(super) code: String,
    pub(super) reason: String,
    pub(super) count: usize,
    pub(super) last: UnixMs,
    pub(super) from: usize,
}

struct Row {
    at: UnixMs,
    code: String,
    bytes: usize,
    from: String,
    reason: String,
}

/// Shows it.
pub(crate) async fn page(State(console): State<Arc<Console>>, Query(asked): Query<Asked>) -> Response {
    let frame = Frame::new(&console, PATH, "Refused");
    let only = wanted(&asked, "provider").unwrap_or_default();
    let day = tried("The day", async {
        let at = wanted(&asked, "day").map_or(Ok(frame.now), |text| when::read(&text, frame.now))?;
        let to = |at: UnixMs| link(PATH, &[("provider", &only), ("day", &at.day())]);
        let after = at.plus_secs(24 * 3_600);
        let after = (after.day() <= frame.now.day()).then(|| to(after));
        Ok(Day { day: at.day(), before: to(at.minus_secs(24 * 3_600)), after })
    })
    .await;
    let providers: Vec<String> = console.stack.providers.iter().map(|provider| provider.id().to_string()).collect();
    let mut parts = Vec::new();
    if let Ok(Day { day, .. }) = &day {
        // One that does not exist says so in its own part.
        let names = if only.is_empty() { providers.clone() } else { vec![only.clone()] };
        for name in names {
            let refused = tried("This part", find(&console.stack, &console.inbox, &name, day, LOOKED_AT)).await;
            parts.push(OfProvider { name, day: day.clone(), refused: refused.map(Refused::of) });
        }
    }
    let acts = console.jobs.of(PATH);
    html(StatusCode::OK, &RefusedPage { frame, providers, wanted: only, day, parts, acts })
}

impl Refused {
    fn of((kept, is_cut): (Vec<Kept>, bool)) -> Self {
        let more = kept.iter().map(|of| of.more).sum();
        let row = |Kept { refused, .. }: &Kept| Row {
            at: refused.at,
            code: refused.code.clone(),
            bytes: refused.body_bytes,
            from: refused.source_ip.clone().unwrap_or_else(|| "unknown".into()),
            reason: refused.reason.clone(),
        };
        let groups = groups(&kept);
        Self { groups, rows: kept.iter().take(SHOWN).map(row).collect(), all: kept.len(), is_cut, more }
    }
}

/// By reason, the most first.
pub(super) fn groups(kept: &[Kept]) -> Vec<Group> {
    let mut groups: BTreeMap<(&str, &str), Vec<&Kept>> = BTreeMap::new();
    for of in kept {
        groups.entry((&of.refused.code, &of.refused.reason)).or_default().push(of);
    }
    let group = |((code, reason), of_group): ((&str, &str), Vec<&Kept>)| {
        let from: BTreeSet<_> = of_group.iter().map(|of| &of.refused.source_ip).collect();
        let last = of_group.iter().map(|of| of.refused.at).max().unwrap_or(UnixMs(0));
        Group { code: code.into(), reason: reason.into(), count: of_group.len(), last, from: from.len() }
    };
    let mut groups: Vec<Group> = groups.into_iter().map(group).collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    groups
}
