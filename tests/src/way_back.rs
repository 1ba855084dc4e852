//! The way back: a stack is deleted, and made again over the table that it left behind; then over a restored copy. All that
//! was delivered before is delivered once more, and has to be known. `docs/way-back.md` has the commands.
//!
//! ```text
//! a stack, 500 deliveries, and some work that can't be done yet ─ delete it
//!    over the kept table  ─ the 500 again: known; the work that was owed is done
//!    over a restored copy ─ the 500 again: known
//!    over an empty table  ─ some of them again: all new, so the drill does see what is new
//! ```
//!
//! It runs on the second stack, so the first is not disturbed.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use hookledger_core::model::entry::State;
use hookledger_kit::ALL;
use serde_json::json;

use crate::crash::identical::event;
use crate::hour::held::Held;
use crate::hour::judge::judge;
use crate::hour::truth::Told;
use crate::local::{Local, Outcome, until};
use crate::samples::event_of;

/// Deliveries under way at once. An emulated function takes a tenth of a second.
const AT_ONCE: usize = 8;
/// How often a provider comes again after a 5xx or no answer.
const TRIES: u32 = 20;
/// How long the work of all deliveries may take.
const SETTLE_LIMIT: Duration = Duration::from_secs(240);
/// A duplicate's late message comes within 3 s on the local stack; nothing may come of it.
const DUPLICATE_WAIT: Duration = Duration::from_secs(6);
/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Events whose work can't be done before the stack goes.
const OWED: usize = 4;
/// Of the deliveries, how many go to the stack with an empty table.
const TO_AN_EMPTY_TABLE: usize = 40;

/// What came of delivering everything once more.
#[derive(Clone, Debug, Default)]
pub struct Again {
    /// To a stack over which table.
    pub over: &'static str,
    /// Deliveries.
    pub deliveries: usize,
    /// Entries that were not there before.
    pub new: usize,
    /// Entries and rows that are not as they were.
    pub changed: usize,
    /// Events on the new stack's bus about what was delivered.
    pub published: usize,
}

impl fmt::Display for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { over, deliveries, new, changed, published } = self;
        write!(f, "over {over}: {deliveries} delivered, {new} new, {changed} changed, {published} published")
    }
}

/// The whole drill.
#[derive(Clone, Debug, Default)]
pub struct WayBack {
    /// Events that were delivered and worked on before the stack was deleted.
    pub events: usize,
    /// How many of them the first bus brought.
    pub published: usize,
    /// Events that were owed when the stack was deleted.
    pub owed: usize,
    /// How many of them the next stack worked on, and published once.
    pub paid: usize,
    /// What came of the second deliveries.
    pub again: Vec<Again>,
}

/// Rehearses it, with this many deliveries. Whatever happens, the second stack is deleted at the end.
pub async fn way_back(first: &Local, run: &str, deliveries: usize, tell: impl Fn(&str)) -> Outcome<WayBack> {
    let mut tables = Vec::new();
    let outcome = rehearse(first, run, deliveries, &mut tables, &tell).await;
    let down = first.second_down().await;
    for table in &tables {
        // It outlived its stack, as it should. Nobody needs it any more.
        let deleted = first.delete_table(table).await;
        if outcome.is_ok() {
            deleted.map_err(|error| format!("{table} is not there any more: {error}"))?;
        }
    }
    let rehearsed = outcome?;
    down.map(|()| rehearsed)
}

