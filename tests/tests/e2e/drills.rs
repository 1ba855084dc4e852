//! Drills that last: a table that refuses FinBox for long, and a provider that is not used. In the suite they are short;
//! `HOOKLEDGER_REFUSAL_SECS` and `HOOKLEDGER_UNUSED_SECS` make them as long as production's hours, scaled.

use std::collections::BTreeMap;
use std::time::Duration;

use hookledger_core::model::entry::State;
use hookledger_core::ports::Metric;
use hookledger_tests::local::{Local, Outcome};
use hookledger_tests::samples::event_of;
use hookledger_tests::story::Scene;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::scene;

/// How often a delivery that can't be stored is tried at least, however long the drill is.
const ROUNDS: u64 = 16;
/// How long each drill lasts in the suite.
const REFUSAL_SECS: u64 = 40;
const UNUSED_SECS: u64 = 20;
/// How long secrets are believed on the local stack, and a little more.
const CACHES_SECS: u64 = 7;

fn lasts(setting: &str, secs: u64) -> Duration {
    Duration::from_secs(std::env::var(setting).ok().and_then(|secs| secs.parse().ok()).unwrap_or(secs))
}

#[tokio::test]
async fn a_table_that_refuses_finbox_for_long_costs_no_delivery() {
    let (_guard, scene) = scene("refused-long").await;
    let local = &scene.local;
    let span = lasts("HOOKLEDGER_REFUSAL_SECS", REFUSAL_SECS);
    local.set_visibility(u32::try_from(span.as_secs() / ROUNDS).unwrap().clamp(2, 12)).await.unwrap();
    for function in ["finbox", "worker"] {
        local.deny(function, "dynamodb:PutItem").await.unwrap();
    }
    let before = not_stored(local).await;
    let delivered = deliver(&scene, span).await;
    let after = not_stored(local).await;
    for function in ["finbox", "worker"] {
        local.allow(function).await.unwrap();
    }
    let settled = async {
        for body in delivered? {
            let key = event_of("finbox", &body).key();
            local.until_state(&key, State::Done).await?;
            let told = local.observer.published(&key.pk).await?.len();
            assert_eq!(told, 1, "{key}");
        }
        Ok::<_, String>(())
    };
    let settled = settled.await;
    local.set_visibility(360).await.unwrap();
    settled.unwrap();
    let tried = after.unwrap() - before.unwrap();
    println!("refused for {} s: tried in vain {tried} times, all settled", span.as_secs());
    assert!(tried >= ROUNDS, "tried {tried} times in vain: the table was not refused for so many rounds");
    assert_eq!(local.dead_letters().await.unwrap(), Vec::<String>::new());
}

/// A statement's webhook every other second.
async fn deliver(scene: &Scene, span: Duration) -> Outcome<Vec<String>> {
    let (started, mut bodies) = (Instant::now(), Vec::new());
    while started.elapsed() < span {
        let n = bodies.len();
        bodies.push(scene.local.sandbox.event("finbox", &scene.id(&format!("refused{n}"))).await?);
        scene.local.sandbox.send_expecting("finbox", bodies.last().unwrap(), json!({}), 200).await?;
        sleep(Duration::from_secs(2)).await;
    }
    Ok(bodies)
}

/// How often a delivery of FinBox's could not be stored.
async fn not_stored(local: &Local) -> Outcome<u64> {
    Ok(local.counted("worker", Metric::StoreUnavailable).await?.get("finbox").copied().unwrap_or(0))
}

/// What an operator is called for.
const CALLED_FOR: [Metric; 8] = [
    Metric::Unconfigured,
    Metric::WorkFailed,
    Metric::StoreUnavailable,
    Metric::EntriesParked,
    Metric::ExpectationsExpired,
    Metric::DeliveriesRefused,
    Metric::RowsUnreadable,
    Metric::CircuitsOpen,
];

/// All that is counted of one provider, by function and metric.
async fn counted(local: &Local, provider: &str) -> Outcome<BTreeMap<(&'static str, &'static str), u64>> {
    let mut counts = BTreeMap::new();
    for function in ["reconciler", "worker", "runpayments"] {
        for metric in CALLED_FOR {
            let count = local.counted(function, metric).await?.get(provider).copied().unwrap_or(0);
            counts.insert((function, metric.name()), count);
        }
    }
    Ok(counts)
}

#[tokio::test]
async fn a_provider_whose_secret_is_empty_calls_nobody() {
    let (_guard, scene) = scene("unused").await;
    let local = &scene.local;
    let secret = local.secret("runpayments").await.unwrap();
    local.put_secret("runpayments", "{}").await.unwrap();
    let watched = async {
        sleep(Duration::from_secs(CACHES_SECS)).await;
        let asked = async || {
            Ok::<_, String>(local.sandbox.control("GET", "requests", &json!({})).await?["runpayments"].clone())
        };
        let (before, asked_before) = (counted(local, "runpayments").await?, asked().await?);
        sleep(lasts("HOOKLEDGER_UNUSED_SECS", UNUSED_SECS)).await;
        let (after, asked_after) = (counted(local, "runpayments").await?, asked().await?);
        assert_eq!(after, before, "an alarm's metric moved");
        assert_eq!(asked_after, asked_before, "nobody is asked");
        Ok::<_, String>(())
    };
    let watched = watched.await;
    local.put_secret_back("runpayments", &secret).await.unwrap();
    watched.unwrap();
}
