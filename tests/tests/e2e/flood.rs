//! A flood at one provider's URL, with its token and without: thirty posts a second, while its API is slow. The
//! others' events settle while the flood's own work still waits, and the genuine ones of the flooded provider are kept.
//!
//! How long the others took, in quiet and in the flood, is printed and not judged: it says as much about the machine. A
//! drill of a whole minute is `HOOKLEDGER_FLOOD_SECS=60`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hookledger_core::model::entry::State;
use hookledger_core::model::identity::ItemKey;
use hookledger_kit as kit;
use hookledger_tests::local::{Local, Outcome, until};
use hookledger_tests::samples::event_of;
use hookledger_tests::story::Scene;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::scene;

/// How long the flood lasts, unless `HOOKLEDGER_FLOOD_SECS` says otherwise.
const FLOOD_SECS: u64 = 20;
const PER_SECOND: u32 = 30;
/// Posts under way at once; beyond it the flood waits, as one from a single machine does.
const IN_FLIGHT: usize = 64;
/// How long the flooded provider takes for every answer.
const SLOW_MS: u64 = 2_000;
/// Rounds of one event for each of the others.
const QUIET_ROUNDS: usize = 12;
/// What may be left of the flood: others' polls wait there as well.
const FEW: u64 = 10;
/// How long the genuine statements may take to be settled once the flood is over.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test]
async fn a_flood_with_the_token_costs_the_others_nothing() {
    drill("flood-token", true).await;
}

#[tokio::test]
async fn a_flood_without_the_token_costs_the_others_nothing() {
    drill("flood-none", false).await;
}

async fn drill(name: &str, with_token: bool) {
    let (_guard, scene) = scene(name).await;
    let outcome = play(&scene, with_token).await;
    // What was forged is asked for until its deadline: a lasting refusal ends it, for the sake of the tests that follow.
    let faults = |on: bool| json!({ "slow_ms": 0, "outage": on, "status": 422 });
    scene.local.sandbox.faults("finbox", faults(true)).await.unwrap();
    let ended = at_most(&scene.local, "finbox", true, FEW).await;
    scene.local.sandbox.faults("finbox", faults(false)).await.unwrap();
    outcome.unwrap();
    ended.unwrap();
}

