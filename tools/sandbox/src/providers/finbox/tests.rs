//! FinBox's payload list, its entities and its sessions.

use http::Method;
use serde_json::{Value, json};

use super::FinBox;
use crate::provider::{Attempted, Provider, Verdict};
use crate::testing::{Running, parsed, receive, start, start_with_receiver};

const KEYS: [(&str, &str); 2] = [("x-api-key", "sandbox-finbox-key"), ("server-hash", "sandbox-finbox-hash")];

async fn get(running: &Running, path: &str) -> (u16, Value) {
    running.get(&format!("/finbox/bank-connect/v1/{path}"), &KEYS).await
}

#[test]
fn there_is_one_attempt_and_only_200_counts() {
    let verdict = |status| {
        let waited = std::time::Duration::ZERO;
        FinBox::default().verdict(&Attempted { attempt: 1, status, retry_after_secs: Some(1), waited, roll: 0.5 })
    };
    assert_eq!(verdict(Some(200)), Verdict::Delivered);
    for status in [Some(201), Some(204), Some(503), None] {
        assert_eq!(verdict(status), Verdict::GiveUp, "{status:?}");
    }
}

#[tokio::test]
async fn a_key_counts_until_another_does() {
    let running = start(json!({})).await;
    running.control(Method::PUT, "finbox/key", json!({"api_key": "next"})).await;
    assert_eq!(get(&running, "entity/").await.0, 401);
    assert_eq!(get(&running, "session_data/s/progress/").await.0, 403);
    let next = [("x-api-key", "next"), ("server-hash", "sandbox-finbox-hash")];
    assert_eq!(running.get("/finbox/bank-connect/v1/entity/", &next).await.0, 200);
    running.control(Method::POST, "reset", json!({})).await;
    assert_eq!(get(&running, "entity/").await.0, 200);
}

