//! `parked`: what waits for a person, and why.

use std::collections::BTreeMap;

use clap::Args;
use hookledger_aws::AwsInbox;
use hookledger_core::model::debt::{Debt, ExpectationState};
use hookledger_core::model::entry::State;
use hookledger_core::model::identity::ItemKey;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::Clock as _;
use serde_json::{Value, json};

use crate::out::{self, Format};
use crate::stack::Stack;
use crate::when::Span;

/// The most keys of one shard that are read: there are 64.
const MAX_OF_SHARD: usize = 5_000;
/// The most rows that are looked at for their reasons.
const MAX_LOOKED_AT: usize = 20_000;
const COLUMNS: [&str; 5] = ["parked_at", "type", "subject", "entry", "reason"];

/// Which.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Which {
    /// Of this provider alone.
    #[arg(long)]
    pub(crate) provider: Option<String>,
    /// Whose reason has these words in it.
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// Of this type alone, as the provider names it.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) event_type: Option<String>,
    #[command(flatten)]
    pub(crate) span: Span,
}

/// A row that waits for a person.
#[derive(Clone, Debug)]
pub(crate) struct Parked {
    pub(crate) key: ItemKey,
    pub(crate) parked_at: UnixMs,
    /// What it is: an entry's type, or "expectation".
    pub(crate) event_type: String,
    pub(crate) reason: String,
    pub(crate) is_entry: bool,
}

/// What was found.
pub(crate) struct Found {
    /// Those that are wanted, the latest first.
    pub(crate) rows: Vec<Parked>,
    /// How many wait at all.
    pub(crate) all: usize,
    /// How many were not looked at.
    pub(crate) unseen: usize,
    /// Since when the longest waiting one waits.
    pub(crate) oldest: Option<UnixMs>,
}

impl Found {
    /// Says what the lists do not hold.
    pub(crate) fn tell_what_is_missing(&self) {
        if self.unseen > 0 {
            out::note(format!("{} older ones were not looked at: --until and --since reach them", self.unseen));
        }
        if self.all >= MAX_OF_SHARD {
            out::note(format!("of each of the 64 shards the latest {MAX_OF_SHARD} are counted: there may be more"));
        }
    }
}

/// Lists them.
pub(crate) async fn run(stack: &Stack, format: Format, which: &Which, limit: usize) -> anyhow::Result<()> {
    let inbox = stack.inbox()?;
    let found = find(stack, &inbox, which).await?;
    let rows: Vec<Value> = found.rows.iter().take(limit).map(row).collect();
    let last = found.rows.get(limit.saturating_sub(1)).filter(|_| found.rows.len() > limit);
    let more = last.map(|last| format!("{limit} of {} shown, more: --until {}", found.rows.len(), last.parked_at));
    format.rows(&COLUMNS, &rows, more.as_deref());
    out::note(format!("{} of the {} that wait for a person", found.rows.len(), found.all));
    for (group, count) in groups(&found.rows) {
        out::note(format!("{count:>7}  {group}"));
    }
    found.tell_what_is_missing();
    Ok(())
}

/// Finds what waits and is wanted.
pub(crate) async fn find(stack: &Stack, inbox: &AwsInbox, which: &Which) -> anyhow::Result<Found> {
    if let Some(name) = &which.provider {
        stack.provider(name)?;
    }
    // Whoever says only until when means all before it.
    let span = if which.span.is_open() { None } else { Some(which.span.bounds_from(UnixMs(0), inbox.clock.now())?) };
    let keys = inbox.ledger.list_parked(MAX_OF_SHARD).await?;
    let (all, oldest) = (keys.len(), keys.last().map(|due| due.due_at));
    let wanted = keys.into_iter().filter(|due| {
        which.provider.as_deref().is_none_or(|name| due.key.provider() == name)
            && span.is_none_or(|(since, until)| since <= due.due_at && due.due_at <= until)
    });
    let wanted: Vec<_> = wanted.collect();
    let unseen = wanted.len().saturating_sub(MAX_LOOKED_AT);
    let looked_at: Vec<ItemKey> = wanted.iter().take(MAX_LOOKED_AT).map(|due| due.key.clone()).collect();
    let known = inbox.ledger.look_at(&looked_at).await?;
    let rows = wanted.into_iter().take(MAX_LOOKED_AT).filter_map(|due| {
        let (event_type, reason, is_entry) = match known.get(&due.key)? {
            // The index lags: what was opened just now is not parked any more.
            Ok(Debt::Entry(entry)) if entry.state != State::Parked => return None,
            Ok(Debt::Expectation(expectation)) if expectation.state != ExpectationState::Expired => return None,
            Ok(Debt::Listing(_)) => return None,
            Err(error) => ("unreadable row".to_string(), error.to_string(), false),
            Ok(Debt::Entry(entry)) => (entry.event_type.clone(), entry.reason.clone().unwrap_or_default(), true),
            Ok(Debt::Expectation(expectation)) => {
                let reason = format!("{}: never completed", expectation.state.as_str());
                ("expectation".to_string(), reason, false)
            }
        };
        let is_wanted = which.reason.as_deref().is_none_or(|words| reason.contains(words))
            && which.event_type.as_deref().is_none_or(|wanted| event_type == wanted);
        is_wanted.then_some(Parked { key: due.key, parked_at: due.due_at, event_type, reason, is_entry })
    });
    Ok(Found { rows: rows.collect(), all, unseen, oldest })
}

/// How many there are of each provider and reason, the most first.
pub(crate) fn groups<'a>(rows: impl IntoIterator<Item = &'a Parked>) -> Vec<(String, usize)> {
    let mut groups: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows {
        *groups.entry(format!("{}  {}", row.key.provider(), row.reason)).or_default() += 1;
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
    groups
}

fn row(parked: &Parked) -> Value {
    json!({
        "parked_at": parked.parked_at.to_string(),
        "provider": parked.key.provider(),
        "type": parked.event_type,
        "subject": parked.key.pk,
        "entry": parked.key.sk,
        "reason": parked.reason,
    })
}
