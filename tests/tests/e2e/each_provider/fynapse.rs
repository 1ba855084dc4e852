//! Fynapse: an extract that is complete as it comes, and the audit of its deliveries, which is all that is asked for.

use hookledger_core::flows::losses::ARRIVED;
use hookledger_core::model::entry::{Origin, State};
use hookledger_core::model::identity::ItemKey;
use hookledger_kit as kit;
use hookledger_tests::local::{Local, Outcome, until};
use hookledger_tests::samples::event_of;
use hookledger_tests::story::Scene;
use serde_json::{Value, json};

use super::super::operator::replay;
use super::look::{calls, listing, now};

const FYNAPSE: &str = "fynapse";
const AUDIT: &str = "deliveries";
/// The audit's page holds a hundred rows.
const MORE_THAN_A_PAGE: usize = 101;
/// Longer than the interval of the walks, which is 5 s here.
const RETRY_AFTER_SECS: u64 = 9;
/// A loss is reported no earlier than this: the audit's grace, and a second for the clocks.
const GRACE_SECS: u64 = 6;

/// Delivers an extract and sees it settled, whatever its provider's API does.
async fn delivered(local: &Local, body: &str) -> ItemKey {
    local.sandbox.send_expecting(FYNAPSE, body, json!({}), 200).await.unwrap();
    let key = event_of(FYNAPSE, body).key();
    let entry = local.until_state(&key, State::Done).await.unwrap();
    assert_eq!(entry.origin, Origin::Push);
    until("the event to be published", async || {
        let published = local.observer.published(&key.pk).await?.len();
        Ok(if published == 1 { Ok(()) } else { Err(format!("{published} times")) })
    })
    .await
    .unwrap();
    key
}

/// An event whose every delivery was lost, and that Fynapse has given up.
async fn given_up(scene: &Scene) -> String {
    let body = kit::event("fynapse", &scene.id("lost"));
    scene.local.sandbox.send_with(FYNAPSE, &body, json!({ "faults": { "drop": true } })).await.unwrap();
    body
}

async fn losses(local: &Local, body: &str) -> Outcome<Vec<String>> {
    local.rows(&event_of(FYNAPSE, body).subject, "event#lost#").await
}

/// Walks until the loss is reported.
async fn reported(local: &Local, body: &str) -> ItemKey {
    let sk = until("the loss to be reported", async || {
        local.reconcile().await?;
        Ok(losses(local, body).await?.into_iter().next().ok_or_else(|| "it is not".to_string()))
    })
    .await
    .unwrap();
    let key = event_of(FYNAPSE, body).subject.item(sk);
    assert_eq!(local.entry(&key).await.unwrap().unwrap().state, State::Parked);
    key
}

async fn faults(local: &Local, api: Value) {
    local.sandbox.faults(FYNAPSE, api).await.unwrap();
}

pub(super) async fn happy_path(scene: &Scene) {
    delivered(&scene.local, &kit::event("fynapse", &scene.id("extract"))).await;
}

pub(super) async fn duplicate(scene: &Scene) {
    let local = &scene.local;
    let body = kit::event("fynapse", &scene.id("twice"));
    let key = delivered(local, &body).await;
    let first = local.entry(&key).await.unwrap();
    assert_eq!(delivered(local, &body).await, key);
    assert_eq!(local.entry(&key).await.unwrap(), first);
    assert_eq!(local.rows(&key.subject(), "event#").await.unwrap().len(), 1);
    let unpollable = local.expect("PUT", FYNAPSE, &scene.id("twice")).await.unwrap();
    assert_eq!(unpollable.status, 422, "{}", unpollable.text());
}

/// The audit is asked, while an event is worked on as ever, and brings nothing although the loss is old enough.
async fn walked_in_vain(scene: &Scene, lost: &str) {
    let local = &scene.local;
    let overdue_at = now().plus_secs(GRACE_SECS);
    let before = calls(local, FYNAPSE, "").await.unwrap();
    delivered(local, &kit::event("fynapse", &scene.id("extract"))).await;
    until("the audit to be asked in vain", async || {
        local.reconcile().await?;
        let asked = now() >= overdue_at && calls(local, FYNAPSE, "").await? > before;
        Ok(if asked { Ok(()) } else { Err("it was not".into()) })
    })
    .await
    .unwrap();
    assert!(losses(local, lost).await.unwrap().is_empty());
}

