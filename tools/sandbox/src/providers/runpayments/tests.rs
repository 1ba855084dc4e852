//! Run Payments' signature, its schedule and its lists.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::{RunPayments, recount};
use crate::provider::{Attempted, Letter, Provider, Verdict};
use crate::sign::Encoding;
use crate::testing::{Running, parsed, start, start_with_receiver};

fn event(event_type: &str, at: &str) -> String {
    format!(
        r#"{{"event_type": "{event_type}", "source_id": 7, "timestamp": "{at}", "payload": {{"merchant_id": 7, "mid": null, "amount": 1.10}}, "metadata": {{"webhook_id": "wh", "attempt": 1, "idempotency_key": "key-7"}}}}"#
    )
}

/// The client of the API that this path belongs to.
fn client(path: &str) -> &'static str {
    if path.contains("sprint") {
        "sandbox-run-reporting-client:sandbox-run-reporting-secret"
    } else {
        "sandbox-run-client:sandbox-run-secret"
    }
}

async fn login_as(running: &Running, path: &str, client: &str) -> (u16, String) {
    let basic = format!("Basic {}", STANDARD.encode(client));
    let headers = [("authorization", basic.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    let reply = running.call(Method::POST, path, &headers, "grant_type=client_credentials").await;
    let (status, answer) = parsed(reply);
    (status, format!("Bearer {}", answer["access_token"].as_str().unwrap_or_default()))
}

async fn login(running: &Running, path: &str) -> (u16, String) {
    login_as(running, path, client(path)).await
}

async fn get(running: &Running, path: &str) -> (u16, Value) {
    let api = path.split('/').next().unwrap();
    let (_, token) = login(running, &format!("/runpayments/ords/{api}/oauth/token")).await;
    running.get(&format!("/runpayments/ords/{path}"), &[("authorization", &token)]).await
}

#[test]
fn the_signature_covers_the_raw_body() {
    let body = br#"{"metadata": {"idempotency_key": "k"}}"#;
    let keys = [b"secret".to_vec()];
    let headers = |signature_encoding| {
        let letter = Letter { body, delivery_id: "d", unix_secs: 0, keys: &keys, signature_encoding };
        RunPayments::default().headers(&letter)
    };
    // Computed apart: printf '<body>' | openssl dgst -sha256 -hmac secret
    assert_eq!(
        headers(Encoding::Hex)[0],
        (
            "x-webhook-signature-256",
            "sha256=efe47c6b99562b40f250f73c331d864d92561bdf119063a5e33a685b5e393cb8".to_owned()
        )
    );
    assert_eq!(headers(Encoding::Base64)[0].1, "sha256=7+R8a5lWK0DyUPc8Mx2GTZJWG98RkGOl4zpoW145PLg=");
    assert_eq!(headers(Encoding::Hex)[1], ("x-idempotency-key", "k".to_owned()));
}

#[test]
fn eight_attempts_end_27_h_35_min_after_the_first() {
    let mut total = Duration::ZERO;
    for attempt in 1..=7 {
        let attempted = Attempted { attempt, status: Some(500), retry_after_secs: Some(1), waited: total, roll: 0.5 };
        match RunPayments::default().verdict(&attempted) {
            Verdict::Again(wait) => total += wait,
            other => panic!("{attempt}: {other:?}"),
        }
    }
    assert_eq!(total, Duration::from_secs(27 * 3600 + 35 * 60 + 5));
    let last = Attempted { attempt: 8, status: Some(500), retry_after_secs: None, waited: total, roll: 0.5 };
    assert_eq!(RunPayments::default().verdict(&last), Verdict::GiveUp);
}

#[test]
fn a_retry_changes_the_attempt_and_no_other_byte() {
    let first = Bytes::from(event("merchant.signed", "2024-01-15T10:30:00.000Z"));
    let third = recount(&first, 3).unwrap();
    let expected = String::from_utf8(first.to_vec()).unwrap().replace(r#""attempt": 1"#, r#""attempt": 3"#);
    assert_eq!(third, expected);
    for body in ["", "{}", r#"{"metadata": {"attempt": null}}"#, "\u{fffd}"] {
        assert_eq!(recount(&Bytes::from(body), 2), None, "{body}");
    }
}

#[tokio::test]
async fn every_retry_is_signed_anew() {
    let (running, mut receiver) = start_with_receiver("runpayments", &[(500, None), (500, None)]).await;
    let body = event("transaction.entered", "2024-01-15T10:30:00.000Z");
    running.send(json!({"provider": "runpayments", "body": body, "retry": true})).await;
    running.settle().await;
    let arrivals = receiver.arrived();
    let attempts: Vec<_> = arrivals.iter().map(|arrival| parsed_attempt(&arrival.body)).collect();
    assert_eq!(attempts, [1, 2, 3]);
    for arrival in &arrivals {
        let tag = hex::encode(crate::sign::tag(b"whsec-runpayments", &[&arrival.body]));
        assert_eq!(arrival.headers["x-webhook-signature-256"], format!("sha256={tag}"));
        assert_eq!(arrival.headers["x-idempotency-key"], "key-7");
    }
}

fn parsed_attempt(body: &[u8]) -> u64 {
    serde_json::from_slice::<Value>(body).unwrap()["metadata"]["attempt"].as_u64().unwrap()
}

#[tokio::test]
async fn events_move_the_listing_forward_in_their_own_time() {
    let (running, _receiver) = start_with_receiver("runpayments", &[]).await;
    let signed = event("merchant.signed", "2024-01-15T10:30:00.000Z");
    let earlier = event("merchant.sent_for_signature", "2024-01-15T10:00:00.000Z");
    let later = event("merchant.boarded", "2024-01-16T10:00:00.000Z");
    let path = "relay/api/boarding/v1/merchants/7";
    assert_eq!(get(&running, path).await.0, 404);
    let rows = [
        (json!({"body": signed, "faults": {"drop": true}}), "signed"),
        (json!({"body": earlier}), "signed"),
        (json!({"body": later, "update_listing": false}), "signed"),
        (json!({"body": later, "faults": {"forge": "signature"}}), "signed"),
        (json!({"body": later}), "boarded"),
    ];
    for (mut request, expected) in rows {
        request["provider"] = json!("runpayments");
        running.send(request).await;
        let merchant = get(&running, path).await.1;
        assert_eq!((&merchant["merchant_status"], &merchant["merchant_id"]), (&json!(expected), &json!(7)));
    }
    running.control(Method::PUT, "runpayments/merchants/7", json!({"merchant_status": "live"})).await;
    assert_eq!(get(&running, path).await.1["merchant_status"], "live");
    running.send(json!({"provider": "runpayments", "body": earlier})).await;
    assert_eq!(
        get(&running, path).await.1["merchant_status"],
        "sent_for_signature",
        "a set status yields to any event"
    );
}

#[tokio::test]
async fn the_list_is_paged_and_filtered() {
    let running = start(json!({})).await;
    for id in 1..=5 {
        let status = if id == 5 { "live" } else { "new" };
        running.control(Method::PUT, &format!("runpayments/merchants/{id}"), json!({"merchant_status": status})).await;
    }
    let (_, page) = get(&running, "relay/api/boarding/v1/merchants?limit=2&offset=2").await;
    assert_eq!((&page["items"][0]["merchant_id"], &page["hasMore"]), (&json!(3), &json!(true)));
    assert_eq!((&page["count"], &page["limit"], &page["offset"]), (&json!(2), &json!(2), &json!(2)));
    assert_eq!(page["links"][0]["rel"], "next");
    let (_, page) = get(&running, "relay/api/boarding/v1/merchants?limit=2&offset=4").await;
    assert_eq!((&page["hasMore"], &page["links"]), (&json!(false), &json!([])));
    let (_, page) = get(&running, "relay/api/boarding/v1/merchants?merchant_status=live").await;
    assert_eq!((&page["count"], &page["items"][0]["merchant_id"]), (&json!(1), &json!(5)));
}

#[tokio::test]
async fn reports_are_filtered_by_q_and_exact() {
    let running = start(json!({})).await;
    let body = r#"{"items": [{"mid": "m", "amount": 25.990}, {"mid": "n", "amount": 1}]}"#;
    let put = running.call(Method::PUT, "/control/runpayments/reports/transactions", &[], body).await;
    assert_eq!(put.status, 204);
    let (_, token) = login(&running, "/runpayments/ords/sprint/oauth/token").await;
    let path = "/runpayments/ords/sprint/api/3p/v1/transactions?q=%7B%22mid%22:%22m%22%7D";
    let reply = running.call(Method::GET, path, &[("authorization", &token)], "").await;
    assert!(String::from_utf8(reply.body.to_vec()).unwrap().contains("25.990"));
    assert_eq!(parsed(reply).1["count"], 1);
    assert_eq!(get(&running, "sprint/api/3p/v1/deposits").await.1["items"], json!([]));
    assert_eq!(get(&running, "sprint/api/3p/v1/transactions?q=x").await.0, 400);
    assert_eq!(get(&running, "sprint/api/3p/v1/other").await.0, 404);
}

#[tokio::test]
async fn an_announced_transaction_is_reported_as_it_was_sent() {
    let (running, _receiver) = start_with_receiver("runpayments", &[]).await;
    let at = "2024-01-15T10:30:00.000Z";
    for (event_type, more) in [
        ("transaction.entered", json!({"faults": {"drop": true}})),
        ("transaction.refund", json!({})),
        ("chargeback.entered", json!({"faults": {"forge": "signature"}})),
        ("funding.entered", json!({"update_listing": false})),
        ("statement.entered", json!({})),
    ] {
        let mut request = json!({"provider": "runpayments", "body": event(event_type, at)});
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        running.send(request).await;
    }
    let path = "/runpayments/ords/sprint/api/3p/v1/transactions?q=%7B%22id%22:7%7D";
    let (_, token) = login(&running, "/runpayments/ords/sprint/oauth/token").await;
    let reply = running.call(Method::GET, path, &[("authorization", &token)], "").await;
    assert!(String::from_utf8(reply.body.to_vec()).unwrap().contains(r#""amount":1.10"#));
    assert_eq!(parsed(reply).1["count"], 1, "a later event about the same replaces its row");
    for report in ["chargebacks", "deposits", "adjustments"] {
        assert_eq!(get(&running, &format!("sprint/api/3p/v1/{report}")).await.1["items"], json!([]), "{report}");
    }
}

#[tokio::test]
async fn each_api_has_a_client_of_its_own() {
    let running = start(json!({})).await;
    let (relay, sprint) = ("/runpayments/ords/relay/oauth/token", "/runpayments/ords/sprint/oauth/token");
    assert_eq!(login_as(&running, sprint, client(relay)).await.0, 401);
    assert_eq!(login_as(&running, relay, client(sprint)).await.0, 401);
    let (_, token) = login(&running, relay).await;
    let report = "/runpayments/ords/sprint/api/3p/v1/transactions";
    assert_eq!(running.get(report, &[("authorization", &token)]).await.0, 401);
}

#[tokio::test]
async fn calls_need_a_token() {
    let running = start(json!({})).await;
    let (status, answer) = running.get("/runpayments/ords/relay/api/boarding/v1/merchants", &[]).await;
    assert_eq!((status, &answer["code"]), (401, &json!("Unauthorized")));
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let path = "/runpayments/ords/relay/oauth/token";
    assert_eq!(running.call(Method::POST, path, &headers, "grant_type=client_credentials").await.status, 401);
}

#[tokio::test]
async fn a_list_may_spell_statuses_in_its_own_way() {
    let running = start(json!({})).await;
    let merchants = [("5", "in_underwriting"), ("6", "in_underwriting"), ("3", "in_underwriting"), ("1", "cancelled")];
    for (id, status) in merchants {
        let path = format!("runpayments/merchants/{id}");
        running.control(Method::PUT, &path, json!({"merchant_status": status})).await;
    }
    let listed = async || {
        let (_, page) = get(&running, "relay/api/boarding/v1/merchants").await;
        let rows = page["items"].as_array().unwrap().clone();
        rows.into_iter().map(|row| row["merchant_status"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed().await, merchants.map(|(_, status)| status));
    let switch = json!({"provider": "runpayments", "api": {"odd_spellings": true}});
    running.control(Method::PUT, "faults", switch).await;
    assert_eq!(listed().await, ["merchant.in_underwriting", "Underwriting", "In  Underwriting", "Canceled"]);
}

#[tokio::test]
async fn tokens_may_live_shortly_and_die_by_403() {
    let running = start(json!({})).await;
    let path = "/runpayments/ords/relay/api/boarding/v1/merchants";
    let call = async |token: &str| running.get(path, &[("authorization", token)]).await.0;
    assert_eq!(call("Bearer nobody's").await, 401);
    let switch = json!({"provider": "runpayments", "api": {"dead_token_status": 403, "token_life_ms": 300}});
    running.control(Method::PUT, "faults", switch).await;
    let (_, token) = login(&running, "/runpayments/ords/relay/oauth/token").await;
    assert_eq!(call(&token).await, 200);
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_eq!(call(&token).await, 403);
}

#[tokio::test]
async fn a_stamp_of_the_future_changes_no_order() {
    let (running, _receiver) = start_with_receiver("runpayments", &[]).await;
    let ahead = event("merchant.signed", "2024-01-15T16:00:00.000Z");
    let after_it = event("merchant.boarded", "2024-01-15T10:45:00.000Z");
    running.send(json!({"provider": "runpayments", "body": ahead, "faults": {"ahead_secs": 19_800}})).await;
    running.send(json!({"provider": "runpayments", "body": after_it})).await;
    let (_, page) = get(&running, "relay/api/boarding/v1/merchants").await;
    assert_eq!(page["items"][0]["merchant_status"], "boarded", "it took place at 10:30");
}
