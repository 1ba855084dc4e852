//! The first page: what waits for a person, what is late, and what came in a day.
//!
//! Of a busy day as many entries are counted as take seconds. So the page is sent in two parts: what waits is read while the
//! day is still counted.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Response};
use futures_util::stream::{self, StreamExt as _};
use hookledger_aws::start::env::Recent;
use hookledger_core::model::time::UnixMs;

use super::chart::Chart;
use super::frame::{Failure, Frame, link, tried};
use super::lines::Lines;
use super::state::Console;
use crate::mend::dead::waiting;
use crate::see::parked::{self, groups};
use crate::see::stats::{self, By, Counted, Look};
use crate::see::status::{self, Line};

/// The most entries that are counted for a page, the latest: `hookledger stats` counts them all.
const MAX_COUNTED: usize = 20_000;
/// So many entries of each hour are looked at for how long their work took.
const SAMPLED: usize = 100;
/// So many words for why something was refused have a colour of their own.
const REASONS: usize = 4;
/// So many reasons are shown.
const SHOWN_GROUPS: usize = 5;
const HOURS: u64 = 24;
/// Where the template leaves room for the day. What others wrote can't hold it: it has no `<`.
const THE_DAY: &str = "<!--the day-->";

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    frame: Frame,
    parked: Result<Waiting, Failure>,
    owed: Result<Line, Failure>,
    reconciler: Result<Line, Failure>,
    dead: Result<(u64, u64), Failure>,
}

#[derive(Template)]
#[template(path = "day.html")]
struct DayPart {
    day: Result<Day, Failure>,
}

/// What waits for a person.
struct Waiting {
    entries: usize,
    expired: usize,
    unseen: usize,
    oldest: Option<UnixMs>,
    groups: Vec<(Group, usize)>,
}

/// What waits for one reason.
struct Group {
    provider: String,
    reason: String,
    href: String,
}

impl Group {
    /// As `parked` writes it: the provider, two spaces, the reason.
    fn of(text: &str) -> Self {
        let (provider, reason) = text.split_once("  ").unwrap_or(("", text));
        let href = link("/parked", &[("provider", provider), ("reason", reason)]);
        Self { provider: provider.into(), reason: reason.into(), href }
    }
}

/// What came in a day.
struct Day {
    rows: Vec<OfProvider>,
    /// By provider, by how it came, by why it was refused.
    charts: Vec<Chart>,
    settled: Lines,
    /// Of how many entries that is made.
    sampled: usize,
    only_unworked: bool,
    entries: usize,
    is_cut: bool,
    cut: Vec<String>,
}

/// What came of a provider.
#[derive(Default)]
struct OfProvider {
    name: String,
    seen: u64,
    found: u64,
    late: u64,
    lost: u64,
    refused: u64,
    /// None: it is not known.
    parked: Option<usize>,
}

impl OfProvider {
    fn events(&self, origin: &str) -> String {
        link("/events", &[("provider", &self.name), ("since", "24h"), ("origin", origin)])
    }
}

/// Shows it.
pub(crate) async fn page(State(console): State<Arc<Console>>) -> Response {
    let frame = Frame::new(&console, "/", "Home");
    let now = frame.now;
    let counting = tokio::spawn({
        let console = console.clone();
        async move { count(&console).await }
    });
    let (stack, inbox) = (&console.stack, &console.inbox);
    let everything = parked::Which::default();
    let (parked, owed, reconciler, dead) = tokio::join!(
        tried("What waits for a person", parked::find(stack, inbox, &everything)),
        tried("What is owed", status::owed(inbox)),
        tried("The reconciler", status::reconciler(inbox)),
        tried("The dead letters", waiting(stack)),
    );
    let since = now.minus_secs(HOURS * 3_600);
    let parked_of = parked.as_ref().ok().map(|found| {
        let mut parked_of: BTreeMap<String, usize> = BTreeMap::new();
        for row in found.rows.iter().filter(|row| row.is_entry && row.parked_at >= since) {
            *parked_of.entry(row.key.provider().to_string()).or_default() += 1;
        }
        parked_of
    });
    let parked = parked.map(|found| {
        let entries = found.rows.iter().filter(|row| row.is_entry).count();
        let expired = found.rows.len() - entries;
        let mut groups = groups(&found.rows);
        groups.truncate(SHOWN_GROUPS);
        let groups = groups.into_iter().map(|(text, count)| (Group::of(&text), count)).collect();
        Waiting { entries, expired, unseen: found.unseen, oldest: found.oldest, groups }
    });
    let Ok(page) = (Home { frame, parked, owed, reconciler, dead }).render() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let (before, after) = page.split_once(THE_DAY).unwrap_or((&page, ""));
    let (before, after) = (before.to_string(), after.to_string());
    let rest = async move {
        let counted = counting.await.unwrap_or_else(|error| {
            Err(Failure { what: "What came in", why: vec![error.to_string()], todo: "Reload the page." })
        });
        let day = match counted {
            Ok(counted) => tried("What came in", Day::of(&console, now, counted)).await,
            Err(failure) => Err(failure),
        };
        let day = day.map(|mut day| {
            for row in &mut day.rows {
                row.parked = parked_of.as_ref().map(|of| of.get(&row.name).copied().unwrap_or_default());
            }
            day
        });
        DayPart { day }.render().unwrap_or_default() + &after
    };
    let parts = stream::iter([before]).chain(stream::once(rest)).map(Ok::<_, Infallible>);
    Html(Body::from_stream(parts)).into_response()
}

