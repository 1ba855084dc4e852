//! `replay`: what is parked is opened again, one entry or all that a filter finds.

use std::time::Duration;

use clap::Args;
use hookledger_core::desk::replay::{Replayed, replay};
use hookledger_core::model::debt::Debt;
use hookledger_core::model::entry::State;
use hookledger_core::model::identity::ItemKey;
use hookledger_core::ports::Clock as _;
use serde_json::{Value, json};

use crate::out::{self, Ended, Format};
use crate::see::parked::{Parked, Which, find, groups};
use crate::see::show::is_entry;
use crate::stack::Stack;

const COLUMNS: [&str; 4] = ["subject", "entry", "outcome", "state"];
/// Of an entry that is not there.
const MISSING: &str = "there is no such entry";
/// How often it is looked whether the work is done.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What to open.
#[derive(Args)]
pub(crate) struct Order {
    /// The subject of one entry: its partition key, such as rightfoot#batch#b1.
    #[arg(requires = "entry", conflicts_with_all = ["provider", "reason", "event_type", "since", "until"])]
    subject: Option<String>,
    /// The entry's sort key, event#….
    entry: Option<String>,
    #[command(flatten)]
    which: Which,
    /// Do it. Without it a filter's finds are shown, and nothing is done.
    #[arg(long)]
    yes: bool,
    /// So many in a second at most.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rate: u32,
    /// Wait so many seconds for the work to be done, and tell what came of it.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u64,
}

/// Opens them.
pub(crate) async fn run(stack: &Stack, format: Format, order: &Order) -> anyhow::Result<Ended> {
    let inbox = stack.inbox()?;
    let keys = match (&order.subject, &order.entry) {
        (Some(pk), Some(sk)) => {
            let key = ItemKey { pk: pk.clone(), sk: sk.clone() };
            is_entry(&key)?;
            vec![key]
        }
        _ => {
            let found = find(stack, &inbox, &order.which).await?;
            let entries: Vec<&Parked> = found.rows.iter().filter(|row| row.is_entry).collect();
            if entries.is_empty() {
                out::note(format!("nothing that waits for a person fits: {} wait at all", found.all));
                return Ok(Ended::NotFound);
            }
            plan(&entries);
            found.tell_what_is_missing();
            if !order.yes {
                out::note("Nothing was done: --yes opens them");
                return Ok(Ended::Well);
            }
            // The longest waiting first: who is killed goes on where it stopped, as what is open is not found again.
            entries.into_iter().rev().map(|row| row.key.clone()).collect()
        }
    };
    let pause = Duration::from_secs(1) / order.rate;
    let mut rows = Vec::with_capacity(keys.len());
    for (n, key) in keys.iter().enumerate() {
        if n > 0 {
            tokio::time::sleep(pause).await;
        }
        let outcome = match replay(&inbox, &stack.providers, key).await {
            Ok(Replayed::OnItsWay) => Ok("open again, and on its way".to_string()),
            Ok(Replayed::Owed(why)) => Ok(format!("open again; {why}, so the reconciler takes it up within minutes")),
            Ok(Replayed::NotParked) => Err(match inbox.ledger.entry_header(key).await {
                Ok(Some(entry)) => format!("is {}, not parked: nothing was done", entry.state.as_str()),
                Ok(None) => MISSING.to_string(),
                Err(error) => error.to_string(),
            }),
            Err(error) => Err(error.to_string()),
        };
        rows.push((key, outcome, None));
    }
    if order.wait > 0 {
        let end = inbox.clock.now().plus_secs(order.wait);
        loop {
            let left: Vec<ItemKey> = rows
                .iter()
                .filter(|(_, done, state)| done.is_ok() && !settled(*state))
                .map(|(key, ..)| (*key).clone())
                .collect();
            if left.is_empty() || inbox.clock.now() >= end {
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
            // A look that fails is made again: what was opened is open all the same.
            let Ok(known) = inbox.ledger.look_at(&left).await else { continue };
            for (key, _, state) in &mut rows {
                if let Some(Ok(Debt::Entry(entry))) = known.get(*key) {
                    *state = Some(entry.state);
                }
            }
        }
    }
    let failed = rows.iter().filter(|(_, outcome, _)| outcome.is_err()).count();
    let again = rows.iter().filter(|(_, _, state)| *state == Some(State::Parked)).count();
    let shown: Vec<Value> = rows
        .iter()
        .map(|(key, outcome, state)| {
            let (Ok(words) | Err(words)) = outcome;
            json!({ "subject": key.pk, "entry": key.sk, "outcome": words, "state": state.map(State::as_str) })
        })
        .collect();
    format.rows(&COLUMNS, &shown, None);
    out::note(format!(
        "{} opened, {failed} failed{}",
        rows.len() - failed,
        if again > 0 { format!(", {again} parked again") } else { String::new() }
    ));
    let waiting = rows.iter().filter(|(_, done, state)| order.wait > 0 && done.is_ok() && !settled(*state)).count();
    if waiting > 0 {
        out::note(format!("{waiting} are still open after {} s", order.wait));
    }
    let is_missing = |(_, outcome, _): &(&ItemKey, Result<String, String>, Option<State>)| {
        outcome.as_ref().is_err_and(|why| why == MISSING)
    };
    Ok(match failed + again + waiting {
        0 => Ended::Well,
        _ if rows.iter().all(is_missing) => Ended::NotFound,
        _ if failed == rows.len() => Ended::Failed,
        _ => Ended::InPart,
    })
}

fn settled(state: Option<State>) -> bool {
    state.is_some_and(|state| state != State::Open)
}

fn plan(entries: &[&Parked]) {
    let (first, last) = (entries.last(), entries.first());
    let span = first.zip(last).map(|(first, last)| format!(", parked {} to {}", first.parked_at, last.parked_at));
    out::note(format!("{} entries{}", entries.len(), span.unwrap_or_default()));
    for (group, count) in groups(entries.iter().copied()) {
        out::note(format!("{count:>7}  {group}"));
    }
}
