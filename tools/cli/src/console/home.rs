//! The first page: what waits for a person, what is late, and what came in a day.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hookledger_core::model::time::UnixMs;

use super::chart::Chart;
use super::frame::{Failure, Frame, html, link, tried};
use super::state::Console;
use crate::mend::dead::waiting;
use crate::see::parked::{self, groups};
use crate::see::stats::{self, By, Counted, Look};
use crate::see::status::{self, Line};

/// The most entries that are counted for a page, the latest: `hookledger stats` counts them all.
const MAX_COUNTED: usize = 20_000;
/// So many reasons are shown.
const SHOWN_GROUPS: usize = 5;
const HOURS: u64 = 24;

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    frame: Frame,
    parked: Result<Waiting, Failure>,
    owed: Result<Line, Failure>,
    reconciler: Result<Line, Failure>,
    dead: Result<(u64, u64), Failure>,
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
    chart: Chart,
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
    let (stack, inbox) = (&console.stack, &console.inbox);
    let by_hour = stats::Wanted { by: By::Hour, ..Default::default() };
    let everything = parked::Which::default();
    let (parked, owed, reconciler, dead, day) = tokio::join!(
        tried("What waits for a person", parked::find(stack, inbox, &everything)),
        tried("What is owed", status::owed(inbox)),
        tried("The reconciler", status::reconciler(inbox)),
        tried("The dead letters", waiting(stack)),
        tried("What came in", stats::count(stack, inbox, &by_hour, Look::Arrivals, MAX_COUNTED)),
    );
    let mut day = day.map(|counted| Day::of(&console, &frame, counted));
    let parked = parked.map(|found| {
        let since = frame.now.minus_secs(HOURS * 3_600);
        let rows = day.as_mut().map(|day| day.rows.as_mut_slice()).unwrap_or_default();
        for row in rows {
            let is_its = |of: &&parked::Parked| of.is_entry && of.parked_at >= since && of.key.provider() == row.name;
            row.parked = Some(found.rows.iter().filter(is_its).count());
        }
        let entries = found.rows.iter().filter(|row| row.is_entry).count();
        let expired = found.rows.len() - entries;
        let mut groups = groups(&found.rows);
        groups.truncate(SHOWN_GROUPS);
        let groups = groups.into_iter().map(|(text, count)| (Group::of(&text), count)).collect();
        Waiting { entries, expired, unseen: found.unseen, oldest: found.oldest, groups }
    });
    html(StatusCode::OK, &Home { frame, parked, owed, reconciler, dead, day })
}

impl Day {
    fn of(console: &Console, frame: &Frame, counted: Counted) -> Self {
        let names: Vec<String> = console.stack.providers.iter().map(|provider| provider.id().to_string()).collect();
        let hours: Vec<String> =
            (0..=HOURS).rev().map(|ago| By::Hour.part(frame.now.minus_secs(ago * 3_600))).collect();
        let mut arrived: BTreeMap<(usize, usize), u64> = BTreeMap::new();
        let mut rows: Vec<OfProvider> =
            names.iter().map(|name| OfProvider { name: name.clone(), ..Default::default() }).collect();
        for ((hour, name), counts) in &counted.parts {
            let Some(at) = names.iter().position(|known| known == name) else { continue };
            if let Some(row) = rows.get_mut(at) {
                row.seen += counts.losses.seen;
                row.found += counts.losses.found;
                row.late += counts.losses.late;
                row.lost += counts.losses.lost();
                row.refused += counts.refused;
            }
            if let Some(hour) = hours.iter().position(|known| known == hour) {
                *arrived.entry((hour, at)).or_default() += counts.losses.seen;
            }
        }
        let entries = counted.entries;
        Self {
            rows,
            chart: Chart::new(&hours, &names, &arrived),
            entries,
            is_cut: entries >= MAX_COUNTED,
            cut: counted.cut,
        }
    }
}