async fn count(console: &Console) -> Result<Counted, Failure> {
    let (stack, inbox) = (&console.stack, &console.inbox);
    let by_hour = stats::Wanted { by: By::Hour, ..Default::default() };
    tried("What came in", stats::count(stack, inbox, &by_hour, Look::Sample(SAMPLED), MAX_COUNTED)).await
}

impl Day {
    async fn of(console: &Console, now: UnixMs, mut counted: Counted) -> anyhow::Result<Self> {
        // Only now, when the first part of the page is on its way.
        counted.look_at_sample(&console.inbox, By::Hour).await?;
        let names: Vec<String> = console.stack.providers.iter().map(|provider| provider.id().to_string()).collect();
        let hours: Vec<String> = (0..=HOURS).rev().map(|ago| By::Hour.part(now.minus_secs(ago * 3_600))).collect();
        let mut rows: Vec<OfProvider> =
            names.iter().map(|name| OfProvider { name: name.clone(), ..Default::default() }).collect();
        let reasons = reasons(&counted);
        let (mut arrived, mut came, mut refused) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut took = vec![Vec::new(); hours.len()];
        for ((hour, name), counts) in &counted.parts {
            let Some(at) = names.iter().position(|known| known == name) else { continue };
            if let Some(row) = rows.get_mut(at) {
                row.seen += counts.losses.seen;
                row.found += counts.losses.found;
                row.late += counts.losses.late;
                row.lost += counts.losses.lost();
                row.refused += counts.refused;
            }
            let Some(hour) = hours.iter().position(|known| known == hour) else { continue };
            *arrived.entry((hour, at)).or_default() += counts.losses.seen;
            *came.entry((hour, 0)).or_default() += counts.pushed;
            *came.entry((hour, 1)).or_default() += counts.losses.found;
            for (code, count) in &counts.refused_for {
                let nth = reasons.iter().position(|reason| reason == code).unwrap_or(REASONS);
                *refused.entry((hour, nth)).or_default() += count;
            }
            if let Some(took) = took.get_mut(hour) {
                took.extend(&counts.settle_ms);
            }
        }
        let how = ["pushed", "found by asking"].map(Into::into);
        let charts = vec![
            Chart::new("Arrivals in each hour", &hours, &names, &arrived),
            Chart::new("Pushed, and found by asking", &hours, &how, &came),
            Chart::new("Refused, by reason", &hours, &reasons, &refused),
        ];
        let sampled = took.iter().map(Vec::len).sum();
        let settled = Lines::new(&hours, took);
        let only_unworked = console.stack.env.recent == Recent::Unworked;
        let entries = counted.entries;
        Ok(Self {
            rows,
            charts,
            settled,
            sampled,
            only_unworked,
            entries,
            is_cut: entries >= MAX_COUNTED,
            cut: counted.cut,
        })
    }
}

/// The words for why something was refused, the most frequent first; what has no room stands together at the end.
fn reasons(counted: &Counted) -> Vec<String> {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for (code, count) in counted.parts.values().flat_map(|counts| &counts.refused_for) {
        *sums.entry(code).or_default() += count;
    }
    let mut sums: Vec<(&str, u64)> = sums.into_iter().collect();
    sums.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let others = (sums.len() > REASONS).then(|| "others".to_string());
    sums.into_iter().take(REASONS).map(|(code, _)| code.to_string()).chain(others).collect()
}
