//! A random hour of all four providers, played by the sandbox against the running local stack, and its check: at the
//! end the ledger holds what happened, entry by entry, less what no API gives back.
//!
//! ```text
//! plan (sandbox, from a seed) ─ play, and announce what an application would, when it would ─ wait until all is quiet
//!    truth (sandbox) ─┐
//!    table, bus ──────┴ judge ─ declared list ─▶ a table; missing or extra fails
//! ```

pub mod declared;
pub mod held;
pub mod judge;
pub mod mixed;
mod table;
pub mod truth;
pub mod wanted;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use hookledger_core::model::identity::ItemKey;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::local::{Local, Outcome};
use held::Held;
use judge::{Judgement, judge};
use truth::Told;

/// Announcements under way at once. An emulated function takes a tenth of a second.
const ANNOUNCING: usize = 8;
/// An application announces as it starts what a provider then takes its time for. On a busy machine it may come late.
const ANNOUNCED_BEFORE: Duration = Duration::from_secs(3);
/// How often an application announces again after a 5xx or no answer.
const ANNOUNCE_TRIES: u32 = 60;
/// How long an hour lasts here, unless told otherwise.
const LASTS: Duration = Duration::from_secs(25);
/// How long the hour itself may take: half a minute, and more where the machine is busy.
const PLAY_LIMIT: Duration = Duration::from_secs(240);
/// How long it may take afterwards until everything that can be had is there.
const QUIET_LIMIT: Duration = Duration::from_secs(120);
/// How often the reconciler is run, and the ledger looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A duplicate's late message comes within 3 s on the local stack; its work takes well under a second.
const DUPLICATE_WAIT: Duration = Duration::from_secs(5);

/// Which hour to play.
#[derive(Clone, Copy, Debug)]
pub struct Hour {
    /// The seed of its plan.
    pub seed: u64,
    /// Events, each with a webhook.
    pub deliveries: usize,
    /// Whether the application announces what it waits for. Without that the check has to fail: nobody asks.
    pub announced: bool,
}

/// By provider and status, how many calls of its API.
pub type FailedCalls = BTreeMap<String, BTreeMap<u16, u64>>;
/// By provider and kind, how many answers of its API.
pub type OddAnswers = BTreeMap<String, BTreeMap<String, u64>>;

/// An hour that was played.
#[derive(Debug)]
pub struct Played {
    /// The seed.
    pub seed: u64,
    /// The number that is in all its ids.
    pub run: u64,
    /// The plan's digest: the same for the same seed.
    pub digest: String,
    /// What the providers say.
    pub truth: Vec<Told>,
    /// By provider and status: calls of its API that failed during the hour.
    pub failed_calls: FailedCalls,
    /// By provider and kind: answers of its API that were odd.
    pub odd_answers: OddAnswers,
    /// The comparison.
    pub judgement: Judgement,
    /// What was still under way when the time was over.
    pub under_way: Option<String>,
    /// What was waited for last.
    pub waited_for: Option<String>,
    /// How long announcing, playing and waiting took.
    pub took: [Duration; 3],
}

impl Played {
    /// Calls of the providers' APIs that failed with one of these statuses.
    pub fn failed_with(&self, statuses: std::ops::Range<u16>) -> u64 {
        let calls = self.failed_calls.values().flatten();
        calls.filter(|(status, _)| statuses.contains(status)).map(|(_, count)| count).sum()
    }

    /// Answers of the providers' APIs that were odd in this way.
    pub fn odd(&self, kind: &str) -> u64 {
        self.odd_answers.values().filter_map(|kinds| kinds.get(kind)).sum()
    }

    /// Whether the ledger equals the truth.
    pub fn is_as_it_should_be(&self) -> bool {
        self.judgement.missing.is_empty() && self.judgement.extra.is_empty() && self.under_way.is_none()
    }
}

/// Plays an hour and compares.
pub async fn play(local: &Local, hour: &Hour) -> Outcome<Played> {
    play_amid(local, hour, LASTS, async { Ok(()) }).await
}

/// The same in another time, while there is trouble: it may take the stack away from everybody until it is over.
pub async fn play_amid(
    local: &Local,
    hour: &Hour,
    lasts: Duration,
    trouble: impl Future<Output = Outcome<()>>,
) -> Outcome<Played> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
    // Tenths of a second: in every id of this run, and in no other test's.
    let run = since.as_millis() / 100;
    let run = u64::try_from(run).map_err(|error| error.to_string())?;
    let time_scale = 3600.0 / lasts.as_secs_f64();
    let order = json!({ "seed": hour.seed, "run": run, "deliveries": hour.deliveries, "time_scale": time_scale });
    let ordered = local.sandbox.control("PUT", "hour", &order).await?;
    let ordered: Ordered = serde_json::from_value(ordered).map_err(|error| format!("the sandbox's plan: {error}"))?;
    let references = if hour.announced { ordered.references } else { Vec::new() };

    let started = Instant::now();
    let soon = references.partition_point(|reference| reference.needed_after() < ANNOUNCED_BEFORE);
    let (at_once, later) = references.split_at(soon);
    announce(local, at_once, started).await?;
    let announced = started.elapsed();
    local.sandbox.control("POST", "hour", &json!({})).await?;
    let (Over { truth, failed_calls, .. }, (), ()) =
        futures_util::try_join!(until_over(local), announce(local, later, Instant::now()), trouble)?;
    let played = started.elapsed();
    let Quiet { held, under_way, waited_for } = until_quiet(local, &run.to_string(), &truth).await?;
    let judgement = judge(&truth, &held);
    let Over { odd_answers, .. } = over(&local.sandbox.control("GET", "hour", &Value::Null).await?)?;
    let quiet = started.elapsed();
    close(local, &references).await?;
    let took = [announced, played - announced, quiet - played];
    Ok(Played {
        seed: hour.seed,
        run,
        digest: ordered.digest,
        truth,
        failed_calls,
        odd_answers,
        judgement,
        under_way,
        waited_for,
        took,
    })
}

