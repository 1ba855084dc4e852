use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::testing::{Receiver, Running, receive, start};

async fn stage(script: &[(u16, Option<u64>)]) -> (Running, Receiver) {
    let receiver = receive(script).await;
    let target = |name: &str| (name.to_owned(), json!(format!("{}/webhooks/{name}", receiver.url)));
    let targets: serde_json::Map<String, Value> = hookledger_kit::names().map(target).collect();
    let secrets: serde_json::Map<String, Value> =
        hookledger_kit::names().map(|name| (name.to_owned(), json!("the-secret"))).collect();
    (start(json!({ "targets": targets, "signing_secrets": secrets })).await, receiver)
}

/// Plays an hour and returns the plan's answer and the end's.
async fn play(running: &Running, seed: u64) -> (Value, Value) {
    let order = json!({ "seed": seed, "run": 77, "deliveries": 80, "time_scale": 1200 });
    let ordered = running.control(Method::PUT, "hour", order).await;
    running.control(Method::POST, "hour", json!({})).await;
    for _ in 0..600 {
        let view = running.control(Method::GET, "hour", json!({})).await;
        if view["state"] != "playing" {
            return (ordered, view);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the hour does not end");
}

#[tokio::test]
async fn the_truth_is_what_happened_and_what_was_answered() {
    // Every tenth answer or so is a failure that only a schedule makes up for.
    let script: Vec<_> = (0..60).map(|n| (if n % 9 == 0 { 503 } else { 200 }, None)).collect();
    let (running, mut receiver) = stage(&script).await;
    let (ordered, over) = play(&running, 5).await;
    assert_eq!((&over["state"], &over["digest"]), (&json!("over"), &ordered["digest"]));
    let truth = over["truth"].as_array().unwrap();
    assert_eq!((truth.len(), &over["ended"]), (80, &json!(80)));
    let answers: usize = truth.iter().map(|told| told["answers"].as_array().unwrap().len()).sum();
    assert_eq!(receiver.arrived().len(), answers, "every request that arrived is in the truth, and no other");
    for told in truth {
        let taken = told["answers"].as_array().unwrap().contains(&json!(200));
        assert_eq!(told["acknowledged"], json!(taken), "{told}");
        if told["fate"] == "lost_unnoticed" || told["fate"] == "lost_for_good" {
            assert_eq!(told["answers"], json!([]), "{told}");
        } else if !hookledger_kit::of(told["provider"].as_str().unwrap()).sends_once() {
            assert!(taken, "its schedule brings it in the end: {told}");
        }
    }
    let of = |fate: &str| truth.iter().filter(|told| told["fate"] == fate).count();
    assert_eq!((of("lost_unnoticed"), of("lost_for_good")), (4, 4));
    assert_eq!((&over["failed_calls"], &over["odd_answers"]), (&json!({}), &json!({})), "nobody called");
    let faults = running.control(Method::GET, "faults", json!({})).await;
    assert!(["rightfoot", "finbox", "runpayments"].iter().all(|name| faults[name]["outage"] == false), "{faults}");
}

#[tokio::test]
async fn what_is_announced_can_be_asked_for_and_the_apis_tell_it_in_the_end() {
    let (running, _receiver) = stage(&[]).await;
    let (ordered, over) = play(&running, 6).await;
    let references = ordered["references"].as_array().unwrap();
    let headers = [("x-api-key", "sandbox-finbox-key"), ("server-hash", "sandbox-finbox-hash")];
    for told in over["truth"].as_array().unwrap() {
        let fact = &told["fact"];
        let wanted = match fact["kind"].as_str().unwrap() {
            "batch" => fact["batch_id"].as_str().map(str::to_owned),
            "enrichment" => fact["session_id"].as_str().map(|id| format!("session:{id}")),
            "statement" | "attempt" if fact["link_id"].is_string() => {
                fact["link_id"].as_str().map(|id| format!("link:{id}"))
            }
            "statement" => fact["entity_id"].as_str().map(|id| format!("entity:{id}")),
            _ => None,
        };
        if let Some(wanted) = wanted {
            assert!(references.iter().any(|known| known["reference"] == wanted), "{wanted} is not announced");
        }
        if let Some(link) = fact["link_id"].as_str() {
            let path = format!("/finbox/bank-connect/v1/entity/webhook_payloads/?link_id={link}");
            let (_, listed) = running.get(&path, &headers).await;
            let listed = listed["payloads"].as_array().unwrap();
            assert!(listed.iter().any(|row| row["reason"] == fact["reason"] && row["entity_id"] == fact["entity_id"]));
        }
    }
}

#[tokio::test]
async fn one_hour_at_a_time_and_only_once() {
    let (running, _receiver) = stage(&[]).await;
    assert_eq!(running.get("/control/hour", &[]).await.0, 404);
    let order = json!({ "seed": 1, "run": 1, "deliveries": 40, "time_scale": 6 });
    running.control(Method::PUT, "hour", order.clone()).await;
    running.control(Method::POST, "hour", json!({})).await;
    for method in [Method::PUT, Method::POST] {
        let reply = running.call(method, "/control/hour", &[], &order.to_string()).await;
        assert_eq!(reply.status, 409);
    }
    let odd = json!({ "seed": 1, "run": 1, "deliveries": 1 });
    assert_eq!(running.call(Method::PUT, "/control/hour", &[], &odd.to_string()).await.status, 400);
    running.sandbox.reset();
    assert_eq!(running.get("/control/hour", &[]).await.0, 404, "a reset forgets the hour");
}

#[tokio::test]
async fn odd_answers_are_counted_by_kind() {
    let (running, _receiver) = stage(&[]).await;
    let order = json!({ "seed": 5, "run": 77, "deliveries": 40, "time_scale": 6 });
    running.control(Method::PUT, "hour", order).await;
    let batch = json!({ "state": "complete", "balances": [{}, {}], "page_spelling": "camel", "refuse_tokens": 1 });
    running.control(Method::PUT, "rightfoot/batches/b", batch).await;
    running.control(Method::POST, "hour", json!({})).await;
    running
        .control(Method::PUT, "faults", json!({ "provider": "rightfoot", "api": { "byte_order_mark": true } }))
        .await;
    let key = [("authorization", "Bearer sandbox-rightfoot-key")];
    let reply = running.call(Method::GET, "/rightfoot/v1/balances?batchId=b&limit=1", &key, "").await;
    let page: Value = serde_json::from_slice(&reply.body[3..]).unwrap();
    let token = page["nextPageToken"].as_str().unwrap();
    let next = format!("/rightfoot/v1/balances?batchId=b&limit=1&next_page_token={token}");
    running.call(Method::GET, &next, &key, "").await;
    let view = running.control(Method::GET, "hour", json!({})).await;
    let odd = json!({ "byte_order_mark": 2, "page_in_camel_case": 1, "refused_page_token": 1 });
    assert_eq!(view["odd_answers"]["rightfoot"], odd);
}
