//! Merchants, and whatever else of a provider has a status: how each stands now, and since when.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use hookledger_aws::start::env::Recent;
use hookledger_core::model::time::UnixMs;

use super::frame::{Asked, Failure, Frame, Preset, cut, html, link, status, tried, wanted};
use super::state::Console;
use crate::see::statuses::{Stands, counts, find, kinds};
use crate::when::Span;

const PATH: &str = "/merchants";
/// The most events of a provider that are read for a page.
const LOOKED_AT: usize = 1_000;
/// The most that are listed.
const SHOWN: usize = 200;
const SINCE: [(&str, &str); 3] = [("24h", "24 hours"), ("7d", "7 days"), ("30d", "30 days")];

#[derive(Template)]
#[template(path = "merchants.html")]
struct Merchants {
    frame: Frame,
    /// What can be here: the kind, and whose.
    kinds: Vec<(String, String)>,
    status: String,
    presets: Vec<Preset>,
    list: Result<List, Failure>,
}

struct List {
    rows: Vec<Row>,
    /// How many there are of the status that is wanted, and at all.
    fitting: usize,
    all: usize,
    /// The statuses with how many have each, and the way to those alone.
    statuses: Vec<(String, usize, String)>,
    since: UnixMs,
    read: usize,
    /// The way to those whose events came before.
    older: Option<String>,
    more: Option<UnixMs>,
    only_unworked: bool,
}

struct Row {
    subject: String,
    provider: String,
    status: String,
    since: Option<UnixMs>,
    /// What is not as one would think.
    hint: Option<String>,
    last_at: UnixMs,
    last: String,
}

/// Shows them.
pub(crate) async fn page(State(console): State<Arc<Console>>, Query(asked): Query<Asked>) -> Response {
    let frame = Frame::new(&console, PATH, "Merchants");
    let (since, until) = (wanted(&asked, "since"), wanted(&asked, "until"));
    let only = wanted(&asked, "status").unwrap_or_default();
    let span = Span::new(since.clone(), until);
    let found = tried("This list", find(&console.stack, &console.inbox, &span, LOOKED_AT)).await;
    let list = found.map(|found| {
        let to = |only: &str| {
            let value = |name: &str| wanted(&asked, name).unwrap_or_default();
            link(PATH, &[("status", only), ("since", &value("since")), ("until", &value("until"))])
        };
        let statuses = counts(&found.rows).into_iter().map(|(name, count)| {
            let href = to(&name);
            (name, count, href)
        });
        let statuses = statuses.collect();
        let older = found.more.map(|at| {
            // Each page goes back as far as the first one would.
            link(PATH, &[("status", &only), ("since", &found.since.to_string()), ("until", &at.to_string())])
        });
        let all = found.rows.len();
        let fits = |row: &&Stands| only.is_empty() || row.named() == Some(only.as_str());
        let fitting = found.rows.iter().filter(fits).count();
        let rows = found.rows.iter().filter(fits).take(SHOWN).map(Row::of).collect();
        let only_unworked = console.stack.env.recent == Recent::Unworked;
        let (since, read, more) = (found.since, found.read, found.more);
        List { rows, fitting, all, statuses, since, read, older, more, only_unworked }
    });
    let presets = SINCE.into_iter().map(|(preset, name)| Preset {
        name,
        href: link(PATH, &[("status", &only), ("since", preset)]),
        is_on: since.as_deref().unwrap_or("24h") == preset && wanted(&asked, "until").is_none(),
    });
    let presets = presets.collect();
    let kinds = kinds(&console.stack).flat_map(|(id, kinds)| kinds.iter().map(move |kind| (*kind, id)));
    let kinds = kinds.map(|(kind, id)| (kind.to_string(), id.to_string())).collect();
    html(status(&list), &Merchants { frame, kinds, status: only, presets, list })
}

impl Row {
    fn of(of: &Stands) -> Self {
        let (status, since, hint) = match &of.status {
            None => ("none yet".to_string(), None, None),
            Some(Err(error)) => ("can't be read".to_string(), None, Some(error.to_string())),
            Some(Ok(status)) => {
                let held = status.held_back.as_ref();
                let hint = held.map(|held| format!("{} was pushed, and is held back", cut(&held.status)));
                (status.status.clone(), Some(status.occurred_at), hint)
            }
        };
        Self {
            subject: of.subject.as_str().to_string(),
            provider: of.provider.to_string(),
            status,
            since,
            hint,
            last_at: of.last.received_at,
            last: of.last.event_type.clone(),
        }
    }
}
