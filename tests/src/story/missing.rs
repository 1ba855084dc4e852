//! What never arrives, arrives late, or arrives in the wrong order.

use hookledger_core::model::debt::ExpectationState;
use hookledger_core::model::entry::{Origin, State};
use hookledger_core::model::identity::{ProviderId, Subject};
use serde_json::{Value, json};

use super::arriving::published_once;
use super::scene::Scene;
use crate::local::{Outcome, until};
use crate::samples::event_of;

pub(super) async fn rightfoot_lost(scene: &Scene) -> Outcome<String> {
    let local = &scene.local;
    let batch = scene.id("lost");
    local.sandbox.batch(&batch, "processing", json!([])).await?;
    local.expect("PUT", "rightfoot", &batch).await?.expect(201)?;
    let body = hookledger_kit::event("rightfoot", &batch);
    local.sandbox.send_with("rightfoot", &body, json!({ "faults": { "drop": true } })).await?;
    let balance = |id: &str| json!({ "authorizer_unique_id": id, "balance": 75.25, "balance_status_code": 0 });
    local.sandbox.batch(&batch, "complete", json!([balance("a1"), balance("a2")])).await?;
    let key = event_of("rightfoot", &body).key();
    let entry = local.until_state(&key, State::Done).await?;
    if entry.origin != Origin::Poll {
        return Err(format!("its origin is {}", entry.origin.as_str()));
    }
    let rows = local.rows(&key.subject(), "balance#").await?;
    if rows != ["balance#a1", "balance#a2"] {
        return Err(format!("its rows are {rows:?}"));
    }
    met(scene, &key.subject()).await?;
    // The webhook comes after all.
    local.sandbox.send_expecting("rightfoot", &body, json!({}), 200).await?;
    published_once(scene, &key.pk).await?;
    Ok("found by its expectation (origin: poll, 2 balances); the late webhook is a duplicate".into())
}

async fn met(scene: &Scene, subject: &Subject) -> Outcome<()> {
    let key = subject.item("expectation");
    until("the expectation to be met", async || {
        let state = scene.local.expectation(&key).await?.ok_or("the expectation is gone")?.state;
        Ok(if state == ExpectationState::Met { Ok(()) } else { Err(format!("it is {}", state.as_str())) })
    })
    .await
}

pub(super) async fn finbox_lost(scene: &Scene) -> Outcome<String> {
    let local = &scene.local;
    let (entity, statement, link) = (scene.id("entity-lost"), scene.id("statement-lost"), scene.id("link-lost"));
    local.expect("PUT", "finbox", &format!("link:{link}")).await?.expect(201)?;
    local.sandbox.statement(&entity, Some(&link), &statement, "completed").await?;
    let body = json!({
        "entity_id": entity, "statement_id": statement, "link_id": link, "progress": "completed", "reason": "",
    })
    .to_string();
    local.sandbox.send_with("finbox", &body, json!({ "faults": { "drop": true } })).await?;
    let key = event_of("finbox", &body).key();
    let entry = local.until_state(&key, State::Done).await?;
    let rows = local.rows(&key.subject(), "").await?;
    let kept = rows.iter().any(|sk| sk == "accounts") && rows.iter().any(|sk| sk == "transactions");
    if entry.origin != Origin::Poll || !kept {
        return Err(format!("its origin is {}, its rows are {rows:?}", entry.origin.as_str()));
    }
    local.expect("DELETE", "finbox", &format!("link:{link}")).await?.expect(200)?;
    Ok("recovered from webhook_payloads (origin: poll), accounts and transactions stored".into())
}

fn merchant_event(id: u64, status: &str, at: &str) -> Value {
    json!({
        "event_type": format!("merchant.{status}"), "source_id": id, "timestamp": format!("2026-11-20T{at}:00.000Z"),
        "payload": { "merchant_id": id }, "metadata": { "attempt": 1, "idempotency_key": format!("{status}-{id}-{at}") },
    })
}

fn merchant(scene: &Scene, offset: u64) -> Outcome<(u64, Subject)> {
    let run: u64 = scene.run.parse().map_err(|_| "the run has no number")?;
    let id = run * 10 + offset;
    Ok((id, Subject::new(ProviderId("runpayments"), "merchant", &id.to_string())))
}

pub(super) async fn out_of_order(scene: &Scene) -> Outcome<String> {
    let local = &scene.local;
    let (id, subject) = merchant(scene, 1)?;
    for (status, at) in [("signed", "09:02"), ("sent_for_signature", "09:01"), ("in_underwriting", "09:03")] {
        let body = merchant_event(id, status, at).to_string();
        local.sandbox.send_expecting("runpayments", &body, json!({ "update_listing": false }), 200).await?;
        local.until_state(&event_of("runpayments", &body).key(), State::Done).await?;
        let current = local.status(&subject).await?.map(|status| status.status).unwrap_or_default();
        if status == "sent_for_signature" && current != "signed" {
            return Err(format!("the late older event moved the status back to {current}"));
        }
    }
    let current = local.status(&subject).await?.map(|status| status.status).unwrap_or_default();
    if current != "in_underwriting" {
        return Err(format!("the status ended as {current}"));
    }
    let applied = until("three events to be published", async || {
        let published = local.observer.published(subject.as_str()).await?;
        let applied: Vec<_> = published.iter().map(|detail| detail["applied"].clone()).collect();
        Ok(if applied.len() == 3 { Ok(applied) } else { Err(format!("{} are", applied.len())) })
    })
    .await?;
    let late = applied.iter().filter(|applied| **applied == json!(false)).count();
    if late != 1 {
        return Err(format!("{late} events are marked as not applied"));
    }
    Ok("signed, then sent_for_signature (late: kept, not applied), then in_underwriting".into())
}

pub(super) async fn listed_then_pushed(scene: &Scene) -> Outcome<String> {
    let local = &scene.local;
    let (id, subject) = merchant(scene, 2)?;
    local.sandbox.merchant(id, "boarded").await?;
    let listed = until("the listing to show the merchant", async || {
        local.reconcile().await?;
        let entries = local.rows(&subject, "event#listing#").await?;
        Ok(entries.into_iter().next().ok_or_else(|| "no entry from the listing".to_string()))
    })
    .await?;
    local.until_state(&subject.item(listed), State::Done).await?;
    let body = merchant_event(id, "boarded", "09:05").to_string();
    local.sandbox.send_expecting("runpayments", &body, json!({ "update_listing": false }), 200).await?;
    let pushed = local.until_state(&event_of("runpayments", &body).key(), State::Done).await?;
    published_once(scene, subject.as_str()).await?;
    let facts = local.rows(&subject, "fact#").await?;
    if facts.len() != 1 {
        return Err(format!("its facts are {facts:?}"));
    }
    Ok(format!("2 entries, 1 fact, 1 event published; the push: {}", pushed.reason.unwrap_or_default()))
}
