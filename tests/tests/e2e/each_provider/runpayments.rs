//! Run Payments: a funding, looked up in the reports; and merchants, which a list shows as well.

use hookledger_core::model::entry::{Origin, State};
use hookledger_core::model::identity::{Identity, ProviderId, Subject, digest_hex};
use hookledger_tests::local::until;
use hookledger_tests::samples::event_of;
use hookledger_tests::story::Scene;
use serde_json::{Value, json};

use super::super::operator::replay;
use super::look::{calls, now, walked};
use super::pulled::Pulled;

const RUN: &str = "runpayments";

fn event(event_type: &str, source_id: &Value, key: &str, payload: &Value) -> String {
    json!({
        "event_type": event_type, "source_id": source_id, "timestamp": now().to_string(), "payload": payload,
        "metadata": { "webhook_id": "wh", "attempt": 1, "idempotency_key": key },
    })
    .to_string()
}

/// Its deposit is in one report, its adjustment in another.
async fn funding(scene: &Scene) -> Pulled<'_> {
    let id = scene.id("funding");
    let adjustment = json!({ "id": scene.id("adjustment"), "funding_master_id": id, "amount": -1.5 });
    let adjustments = json!({ "items": [adjustment] });
    scene.local.sandbox.control("PUT", "runpayments/reports/adjustments", &adjustments).await.unwrap();
    let body = event("funding.entered", &json!(id), &id, &json!({ "funding_master_id": id, "amount": 10.25 }));
    Pulled::new(&scene.local, RUN, body, &[("deposits#", 1), ("adjustments#", 1)])
}

/// A merchant that is boarded: the event, and whom it is about.
fn boarded(scene: &Scene) -> (String, Subject) {
    // The list's ids are numbers.
    let id = now().0;
    let subject = Subject::new(ProviderId(RUN), "merchant", &id.to_string());
    (event("merchant.boarded", &json!(id), &scene.id("boarded"), &json!({ "merchant_id": id })), subject)
}

pub(super) async fn happy_path(scene: &Scene) {
    funding(scene).await.happy_path().await;
}

pub(super) async fn outage(scene: &Scene) {
    funding(scene).await.outage().await;
}

pub(super) async fn rate_limited(scene: &Scene) {
    funding(scene).await.rate_limited().await;
}

/// All tokens lapse between two reports: another is asked for, within the same attempt.
pub(super) async fn token_expired(scene: &Scene) {
    let funding = funding(scene).await;
    funding.is_mid_walk().await;
    let tokens = calls(&scene.local, RUN, "POST /sprint/oauth/token").await.unwrap();
    funding.faults(json!({ "expire_tokens": true, "slow_ms": 0 })).await;
    let done = funding.is_done_once().await;
    assert_eq!(done.attempts, 0, "{done:?}");
    assert!(calls(&scene.local, RUN, "POST /sprint/oauth/token").await.unwrap() > tokens);
}

/// A merchant event has no endpoint of its own to be asked for at: the list of merchants shows what it told.
pub(super) async fn lost(scene: &Scene) {
    let local = &scene.local;
    let (body, subject) = boarded(scene);
    local.sandbox.send_with(RUN, &body, json!({ "faults": { "drop": true } })).await.unwrap();
    let listed = until("the listing to show the merchant", async || {
        local.reconcile().await?;
        let entries = local.rows(&subject, "event#").await?;
        Ok(entries.into_iter().next().ok_or_else(|| "it is in no walk".to_string()))
    })
    .await
    .unwrap();
    let entry = local.until_state(&subject.item(listed), State::Done).await.unwrap();
    assert_eq!(entry.origin, Origin::Poll);
    assert_eq!(local.status(&subject).await.unwrap().unwrap().status, "boarded");
    assert_eq!(local.observer.published(subject.as_str()).await.unwrap().len(), 1);
}

/// Pushed first and listed afterwards; the other way round is the story's.
pub(super) async fn duplicate(scene: &Scene) {
    let local = &scene.local;
    let (body, subject) = boarded(scene);
    local.sandbox.send_expecting(RUN, &body, json!({}), 200).await.unwrap();
    let key = event_of(RUN, &body).key();
    let pushed = local.until_state(&key, State::Done).await.unwrap();
    walked(local, RUN, "merchants").await;
    assert_eq!(local.entry(&key).await.unwrap(), Some(pushed));
    assert_eq!(local.rows(&subject, "event#").await.unwrap(), [key.sk]);
    assert_eq!(local.rows(&subject, "fact#").await.unwrap().len(), 1);
    assert_eq!(local.observer.published(subject.as_str()).await.unwrap().len(), 1);
}

/// The reports refuse for good: the event is told without them. Parked is what is signed and can't be read; a replay
/// reads it again.
pub(super) async fn refused(scene: &Scene) {
    let local = &scene.local;
    let funding = funding(scene).await;
    funding.faults(json!({ "outage": true, "status": 422 })).await;
    funding.arrives().await;
    local.until_state(&funding.key, State::Done).await.unwrap();
    funding.faults(json!({ "outage": false })).await;
    let published = local.observer.published(&funding.key.pk).await.unwrap();
    assert_eq!((published.len(), &published[0]["summary"]["looked_up"]), (1, &json!(false)));
    assert!(local.rows(&funding.key.subject(), "deposits#").await.unwrap().is_empty());

    let body = json!({ "event_type": "funding.entered", "source_id": scene.id("unreadable") }).to_string();
    local.sandbox.send_expecting(RUN, &body, json!({}), 200).await.unwrap();
    let identity = Identity::new(&["sha256", &digest_hex(body.as_bytes())]);
    let key = Subject::unreadable(ProviderId(RUN), &now().day()).item(identity.as_str());
    let parked = local.until_state(&key, State::Parked).await.unwrap();
    replay(local, &key).unwrap();
    let again = local.until_state(&key, State::Parked).await.unwrap();
    assert!(parked.reason.as_ref().is_some_and(|reason| reason.contains("idempotency_key")), "{parked:?}");
    assert_eq!(again.reason, parked.reason);
    assert!(local.observer.published(&key.pk).await.unwrap().is_empty());
}