async fn play(scene: &Scene, with_token: bool) -> Outcome<()> {
    let local = &scene.local;
    // What earlier tests left has to be over, or it would not be quiet.
    at_most(local, "finbox", false, 0).await?;
    let mut quiet = Vec::new();
    for round in 0..QUIET_ROUNDS {
        quiet.extend(settle_one_of_each(scene, &format!("quiet{round}")).await?);
    }
    local.sandbox.faults("finbox", json!({ "slow_ms": SLOW_MS })).await?;
    let secs = std::env::var("HOOKLEDGER_FLOOD_SECS").ok().and_then(|secs| secs.parse().ok()).unwrap_or(FLOOD_SECS);
    let flood = tokio::spawn(post(scene.run.clone(), with_token, Duration::from_secs(secs)));
    let (mut flooded, mut genuine, mut round, mut waiting) = (Vec::new(), Vec::new(), 0, Vec::new());
    while !flood.is_finished() {
        flooded.extend(settle_one_of_each(scene, &format!("flood{round}")).await?);
        waiting.push(local.depth_of("finbox", false).await?);
        if round % 4 == 0 {
            genuine.push(statement(scene, round).await?);
        }
        round += 1;
    }
    let (taken, refused, later) = flood.await.map_err(|error| error.to_string())??;
    local.sandbox.faults("finbox", json!({ "slow_ms": 0 })).await?;
    let started = Instant::now();
    for key in &genuine {
        while local.entry(key).await?.is_none_or(|entry| entry.state != State::Done) {
            if started.elapsed() > PATIENCE {
                return Err(format!("{key} is not settled: {:?}", local.entry(key).await?));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    let (quiet, flooded) = (Spread::of(quiet), Spread::of(flooded));
    println!(
        "{taken} taken, {refused} refused, {later} told to come again; the others' events: quiet {quiet}, flooded \
         {flooded}; {} genuine statements, all settled {:.1} s after it",
        genuine.len(),
        started.elapsed().as_secs_f64()
    );
    assert!(taken + refused + later > secs * u64::from(PER_SECOND) / 2, "that was no flood");
    assert!(if with_token { taken > refused } else { taken == 0 }, "the token decides");
    // On one queue for all, the others' events would have been worked on after what was waiting before them.
    let behind = waiting.iter().filter(|waiting| **waiting > 20).count();
    assert!(!with_token || behind * 2 > waiting.len(), "the flood's work was never behind: {waiting:?}");
    Ok(())
}

/// Waits until a provider's queue holds so few: of what waits now, or of what is delayed as well.
async fn at_most(local: &Local, provider: &str, delayed: bool, few: u64) -> Outcome<()> {
    until("the queue to be empty", async || {
        let depth = local.depth_of(provider, delayed).await?;
        Ok(if depth <= few { Ok(()) } else { Err(format!("{depth} messages wait")) })
    })
    .await
}

/// How long things took.
struct Spread {
    median: Duration,
    longest: Duration,
    count: usize,
}

impl Spread {
    fn of(mut took: Vec<Duration>) -> Self {
        took.sort_unstable();
        let at = |place: usize| took.get(place).copied().unwrap_or_default();
        Self { median: at(took.len() / 2), longest: at(took.len().saturating_sub(1)), count: took.len() }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { median, longest, count } = self;
        write!(f, "{:.2} s (longest {:.2} s of {count})", median.as_secs_f64(), longest.as_secs_f64())
    }
}

/// One genuine event of each of the others, sent at once: how long each took from its sending to its settlement.
async fn settle_one_of_each(scene: &Scene, name: &str) -> Outcome<Vec<Duration>> {
    let id = scene.id(name);
    let mut bodies = Vec::new();
    for provider in kit::names().filter(|name| *name != "finbox") {
        bodies.push((provider, scene.local.sandbox.event(provider, &id).await?));
    }
    let each = bodies.iter().map(async |(provider, body)| settled(&scene.local, provider, body).await);
    futures_util::future::join_all(each).await.into_iter().collect()
}

async fn settled(local: &Local, provider: &str, body: &str) -> Outcome<Duration> {
    let started = Instant::now();
    local.sandbox.send_expecting(provider, body, json!({}), 200).await?;
    local.until_state(&event_of(provider, body).key(), State::Done).await?;
    Ok(started.elapsed())
}

/// A genuine statement of the flooded provider, delivered in the middle of it.
async fn statement(scene: &Scene, n: usize) -> Outcome<ItemKey> {
    let body = scene.local.sandbox.event("finbox", &scene.id(&format!("genuine{n}"))).await?;
    scene.local.sandbox.send_expecting("finbox", &body, json!({}), 200).await?;
    Ok(event_of("finbox", &body).key())
}

/// The flood: every post about another entity, which FinBox does not know. How many were taken, refused, and told to come
/// again.
async fn post(run: String, with_token: bool, lasts: Duration) -> Outcome<(u64, u64, u64)> {
    let local = Arc::new(Local::attach().await?);
    let url = local.stack.webhook("finbox")?.to_string();
    let url = match (with_token, url.rsplit_once('/')) {
        (false, Some((path, _token))) => format!("{path}/guessed"),
        _ => url,
    };
    let (wire, mut posts) = (Arc::new(Semaphore::new(IN_FLIGHT)), JoinSet::new());
    let mut tick = tokio::time::interval(Duration::from_secs(1) / PER_SECOND);
    let started = Instant::now();
    for n in 0.. {
        tick.tick().await;
        if started.elapsed() > lasts {
            break;
        }
        let body = json!({ "entity_id": format!("forged-{run}-{n}"), "statement_id": "s", "progress": "completed" });
        let (local, url, wire) = (local.clone(), url.clone(), wire.clone());
        let permit = wire.acquire_owned().await.map_err(|error| error.to_string())?;
        posts.spawn(async move {
            let headers = [("content-type", "application/json")];
            let answered = local.http.send("POST", &url, &headers, body.to_string().into_bytes()).await;
            drop(permit);
            answered.map(|answered| answered.status)
        });
    }
    let (mut taken, mut refused, mut later) = (0, 0, 0);
    while let Some(answered) = posts.join_next().await {
        match answered.map_err(|error| error.to_string())?? {
            200 => taken += 1,
            403 => refused += 1,
            429 | 503 => later += 1,
            status => return Err(format!("a forged post was answered {status}")),
        }
    }
    Ok((taken, refused, later))
}