#[tokio::test]
async fn the_payload_list_has_what_was_sent_and_what_was_lost() {
    let (running, _receiver) = start_with_receiver("finbox", &[]).await;
    let event = |statement: &str, link: Value| json!({"entity_id": "e", "statement_id": statement, "link_id": link, "progress": "completed", "reason": ""});
    let old = json!({"statement_id": "s-0", "date_time": "2020-03-06 12:46:33"});
    running.control(Method::POST, "finbox/payloads/l-1", old).await;
    for (body, faults) in [
        (event("s-1", json!("l-1")), json!({"times": 3})),
        (event("s-2", json!("l-1")), json!({"drop": true})),
        (event("s-3", json!("l-1")), json!({"forge": "token"})),
        (event("s-4", Value::Null), json!({})),
    ] {
        running.send(json!({"provider": "finbox", "body": body.to_string(), "faults": faults})).await;
    }
    let (status, list) = get(&running, "entity/webhook_payloads/?link_id=l-1").await;
    let ids: Vec<_> = list["payloads"].as_array().unwrap().iter().map(|row| row["statement_id"].clone()).collect();
    assert_eq!((status, ids), (200, vec![json!("s-2"), json!("s-1"), json!("s-0")]), "newest first");
    let row = list["payloads"][0].as_object().unwrap();
    let names: Vec<_> = row.keys().map(String::as_str).collect();
    assert_eq!(names, ["date_time", "entity_id", "link_id", "progress", "reason", "statement_id"]);
    assert!(jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", row["date_time"].as_str().unwrap()).is_ok());

    let given = json!([{"statement_id": "b"}, {"statement_id": "a"}]);
    running.control(Method::PUT, "finbox/payloads/l-1", json!({"payloads": given})).await;
    let list = get(&running, "entity/webhook_payloads/?link_id=l-1").await.1;
    assert_eq!((&list["payloads"][0]["statement_id"], list["payloads"].as_array().unwrap().len()), (&json!("b"), 2));
    assert_eq!(get(&running, "entity/webhook_payloads/?link_id=unknown").await.1, json!({"payloads": []}));
}

#[tokio::test]
async fn an_entity_shows_progress_and_exact_money() {
    let running = start(json!({})).await;
    let body = r#"{"link_id": "l-1", "progress": [{"statement_id": "s", "status": "completed"}], "transactions": [{"amount": 100.10}]}"#;
    assert_eq!(running.call(Method::PUT, "/control/finbox/entities/e-1", &[], body).await.status, 204);
    let path = "/finbox/bank-connect/v1/entity/e-1/transactions/";
    let reply = running.call(Method::GET, path, &KEYS, "").await;
    assert!(String::from_utf8(reply.body.to_vec()).unwrap().contains(r#""amount": 100.10"#));
    let (_, answer) = parsed(reply);
    assert_eq!((&answer["progress"][0]["status"], &answer["accounts"]), (&json!("completed"), &json!([])));
    for (path, status) in [
        ("entity/e-1/accounts/", 200),
        ("entity/e-1/identity/", 200),
        ("entity/e-1/unheard_of/", 404),
        ("entity/e-2/transactions/", 404),
        ("entity/e-2/", 404),
    ] {
        assert_eq!(get(&running, path).await.0, status, "{path}");
    }
    let expected = json!({"entity_id": "e-1", "link_id": "l-1", "meta_data": null});
    assert_eq!(get(&running, "entity/e-1/").await.1, expected);
}

#[tokio::test]
async fn a_link_lists_its_entities_ten_a_page() {
    let running = start(json!({})).await;
    for number in 0..13 {
        let link = if number == 12 { "other" } else { "l-1" };
        running.control(Method::PUT, &format!("finbox/entities/e-{number}"), json!({"link_id": link})).await;
    }
    let (_, first) = get(&running, "entity/?link_id=l-1").await;
    assert_eq!((&first["count"], first["results"].as_array().unwrap().len()), (&json!(12), 10));
    assert_eq!((&first["previous"], first["next"].as_str().unwrap().starts_with(&running.url)), (&Value::Null, true));
    let (_, second) = get(&running, "entity/?link_id=l-1&page=2").await;
    assert_eq!((second["results"].as_array().unwrap().len(), &second["next"]), (2, &Value::Null));
    assert_eq!(get(&running, "entity/?link_id=l-1&page=3").await.0, 404);
    assert_eq!(get(&running, "entity/?link_id=nobody").await.1["count"], 0);
}

#[tokio::test]
async fn sessions_answer_with_progress_or_a_documented_error() {
    let running = start(json!({})).await;
    let rows = [
        (json!({"session_progress": "processing"}), 200, Value::Null),
        (json!({"http_status": 400}), 400, json!("PROCESSING_NOT_REQUESTED")),
        (json!({"http_status": 403}), 403, json!("ACCESS_DENIED")),
        (json!({"http_status": 410}), 410, json!("SESSION_DELETED")),
    ];
    for (given, status, code) in rows {
        running.control(Method::PUT, "finbox/sessions/s-1", given).await;
        let (actual, answer) = get(&running, "session_data/s-1/progress/").await;
        assert_eq!((actual, &answer["error"]["code"]), (status, &code));
        // What was uploaded is told before anybody asks for processing.
        let (uploaded, answer) = get(&running, "session_data/s-1/session_upload_status/").await;
        assert_eq!(uploaded, if status == 400 { 200 } else { status });
        assert_eq!(uploaded == 200, answer["upload_status"] == "COMPLETED");
    }
    let expired = json!({"http_status": 400, "upload": {"upload_status": "EXPIRED"}});
    running.control(Method::PUT, "finbox/sessions/s-1", expired).await;
    let (_, answer) = get(&running, "session_data/s-1/session_upload_status/").await;
    assert_eq!((&answer["upload_status"], &answer["session_id"]), (&json!("EXPIRED"), &json!("s-1")));
    let (status, answer) = get(&running, "session_data/s-2/progress/").await;
    assert_eq!((status, &answer["error"]["code"]), (404, &json!("SESSION_NOT_FOUND")));
}

#[tokio::test]
async fn both_keys_are_needed() {
    let running = start(json!({})).await;
    let (status, answer) = running.get("/finbox/bank-connect/v1/entity/?link_id=l", &KEYS[..1]).await;
    let detail = json!({"detail": "Authentication credentials were not provided."});
    assert_eq!((status, answer), (401, detail));
    assert_eq!(running.get("/finbox/bank-connect/v1/session_data/s/progress/", &[]).await.0, 403);
}

#[tokio::test]
async fn update_webhook_moves_the_target() {
    let (running, mut old) = start_with_receiver("finbox", &[]).await;
    let mut new = receive(&[]).await;
    for (url, status) in [(format!("{}/new", new.url), 200), ("https://example.com/hook".to_owned(), 400)] {
        let body = json!({"webhook_url": url, "webhook_mode": 1}).to_string();
        let path = "/finbox/bank-connect/v1/entity/update_webhook/";
        assert_eq!(running.call(Method::POST, path, &KEYS, &body).await.status, status);
    }
    running.send(json!({"provider": "finbox", "body": "{}"})).await;
    assert_eq!((new.arrived().len(), old.arrived().len()), (1, 0));
}
