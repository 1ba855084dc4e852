//! Fynapse's signature, its schedule, its setup and its audit.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::{Fynapse, WINDOW};
use crate::provider::{Attempted, Letter, Provider, Verdict};
use crate::sign::Encoding;
use crate::testing::{Running, parsed, start, start_with_receiver};

const BODY: &str = r#"{"event_id":"e-1","event_type":"balance.extracted","data":{}}"#;
const AUDIT: &str = "/fynapse/api/v1/event-deliveries/deliveries";

async fn login(running: &Running) -> String {
    let form = "grant_type=client_credentials&client_id=sandbox-fynapse-client&client_secret=sandbox-fynapse-secret";
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let (status, answer) = parsed(running.call(Method::POST, "/fynapse/auth/token", &headers, form).await);
    assert_eq!((status, &answer["expires_in"]), (200, &json!(3600)));
    format!("Bearer {}", answer["access_token"].as_str().unwrap())
}

async fn admin(running: &Running, token: &str, method: Method, path: &str, body: Value) -> (u16, Value) {
    let path = format!("/fynapse/api/v1/event-deliveries/{path}");
    parsed(running.call(method, &path, &[("authorization", token)], &body.to_string()).await)
}

fn verdict(attempt: u32, status: Option<u16>, retry_after_secs: Option<u64>, roll: f64) -> Verdict {
    Fynapse::default().verdict(&Attempted { attempt, status, retry_after_secs, waited: Duration::ZERO, roll })
}

#[test]
fn the_signature_covers_the_timestamp_and_the_body() {
    let letter = Letter {
        body: b"{}",
        delivery_id: "d",
        unix_secs: 1_700_000_000,
        keys: &[b"new".to_vec(), b"old".to_vec()],
        signature_encoding: Encoding::Hex,
    };
    let headers = Fynapse::default().headers(&letter);
    // Computed apart: printf '1700000000.{}' | openssl dgst -sha256 -hmac <key>
    let expected = "t=1700000000,v1=29810abc729e7b7322b3ce2c7456a99bca762870c031aa43455fd67b43aab3c0,v1=2b5e6fc3cac3432cb8a3476c75510114966afb97256d20b9198872431b7ceca6";
    assert_eq!(headers[0], ("webhook-signature", expected.to_owned()));
    assert_eq!(headers[1], ("idempotency-key", "sandbox-subscription:d".to_owned()));
}

#[test]
fn some_statuses_end_it_at_once() {
    for status in [400, 401, 402, 405, 406, 410, 413] {
        assert_eq!(verdict(1, Some(status), None, 0.5), Verdict::GiveUp, "{status}");
    }
    for status in [403, 404, 408, 409, 429, 500, 503] {
        assert!(matches!(verdict(1, Some(status), None, 0.5), Verdict::Again(_)), "{status}");
    }
    assert_eq!(verdict(1, Some(202), None, 0.5), Verdict::Delivered);
}

#[test]
fn waits_triple_from_half_a_minute_to_four_hours() {
    let wait = |attempt, roll| match verdict(attempt, None, None, roll) {
        Verdict::Again(wait) => wait.as_secs_f64(),
        other => panic!("{other:?}"),
    };
    assert_eq!((wait(1, 0.0), wait(1, 1.0)), (0.2, 2.0));
    let waits: Vec<f64> = (2..=9).map(|attempt| wait(attempt, 0.5)).collect();
    assert_eq!(waits, [30.0, 90.0, 270.0, 810.0, 2430.0, 7290.0, 14400.0, 14400.0]);
    assert_eq!((wait(2, 0.0).round(), wait(2, 1.0).round()), (24.0, 36.0));
    assert_eq!(verdict(22, None, None, 0.5), Verdict::GiveUp);
    let total: f64 = (1..=21).map(|attempt| wait(attempt, 1.0)).sum();
    assert!(total < WINDOW.as_secs_f64(), "even the longest schedule fits in 72 h: {total}");
}

