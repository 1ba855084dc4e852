//! Sending, as a person or a test asks for it over the control API.

use http::Method;
use serde_json::{Value, json};

use crate::testing::{Receiver, Running, receive, start, start_with_receiver};

const BODY: &str = r#"{"event_id": "e-1", "event_type": "balance.extracted", "data": {"amount": 10.10}}"#;

async fn fynapse(script: &[(u16, Option<u64>)]) -> (Running, Receiver) {
    start_with_receiver("fynapse", script).await
}

fn statuses(delivery: &Value) -> Vec<u64> {
    delivery["attempts"].as_array().unwrap().iter().filter_map(|attempt| attempt["status"].as_u64()).collect()
}

#[tokio::test]
async fn one_attempt_carries_the_exact_bytes() {
    let (running, mut receiver) = fynapse(&[]).await;
    let sent = running.send(json!({"provider": "fynapse", "body": BODY, "headers": {"X-Extra": "1"}})).await;
    assert_eq!((&sent["state"], statuses(&sent)), (&json!("delivered"), vec![200]));
    assert_eq!(sent["attempts"][0]["body"], r#"{"status":"received"}"#);
    assert_eq!(sent, running.delivery(sent["delivery_id"].as_str().unwrap()).await);
    let arrivals = receiver.arrived();
    assert_eq!(arrivals.len(), 1);
    assert_eq!((&arrivals[0].body[..], arrivals[0].path.as_str()), (BODY.as_bytes(), "/webhooks/fynapse/token"));
    assert_eq!(arrivals[0].headers["x-extra"], "1");
    assert_eq!(arrivals[0].headers["content-type"], "application/json");
}

#[tokio::test]
async fn bytes_that_are_no_text_go_in_base64() {
    let (running, mut receiver) = fynapse(&[]).await;
    running.send(json!({"provider": "fynapse", "body_base64": "AP+A"})).await;
    assert_eq!(&receiver.arrived()[0].body[..], [0x00, 0xff, 0x80]);
}

#[tokio::test]
async fn without_retry_a_failure_is_the_end() {
    let (running, mut receiver) = fynapse(&[(503, None)]).await;
    let sent = running.send(json!({"provider": "fynapse", "body": BODY})).await;
    assert_eq!((&sent["state"], statuses(&sent)), (&json!("gave_up"), vec![503]));
    running.settle().await;
    assert_eq!(receiver.arrived().len(), 1);
}

#[tokio::test]
async fn a_retry_follows_in_the_background() {
    let (running, mut receiver) = fynapse(&[(503, Some(1)), (500, None)]).await;
    let sent = running.send(json!({"provider": "fynapse", "body": BODY, "retry": true})).await;
    assert_eq!(statuses(&sent)[0], 503);
    running.settle().await;
    let done = running.delivery(sent["delivery_id"].as_str().unwrap()).await;
    assert_eq!((&done["state"], statuses(&done)), (&json!("delivered"), vec![503, 500, 200]));
    assert_eq!(receiver.arrived().len(), 3);
}

#[tokio::test]
async fn a_dropped_delivery_never_arrives() {
    let (running, mut receiver) = fynapse(&[]).await;
    let sent = running.send(json!({"provider": "fynapse", "body": BODY, "faults": {"drop": true}})).await;
    assert_eq!((&sent["state"], &sent["attempts"]), (&json!("dropped"), &json!([])));
    let late = json!({"provider": "fynapse", "body": BODY, "faults": {"drop_attempts": 2}, "retry": true});
    let late = running.send(late).await;
    running.settle().await;
    let late = running.delivery(late["delivery_id"].as_str().unwrap()).await;
    assert_eq!((late["attempts"].as_array().unwrap().len(), statuses(&late)), (3, vec![200]));
    assert_eq!(receiver.arrived().len(), 1);
}

#[tokio::test]
async fn copies_are_the_same_bytes_at_once() {
    let (running, mut receiver) = fynapse(&[]).await;
    let sent = running.send(json!({"provider": "fynapse", "body": BODY, "faults": {"times": 5}})).await;
    assert_eq!(statuses(&sent), [200; 5]);
    let arrivals = receiver.arrived();
    assert_eq!(arrivals.len(), 5);
    for arrival in &arrivals {
        assert_eq!(arrival.headers["webhook-signature"], arrivals[0].headers["webhook-signature"]);
        assert_eq!(arrival.body, arrivals[0].body);
    }
}

#[tokio::test]
async fn corruption_flips_one_bit_after_signing() {
    let (running, mut receiver) = fynapse(&[]).await;
    running.send(json!({"provider": "fynapse", "body": BODY, "faults": {"corrupt": true}})).await;
    let arrival = receiver.arrived().remove(0);
    let changed = arrival.body.iter().zip(BODY.bytes()).filter(|(sent, given)| **sent != *given).count();
    assert_eq!((arrival.body.len(), changed), (BODY.len(), 1));
}

#[tokio::test]
async fn a_held_back_delivery_lets_others_pass() {
    let (running, mut receiver) = fynapse(&[]).await;
    let held = running.send(json!({"provider": "fynapse", "body": "{\"n\":1}", "faults": {"delay_ms": 1000}})).await;
    assert_eq!((&held["state"], &held["attempts"]), (&json!("pending"), &json!([])));
    running.send(json!({"provider": "fynapse", "body": "{\"n\":2}"})).await;
    running.settle().await;
    let order: Vec<_> = receiver.arrived().into_iter().map(|arrival| arrival.body).collect();
    assert_eq!(order, [&b"{\"n\":2}"[..], b"{\"n\":1}"]);
}

#[tokio::test]
async fn a_wrong_token_is_the_only_difference_of_a_forged_url() {
    let (running, mut receiver) = start_with_receiver("finbox", &[(403, None)]).await;
    let forged = json!({"provider": "finbox", "body": "{}", "faults": {"forge": "token"}});
    let sent = running.send(forged.clone()).await;
    assert_eq!((&sent["forged"], statuses(&sent)), (&json!("token"), vec![403]));
    let path = receiver.arrived().remove(0).path;
    assert!(path.starts_with("/webhooks/finbox/") && path.len() == "/webhooks/finbox/".len() + 43, "{path}");

    running.control(Method::PUT, "faults", json!({"provider": "finbox", "forging": false})).await;
    let sent = running.send(forged).await;
    assert_eq!(sent["forged"], Value::Null);
    assert_eq!(receiver.arrived().remove(0).path, "/webhooks/finbox/token");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let (running, mut receiver) = fynapse(&[]).await;
    let rows = [
        (json!({"provider": "other", "body": ""}), 400),
        (json!({"provider": "fynapse"}), 400),
        (json!({"provider": "fynapse", "body": "", "body_base64": ""}), 400),
        (json!({"provider": "fynapse", "body": "", "typo": 1}), 400),
        (json!({"provider": "fynapse", "body": "", "faults": {"forge": "token"}}), 400),
        (json!({"provider": "fynapse", "body": "", "faults": {"times": 65}}), 400),
        (json!({"provider": "fynapse", "body": "", "headers": {"a b": "c"}}), 400),
        (json!({"provider": "rightfoot", "body": ""}), 409),
    ];
    for (request, expected) in rows {
        let reply = running.call(Method::POST, "/control/send", &[], &request.to_string()).await;
        assert_eq!(reply.status, expected, "{request}");
    }
    assert!(receiver.arrived().is_empty());
}

#[tokio::test]
async fn a_reset_ends_what_waits_and_forgets_the_rest() {
    let receiver = receive(&[(503, None)]).await;
    let secrets = json!({"fynapse": "whsec"});
    // Time as it is: the retry after the second attempt would take half a minute.
    let running = start(json!({"targets": {"fynapse": receiver.url}, "signing_secrets": secrets})).await;
    running.send(json!({"provider": "fynapse", "body": BODY, "faults": {"delay_ms": 600_000}})).await;
    running.control(Method::POST, "reset", Value::Null).await;
    running.settle().await;
    assert_eq!(running.get("/control/deliveries", &[]).await.1, json!({"deliveries": []}));
    let config = json!({"targets": ["fynapse"], "signing_secrets": ["fynapse"], "time_scale": 1.0});
    assert_eq!(running.get("/control/config", &[]).await.1, config);
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_a_failure() {
    let running = start(json!({"targets": {"finbox": "http://127.0.0.1:1/hook"}})).await;
    let sent = running.send(json!({"provider": "finbox", "body": "{}"})).await;
    assert_eq!((&sent["state"], &sent["attempts"][0]["status"]), (&json!("gave_up"), &Value::Null));
    assert!(sent["attempts"][0]["error"].as_str().unwrap().starts_with("not delivered"));
}

/// One that each scheme can read.
const SECRET: &str = "5ec2e75ec2e75ec2e75ec2e75ec2e75e";

#[tokio::test]
async fn the_kits_orders_are_taken_and_its_proofs_are_ours() {
    for kit in hookledger_kit::ALL {
        let mut receiver = receive(&[]).await;
        let target = format!("{}{}", receiver.url, kit.path(Some("token")));
        let config = json!({"targets": {kit.name: target}, "signing_secrets": {kit.name: SECRET}});
        let running = start(config).await;
        if let Some((method, path, body)) = (kit.at_sandbox)("e1") {
            running.control(method.parse().unwrap(), &path, body).await;
        }
        let body = (kit.event)("e1");
        running.send(json!({"provider": kit.name, "body": &body})).await;
        let arrivals = receiver.arrived();
        assert_eq!(arrivals.len(), 1, "{}: what is lost arrives nowhere", kit.name);
        // By a clock of some seconds ago.
        let now = jiff::Timestamp::now().as_second();
        let proved = |at_secs| (kit.prove)(body.as_bytes(), SECRET, at_secs).headers;
        let sent = &arrivals[0].headers;
        let is_sent =
            |(name, value): &(&str, String)| sent.get(*name).is_some_and(|sent| sent.as_bytes() == value.as_bytes());
        assert!((now - 60..=now).any(|at| proved(at).iter().all(is_sent)), "{}: {sent:?}", kit.name);
    }
}
