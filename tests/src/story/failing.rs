//! What fails: the queue, the table, a provider's API.

use hookledger_core::model::entry::State;
use serde_json::json;

use super::arriving::published_once;
use super::scene::Scene;
use crate::local::{Outcome, until};
use crate::samples::event_of;

pub(super) async fn queue_down(scene: &Scene) -> Outcome<String> {
    let local = &scene.local;
    let body = local.sandbox.event("fynapse", &scene.id("queue-down")).await?;
    let key = event_of("fynapse", &body).key();
    local.deny("fynapse", "sqs:SendMessage").await?;
    let sent = local.sandbox.send_expecting("fynapse", &body, json!({}), 200).await;
    let left = local.entry(&key).await;
    local.allow("fynapse").await?;
    sent?;
    let state = left?.ok_or("200, but no entry")?.state;
    if state != State::Open {
        return Err(format!("the entry is {}: the queue was not down", state.as_str()));
    }
    // The entry owes: once its grace is over, the reconciler takes the debt up.
    until("the reconciler to take the debt up", async || {
        local.reconcile().await?;
        let entry = local.entry(&key).await?.ok_or("the entry is gone")?;
        Ok(if entry.attempts > 0 || entry.state == State::Done { Ok(()) } else { Err("nobody took it up".into()) })
    })
    .await?;
    local.until_state(&key, State::Done).await?;
    Ok("200 without a message on the queue; taken up by the reconciler, settled".into())
}

pub(super) async fn table_down(scene: &Scene) -> Outcome<String> {
    let local = &scene.local;
    let body = local.sandbox.event("finbox", &scene.id("table-down")).await?;
    let key = event_of("finbox", &body).key();
    local.deny("finbox", "dynamodb:PutItem").await?;
    let sent = local.sandbox.send_expecting("finbox", &body, json!({}), 200).await;
    local.allow("finbox").await?;
    sent?;
    local.until_state(&key, State::Done).await?;
    Ok("200; the delivery travelled on the queue, was admitted from there, settled".into())
}

pub(super) async fn api_fails(scene: &Scene) -> Outcome<String> {
    let local = &scene.local;
    let body = local.sandbox.event("rightfoot", &scene.id("api-fails")).await?;
    local.sandbox.faults("rightfoot", json!({ "status": 503, "fail_next": 2 })).await?;
    let key = event_of("rightfoot", &body).key();
    local.sandbox.send_expecting("rightfoot", &body, json!({}), 200).await?;
    let entry = local.until_state(&key, State::Done).await?;
    if entry.attempts == 0 {
        return Err("settled at the first attempt: the API did not fail".into());
    }
    let published = published_once(scene, &key.pk).await?;
    Ok(format!("503 twice, retried; settled after {} retries, {published} event published", entry.attempts))
}

pub(super) async fn parked_and_reopened(scene: &Scene) -> Outcome<String> {
    let local = &scene.local;
    let body = local.sandbox.event("rightfoot", &scene.id("parked")).await?;
    local.sandbox.faults("rightfoot", json!({ "status": 422, "fail_next": 1 })).await?;
    let key = event_of("rightfoot", &body).key();
    local.sandbox.send_expecting("rightfoot", &body, json!({}), 200).await?;
    let parked = local.until_state(&key, State::Parked).await?;
    local.sandbox.send_expecting("rightfoot", &body, json!({}), 200).await?;
    let done = local.until_state(&key, State::Done).await?;
    if done.reopened != 1 {
        return Err(format!("reopened {} times", done.reopened));
    }
    Ok(format!("parked ({}); the redelivery opened it, settled", parked.reason.unwrap_or_default()))
}