/// What the sandbox tells beforehand.
#[derive(Deserialize)]
struct Ordered {
    digest: String,
    /// In the order in which they are needed.
    references: Vec<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    provider: String,
    reference: String,
    /// When it is first needed, from the start of the hour.
    at_ms: u64,
}

impl Reference {
    fn needed_after(&self) -> Duration {
        Duration::from_millis(self.at_ms)
    }
}

/// What an application does, each in its time.
async fn announce(local: &Local, references: &[Reference], start: Instant) -> Outcome<()> {
    let announce = async |needed: &Reference| {
        let Reference { provider, reference, .. } = needed;
        let at = start + needed.needed_after().saturating_sub(ANNOUNCED_BEFORE);
        tokio::time::sleep_until(at.into()).await;
        for _ in 0..ANNOUNCE_TRIES {
            match local.expect("PUT", provider, reference).await {
                // Known already: a try that was answered 5xx was taken all the same, or two attempts that look alike
                // came before a late announcement, and had their link asked.
                Ok(answered) if answered.status == 200 => return Ok(()),
                Ok(answered) if answered.status < 500 => return answered.expect(201).map(drop),
                Ok(_) | Err(_) => {}
            }
            tokio::time::sleep(LOOK_EVERY / 4).await;
        }
        Err(format!("{provider} {reference} could not be announced"))
    };
    stream::iter(references).map(announce).buffer_unordered(ANNOUNCING).try_collect().await
}

/// Watches are kept for days; these are over.
async fn close(local: &Local, references: &[Reference]) -> Outcome<()> {
    let watches = references.iter().filter(|reference| reference.reference.starts_with("link:"));
    let close = async |Reference { provider, reference, .. }: &Reference| {
        local.expect("DELETE", provider, reference).await?.expect(200).map(drop)
    };
    stream::iter(watches).map(close).buffer_unordered(ANNOUNCING).try_collect().await
}

/// What the sandbox tells at the end.
#[derive(Deserialize)]
struct Over {
    truth: Vec<Told>,
    failed_calls: FailedCalls,
    odd_answers: OddAnswers,
}

fn over(view: &Value) -> Outcome<Over> {
    Over::deserialize(view).map_err(|error| format!("the sandbox's truth: {error}"))
}

/// Runs the reconciler while the providers have their hour.
async fn until_over(local: &Local) -> Outcome<Over> {
    let started = Instant::now();
    while started.elapsed() < PLAY_LIMIT {
        let view = local.sandbox.control("GET", "hour", &Value::Null).await?;
        match view["state"].as_str() {
            Some("over") => {
                return over(&view);
            }
            Some("playing") => {}
            other => return Err(format!("the hour is {other:?}")),
        }
        // It may be gone in the middle of trouble. Whether it runs at all, shows afterwards.
        let _ = local.reconcile().await;
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(format!("the hour is not over after {} s", PLAY_LIMIT.as_secs()))
}

/// How things stood in the end.
struct Quiet {
    held: Held,
    under_way: Option<String>,
    waited_for: Option<String>,
}

/// Waits until all that can be had is there, nothing is under way, and two looks in a row see the same; at the limit,
/// says what still is under way. How full the queue is, says nothing: it is emptied before its work is done.
async fn until_quiet(local: &Local, run: &str, truth: &[Told]) -> Outcome<Quiet> {
    let started = Instant::now();
    let mut before = Held::read(local, run).await?;
    let polled_before = polls(&before);
    let mut waited_for = None;
    loop {
        local.reconcile().await?;
        tokio::time::sleep(LOOK_EVERY).await;
        let held = Held::read(local, run).await?;
        let under_way = under_way(truth, &held, &polled_before);
        let still = started.elapsed() > DUPLICATE_WAIT && held.equals(&before);
        if (under_way.is_none() && still) || started.elapsed() > QUIET_LIMIT {
            return Ok(Quiet { held, under_way, waited_for });
        }
        waited_for = under_way.or(waited_for);
        before = held;
    }
}

fn polls(held: &Held) -> BTreeMap<ItemKey, u64> {
    held.waits.iter().map(|(key, wait)| (key.clone(), wait.polls)).collect()
}

/// What there is to wait for: something missing, an open entry, an expectation, a watch that has not looked again since
/// the hour was over.
fn under_way(truth: &[Told], held: &Held, polled_before: &BTreeMap<ItemKey, u64>) -> Option<String> {
    let open = held.entries.iter().find(|(_, entry)| entry.state == "open").map(|(key, _)| format!("{key} is open"));
    let waits = || {
        let mut waits = held.waits.iter().filter(|(key, wait)| match key.sk.as_str() {
            "watch" => polled_before.get(key).is_none_or(|before| wait.polls <= *before),
            _ => wait.state == "waiting",
        });
        waits.next().map(|(key, wait)| format!("{key} is {} after {} polls", wait.state, wait.polls))
    };
    open.or_else(waits).or_else(|| judge(truth, held).missing.into_iter().next())
}