#[test]
fn retry_after_is_honoured_within_the_window() {
    assert_eq!(verdict(1, Some(503), Some(120), 0.0), Verdict::Again(Duration::from_secs(120)));
    assert_eq!(verdict(1, Some(503), Some(120), 1.0), Verdict::Again(Duration::from_secs(132)));
    assert_eq!(verdict(1, Some(503), Some(10_000_000), 0.0), Verdict::GiveUp);
}

#[tokio::test]
async fn the_audit_tells_how_deliveries_went() {
    let (running, _receiver) = start_with_receiver("fynapse", &[(503, None), (200, None), (410, None)]).await;
    for request in [
        json!({"retry": true}),
        json!({"retry": true}),
        json!({"faults": {"drop": true}}),
        json!({"faults": {"drop": true}, "audit_status": "DELIVERED"}),
        json!({"faults": {"forge": "signature"}}),
    ] {
        let mut request = request;
        request["provider"] = json!("fynapse");
        request["body"] = json!(BODY);
        running.send(request).await;
        running.settle().await;
    }
    let token = login(&running).await;
    let list = async |path: &str| admin(&running, &token, Method::GET, path, Value::Null).await;
    let (_, page) = list("deliveries").await;
    let rows = page["data"].as_array().unwrap().iter();
    let rows: Vec<_> = rows.map(|row| (row["status"].as_str().unwrap(), row["attempts"].as_u64().unwrap())).collect();
    // Newest first; the forged one is nothing Fynapse knows of.
    assert_eq!(rows, [("DELIVERED", 0), ("DEAD_LETTER", 0), ("DEAD_LETTER", 1), ("DELIVERED", 2)]);
    assert_eq!((&page["data"][2]["eventId"], &page["data"][2]["lastResponseStatus"]), (&json!("e-1"), &json!(410)));

    let (_, page) = list("deliveries?page=2&limit=3").await;
    assert_eq!((page["data"].as_array().unwrap().len(), &page["totalSize"]), (1, &json!(4)));
    assert_eq!((&page["totalPages"], &page["page"], &page["limit"]), (&json!(2), &json!(2), &json!(3)));
    assert_eq!(list("deliveries?status=DEAD_LETTER").await.1["totalSize"], 2);
    assert_eq!(list("subscriptions/sandbox-subscription/deliveries").await.1["totalSize"], 4);
    assert_eq!((list("subscriptions/other/deliveries").await.0, list("deliveries?page=0").await.0), (404, 400));
}