/// What comes is worked on as ever. The audit is not heard of, and walked when it is back.
pub(super) async fn outage(scene: &Scene) {
    let local = &scene.local;
    let lost = given_up(scene).await;
    faults(local, json!({ "outage": true })).await;
    walked_in_vain(scene, &lost).await;
    faults(local, json!({ "outage": false })).await;
    reported(local, &lost).await;
}

/// No body can be had from Fynapse: a person is told, and has it delivered again.
pub(super) async fn lost(scene: &Scene) {
    let local = &scene.local;
    let body = given_up(scene).await;
    let loss = reported(local, &body).await;
    delivered(local, &body).await;
    until("a walk to close the loss", async || {
        local.reconcile().await?;
        let closed = local.entry(&loss).await?.ok_or("the loss is gone")?;
        let closed = closed.state == State::Done && closed.reason.as_deref() == Some(ARRIVED);
        Ok(if closed { Ok(()) } else { Err("it is open".into()) })
    })
    .await
    .unwrap();
}

/// All tokens lapse between two pages: another is asked for, and the walk goes on to the loss on the second page.
pub(super) async fn token_expired(scene: &Scene) {
    let local = &scene.local;
    let lost = given_up(scene).await;
    for n in 0..MORE_THAN_A_PAGE {
        let newer = json!({ "faults": { "drop": true }, "audit_status": "PENDING" });
        local.sandbox.send_with(FYNAPSE, &kit::event("fynapse", &scene.id(&format!("newer{n}"))), newer).await.unwrap();
    }
    let tokens = calls(local, FYNAPSE, "POST /auth/token").await.unwrap();
    faults(local, json!({ "slow_ms": 2_500 })).await;
    let lapse = async {
        until("the first page to be read", async || {
            let position = listing(local, FYNAPSE, AUDIT).await?.position;
            Ok(position.ok_or_else(|| "it is not".to_string()))
        })
        .await
        .unwrap();
        faults(local, json!({ "expire_tokens": true, "slow_ms": 0 })).await;
    };
    let walk = async {
        until("the second page to be asked for with another token", async || {
            local.reconcile().await?;
            let more = calls(local, FYNAPSE, "POST /auth/token").await? > tokens;
            Ok(if more { Ok(()) } else { Err("it was not".into()) })
        })
        .await
        .unwrap();
    };
    tokio::join!(lapse, walk);
    reported(local, &lost).await;
}

/// 429 with `Retry-After`: the audit is not asked earlier.
pub(super) async fn rate_limited(scene: &Scene) {
    let local = &scene.local;
    let lost = given_up(scene).await;
    faults(local, json!({ "outage": true, "status": 429, "retry_after_secs": RETRY_AFTER_SECS })).await;
    let due_at = until("the walk to be put off", async || {
        local.reconcile().await?;
        let due_at = listing(local, FYNAPSE, AUDIT).await?.due_at;
        let (least, most) = (now().plus_secs(RETRY_AFTER_SECS - 3), now().plus_secs(RETRY_AFTER_SECS));
        Ok(if (least..=most).contains(&due_at) { Ok(due_at) } else { Err(format!("it is due at {due_at}")) })
    })
    .await
    .unwrap();
    faults(local, json!({ "outage": false })).await;
    let asked = calls(local, FYNAPSE, "").await.unwrap();
    local.reconcile().await.unwrap();
    let asked_since = calls(local, FYNAPSE, "").await.unwrap() - asked;
    assert!(asked_since == 0 || now() >= due_at, "asked {asked_since} times before {due_at}");
    reported(local, &lost).await;
    assert!(now() >= due_at);
}

/// The audit refuses for good: nothing is reported, nothing is parked, what comes is worked on. What is parked for good
/// is a loss; a replay looks whether its event has come.
pub(super) async fn refused(scene: &Scene) {
    let local = &scene.local;
    let body = given_up(scene).await;
    faults(local, json!({ "outage": true, "status": 422 })).await;
    walked_in_vain(scene, &body).await;
    faults(local, json!({ "outage": false })).await;

    let loss = reported(local, &body).await;
    let told = local.entry(&loss).await.unwrap().unwrap().reason;
    replay(local, &loss).unwrap();
    let again = local.until_state(&loss, State::Parked).await.unwrap();
    assert_eq!(again.reason, told, "it is still missing");
    delivered(local, &body).await;
    // Unless a walk was faster.
    let replayed = replay(local, &loss);
    let closed = local.until_state(&loss, State::Done).await.unwrap();
    assert_eq!(closed.reason.as_deref(), Some(ARRIVED), "{replayed:?}");
}
