//! `replay`: what is parked is opened again, one entry or all that a filter finds.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use hookledger_aws::AwsInbox;
use hookledger_core::desk::replay::{Replayed, replay};
use hookledger_core::model::act;
use hookledger_core::model::debt::Debt;
use hookledger_core::model::entry::State;
use hookledger_core::model::identity::ItemKey;
use hookledger_core::ports::{Clock as _, WorkQueue as _};
use serde_json::{Value, json};

use super::bulk::{Chosen, Plan};
use crate::out::{self, Ended, Format};
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
    #[command(flatten)]
    chosen: Chosen,
    /// Why, for whoever reads the entry later.
    #[arg(long, value_name = "TEXT", value_parser = super::why)]
    why: Option<String>,
    /// Wait so many seconds for the work to be done, and tell what came of it.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u64,
}

/// An entry, what came of its replay, and how it stood when it was last looked at.
struct Row {
    key: ItemKey,
    outcome: Result<String, String>,
    state: Option<State>,
}

/// Opens one, and says what came of it.
pub(crate) async fn open(stack: &Stack, inbox: &AwsInbox, key: &ItemKey, by: &act::Order) -> Result<String, String> {
    match replay(inbox, &stack.providers, key, by).await {
        Ok(Replayed::OnItsWay) => Ok("open again, and on its way".to_string()),
        Ok(Replayed::Owed(why)) => Ok(format!("open again; {why}, so the reconciler takes it up within minutes")),
        Ok(Replayed::NotParked) => Err(match inbox.ledger.entry_header(key).await {
            Ok(Some(entry)) => format!("is {}, not parked: nothing was done", entry.state.as_str()),
            Ok(None) => MISSING.to_string(),
            Err(error) => error.to_string(),
        }),
        Err(error) => Err(error.to_string()),
    }
}

/// Opens them.
pub(crate) async fn run(stack: &Stack, format: Format, order: &Order) -> anyhow::Result<Ended> {
    let inbox = stack.inbox()?;
    let keys = match order.chosen.plan(stack, &inbox, |row| row.is_entry, "opens").await? {
        Plan::Do(keys) => keys,
        Plan::Shown => return Ok(Ended::Well),
        Plan::Nothing => return Ok(Ended::NotFound),
    };
    keys.iter().try_for_each(is_entry)?;
    warn_of_queues(stack, &inbox, &keys).await;
    let by = stack.order(order.why.clone()).await?;
    let outcomes = order.chosen.each(&keys, async |key: &ItemKey| open(stack, &inbox, key, &by).await).await;
    let mut rows: Vec<Row> =
        keys.into_iter().zip(outcomes).map(|(key, outcome)| Row { key, outcome, state: None }).collect();
    wait_for(&inbox, &mut rows, order.wait).await;
    Ok(tell(format, &rows, order.wait))
}

/// Says which of the queues do not answer, before anything is opened: what is opened then is paid by the reconciler alone.
async fn warn_of_queues(stack: &Stack, inbox: &AwsInbox, keys: &[ItemKey]) {
    let names: BTreeSet<&str> = keys.iter().map(ItemKey::provider).collect();
    for provider in names.into_iter().filter_map(|name| stack.providers.get(name)) {
        if let Err(error) = inbox.queue.depth(provider.id()).await {
            let id = provider.id();
            out::note(format!("the queue of {id} does not answer ({error}): its entries wait for the reconciler"));
        }
    }
}

/// Waits until the work of all is done, or the time is over.
async fn wait_for(inbox: &AwsInbox, rows: &mut [Row], secs: u64) {
    let end = inbox.clock.now().plus_secs(secs);
    while inbox.clock.now() < end {
        let left: Vec<ItemKey> = rows.iter().filter(|row| row.is_under_way()).map(|row| row.key.clone()).collect();
        if left.is_empty() {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
        // A look that fails is made again: what was opened is open all the same.
        let Ok(known) = inbox.ledger.look_at(&left).await else { continue };
        for row in rows.iter_mut() {
            if let Some(Ok(Debt::Entry(entry))) = known.get(&row.key) {
                row.state = Some(entry.state);
            }
        }
    }
}

fn tell(format: Format, rows: &[Row], wait: u64) -> Ended {
    let count = |is: fn(&Row) -> bool| rows.iter().filter(|row| is(row)).count();
    let failed = count(|row| row.outcome.is_err());
    let again = count(|row| row.state == Some(State::Parked));
    let waiting = if wait > 0 { count(Row::is_under_way) } else { 0 };
    format.rows(&COLUMNS, &rows.iter().map(Row::shown).collect::<Vec<_>>(), None);
    let parked = if again > 0 { format!(", {again} parked again") } else { String::new() };
    out::note(format!("{} opened, {failed} failed{parked}", rows.len() - failed));
    if waiting > 0 {
        out::note(format!("{waiting} are still open after {wait} s"));
    }
    if again + waiting > 0 {
        return Ended::InPart;
    }
    Ended::of_several(rows.len(), failed, count(|row| row.outcome.as_ref().is_err_and(|why| why == MISSING)))
}

impl Row {
    fn is_under_way(&self) -> bool {
        self.outcome.is_ok() && self.state.is_none_or(|state| state == State::Open)
    }

    fn shown(&self) -> Value {
        let (Ok(words) | Err(words)) = &self.outcome;
        json!({ "subject": self.key.pk, "entry": self.key.sk, "outcome": words, "state": self.state.map(State::as_str) })
    }
}