#[tokio::test]
async fn the_audit_follows_a_delivery_to_its_end() {
    let all_attempts = vec![(503, None); 22];
    let (running, mut receiver) = start_with_receiver("fynapse", &all_attempts).await;
    let token = login(&running).await;
    let deliveries = async || admin(&running, &token, Method::GET, "deliveries", Value::Null).await.1["data"].clone();
    // Held back: nothing is known yet.
    running.send(json!({"provider": "fynapse", "body": BODY, "faults": {"delay_ms": 600_000}})).await;
    let waiting = &deliveries().await[0];
    assert_eq!((&waiting["status"], &waiting["attempts"]), (&json!("PENDING"), &json!(0)));
    // Refused to the last: dead after two quick and twenty queued attempts, and changed since it was made.
    running.send(json!({"provider": "fynapse", "body": BODY, "retry": true})).await;
    while receiver.arrivals.len() < all_attempts.len() || deliveries().await[0]["status"] == "PENDING" {
        tokio::task::yield_now().await;
    }
    let dead = &deliveries().await[0];
    assert_eq!((&dead["status"], &dead["attempts"]), (&json!("DEAD_LETTER"), &json!(22)));
    assert_eq!(dead["lastResponseStatus"], 503);
    let at = |name: &str| dead[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(at("createdAt") <= at("updatedAt"));
    assert_eq!(receiver.arrived().len(), 22);
    // Switched off: what waits is called off, what is dead stays dead.
    let off = "subscriptions/sandbox-subscription/deactivate";
    assert_eq!(admin(&running, &token, Method::POST, off, Value::Null).await.0, 200);
    let states: Vec<Value> = deliveries().await.as_array().unwrap().iter().map(|row| row["status"].clone()).collect();
    assert_eq!(states, ["DEAD_LETTER", "CANCELLED"]);
}

#[tokio::test]
async fn what_is_wrong_with_a_subscription_is_said() {
    let (running, mut receiver) = start_with_receiver("fynapse", &[]).await;
    let token = login(&running).await;
    let endpoint = format!("{}/moved", receiver.url);
    let id = "subscriptions/sandbox-subscription";
    for (name, method, path, body, expected) in [
        ("no endpoint", Method::POST, "subscriptions", json!({"name": "n"}), 400),
        (
            "an unknown secret",
            Method::POST,
            "subscriptions",
            json!({"name": "n", "endpointUrl": endpoint, "secretRef": "x"}),
            400,
        ),
        ("no name", Method::PUT, id, json!({"endpointUrl": endpoint}), 400),
        ("no such subscription", Method::PUT, "subscriptions/none", json!({"name": "n", "endpointUrl": endpoint}), 404),
        ("an update", Method::PUT, id, json!({"name": "n", "endpointUrl": endpoint}), 200),
    ] {
        let (status, answer) = admin(&running, &token, method, path, body).await;
        assert_eq!(status, expected, "{name}: {answer}");
        assert_eq!(answer["status"].as_u64().is_some(), expected != 200, "{name}: errors have their shape");
    }
    running.send(json!({"provider": "fynapse", "body": BODY})).await;
    assert_eq!(receiver.arrived().remove(0).path, "/moved", "an active subscription's update takes effect");
}

#[tokio::test]
async fn an_activated_subscription_receives_under_its_own_secret() {
    let (running, mut receiver) = start_with_receiver("fynapse", &[]).await;
    let token = login(&running).await;
    let (status, secret) = admin(&running, &token, Method::POST, "secrets", json!({"name": "s"})).await;
    assert_eq!((status, secret["value"].as_str().unwrap().len()), (201, 43));
    let shown = format!("secrets/{}", secret["id"].as_str().unwrap());
    assert_eq!(admin(&running, &token, Method::GET, &shown, Value::Null).await.1.get("value"), None);
    let endpoint = format!("{}/subscribed", receiver.url);
    let new = json!({"name": "n", "endpointUrl": endpoint, "secretRef": secret["id"]});
    let (status, subscription) = admin(&running, &token, Method::POST, "subscriptions", new).await;
    assert_eq!((status, &subscription["status"]), (201, &json!("INACTIVE")));
    let path = |action: &str| format!("subscriptions/{}/{action}", subscription["id"].as_str().unwrap());
    assert_eq!(admin(&running, &token, Method::POST, &path("activate"), Value::Null).await.1["status"], "ACTIVE");

    running.send(json!({"provider": "fynapse", "body": BODY})).await;
    let arrival = receiver.arrived().remove(0);
    assert_eq!((arrival.path.as_str(), signatures(&arrival.headers)), ("/subscribed", 1));
    let rotate = format!("{shown}/rotate");
    let rotated = admin(&running, &token, Method::POST, &rotate, Value::Null).await.1;
    assert_ne!(rotated["value"], secret["value"]);
    running.send(json!({"provider": "fynapse", "body": BODY})).await;
    assert_eq!(signatures(&receiver.arrived().remove(0).headers), 2, "old and new sign while secrets rotate");

    admin(&running, &token, Method::POST, &path("deactivate"), Value::Null).await;
    let sent = running.send(json!({"provider": "fynapse", "body": BODY})).await;
    assert_eq!((&sent["state"], receiver.arrived().len()), (&json!("cancelled"), 0));
    let page = admin(&running, &token, Method::GET, &path("deliveries?status=CANCELLED"), Value::Null).await.1;
    assert_eq!(page["totalSize"], 1);
}

#[tokio::test]
async fn forgeries_are_wrong_in_one_thing_only() {
    let (running, mut receiver) = start_with_receiver("fynapse", &[]).await;
    let now = jiff::Timestamp::now().as_second();
    let day = 86_400;
    for (forge, genuine_key, shift) in [("signature", false, 0), ("stale", true, -30 * day), ("future", true, day)] {
        running.send(json!({"provider": "fynapse", "body": BODY, "faults": {"forge": forge}})).await;
        let arrival = receiver.arrived().remove(0);
        let signature = arrival.headers["webhook-signature"].to_str().unwrap();
        let (secs, tag) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
        let expected = hex::encode(crate::sign::tag(b"whsec-fynapse", &[secs.as_bytes(), b".", BODY.as_bytes()]));
        assert_eq!(tag == expected, genuine_key, "{forge}");
        assert!((secs.parse::<i64>().unwrap() - now - shift).abs() < 3600, "{forge}");
        assert_eq!(&arrival.body[..], BODY.as_bytes());
    }
}

fn signatures(headers: &http::HeaderMap) -> usize {
    headers["webhook-signature"].to_str().unwrap().matches("v1=").count()
}

#[tokio::test]
async fn calls_need_a_token_that_still_counts() {
    let running = start(json!({})).await;
    assert_eq!(running.get(AUDIT, &[]).await.0, 401);
    let token = login(&running).await;
    assert_eq!(running.get(AUDIT, &[("authorization", &token)]).await.0, 200);
    running.control(Method::PUT, "faults", json!({"provider": "fynapse", "api": {"expire_tokens": true}})).await;
    assert_eq!(running.get(AUDIT, &[("authorization", &token)]).await.0, 401);
    let form = "grant_type=client_credentials&client_id=sandbox-fynapse-client&client_secret=wrong";
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(running.call(Method::POST, "/fynapse/auth/token", &headers, form).await.status, 401);
}

#[tokio::test]
async fn the_audit_may_be_stamped_ahead() {
    let (running, _receiver) = start_with_receiver("fynapse", &[]).await;
    let ahead = json!({"provider": "fynapse", "body": BODY, "faults": {"ahead_secs": 3_600}});
    let sent_at = jiff::Timestamp::now();
    running.send(ahead).await;
    running.settle().await;
    let token = login(&running).await;
    let (_, page) = admin(&running, &token, Method::GET, "deliveries", Value::Null).await;
    for name in ["createdAt", "updatedAt"] {
        let at: jiff::Timestamp = page["data"][0][name].as_str().unwrap().parse().unwrap();
        assert!(at >= sent_at + jiff::SignedDuration::from_hours(1), "{name}");
    }
}

#[tokio::test]
async fn tokens_may_live_shortly_and_die_by_403() {
    let running = start(json!({})).await;
    let switch = json!({"provider": "fynapse", "api": {"dead_token_status": 403, "token_life_ms": 900}});
    running.control(Method::PUT, "faults", switch).await;
    let form = "grant_type=client_credentials&client_id=sandbox-fynapse-client&client_secret=sandbox-fynapse-secret";
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let (_, answer) = parsed(running.call(Method::POST, "/fynapse/auth/token", &headers, form).await);
    assert_eq!(answer["expires_in"], 1);
    let token = format!("Bearer {}", answer["access_token"].as_str().unwrap());
    assert_eq!(running.get(AUDIT, &[("authorization", &token)]).await.0, 200);
    tokio::time::sleep(Duration::from_millis(950)).await;
    assert_eq!(running.get(AUDIT, &[("authorization", &token)]).await.0, 403);
}
