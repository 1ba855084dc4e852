//! A random hour: from a seed, all four providers at once, with losses, doubles, delays and bad weather.
//!
//! ```text
//! PUT  /control/hour ── Plan (pure, from the seed) ──> its digest, and the references to announce
//! POST /control/hour ── the stage: events come true ──> couriers: webhooks, on each provider's schedule
//!                    └─ the weather: outages, 429, slow and late answers, pages for people, lapsed tokens
//! GET  /control/hour ── how far it is; at the end, the truth
//! ```
//!
//! The truth is what happened at the providers and what each of them was answered, in their words. What a receiver
//! made of it is for others to compare.

mod courier;
mod felt;
mod plan;
mod stage;
mod weather;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::routing::put;
use axum::{Json, Router};
use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::control::{Problem, read};
use crate::sandbox::{Sandbox, locked};
use courier::Parcel;
use felt::met;
pub(crate) use felt::witness;
use plan::{Fate, Plan, Planned};
use stage::{Reference, Stage};
use weather::Weather;

/// Events of one hour; the shelves of the providers hold them all.
const DELIVERIES_RANGE: std::ops::RangeInclusive<usize> = 40..=5_000;
/// From an hour that lasts ten minutes to one that lasts three seconds.
const TIME_SCALE_RANGE: std::ops::RangeInclusive<f64> = 6.0..=1_200.0;
/// Webhooks on the wire at once.
const IN_FLIGHT_RANGE: std::ops::RangeInclusive<usize> = 1..=64;

pub(crate) fn router() -> Router<Arc<Sandbox>> {
    Router::new().route("/control/hour", put(put_hour).post(post_hour).get(get_hour))
}

/// What `PUT /control/hour` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    seed: u64,
    /// A number that is in every id, so that one seed can be played again.
    run: u64,
    #[serde(default = "usual_deliveries")]
    deliveries: usize,
    #[serde(default = "usual_time_scale")]
    time_scale: f64,
    #[serde(default = "usual_in_flight")]
    in_flight: usize,
}

/// An hour that is planned, played, or over.
pub(crate) struct Playing {
    plan: Plan,
    run: u64,
    time_scale: f64,
    wire: Semaphore,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    stage: Act,
    truth: Vec<Told>,
    /// Webhooks whose delivery has ended.
    ended: usize,
    /// By provider and status: calls of its API that failed.
    failed_calls: BTreeMap<&'static str, BTreeMap<u16, u64>>,
    /// By provider and kind: answers of its API that were odd.
    odd_answers: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
}

#[derive(Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Act {
    #[default]
    Planned,
    Playing,
    Over,
    /// The sandbox was reset, or an event could not be made true.
    Broken,
}

/// One event of the truth.
#[derive(Clone, Serialize)]
struct Told {
    provider: &'static str,
    /// What the provider's own audit calls the delivery, where it has one.
    delivery_id: String,
    /// What happened, in the provider's words and with its ids.
    fact: Value,
    fate: Fate,
    /// What each attempt that arrived was answered, as the sender saw it; null when no answer came.
    answers: Vec<Option<u16>>,
    /// Whether the receiver took it: an answer that the provider counts as a success.
    acknowledged: bool,
}

#[derive(Serialize)]
struct Ordered {
    seed: u64,
    digest: String,
    deliveries: usize,
    lasts_ms: u64,
    references: Vec<Reference>,
}

#[derive(Serialize)]
struct View {
    state: Act,
    digest: String,
    planned: usize,
    happened: usize,
    ended: usize,
    failed_calls: BTreeMap<&'static str, BTreeMap<u16, u64>>,
    odd_answers: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    /// In the order of happening; only at the end.
    truth: Option<Vec<Told>>,
}

impl Playing {
    /// The hour's time in real time.
    fn real(&self, hour_ms: u64) -> Duration {
        Duration::from_millis(hour_ms).div_f64(self.time_scale)
    }

    fn real_ms(&self, hour_ms: u64) -> u64 {
        u64::try_from(self.real(hour_ms).as_millis()).unwrap_or(u64::MAX)
    }

    fn is(&self, act: Act) -> bool {
        locked(&self.progress).stage == act
    }
}

