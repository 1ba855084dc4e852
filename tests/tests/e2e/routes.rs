//! Webhook URLs that were registered a little wrong: one slash too many is taken, and everything else below `/webhooks/`
//! that is no delivery is counted, so that an alarm can tell.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use hookledger_aws::ports::clock::SystemClock;
use hookledger_core::model::entry::State;
use hookledger_core::ports::{Clock as _, Metric};
use hookledger_tests::local::{Local, Outcome, until};
use hookledger_tests::samples::event_of;
use hookledger_tests::story::Scene;
use serde_json::json;
use sha2::Sha256;

use super::scene;

const FUNCTIONS: [&str; 4] = ["rightfoot", "fynapse", "finbox", "runpayments"];

/// A provider's proof in a header; for the other two it stands in the URL.
fn signature(local: &Local, provider: &str, body: &str) -> Option<(&'static str, String)> {
    let secret = local.stack.signing_secrets.get(provider)?;
    let tag = |text: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(text.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    };
    let now = SystemClock::new().now().secs();
    match provider {
        "fynapse" => Some(("webhook-signature", format!("t={now},v1={}", tag(&format!("{now}.{body}"))))),
        _ => Some(("x-webhook-signature-256", format!("sha256={}", tag(body)))),
    }
}

async fn post(local: &Local, provider: &str, url: &str, body: &str) -> Outcome<u16> {
    let signed = signature(local, provider, body);
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(signed.as_ref().map(|(name, value)| (*name, value.as_str())));
    Ok(local.http.send("POST", url, &headers, body.as_bytes().to_vec()).await?.status)
}

/// An event of each provider with something to look up where it looks anything up, and so with an effect.
async fn events(scene: &Scene) -> Vec<(&'static str, String)> {
    let sandbox = &scene.local.sandbox;
    let [batch, entity, statement] = ["batch", "entity", "statement"].map(|name| scene.id(name));
    let balances = json!([{ "authorizer_unique_id": "a1", "balance": 12.5, "balance_status_code": 0 }]);
    sandbox.batch(&batch, "complete", balances).await.unwrap();
    sandbox.statement(&entity, None, &statement, "completed").await.unwrap();
    let completed = json!({
        "entity_id": entity, "statement_id": statement, "link_id": null, "progress": "completed", "reason": "",
    });
    let entered = json!({
        "event_type": "statement.entered", "source_id": scene.id("run"), "timestamp": "2026-11-20T08:00:00Z",
        "payload": {}, "metadata": { "webhook_id": "wh", "attempt": 1, "idempotency_key": scene.id("run") },
    });
    vec![
        ("rightfoot", json!({ "event_uuid": "u", "type": "BALANCE_BATCH_COMPLETED", "batch_id": batch }).to_string()),
        ("fynapse", json!({ "event_id": scene.id("f"), "type": "balance.extracted", "data": 1 }).to_string()),
        ("finbox", completed.to_string()),
        ("runpayments", entered.to_string()),
    ]
}

#[tokio::test]
async fn a_url_with_a_slash_at_its_end_is_taken() {
    let (_guard, scene) = scene("slash").await;
    let local = &scene.local;
    for (provider, body) in events(&scene).await {
        let url = format!("{}/", local.stack.webhook(provider).unwrap());
        assert_eq!(post(local, provider, &url, &body).await.unwrap(), 200, "{provider}");
        let entry = local.until_state(&event_of(provider, &body).key(), State::Done).await.unwrap();
        until("its event to be published", async || {
            let published = local.observer.published(&entry.key.pk).await?.len();
            Ok(if published == 1 { Ok(()) } else { Err(format!("{published} are")) })
        })
        .await
        .unwrap_or_else(|error| panic!("{provider}: {error}"));
        // The same event at the URL as it should be is the same event.
        let url = local.stack.webhook(provider).unwrap();
        assert_eq!(post(local, provider, url, &body).await.unwrap(), 200, "{provider}");
        assert_eq!(local.rows(&entry.key.subject(), "event#").await.unwrap().len(), 1, "{provider}");
    }
}

/// What all receivers have counted as unrouted, by the provider below whose path it was.
async fn unrouted(local: &Local) -> Outcome<BTreeMap<String, u64>> {
    let mut all = BTreeMap::new();
    for function in FUNCTIONS {
        for (provider, count) in local.counted(function, Metric::RequestsUnrouted).await? {
            *all.entry(provider).or_default() += count;
        }
    }
    Ok(all)
}

#[tokio::test]
async fn what_meets_no_webhook_route_is_counted() {
    let (_guard, scene) = scene("unrouted").await;
    let local = &scene.local;
    let base = local.stack.api_url.trim_end_matches('/');
    let hook = |provider: &str| local.stack.webhook(provider).unwrap().to_string();
    let hidden = scene.id("hidden");
    // The method, the URL, and below whose path it is.
    let rows = [
        ("GET", hook("rightfoot"), "rightfoot"),
        ("GET", format!("{}/", hook("rightfoot")), "rightfoot"),
        ("PUT", hook("fynapse"), "fynapse"),
        ("GET", format!("{}/", hook("fynapse")), "fynapse"),
        ("HEAD", hook("finbox"), "finbox"),
        ("DELETE", hook("runpayments"), "runpayments"),
        ("POST", format!("{base}/webhooks/rightfoot"), "rightfoot"),
        ("POST", format!("{base}/webhooks/finbox/"), "finbox"),
        ("POST", format!("{}/{hidden}", hook("finbox")), "finbox"),
        ("POST", format!("{base}/webhooks/runpayments/{hidden}"), "runpayments"),
        ("POST", format!("{base}/webhooks/fynapse/{hidden}/more"), "fynapse"),
        ("POST", format!("{base}/webhooks/nobody"), ""),
        ("POST", format!("{base}/webhooks/Fynapse"), ""),
        ("POST", format!("{base}/webhooks/{hidden}/more/"), ""),
    ];
    let before = unrouted(local).await.unwrap();
    let mut expected = before.clone();
    for (method, url, below) in &rows {
        let body = if *method == "POST" { b"{}".to_vec() } else { Vec::new() };
        let answered = local.http.send(method, url, &[("content-type", "application/json")], body).await.unwrap();
        assert_eq!(answered.status, 404, "{method} {url}: {}", answered.text());
        *expected.entry(below.to_string()).or_default() += 1;
    }
    until("each of them to be counted", async || {
        let seen = unrouted(local).await?;
        Ok(if seen == expected { Ok(()) } else { Err(format!("counted are {seen:?}, not {expected:?}")) })
    })
    .await
    .unwrap();
    // A part of a path may be a token: no log has any of it.
    for function in FUNCTIONS {
        let log = local.log_of(function).await.unwrap();
        let tokens = local.stack.url_tokens.values();
        for secret in tokens.chain([&hidden]) {
            assert!(!log.iter().any(|line| line.contains(secret.as_str())), "a part of a path is in {function}'s log");
        }
    }
}
