//! What arrives: samples, duplicates, forgeries.

use std::time::Duration;

use hookledger_core::model::entry::State;
use hookledger_kit::{self as kit, Kit};
use serde_json::json;

use super::scene::Scene;
use crate::local::{Outcome, until};
use crate::samples::{self, event_of};

/// Delivers every file of a provider and waits until each is settled.
pub(super) async fn samples_of(scene: &Scene, kit: &Kit) -> Outcome<String> {
    let provider = kit.name;
    for (method, path, body) in (kit.samples_at_sandbox)() {
        scene.local.sandbox.control(method, &path, &body).await?;
    }
    let samples: Vec<_> = samples::all().into_iter().filter(|sample| sample.provider == provider).collect();
    for sample in &samples {
        let sent = scene.local.sandbox.send_expecting(provider, &sample.body, json!({}), 200).await;
        sent.map_err(|error| format!("{}: {error}", sample.name))?;
    }
    let (mut done, mut ignored) = (0, 0);
    for sample in &samples {
        let event = event_of(provider, &sample.body);
        let state = if event.known { State::Done } else { State::Ignored };
        let settled = scene.local.until_state(&event.key(), state).await;
        settled.map_err(|error| format!("{}: {error}", sample.name))?;
        if event.known { done += 1 } else { ignored += 1 }
    }
    Ok(format!("{} delivered, 200; {done} done, {ignored} of unknown type kept and ignored", samples.len()))
}

pub(super) async fn five_at_once(scene: &Scene) -> Outcome<String> {
    let id = scene.id("five");
    let body = scene.local.sandbox.event("fynapse", &id).await?;
    scene.local.sandbox.send_expecting("fynapse", &body, json!({ "faults": { "times": 5 } }), 200).await?;
    let key = event_of("fynapse", &body).key();
    scene.local.until_state(&key, State::Done).await?;
    let published = published_once(scene, &key.pk).await?;
    let entries = scene.local.rows(&key.subject(), "event#").await?;
    if entries.len() != 1 {
        return Err(format!("{} entries: {entries:?}", entries.len()));
    }
    Ok(format!("5 × 200; 1 entry, {published} event published"))
}

/// Waits for the publication about a subject. That it stays the only one is looked at in the last row.
pub(super) async fn published_once(scene: &Scene, subject: &str) -> Outcome<usize> {
    scene.published_once.lock().map_err(|_| "the story was interrupted")?.push(subject.to_string());
    until("its event to be published", async || match scene.local.observer.published(subject).await?.len() {
        0 => Ok(Err("nothing is published".into())),
        1 => Ok(Ok(1)),
        more => Err(format!("{more} events published about {subject}")),
    })
    .await
}

/// The local stack's delay of a duplicate's message is 3 s; its work takes well under a second.
const DUPLICATE_WAIT: Duration = Duration::from_secs(5);

/// What a duplicate's late message might still bring about has come by now: nothing was published twice.
pub(super) async fn nothing_published_twice(scene: &Scene) -> Outcome<String> {
    tokio::time::sleep(DUPLICATE_WAIT).await;
    let subjects = scene.published_once.lock().map_err(|_| "the story was interrupted")?.clone();
    for subject in &subjects {
        let published = scene.local.observer.published(subject).await?;
        if published.len() != 1 {
            return Err(format!("{} events published about {subject}", published.len()));
        }
    }
    Ok(format!("exactly one event about each of {} subjects that were delivered or found twice", subjects.len()))
}

pub(super) async fn forged(scene: &Scene) -> Outcome<String> {
    let local = &scene.local;
    let token_before = local.refusals("rightfoot").await?;
    let signature_before = local.refusals("runpayments").await?;
    for (provider, forge) in [("rightfoot", "token"), ("runpayments", "signature")] {
        let body = kit::event(provider, &scene.id("forged"));
        local.sandbox.send_expecting(provider, &body, json!({ "faults": { "forge": forge } }), 403).await?;
        if local.entry(&event_of(provider, &body).key()).await?.is_some() {
            return Err(format!("the forged delivery to {provider} became an entry"));
        }
    }
    let token = local.refusals("rightfoot").await? - token_before;
    let signature = local.refusals("runpayments").await? - signature_before;
    if (token, signature) != (1, 1) {
        return Err(format!("quarantined: {token} of the wrong token, {signature} of the forged signature"));
    }
    Ok("403 and 403; both quarantined, neither is an event".into())
}

pub(super) async fn stale(scene: &Scene) -> Outcome<String> {
    let local = &scene.local;
    let secret = local.stack.proof("fynapse")?;
    let body = local.sandbox.event("fynapse", &scene.id("stale")).await?;
    let before = local.refusals("fynapse").await?;
    let mut statuses = Vec::new();
    for age_secs in [74 * 3600, 0] {
        statuses.push(local.send(local.post("fynapse", &body, secret, age_secs)?).await?.status);
    }
    if statuses != [403, 200] {
        return Err(format!("74 hours old and fresh were answered {statuses:?}"));
    }
    let kept = local.refusals("fynapse").await? - before;
    if kept != 1 {
        return Err(format!("{kept} refusals were kept"));
    }
    Ok("signed 74 h ago: 403, quarantined; the same bytes signed now: 200".into())
}