async fn rehearse(
    first: &Local,
    run: &str,
    deliveries: usize,
    tables: &mut Vec<String>,
    tell: &impl Fn(&str),
) -> Outcome<WayBack> {
    let old = first.second_up(&[]).await?;
    tables.push(old.stack.table.clone());
    fill(&old, &documents(first).await?).await?;
    let events = happen(first, run, deliveries).await?;
    deliver(&old, &events).await?;
    let before = settled(&old, run, &events).await?;
    let mut seen = WayBack { events: events.len(), published: before.published.len(), ..WayBack::default() };
    tell(&format!("{} events, {} published", seen.events, seen.published));
    let owed = owe(first, &old, run).await?;
    seen.owed = owed.len();
    first.second_down().await?;
    // The secrets outlive it. They are read now: the emulator makes the same names again where AWS makes others.
    let kept_documents = documents(&old).await?;
    tell("the stack is deleted");

    let kept = format!("ExistingTableName={}", old.stack.table);
    let new = first.second_up(&[&kept]).await?;
    fill(&new, &kept_documents).await?;
    seen.paid = pay(first, &new, &owed).await?;
    seen.again.push(again(&new, "the kept table", run, &events, &before).await?);
    tell(&format!("{} owed, {} paid; {}", seen.owed, seen.paid, seen.again[0]));

    let copy = format!("{}-restored", old.stack.table);
    new.restore_table_to(&copy).await?;
    tables.push(copy.clone());
    let restored = first.second_up(&[&format!("ExistingTableName={copy}")]).await?;
    seen.again.push(again(&restored, "a restored copy", run, &events, &before).await?);
    tell(&seen.again[1].to_string());

    // Without a table to take over, the stack makes one of its own. Here it would have the first one's name.
    first.delete_table(&old.stack.table).await?;
    let empty = first.second_up(&[r#"ExistingTableName="""#]).await?;
    assert!(empty.stack.table != copy, "the parameter had no effect");
    let some = &events[..TO_AN_EMPTY_TABLE.min(events.len())];
    seen.again.push(again(&empty, "an empty table", run, some, &Held::default()).await?);
    tell(&seen.again[2].to_string());
    Ok(seen)
}

/// What stands in a stack's secrets, by provider.
async fn documents(stack: &Local) -> Outcome<BTreeMap<String, String>> {
    let mut documents = BTreeMap::new();
    for provider in stack.stack.secrets.keys() {
        documents.insert(provider.clone(), stack.secret(provider).await?);
    }
    Ok(documents)
}

async fn fill(stack: &Local, documents: &BTreeMap<String, String>) -> Outcome<()> {
    for (provider, document) in documents {
        stack.put_secret(provider, document).await?;
    }
    Ok(())
}

struct Event {
    told: Told,
    body: String,
}

/// Has the simulated providers do something, each in its turn.
async fn happen(first: &Local, run: &str, count: usize) -> Outcome<Vec<Event>> {
    let one = async |n: usize| {
        let (told, body) = event(first, &format!("{run}x{n}x"), ALL[n % ALL.len()]).await?;
        Ok::<_, String>(Event { told, body })
    };
    stream::iter(0..count).map(one).buffered(AT_ONCE).try_collect().await
}

/// Delivers everything, until it is answered 200.
async fn deliver(to: &Local, events: &[Event]) -> Outcome<()> {
    let one = async |event: &Event| {
        let provider = &event.told.provider;
        let mut instead = String::new();
        for _ in 0..TRIES {
            match to.deliver(provider, &event.body).await {
                Ok(answered) if answered.status == 200 => return Ok(()),
                Ok(answered) if answered.status >= 500 => instead = answered.status.to_string(),
                Ok(answered) => return answered.expect(200).map(drop),
                Err(error) => instead = error,
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(format!("{provider} was never answered 200, at last {instead}"))
    };
    stream::iter(events).map(one).buffer_unordered(AT_ONCE).try_collect().await
}

/// Waits until all work is done, and says how things stand then.
async fn settled(stack: &Local, run: &str, events: &[Event]) -> Outcome<Held> {
    let truth: Vec<Told> = events.iter().map(|event| event.told.clone()).collect();
    let started = Instant::now();
    loop {
        stack.reconcile().await?;
        let held = Held::read(stack, &format!("{run}x")).await?;
        let judgement = judge(&truth, &held);
        let missing = judgement.missing.first();
        if missing.is_none() && stack.depth().await? == 0 {
            let extra = judgement.extra.first().map_or(Ok(()), |extra| Err(format!("nobody delivered {extra}")));
            return extra.map(|()| held);
        }
        if started.elapsed() > SETTLE_LIMIT {
            return Err(format!("{} are not done, such as {missing:?}", judgement.missing.len()));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits until nothing is under way, whatever came of it.
async fn quiet(stack: &Local, run: &str) -> Outcome<Held> {
    let started = Instant::now();
    let mut before = Held::read(stack, &format!("{run}x")).await?;
    loop {
        stack.reconcile().await?;
        tokio::time::sleep(LOOK_EVERY).await;
        let held = Held::read(stack, &format!("{run}x")).await?;
        let open = held.entries.values().filter(|entry| entry.state == "open").count();
        if open == 0 && stack.depth().await? == 0 && held.equals(&before) {
            return Ok(held);
        }
        if started.elapsed() > SETTLE_LIMIT {
            return Err(format!("{open} entries are still open"));
        }
        before = held;
    }
}

/// Delivers everything once more, and says what came of it.
async fn again(stack: &Local, over: &'static str, run: &str, events: &[Event], before: &Held) -> Outcome<Again> {
    deliver(stack, events).await?;
    tokio::time::sleep(DUPLICATE_WAIT).await;
    let after = match before.entries.is_empty() {
        true => settled(stack, run, events).await?,
        false => quiet(stack, run).await?,
    };
    let new = after.entries.keys().filter(|key| !before.entries.contains_key(key)).count();
    let entries = before.entries.iter().filter(|(key, entry)| after.entries.get(key) != Some(*entry)).count();
    let rows = before.rows.iter().filter(|(key, row)| after.rows.get(key) != Some(*row)).count();
    Ok(Again { over, deliveries: events.len(), new, changed: entries + rows, published: after.published.len() })
}

/// Delivers batches that Rightfoot still works on: they are owed when the stack goes.
async fn owe(first: &Local, old: &Local, run: &str) -> Outcome<Vec<String>> {
    let mut owed = Vec::new();
    for n in 0..OWED {
        let batch = format!("owed-{run}-{n}");
        first.sandbox.batch(&batch, "processing", json!([])).await?;
        let body = body_of(&batch);
        old.deliver("rightfoot", &body).await?.expect(200)?;
        old.until_state(&event_of("rightfoot", &body).key(), State::Open).await?;
        owed.push(batch);
    }
    Ok(owed)
}

fn body_of(batch: &str) -> String {
    hookledger_kit::event("rightfoot", batch)
}

/// The batches are complete: the next stack finds out by itself. Says how many it told of exactly once.
async fn pay(first: &Local, new: &Local, owed: &[String]) -> Outcome<usize> {
    let balances = json!([{ "authorizer_unique_id": "authorizer-0", "balance": 7.25, "balance_status_code": 0 }]);
    for batch in owed {
        first.sandbox.batch(batch, "complete", balances.clone()).await?;
    }
    let mut paid = BTreeMap::new();
    for batch in owed {
        let key = event_of("rightfoot", body_of(batch)).key();
        new.until_state(&key, State::Done).await?;
        let published = until("it to be published", async || {
            let published = new.observer.published(&key.pk).await?.len();
            Ok(if published > 0 { Ok(published) } else { Err("nothing".to_string()) })
        });
        paid.insert(batch, published.await?);
    }
    Ok(paid.values().filter(|published| **published == 1).count())
}
