//! Rightfoot: a completed batch, whose balances are pulled page by page.

use hookledger_core::model::debt::ExpectationState;
use hookledger_core::model::entry::Origin;
use hookledger_tests::local::until;
use hookledger_tests::story::Scene;
use serde_json::{Value, json};

use super::pulled::Pulled;

/// Three pages.
const BALANCES: usize = 210;

async fn batch(scene: &Scene) -> Pulled<'_> {
    completed(scene, BALANCES, &[("balance#", BALANCES)]).await
}

/// For cases that don't care how much there is to read.
async fn small_batch(scene: &Scene) -> Pulled<'_> {
    completed(scene, 2, &[("balance#", 2)]).await
}

async fn completed<'a>(scene: &'a Scene, balances: usize, rows: &'static [(&'static str, usize)]) -> Pulled<'a> {
    let id = scene.id("batch");
    let balance = |n| json!({ "authorizer_unique_id": format!("a{n}"), "balance": n, "balance_status_code": 0 });
    let balances: Value = (0..balances).map(balance).collect();
    scene.local.sandbox.batch(&id, "complete", balances).await.unwrap();
    Pulled::new(&scene.local, "rightfoot", hookledger_kit::event("rightfoot", &id), rows)
}

pub(super) async fn happy_path(scene: &Scene) {
    batch(scene).await.happy_path().await;
}

pub(super) async fn outage(scene: &Scene) {
    small_batch(scene).await.outage().await;
}

pub(super) async fn rate_limited(scene: &Scene) {
    small_batch(scene).await.rate_limited().await;
}

pub(super) async fn refused(scene: &Scene) {
    small_batch(scene).await.refused().await;
}

pub(super) async fn key_revoked(scene: &Scene) {
    batch(scene).await.key_revoked().await;
}

/// The application waits for the batch, and is not waiting any more once it is found.
async fn expected_and_met(scene: &Scene, event: &Pulled<'_>) {
    scene.local.expect("PUT", "rightfoot", &scene.id("batch")).await.unwrap().expect(201).unwrap();
    let key = event.key.subject().item("expectation");
    until("the expectation to be met", async || {
        let state = scene.local.expectation(&key).await?.ok_or("there is no expectation")?.state;
        Ok(if state == ExpectationState::Met { Ok(()) } else { Err(format!("it is {}", state.as_str())) })
    })
    .await
    .unwrap();
}

pub(super) async fn lost(scene: &Scene) {
    let event = small_batch(scene).await;
    event.is_lost().await;
    expected_and_met(scene, &event).await;
    assert_eq!(event.is_done_once().await.origin, Origin::Poll);
}

/// Pushed first and then found by the poll; `lost` and a late webhook are the story's.
pub(super) async fn duplicate(scene: &Scene) {
    let event = small_batch(scene).await;
    event.arrives().await;
    let pushed = event.is_done_once().await;
    expected_and_met(scene, &event).await;
    assert_eq!(event.is_done_once().await, pushed);
    assert_eq!(pushed.origin, Origin::Push);
}
