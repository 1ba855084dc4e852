//! Webhook URLs that were registered a little wrong: one slash too many is taken, and everything else below `/webhooks/`
//! that is no delivery is counted, so that an alarm can tell.

use std::collections::BTreeMap;

use hookledger_core::model::entry::State;
use hookledger_core::ports::Metric;
use hookledger_kit as kit;
use hookledger_tests::local::{Local, Outcome, until};
use hookledger_tests::samples::event_of;

use super::scene;

async fn post(local: &Local, provider: &str, body: &str, slash: &str) -> u16 {
    let mut post = local.post(provider, body, local.stack.proof(provider).unwrap(), 0).unwrap();
    post.url.push_str(slash);
    local.send(post).await.unwrap().status
}

#[tokio::test]
async fn a_url_with_a_slash_at_its_end_is_taken() {
    let (_guard, scene) = scene("slash").await;
    let local = &scene.local;
    for provider in kit::names() {
        let body = local.sandbox.event(provider, &scene.id("slash")).await.unwrap();
        assert_eq!(post(local, provider, &body, "/").await, 200, "{provider}");
        let entry = local.until_state(&event_of(provider, &body).key(), State::Done).await.unwrap();
        until("its event to be published", async || {
            let published = local.observer.published(&entry.key.pk).await?.len();
            Ok(if published == 1 { Ok(()) } else { Err(format!("{published} are")) })
        })
        .await
        .unwrap_or_else(|error| panic!("{provider}: {error}"));
        // The same event at the URL as it should be is the same event.
        assert_eq!(post(local, provider, &body, "").await, 200, "{provider}");
        assert_eq!(local.rows(&entry.key.subject(), "event#").await.unwrap().len(), 1, "{provider}");
    }
}

/// What all receivers have counted as unrouted, by the provider below whose path it was.
async fn unrouted(local: &Local) -> Outcome<BTreeMap<String, u64>> {
    let mut all = BTreeMap::new();
    for function in kit::names() {
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
    let base = local.stack.base();
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
    for function in kit::names() {
        let log = local.log_of(function).await.unwrap();
        let tokens = local.stack.url_tokens.values();
        for secret in tokens.chain([&hidden]) {
            assert!(!log.iter().any(|line| line.contains(secret.as_str())), "a part of a path is in {function}'s log");
        }
    }
}
