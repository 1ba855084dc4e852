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

mod clock;
mod courier;
mod events;
pub(crate) mod felt;
mod plan;
pub(crate) mod playing;
mod stage;
mod switches;
mod weather;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::routing::put;
use axum::{Json, Router};
use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::lock::locked;
use crate::problem::{Problem, read};
use crate::sandbox::Sandbox;
use courier::Parcel;
use events::Planned;
use felt::met;
use plan::Plan;
use playing::{Act, Playing, Told};
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
        lasts_ms: hour.real_ms(clock::HOUR_MS),
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
        switches::clear(&sandbox);
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
                switches::change(sandbox, weather).map_err(Problem::invalid)?;
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
