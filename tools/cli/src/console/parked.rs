//! What waits for a person, by provider and reason; and the page that says what an act would do, before it is done.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use hookledger_core::model::debt::{Debt, ExpectationState};
use hookledger_core::model::entry::State as EntryState;
use hookledger_core::model::identity::ItemKey;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::Debts as _;

use super::frame::{Asked, Failure, Frame, html, link, status, tried, wanted};
use super::jobs::Job;
use super::state::Console;
use crate::mend::bulk::{MAX_RATE, RATE};
use crate::see::parked::{Found, Parked, Which, find};
use crate::when::{Span, words};

const PATH: &str = "/parked";
/// Rows of a plan that are shown.
const SHOWN: usize = 100;

#[derive(Template)]
#[template(path = "parked.html")]
struct Groups {
    frame: Frame,
    providers: Vec<String>,
    asked: Asked,
    /// The acts of this console that began here.
    acts: Vec<Arc<Job>>,
    list: Result<List, Failure>,
}

struct List {
    groups: Vec<Group>,
    shown: usize,
    all: usize,
    unseen: usize,
}

struct Group {
    provider: String,
    event_type: String,
    reason: String,
    count: usize,
    first: UnixMs,
    last: UnixMs,
    plan: String,
}

impl Groups {
    fn value(&self, name: &str) -> &str {
        self.asked.get(name).map(String::as_str).unwrap_or_default()
    }
}

/// Shows the groups.
pub(crate) async fn page(State(console): State<Arc<Console>>, Query(asked): Query<Asked>) -> Response {
    let frame = Frame::new(&console, PATH, "Parked");
    let which = Which {
        provider: wanted(&asked, "provider"),
        reason: wanted(&asked, "reason"),
        event_type: wanted(&asked, "type"),
        span: Span::default(),
    };
    let found = tried("What waits for a person", find(&console.stack, &console.inbox, &which)).await;
    let list = found.map(List::of);
    let providers = console.stack.providers.iter().map(|provider| provider.id().to_string()).collect();
    let acts = console.jobs.of(PATH);
    html(status(&list), &Groups { frame, providers, asked, acts, list })
}

impl List {
    fn of(Found { rows, all, unseen, .. }: Found) -> Self {
        let mut groups: BTreeMap<(String, String, String), Vec<&Parked>> = BTreeMap::new();
        for row in &rows {
            let key = (row.key.provider().to_string(), row.event_type.clone(), row.reason.clone());
            groups.entry(key).or_default().push(row);
        }
        let group = |((provider, event_type, reason), rows): ((String, String, String), Vec<&Parked>)| {
            let (last, first) = (rows.first()?.parked_at, rows.last()?.parked_at);
            // What comes later is in no plan that was seen before.
            let until = last.to_string();
            let filter = [("provider", &*provider), ("type", &*event_type), ("reason", &*reason), ("until", &*until)];
            let plan = link("/parked/plan", &filter);
            Some(Group { count: rows.len(), first, last, plan, provider, event_type, reason })
        };
        let mut groups: Vec<Group> = groups.into_iter().filter_map(group).collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        Self { groups, shown: rows.len(), all, unseen }
    }
}

