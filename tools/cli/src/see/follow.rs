//! `events --follow`: what comes in, as it comes. The index is asked every few seconds, a little back each time, because it
//! lags behind the table; nothing is shown twice.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use hookledger_aws::AwsInbox;
use hookledger_core::model::identity::ItemKey;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::Clock as _;
use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval};

use super::events::{COLUMNS, Found, Order, Wanted, find, row};
use crate::out::{self, Format};
use crate::stack::Stack;
use crate::when::{Span, read};

/// So far back is looked each time: an index shows what came in within a second, seldom later.
const LAG_SECS: u64 = 60;
/// The most that are shown of one look.
const MAX_AT_ONCE: usize = 10_000;
/// Looks that fail in a row before it ends.
const MAX_FAILED: usize = 10;

/// Shows what comes in until ctrl-c, or until nobody reads any more.
pub(crate) async fn follow(stack: &Stack, format: Format, order: &Order) -> anyhow::Result<()> {
    if format == Format::Json {
        return Err(out::typed_wrongly("-o json is one document, and --follow has no end: -o jsonl"));
    }
    let inbox = stack.inbox()?;
    let started = inbox.clock.now();
    let mut from = order.wanted.span.since().map_or(Ok(started), |text| read(text, started))?;
    let mut ticks = interval(Duration::from_secs(order.every));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    let mut shown: BTreeMap<ItemKey, UnixMs> = BTreeMap::new();
    let mut failed = 0;
    if format == Format::Table {
        out::cells(&COLUMNS.map(|name| Value::from(name.to_uppercase())));
    }
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = &mut interrupted => return Ok(()),
        }
        if !out::is_read() {
            return Ok(());
        }
        let now = inbox.clock.now();
        let (rows, more) = match look(stack, &inbox, &order.wanted, from, now).await {
            Ok(Found { rows, more, .. }) => (rows, more),
            Err(error) if out::ended_by(&error) == out::Ended::Failed && failed < MAX_FAILED => {
                failed += 1;
                out::note(format!("{error:#}: looked for again"));
                continue;
            }
            Err(error) => return Err(error),
        };
        failed = 0;
        if let Some(at) = more {
            out::note(format!("more came at once than are shown: `hookledger events --until {at}` has those before"));
        }
        // The latest come first; a reader of a stream wants them in their order.
        for (pointer, entry) in rows.iter().rev() {
            if shown.insert(pointer.key.clone(), pointer.received_at).is_none() {
                let row = row(pointer, entry.as_ref());
                match format {
                    Format::Table => out::cells(&COLUMNS.map(|name| row.get(name).cloned().unwrap_or_default())),
                    _ => format.rows(&[], &[row], None),
                }
            }
        }
        from = from.max(now.minus_secs(LAG_SECS));
        shown.retain(|_, at| *at >= from);
    }
}

async fn look(stack: &Stack, inbox: &AwsInbox, wanted: &Wanted, from: UnixMs, now: UnixMs) -> anyhow::Result<Found> {
    let span = Span::new(Some(from.to_string()), Some(now.to_string()));
    find(stack, inbox, &Wanted { span, limit: MAX_AT_ONCE, ..wanted.clone() }).await
}
