//! Fynapse on the deployed stack: its audit is walked, and its side is set up through the operator's command.

use std::path::PathBuf;
use std::process::Command;

use hookledger_core::audit::{ARRIVED, LOST};
use hookledger_core::entry::{Origin, State};
use hookledger_core::identity::ItemKey;
use hookledger_tests::local::{Local, Outcome, until};
use hookledger_tests::samples::event_of;
use serde_json::{Value, json};

use super::scene;

fn extract(event_id: &str) -> String {
    json!({ "event_id": event_id, "type": "balance.extracted", "data": 1 }).to_string()
}

/// What Fynapse gave up, because our table was out of reach, is reported; what is delivered again closes the report.
#[tokio::test]
async fn a_dead_letter_is_reported_as_a_loss_until_its_event_is_here() {
    let (_guard, scene) = scene("lost").await;
    let local = &scene.local;
    let body = extract(&scene.id("lost"));
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
    let _ = hookledger(local, "fynapse", &["activate", "--subscription-id", "sandbox-subscription"]);
    local.sandbox.control("PUT", "config", &restored).await.unwrap();
    local.put_secret("fynapse", &before).await.unwrap();
    outcome.unwrap();
}

async fn set_up(local: &Local, event_id: &str) -> Outcome<()> {
    let delivered = async |n: u32| {
        let body = extract(&format!("{event_id}-{n}"));
        until("the event to be let in", async || {
            let sent = local.sandbox.send_expecting("fynapse", &body, json!({}), 200).await;
            Ok(sent)
        })
        .await
    };
    let url = local.stack.webhook("fynapse")?;
    let told = hookledger(local, "fynapse", &["create-secret", "--name", "e2e"])?;
    let secret_id = shown(&told, "secret id: ")?;
    let subscribe = ["subscribe", "--name", "e2e", "--endpoint-url", url, "--secret-id", &secret_id];
    let subscription_id = shown(&hookledger(local, "fynapse", &subscribe)?, "subscription id: ")?;
    hookledger(local, "fynapse", &["activate", "--subscription-id", &subscription_id])?;
    delivered(1).await?;
    let told = hookledger(local, "fynapse", &["rotate-secret", "--secret-id", &secret_id])?;
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
    hookledger(local, "fynapse", &["deactivate", "--subscription-id", &subscription_id]).map(drop)
}

/// FinBox is told its URL and, always, its mode.
#[tokio::test]
async fn the_operators_command_sets_finbox_up() {
    let (_guard, scene) = scene("setup").await;
    let local = &scene.local;
    let url = local.stack.webhook("finbox").unwrap();
    for (flow, mode) in [("session", "0"), ("entity", "1")] {
        let arguments = ["set-webhook", "--flow", flow, "--webhook-url", url, "--webhook-mode", mode];
        hookledger(local, "finbox", &arguments).unwrap();
    }
    let without_mode = ["set-webhook", "--flow", "entity", "--webhook-url", url];
    assert!(hookledger(local, "finbox", &without_mode).unwrap_err().contains("--webhook-mode"));
}

fn shown(told: &str, name: &str) -> Outcome<String> {
    let value = told.lines().find_map(|line| line.strip_prefix(name));
    value.map(str::to_string).ok_or_else(|| format!("{name:?} is not in: {told}"))
}

/// Runs a command of a provider's as a person would; what it prints, or what it complains about.
fn hookledger(local: &Local, provider: &str, arguments: &[&str]) -> Outcome<String> {
    hookledger_with(local, provider, &[&[provider], arguments].concat())
}

/// Runs a command with this provider's secret at hand.
pub(super) fn hookledger_with(local: &Local, provider: &str, arguments: &[&str]) -> Outcome<String> {
    let stack = &local.stack;
    let mut command = operator(local)?;
    command.args(arguments).env("HOOKLEDGER_TABLE", &stack.table).env("HOOKLEDGER_QUEUE_URL", &stack.queue_url);
    let arn = stack.secrets.get(provider).ok_or("no such secret")?;
    command.env(format!("HOOKLEDGER_SECRET_{}", provider.to_uppercase()), arn);
    command.env("FYNAPSE_API_BASE_URL", format!("{}/fynapse", stack.sandbox_url));
    command.env("FINBOX_API_BASE_URL", format!("{}/finbox/bank-connect", stack.sandbox_url));
    told(&mut command)
}

/// Has the operator's command open a parked entry again.
pub(super) fn replay(local: &Local, key: &ItemKey) -> Outcome<String> {
    let mut command = operator(local)?;
    command.env("HOOKLEDGER_TABLE", &local.stack.table).env("HOOKLEDGER_QUEUE_URL", &local.stack.queue_url);
    told(command.args(["replay", &key.pk, &key.sk]))
}

/// The command, with an operator's access to the stack and nothing else of this process's environment.
fn operator(local: &Local) -> Outcome<Command> {
    let stack = &local.stack;
    let mut command = Command::new(binary()?);
    command.env_clear();
    command.env("AWS_REGION", &stack.region).env("AWS_ENDPOINT_URL", &stack.endpoint);
    command.env("AWS_ACCESS_KEY_ID", &stack.access_key_id).env("AWS_SECRET_ACCESS_KEY", &stack.secret_access_key);
    Ok(command)
}

fn told(command: &mut Command) -> Outcome<String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// The command's binary, in the folder of this test's own: cargo builds no other package's binaries for a test, so
/// `cargo xtask test` does it beforehand.
fn binary() -> Outcome<PathBuf> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let path = this.ancestors().nth(2).ok_or("the test has no target folder")?.join("hookledger");
    let missing = "is missing: `cargo xtask test e2e` builds it, or cargo build --workspace --bin hookledger";
    if path.exists() { Ok(path) } else { Err(format!("{} {missing}", path.display())) }
}
