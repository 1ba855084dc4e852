//! FinBox: a completed statement, whose transactions and accounts are pulled.

use hookledger_core::model::entry::Origin;
use hookledger_core::model::identity::{ProviderId, Subject};
use hookledger_tests::local::until;
use hookledger_tests::story::Scene;
use serde_json::json;

use super::pulled::Pulled;

async fn statement(scene: &Scene) -> Pulled<'_> {
    let [entity, statement, link] = ["entity", "statement", "link"].map(|name| scene.id(name));
    scene.local.sandbox.statement(&entity, Some(&link), &statement, "completed").await.unwrap();
    let body = json!({
        "entity_id": entity, "statement_id": statement, "link_id": link, "progress": "completed", "reason": "",
    });
    Pulled::new(&scene.local, "finbox", body.to_string(), &[("transactions", 1), ("accounts", 1)])
}

pub(super) async fn happy_path(scene: &Scene) {
    statement(scene).await.happy_path().await;
}

pub(super) async fn outage(scene: &Scene) {
    statement(scene).await.outage().await;
}

pub(super) async fn rate_limited(scene: &Scene) {
    statement(scene).await.rate_limited().await;
}

pub(super) async fn refused(scene: &Scene) {
    statement(scene).await.refused().await;
}

pub(super) async fn key_revoked(scene: &Scene) {
    statement(scene).await.key_revoked().await;
}

/// The application watches the link, and stops once it was asked about to the end.
async fn watched(scene: &Scene) {
    let local = &scene.local;
    let link = scene.id("link");
    let reference = format!("link:{link}");
    local.expect("PUT", "finbox", &reference).await.unwrap().expect(201).unwrap();
    let key = Subject::new(ProviderId("finbox"), "link", &link).item("watch");
    until("the link to be polled", async || {
        let polls = local.expectation(&key).await?.ok_or("there is no watch")?.polls;
        // A poll is counted as it begins, and the next one begins when it is over.
        Ok(if polls >= 2 { Ok(()) } else { Err(format!("{polls} polls began")) })
    })
    .await
    .unwrap();
    local.expect("DELETE", "finbox", &reference).await.unwrap().expect(200).unwrap();
}

pub(super) async fn lost(scene: &Scene) {
    let event = statement(scene).await;
    event.is_lost().await;
    watched(scene).await;
    assert_eq!(event.is_done_once().await.origin, Origin::Poll);
}

/// Pushed first, and found by the link's polls.
pub(super) async fn duplicate(scene: &Scene) {
    let event = statement(scene).await;
    event.arrives().await;
    let pushed = event.is_done_once().await;
    watched(scene).await;
    assert_eq!(event.is_done_once().await, pushed);
    assert_eq!(pushed.origin, Origin::Push);
}
