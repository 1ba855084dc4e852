//! All that is known about a subject: what happened in the order of time, its results, and its rows as they are kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use hookledger_aws::ports::ledger::StoryLine;

use super::frame::{Asked, Failure, Frame, html, link, tried, wanted};
use super::path::{Step, path};
use super::state::Console;
use super::timeline::{Moment, moments};
use crate::see::story::{named, readable};

/// The most rows of each kind that are shown: a merchant may have thousands.
const SHOWN: usize = 200;
/// Columns of a result row that say how it is kept, not what it is.
const KEEPING: [&str; 4] = ["asked_at", "expires_at", "place", "walk"];

#[derive(Template)]
#[template(path = "subject.html")]
struct SubjectPage {
    frame: Frame,
    pk: String,
    story: Result<Story, Failure>,
}

struct Story {
    /// How its entries and expectations stand.
    stand: Vec<Stands>,
    /// The statuses that it had, where it has one.
    path: Vec<Step>,
    moments: Vec<Moment>,
    results: Vec<Results>,
    rows: Vec<Row>,
    all: usize,
    /// How many moments are left out, the earliest.
    earlier: usize,
}

struct Stands {
    key: String,
    state: String,
    reason: String,
    /// The page on which something can be done about it.
    plan: Option<String>,
}

/// Result rows of one kind.
struct Results {
    kind: String,
    /// Each with whether it holds numbers alone.
    columns: Vec<(String, bool)>,
    rows: Vec<(String, Vec<String>)>,
    all: usize,
}

struct Row {
    key: String,
    state: String,
    columns: Vec<(String, String)>,
}

/// Shows it.
pub(crate) async fn page(State(console): State<Arc<Console>>, Query(asked): Query<Asked>) -> Response {
    let frame = Frame::new(&console, "/subject", "Subject");
    let pk = wanted(&asked, "pk").unwrap_or_default();
    let look = async {
        if pk.is_empty() {
            return Ok(Vec::new());
        }
        Ok(console.inbox.ledger.story(&pk).await?)
    };
    let story = tried("The subject", look).await.map(|lines| Story::of(lines, &frame));
    let status = match &story {
        Ok(story) if story.all == 0 => StatusCode::NOT_FOUND,
        Ok(_) => StatusCode::OK,
        Err(_) => StatusCode::BAD_GATEWAY,
    };
    html(status, &SubjectPage { frame, pk, story })
}

impl Story {
    fn of(lines: Vec<StoryLine>, frame: &Frame) -> Self {
        let mut moments = moments(&lines, frame.now);
        let earlier = moments.len().saturating_sub(SHOWN);
        moments.drain(..earlier);
        let path = path(&lines);
        let stand = lines.iter().filter_map(Stands::of).take(SHOWN).collect();
        let (all, results) = (lines.len(), results(&lines));
        Self { stand, path, moments, results, rows: lines.into_iter().take(SHOWN).map(Row::of).collect(), all, earlier }
    }
}

impl Stands {
    fn of(StoryLine { key, state, columns }: &StoryLine) -> Option<Self> {
        let kind = key.sk.split('#').next()?;
        let state = state.clone().filter(|_| ["event", "expectation", "watch"].contains(&kind))?;
        let reason = columns.iter().find(|(name, _)| name == "reason").map(|(_, reason)| reason.clone());
        let waits = ["parked", "expired"].contains(&state.as_str());
        let plan = waits.then(|| link("/parked/plan", &[("pk", &key.pk), ("sk", &key.sk)]));
        Some(Self { key: key.sk.clone(), reason: reason.filter(|_| state != "done").unwrap_or_default(), state, plan })
    }
}

/// The rows that the work of its entries brought, a table for each kind; amounts are the text that the provider sent.
fn results(lines: &[StoryLine]) -> Vec<Results> {
    let mut kinds: BTreeMap<&str, Vec<&StoryLine>> = BTreeMap::new();
    let is_result =
        |line: &&StoryLine| line.columns.iter().any(|(name, _)| name == "document_bytes" || name == "asked_at");
    for line in lines.iter().filter(is_result) {
        kinds.entry(line.key.sk.split('#').next().unwrap_or_default()).or_default().push(line);
    }
    let table = |(kind, lines): (&str, Vec<&StoryLine>)| {
        let names = lines.iter().flat_map(|line| line.columns.iter().map(|(name, _)| name.clone()));
        let mut columns: Vec<String> =
            names.filter(|name| !KEEPING.contains(&name.as_str()) && !name.starts_with("document_")).collect();
        columns.sort();
        columns.dedup();
        let cell = |line: &StoryLine, name: &String| {
            let value = line.columns.iter().find(|(known, _)| known == name);
            value.map(|(name, value)| readable(name, value)).unwrap_or_default()
        };
        let row = |line: &&StoryLine| {
            let id = line.key.sk.split_once('#').map_or(line.key.sk.as_str(), |(_, id)| id);
            (id.to_string(), columns.iter().map(|name| cell(line, name)).collect())
        };
        let rows: Vec<(String, Vec<String>)> = lines.iter().take(SHOWN).map(row).collect();
        let is_number = |nth: usize| {
            let mut cells = rows.iter().filter_map(|(_, cells)| cells.get(nth)).filter(|cell| !cell.is_empty());
            cells.all(|cell| cell.parse::<f64>().is_ok())
        };
        let are_numbers: Vec<bool> = (0..columns.len()).map(is_number).collect();
        let columns = columns.into_iter().zip(are_numbers).collect();
        Results { kind: kind.to_string(), rows, columns, all: lines.len() }
    };
    kinds.into_iter().map(table).collect()
}

impl Results {
    fn is_number(&self, nth: &usize) -> bool {
        self.columns.get(*nth).is_some_and(|(_, is_number)| *is_number)
    }
}

impl Row {
    fn of(StoryLine { key, state, columns }: StoryLine) -> Self {
        let columns = columns
            .iter()
            .map(|(name, value)| (named(name, state.as_deref()).to_string(), readable(name, value)))
            .collect();
        Self { key: key.sk, state: state.unwrap_or_default(), columns }
    }
}