/// What an act is about: one row, or all that waits with this reason.
pub(crate) struct Chosen {
    pub(crate) rows: Vec<Parked>,
    /// In words, each with its name.
    pub(crate) filter: Vec<(&'static str, String)>,
    /// The filter as it goes into the form's address.
    query: Vec<(&'static str, String)>,
    /// Why nothing can be done, of one row.
    pub(crate) why_not: Option<String>,
}

impl Chosen {
    /// Finds it. What came to wait after `until` is left out: nobody saw it.
    pub(crate) async fn find(console: &Console, asked: &Asked) -> anyhow::Result<Self> {
        let names = ["pk", "sk", "provider", "type", "reason", "until"];
        let query: Vec<_> = names.into_iter().filter_map(|name| Some((name, wanted(asked, name)?))).collect();
        if let (Some(pk), Some(sk)) = (wanted(asked, "pk"), wanted(asked, "sk")) {
            let filter = vec![("subject", pk.clone()), ("row", sk.clone())];
            let (row, why_not) = one(console, ItemKey { pk, sk }).await?;
            return Ok(Self { rows: row.into_iter().collect(), filter, query, why_not });
        }
        let (reason, event_type) = (wanted(asked, "reason"), wanted(asked, "type"));
        let which = Which {
            provider: wanted(asked, "provider"),
            reason: reason.clone(),
            event_type,
            span: Span::new(None, wanted(asked, "until")),
        };
        anyhow::ensure!(which.provider.is_some(), "which? An act is about one row, or about a provider and a reason");
        let mut rows = find(&console.stack, &console.inbox, &which).await?.rows;
        // The command takes words of a reason; a group has one reason, whole.
        rows.retain(|row| reason.as_ref().is_none_or(|reason| row.reason == *reason));
        let filter = query.iter().filter(|(name, _)| *name != "until").cloned().collect();
        Ok(Self { rows, filter, query, why_not: None })
    }

    /// The page that has the forms: of what is left, once some is done.
    pub(crate) fn again(&self) -> String {
        self.action("plan")
    }

    /// Where a form leads.
    fn action(&self, act: &str) -> String {
        let query: Vec<(&str, &str)> = self.query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        link(&format!("{PATH}/{act}"), &query)
    }
}

async fn one(console: &Console, key: ItemKey) -> anyhow::Result<(Option<Parked>, Option<String>)> {
    let row = |parked_at: Option<UnixMs>, event_type: String, reason: String, is_entry| {
        Some(Parked { key: key.clone(), parked_at: parked_at.unwrap_or(UnixMs(0)), event_type, reason, is_entry })
    };
    Ok(match console.inbox.ledger.debt(&key).await? {
        Some(Debt::Entry(entry)) if entry.state == EntryState::Parked => {
            (row(entry.due_at, entry.event_type, entry.reason.unwrap_or_default(), true), None)
        }
        Some(Debt::Entry(entry)) => (None, Some(format!("the entry is {}, not parked", entry.state.as_str()))),
        Some(Debt::Expectation(of)) if of.state == ExpectationState::Expired => {
            (row(of.due_at, "expectation".into(), "expired: never completed".into(), false), None)
        }
        Some(Debt::Expectation(of)) => (None, Some(format!("the expectation is {}, not expired", of.state.as_str()))),
        Some(Debt::Listing(_)) => (None, Some("a list ends by itself".into())),
        None => (None, Some("there is no such row".into())),
    })
}

#[derive(Template)]
#[template(path = "plan.html")]
struct PlanPage {
    frame: Frame,
    plan: Result<Plan, Failure>,
}

struct Plan {
    chosen: Chosen,
    /// How many of them are entries, which alone can be replayed.
    entries: usize,
    replay: String,
    close: String,
    command: String,
}

impl Plan {
    fn shown(&self) -> &[Parked] {
        self.chosen.rows.get(..SHOWN).unwrap_or(&self.chosen.rows)
    }

    /// A group has one type and one reason, and says them once.
    fn is_group(&self) -> bool {
        self.chosen.filter.iter().any(|(name, _)| *name == "reason")
    }

    /// How long so many take at the rate that the form offers.
    fn takes(&self, count: impl Borrow<usize>) -> String {
        words((*count.borrow() as u64).div_ceil(u64::from(RATE)))
    }
}

/// Says what an act would do, and has its forms.
pub(crate) async fn plan(State(console): State<Arc<Console>>, Query(asked): Query<Asked>) -> Response {
    let frame = Frame::new(&console, PATH, "What can be done");
    let plan = tried("What waits", Chosen::find(&console, &asked)).await.map(|chosen| Plan {
        entries: chosen.rows.iter().filter(|row| row.is_entry).count(),
        replay: chosen.action("replay"),
        close: chosen.action("close"),
        command: command(&chosen),
        chosen,
    });
    let status = if plan.is_ok() { StatusCode::OK } else { StatusCode::BAD_GATEWAY };
    html(status, &PlanPage { frame, plan })
}

/// The arguments with which a command does the same.
fn command(chosen: &Chosen) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let words = chosen.filter.iter().map(|(name, value)| match *name {
        "subject" | "row" => quoted(value),
        name => format!("--{name} {}", quoted(value)),
    });
    words.collect::<Vec<_>>().join(" ")
}
