//! `expect list`: what is waited for.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use hookledger_aws::AwsInbox;
use hookledger_core::model::debt::{Debt, DueKey, Expectation, ExpectationState, due_shard};
use hookledger_core::model::identity::ItemKey;
use hookledger_core::ports::Clock as _;
use serde_json::{Value, json};

use super::expect::shown;
use crate::out::{self, Ended, Format};
use crate::see::owed::kind;
use crate::stack::Stack;

/// The most keys of one shard that are read: there are 64.
const MAX_OF_SHARD: usize = 5_000;
/// The most expectations that are looked at for their deadlines.
const MAX_LOOKED_AT: usize = 20_000;
const COLUMNS: [&str; 7] = ["deadline", "next_poll_at", "late_secs", "polls", "found", "provider", "reference"];

/// Which.
#[derive(Args, Default)]
pub(crate) struct Which {
    /// Of this provider alone.
    #[arg(long)]
    pub(crate) provider: Option<String>,
    /// Those that wait, or those that expired. One that ended otherwise is in no list: `expect get` has it.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) state: State,
    /// Those alone whose next poll is overdue.
    #[arg(long)]
    pub(crate) late: bool,
    /// The most rows shown.
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum State {
    #[default]
    Waiting,
    Expired,
}

/// What was found.
pub(crate) struct Found {
    /// The soonest deadline first.
    pub(crate) rows: Vec<Expectation>,
    /// How many this version can't read.
    pub(crate) unreadable: usize,
    /// How many were not looked at.
    pub(crate) unseen: usize,
    /// Of some shard not all rows were read.
    pub(crate) is_cut: bool,
}

/// Finds those that are wanted.
pub(crate) async fn find(stack: &Stack, inbox: &AwsInbox, which: &Which) -> anyhow::Result<Found> {
    if let Some(name) = &which.provider {
        stack.provider(name)?;
    }
    let (due, state) = match which.state {
        State::Waiting => (inbox.ledger.list_owed(MAX_OF_SHARD).await?, ExpectationState::Waiting),
        State::Expired => (inbox.ledger.list_parked(MAX_OF_SHARD).await?, ExpectationState::Expired),
    };
    let is_cut = has_full_shard(&due);
    let now = inbox.clock.now();
    let wanted = due.into_iter().filter(|due| {
        kind(&due.key.sk) == "expectation"
            && which.provider.as_deref().is_none_or(|name| due.key.provider() == name)
            && (!which.late || due.due_at < now)
    });
    let keys: Vec<ItemKey> = wanted.map(|due| due.key).collect();
    let unseen = keys.len().saturating_sub(MAX_LOOKED_AT);
    let known = inbox.ledger.look_at(keys.get(..MAX_LOOKED_AT).unwrap_or(&keys)).await?;
    let unreadable = known.values().filter(|row| row.is_err()).count();
    // The index lags: what ended, or was polled, just now is no longer as it lists it.
    let mut found: Vec<Expectation> = known
        .into_values()
        .filter_map(|row| match row {
            Ok(Debt::Expectation(expectation)) if expectation.state == state => Some(expectation),
            _ => None,
        })
        .filter(|expectation| !which.late || expectation.due_at.is_none_or(|at| at < now))
        .collect();
    found.sort_by(|a, b| (a.deadline, &a.key).cmp(&(b.deadline, &b.key)));
    Ok(Found { rows: found, unreadable, unseen, is_cut })
}

/// Lists them.
pub(super) async fn run(stack: &Stack, format: Format, which: &Which) -> anyhow::Result<Ended> {
    let inbox = stack.inbox()?;
    let Found { rows: found, unreadable, unseen, is_cut } = find(stack, &inbox, which).await?;
    let now = inbox.clock.now();
    let late_secs = |of: &Expectation| of.due_at.filter(|at| *at < now).map_or(0, |at| now.since_ms(at) / 1000);
    let rows: Vec<Value> = found
        .iter()
        .take(which.limit)
        .map(|expectation| {
            let mut row = shown(expectation);
            row.insert("late_secs".into(), json!(late_secs(expectation)));
            Value::Object(row)
        })
        .collect();
    let more = (found.len() > rows.len()).then(|| format!("{} of {} shown, more: --limit", rows.len(), found.len()));
    format.rows(&COLUMNS, &rows, more.as_deref());
    let late = found.iter().filter(|of| of.due_at.is_some_and(|at| at < now)).count();
    out::note(match which.state {
        State::Waiting => format!("{} waiting, {late} of them late", found.len()),
        State::Expired => format!("{} expired", found.len()),
    });
    if unreadable > 0 {
        out::note(format!("{unreadable} more can't be read by this version"));
    }
    if unseen > 0 {
        out::note(format!("{unseen} more were not looked at: --provider narrows it down"));
    }
    if is_cut {
        out::note(format!("of each of the 64 shards {MAX_OF_SHARD} rows are read: there may be more"));
    }
    Ok(Ended::Well)
}

fn has_full_shard(due: &[DueKey]) -> bool {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    due.iter().for_each(|due| *counts.entry(due_shard(&due.key)).or_default() += 1);
    counts.into_values().any(|count| count >= MAX_OF_SHARD)
}
