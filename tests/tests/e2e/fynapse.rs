//! Fynapse on the deployed stack: its audit is walked, and its side is set up through the operator's command.

use hookledger_core::flows::losses::{ARRIVED, LOST};
use hookledger_core::model::entry::{Origin, State};
use hookledger_kit as kit;
use hookledger_tests::local::{Local, Outcome, until};
use hookledger_tests::samples::event_of;
use serde_json::{Value, json};

use super::operator::hookledger;
use super::scene;

/// What Fynapse gave up, because our table was out of reach, is reported; what is delivered again closes the report.
#[tokio::test]
async fn a_dead_letter_is_reported_as_a_loss_until_its_event_is_here() {
    let (_guard, scene) = scene("lost").await;
    let local = &scene.local;
    let body = kit::event("fynapse", &scene.id("lost"));
    let key = event_of("fynapse", &body).key();
    local.deny("fynapse", "dynamodb:PutItem").await.unwrap();
    let sent = local.sandbox.send_expecting("fynapse", &body, json!({}), 503).await;
    local.allow("fynapse").await.unwrap();
    sent.unwrap();
    let walked = async || -> Outcome<Vec<String>> {
        local.reconcile().await?;
        local.rows(&key.subject(), "event#lost#").await
    };
    let reported = until("the loss to be reported", async || {
        let rows = walked().await?;
        Ok(rows.into_iter().next().ok_or_else(|| "there is no such row".to_string()))
    })
    .await
    .unwrap();
    let loss_key = key.subject().item(reported);
    let loss = local.entry(&loss_key).await.unwrap().unwrap();
    assert_eq!((loss.state, loss.event_type.as_str(), loss.origin), (State::Parked, LOST, Origin::Poll));
    assert!(loss.reason.unwrap().contains("deliver it again"));
    let parked = local.ledger.list_parked(10_000).await.unwrap();
    assert!(parked.iter().any(|row| row.key == loss_key), "`hookledger parked` lists it");
    assert!(local.observer.published(&key.pk).await.unwrap().is_empty());

    local.sandbox.send_expecting("fynapse", &body, json!({}), 200).await.unwrap();
    local.until_state(&key, State::Done).await.unwrap();
    until("the loss to be closed", async || {
        walked().await?;
        let loss = local.entry(&loss_key).await?.ok_or("the loss is gone")?;
        Ok(if loss.state == State::Done { Ok(()) } else { Err(format!("it is {}", loss.state.as_str())) })
    })
    .await
    .unwrap();
    assert_eq!(local.entry(&loss_key).await.unwrap().unwrap().reason.as_deref(), Some(ARRIVED));
    assert_eq!(walked().await.unwrap().len(), 1, "one loss is one row, however often it is walked");
}

/// A secret is made, used, replaced; what either signs is let in, and nobody ever sees it.
#[tokio::test]
async fn the_operators_command_sets_fynapse_up() {
    let (_guard, scene) = scene("setup").await;
    let local = &scene.local;
    let before = local.secret("fynapse").await.unwrap();
    let outcome = set_up(local, &scene.id("setup")).await;
    // As it was, for the other tests: target and secret of the sandbox, and the document.
    let restored = json!({
        "targets": { "fynapse": local.stack.webhook("fynapse").unwrap() },
        "signing_secrets": { "fynapse": local.stack.signing_secrets["fynapse"] },
    });
    let _ = hookledger(local, "fynapse", &["fynapse", "activate", "--subscription-id", "sandbox-subscription"]);
    local.sandbox.control("PUT", "config", &restored).await.unwrap();
    local.put_secret_back("fynapse", &before).await.unwrap();
    outcome.unwrap();
}

async fn set_up(local: &Local, event_id: &str) -> Outcome<()> {
    let delivered = async |n: u32| {
        let body = kit::event("fynapse", &format!("{event_id}-{n}"));
        until("the event to be let in", async || {
            let sent = local.sandbox.send_expecting("fynapse", &body, json!({}), 200).await;
            Ok(sent)
        })
        .await
    };
    let url = local.stack.webhook("fynapse")?;
    let told = hookledger(local, "fynapse", &["fynapse", "create-secret", "--name", "e2e"])?;
    let secret_id = shown(&told, "secret id: ")?;
    let subscribe = ["fynapse", "subscribe", "--name", "e2e", "--endpoint-url", url, "--secret-id", &secret_id];
    let subscription_id = shown(&hookledger(local, "fynapse", &subscribe)?, "subscription id: ")?;
    hookledger(local, "fynapse", &["fynapse", "activate", "--subscription-id", &subscription_id])?;
    delivered(1).await?;
    let told = hookledger(local, "fynapse", &["fynapse", "rotate-secret", "--secret-id", &secret_id])?;
    delivered(2).await?;
    let document: Value = serde_json::from_str(&local.secret("fynapse").await?).map_err(|error| error.to_string())?;
    let secrets = document["signing_secrets"].as_array().ok_or("no list")?;
    let of_this: Vec<&Value> =
        secrets.iter().filter(|secret| secret["id"].as_str().is_some_and(|id| id.starts_with(&secret_id))).collect();
    let [old, new] = of_this.as_slice() else { return Err(format!("{} secrets were kept", of_this.len())) };
    if old["not_after"].is_null() || !new["not_after"].is_null() || document["api"]["client_id"].is_null() {
        return Err("the document is not as it should be".into());
    }
    for value in [old, new].map(|secret| secret["value"].as_str().unwrap_or_default()) {
        if told.contains(value) {
            return Err("a secret was printed".into());
        }
    }
    hookledger(local, "fynapse", &["fynapse", "deactivate", "--subscription-id", &subscription_id]).map(drop)
}

/// FinBox is told its URL and, always, its mode.
#[tokio::test]
async fn the_operators_command_sets_finbox_up() {
    let (_guard, scene) = scene("setup").await;
    let local = &scene.local;
    let url = local.stack.webhook("finbox").unwrap();
    for (flow, mode) in [("session", "0"), ("entity", "1")] {
        let arguments = ["finbox", "set-webhook", "--flow", flow, "--webhook-url", url, "--webhook-mode", mode];
        hookledger(local, "finbox", &arguments).unwrap();
    }
    let without_mode = ["finbox", "set-webhook", "--flow", "entity", "--webhook-url", url];
    assert!(hookledger(local, "finbox", &without_mode).unwrap_err().contains("--webhook-mode"));
}

fn shown(told: &str, name: &str) -> Outcome<String> {
    let value = told.lines().find_map(|line| line.strip_prefix(name));
    value.map(str::to_string).ok_or_else(|| format!("{name:?} is not in: {told}"))
}