async fn put_hour(State(sandbox): State<Arc<Sandbox>>, body: Bytes) -> Result<Json<Ordered>, Problem> {
    let order = read::<Order>(&body)?;
    if !DELIVERIES_RANGE.contains(&order.deliveries)
        || !TIME_SCALE_RANGE.contains(&order.time_scale)
        || !IN_FLIGHT_RANGE.contains(&order.in_flight)
    {
        return Err(Problem::invalid("deliveries is 40 to 5000, time_scale 6 to 1200, in_flight 1 to 64"));
    }
    let plan = Plan::new(order.seed, order.deliveries);
    let hour = Playing {
        run: order.run,
        time_scale: order.time_scale,
        wire: Semaphore::new(order.in_flight),
        progress: Mutex::default(),
        plan,
    };
    let ordered = Ordered {
        seed: order.seed,
        digest: hour.plan.digest(),
        deliveries: hour.plan.events.len(),
        lasts_ms: hour.real_ms(plan::HOUR_MS),
        references: Stage::new(order.run).references(&hour.plan, |hour_ms| hour.real_ms(hour_ms)),
    };
    let mut current = locked(&sandbox.hour);
    if current.as_ref().is_some_and(|hour| hour.is(Act::Playing)) {
        return Err(Problem::conflict("an hour is being played"));
    }
    *current = Some(Arc::new(hour));
    Ok(Json(ordered))
}

async fn post_hour(State(sandbox): State<Arc<Sandbox>>) -> Result<StatusCode, Problem> {
    let hour = locked(&sandbox.hour).clone().ok_or_else(|| Problem::unknown("hour"))?;
    {
        let mut progress = locked(&hour.progress);
        if progress.stage != Act::Planned {
            return Err(Problem::conflict("this hour was begun already"));
        }
        progress.stage = Act::Playing;
    }
    let mut epoch = sandbox.epoch.subscribe();
    tokio::spawn(async move {
        // Dropping the play ends everything of it that is under way.
        let played = tokio::select! {
            biased;
            _ = epoch.changed() => false,
            played = play(&sandbox, &hour) => played.is_ok(),
        };
        weather::clear(&sandbox);
        locked(&hour.progress).stage = if played { Act::Over } else { Act::Broken };
    });
    Ok(StatusCode::ACCEPTED)
}

async fn get_hour(State(sandbox): State<Arc<Sandbox>>) -> Result<Json<View>, Problem> {
    let hour = locked(&sandbox.hour).clone().ok_or_else(|| Problem::unknown("hour"))?;
    let progress = locked(&hour.progress);
    Ok(Json(View {
        state: progress.stage,
        digest: hour.plan.digest(),
        planned: hour.plan.events.len(),
        happened: progress.truth.len(),
        ended: progress.ended,
        failed_calls: progress.failed_calls.clone(),
        odd_answers: progress.odd_answers.clone(),
        truth: (progress.stage == Act::Over).then(|| progress.truth.clone()),
    }))
}

/// The hour, to the end of its last delivery.
async fn play(sandbox: &Arc<Sandbox>, hour: &Arc<Playing>) -> Result<(), Problem> {
    let begun = Instant::now();
    let mut stage = Stage::new(hour.run);
    let mut couriers = JoinSet::new();
    for turn in turns(&hour.plan) {
        tokio::time::sleep_until(begun + hour.real(turn.at_ms())).await;
        match turn {
            Turn::Weather(weather) => {
                met(hour, weather).await;
                weather.change(sandbox).map_err(Problem::invalid)?;
            }
            // One after another, so that what follows upon an event never overtakes it on a busy machine.
            Turn::Event(event) => {
                let parcel = happen(sandbox, hour, &mut stage, event).await?;
                couriers.spawn(parcel.deliver());
            }
        }
    }
    while couriers.join_next().await.is_some() {}
    Ok(())
}

enum Turn<'a> {
    Weather(&'a Weather),
    Event(&'a Planned),
}

impl Turn<'_> {
    fn at_ms(&self) -> u64 {
        match self {
            Self::Weather(weather) => weather.at_ms,
            Self::Event(event) => event.at_ms,
        }
    }
}

fn turns(plan: &Plan) -> Vec<Turn<'_>> {
    let mut turns: Vec<Turn<'_>> = plan.weather.iter().map(Turn::Weather).collect();
    turns.extend(plan.events.iter().map(Turn::Event));
    turns.sort_by_key(Turn::at_ms);
    turns
}

/// An event comes true, and is written down before its webhook leaves.
async fn happen(
    sandbox: &Arc<Sandbox>,
    hour: &Arc<Playing>,
    stage: &mut Stage,
    event: &Planned,
) -> Result<Parcel, Problem> {
    let fact = stage.happen(sandbox, &event.happening).await?;
    let parcel = Parcel::pack(sandbox, hour, event, &fact)?;
    let mut progress = locked(&hour.progress);
    progress.truth.push(Told {
        provider: fact.provider,
        delivery_id: parcel.delivery_id().to_owned(),
        fact: fact.told,
        fate: event.fate,
        answers: Vec::new(),
        acknowledged: false,
    });
    Ok(parcel.numbered(progress.truth.len() - 1))
}

fn usual_deliveries() -> usize {
    500
}

/// An hour in 25 seconds.
fn usual_time_scale() -> f64 {
    144.0
}

fn usual_in_flight() -> usize {
    12
}

#[cfg(test)]
mod tests;
