//! What came in: the list of `hookledger events`, with its filters in the URL.

use std::sync::Arc;

use anyhow::bail;
use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use hookledger_aws::start::env::Recent;
use hookledger_core::model::entry::{Entry, State as EntryState};
use hookledger_core::model::time::UnixMs;

use super::frame::{Asked, Failure, Frame, Preset, html, link, status, tried, wanted};
use super::state::Console;
use crate::see::events::{Wanted, find};
use crate::when::Span;

const PATH: &str = "/events";
/// Rows of a page.
const LIMIT: usize = 50;
const MAX_LIMIT: usize = 1_000;
/// The filters, and how each is named.
const FILTERS: [(&str, &str); 7] = [
    ("provider", "provider"),
    ("type", "type"),
    ("state", "state"),
    ("origin", "origin"),
    ("subject", "subject"),
    ("since", "since"),
    ("until", "until"),
];
const SINCE: [(&str, &str); 3] = [("1h", "1 hour"), ("24h", "24 hours"), ("7d", "7 days")];
pub(crate) const STATES: [&str; 4] = ["open", "done", "ignored", "parked"];
const ORIGINS: [(&str, &str); 2] = [("push", "pushed"), ("poll", "found by asking")];

#[derive(Template)]
#[template(path = "events.html")]
struct Events {
    frame: Frame,
    asked: Asked,
    providers: Vec<String>,
    chips: Vec<Chip>,
    presets: Vec<Preset>,
    list: Result<List, Failure>,
}

/// A filter that is on, and the way to the list without it.
struct Chip {
    name: &'static str,
    value: String,
    without: String,
}

struct List {
    rows: Vec<Row>,
    since: UnixMs,
    /// The way to the next page.
    older: Option<String>,
    /// The same over a longer time.
    wider: String,
    only_unworked: bool,
}

struct Row {
    at: UnixMs,
    provider: String,
    state: &'static str,
    origin: &'static str,
    event_type: String,
    subject: String,
    proof: String,
    reason: String,
}

impl Events {
    fn is(&self, name: &str, value: &str) -> bool {
        self.asked.get(name).is_some_and(|asked| asked == value)
    }

    fn value(&self, name: &str) -> &str {
        self.asked.get(name).map(String::as_str).unwrap_or_default()
    }

    fn filters(&self) -> bool {
        self.chips.iter().any(|chip| !["since", "until"].contains(&chip.name))
    }
}

/// Shows it.
pub(crate) async fn page(State(console): State<Arc<Console>>, Query(asked): Query<Asked>) -> Response {
    let frame = Frame::new(&console, PATH, "Events");
    let list = tried("The list", look(&console, &asked)).await;
    let chips = FILTERS.into_iter().filter_map(|(key, name)| {
        let value = wanted(&asked, key)?;
        Some(Chip { name, value, without: with(&asked, &[(key, "")]) })
    });
    let presets = SINCE.into_iter().map(|(since, name)| Preset {
        name,
        href: with(&asked, &[("since", since), ("until", "")]),
        is_on: asked.get("since").is_some_and(|asked| asked == since) && wanted(&asked, "until").is_none(),
    });
    let (chips, presets) = (chips.collect(), presets.collect());
    let providers = console.stack.providers.iter().map(|provider| provider.id().to_string()).collect();
    html(status(&list), &Events { frame, providers, chips, presets, list, asked })
}

async fn look(console: &Console, asked: &Asked) -> anyhow::Result<List> {
    let limit = wanted(asked, "limit").and_then(|text| text.parse().ok()).unwrap_or(LIMIT).clamp(1, MAX_LIMIT);
    let (state, origin) = (wanted(asked, "state"), wanted(asked, "origin"));
    if let Some(state) = state.as_deref().filter(|state| !STATES.contains(state)) {
        bail!("there is no state {state:?}; there are {}", STATES.join(", "));
    }
    if let Some(origin) = origin.as_deref().filter(|origin| ORIGINS.iter().all(|(known, _)| known != origin)) {
        bail!("there is no origin {origin:?}; there are push and poll");
    }
    let found = find(
        &console.stack,
        &console.inbox,
        &Wanted {
            provider: wanted(asked, "provider"),
            event_type: wanted(asked, "type"),
            state,
            origin,
            subject: wanted(asked, "subject"),
            span: Span::new(wanted(asked, "since"), wanted(asked, "until")),
            limit,
        },
    )
    .await?;
    let rows: Vec<Row> = found
        .rows
        .into_iter()
        .map(|(pointer, entry)| Row {
            at: pointer.received_at,
            provider: pointer.key.provider().to_string(),
            state: entry.as_ref().map_or("gone", |entry| entry.state.as_str()),
            origin: pointer.origin.map_or("", |origin| origin.as_str()),
            event_type: pointer.event_type,
            subject: pointer.key.pk,
            proof: pointer.proof.unwrap_or_default(),
            reason: entry.and_then(reason).unwrap_or_default(),
        })
        .collect();
    // Where a whole page came at one instant, the next one begins there too: so it is longer.
    let older = found.more.map(|at| {
        let is_stuck = rows.first().is_some_and(|row| row.at == at);
        let limit = if is_stuck { (limit * 4).min(MAX_LIMIT) } else { limit };
        let limit = if limit == LIMIT { String::new() } else { limit.to_string() };
        let since = found.since.to_string();
        with(asked, &[("until", &at.to_string()), ("since", &since), ("limit", &limit)])
    });
    let wider =
        with(asked, &[("since", if asked.get("since").is_some_and(|since| since == "7d") { "90d" } else { "7d" })]);
    let only_unworked = console.stack.env.recent == Recent::Unworked;
    Ok(List { rows, since: found.since, older, wider, only_unworked })
}

fn reason(entry: Entry) -> Option<String> {
    entry.reason.filter(|_| entry.state != EntryState::Done)
}

/// The same list, with other filters.
fn with(asked: &Asked, other: &[(&str, &str)]) -> String {
    let names = FILTERS.iter().map(|(key, _)| *key).chain(["limit"]);
    let value = |name: &str| {
        let other = other.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_string());
        other.or_else(|| asked.get(name).cloned()).unwrap_or_default()
    };
    let values: Vec<(&str, String)> = names.map(|name| (name, value(name))).collect();
    link(PATH, &values.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>())
}
