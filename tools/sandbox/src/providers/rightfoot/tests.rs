//! Rightfoot's schedule and its API.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::Rightfoot;
use crate::provider::{Attempted, Provider, Verdict};
use crate::testing::{Running, parsed, start, start_with_receiver};

const KEY: (&str, &str) = ("authorization", "Bearer sandbox-rightfoot-key");

async fn balances(running: &Running, query: &str) -> (u16, Value) {
    running.get(&format!("/rightfoot/v1/balances?{query}"), &[KEY]).await
}

#[test]
fn retries_double_for_half_an_hour() {
    let verdict = |attempt, status| {
        let attempted = Attempted { attempt, status, retry_after_secs: None, waited: Duration::ZERO, roll: 0.5 };
        Rightfoot::default().verdict(&attempted)
    };
    let minutes: Vec<_> = (1..=4).map(|attempt| verdict(attempt, Some(503))).collect();
    assert_eq!(minutes, [1, 2, 4, 8].map(|minutes| Verdict::Again(Duration::from_mins(minutes))));
    assert_eq!(verdict(5, None), Verdict::GiveUp);
    assert_eq!(verdict(1, Some(204)), Verdict::Delivered);
    assert_eq!(verdict(1, Some(400)), Verdict::Again(Duration::from_mins(1)), "no status is permanent");
}

#[tokio::test]
async fn a_batch_is_404_until_it_is_complete() {
    let running = start(json!({})).await;
    let (status, body) = balances(&running, "batchId=b-1").await;
    assert_eq!((status, &body["status_code"], &body["batch_id"]), (404, &json!(404), &json!("b-1")));
    running.control(Method::PUT, "rightfoot/batches/b-1", json!({"state": "processing"})).await;
    assert_eq!(balances(&running, "batchId=b-1").await.0, 404);
    let soon = json!({"state": "processing", "balances": [], "complete_after_ms": 0});
    running.control(Method::PUT, "rightfoot/batches/b-1", soon).await;
    let (status, body) = balances(&running, "batchId=b-1").await;
    assert_eq!((status, &body["has_more"], &body["next_page_token"]), (200, &json!(false), &Value::Null));
    assert_eq!(running.get("/rightfoot/v1/balances?batchId=b-1", &[]).await.0, 401);
}

#[tokio::test]
async fn a_key_counts_until_another_does() {
    let running = start(json!({})).await;
    running.control(Method::PUT, "rightfoot/key", json!({"api_key": "next"})).await;
    assert_eq!(balances(&running, "batchId=b-1").await.0, 401);
    let next = ("authorization", "Bearer next");
    assert_eq!(running.get("/rightfoot/v1/balances?batchId=b-1", &[next]).await.0, 404);
    running.control(Method::POST, "reset", json!({})).await;
    assert_eq!(balances(&running, "batchId=b-1").await.0, 404);
}

#[tokio::test]
async fn pages_follow_the_token_under_either_name() {
    let running = start(json!({})).await;
    let rows: Vec<Value> = (0..5).map(|row| json!({"authorizer_unique_id": row.to_string()})).collect();
    let batch = json!({"state": "complete", "balances": rows});
    running.control(Method::PUT, "rightfoot/batches/b-1", batch).await;
    for name in ["next_page_token", "nextPageToken"] {
        let (mut seen, mut query) = (Vec::new(), "batchId=b-1&limit=2".to_owned());
        loop {
            let (status, page) = balances(&running, &query).await;
            assert_eq!((status, &page["total_processed"]), (200, &json!(5)));
            seen.extend(page["balances"].as_array().unwrap().clone());
            let Some(token) = page["next_page_token"].as_str() else { break };
            query = format!("batchId=b-1&limit=2&{name}={token}");
        }
        assert_eq!(seen, rows);
    }
    for query in ["limit=1", "batchId=b-1&limit=0", "batchId=b-1&limit=101", "batchId=b-1&nextPageToken=x"] {
        assert_eq!(balances(&running, query).await.0, 400, "{query}");
    }
}

#[tokio::test]
async fn balances_keep_every_digit() {
    let running = start(json!({})).await;
    let body = r#"{"state": "complete", "balances": [{"authorizer_unique_id": "a", "balance": -83.680, "balance_status_code": 0}]}"#;
    assert_eq!(running.call(Method::PUT, "/control/rightfoot/batches/b-1", &[], body).await.status, 204);
    let reply = running.call(Method::GET, "/rightfoot/v1/balances?batchId=b-1", &[KEY], "").await;
    assert!(String::from_utf8(reply.body.to_vec()).unwrap().contains(r#""balance": -83.680"#));
}

#[tokio::test]
async fn the_same_request_is_the_same_batch() {
    let running = start(json!({})).await;
    let submit = async |count: usize| {
        let body = json!({"authorizers": vec![json!({"ssn": "000000000"}); count]}).to_string();
        parsed(running.call(Method::POST, "/rightfoot/v1/balance_requests", &[KEY], &body).await)
    };
    let (first, second, other) = (submit(1).await, submit(1).await, submit(2).await);
    assert_eq!((first.0, &first), (200, &second));
    assert_ne!(first.1["batch_id"], other.1["batch_id"]);
    assert_eq!((submit(0).await.0, submit(1001).await.0), (400, 400));
    assert_eq!(balances(&running, &format!("batchId={}", first.1["batch_id"].as_str().unwrap())).await.0, 404);
}

#[tokio::test]
async fn a_completion_goes_to_the_url_of_its_batch() {
    let (running, mut receiver) = start_with_receiver("rightfoot", &[(500, None), (500, None)]).await;
    let request = json!({"authorizers": [{}], "webhook_url": format!("{}/own", receiver.url)}).to_string();
    let (_, batch) = parsed(running.call(Method::POST, "/rightfoot/v1/balance_requests", &[KEY], &request).await);
    let event = json!({"event_uuid": "u", "type": "BALANCE_BATCH_COMPLETED", "batch_id": batch["batch_id"]});
    running.send(json!({"provider": "rightfoot", "body": event.to_string(), "retry": true})).await;
    running.settle().await;
    let paths: Vec<_> = receiver.arrived().into_iter().map(|arrival| arrival.path).collect();
    assert_eq!(paths, ["/own"; 3]);
    running.send(json!({"provider": "rightfoot", "body": "{}"})).await;
    assert_eq!(receiver.arrived().remove(0).path, "/webhooks/rightfoot/token");
}

#[tokio::test]
async fn faults_have_the_documented_shape_and_are_counted() {
    let running = start(json!({})).await;
    let faults = json!({"provider": "rightfoot", "api": {"rate_limit_next": 1, "retry_after_secs": 7, "fail_next": 1}});
    running.control(Method::PUT, "faults", faults).await;
    let reply = running.call(Method::GET, "/rightfoot/v1/balances?batchId=b", &[KEY], "").await;
    assert_eq!((reply.status, reply.headers["retry-after"].to_str().unwrap()), (429, "7"));
    assert_eq!(parsed(reply).1["error"]["code"], "TOO_MANY_REQUESTS");
    assert_eq!(balances(&running, "batchId=b").await.0, 503);
    assert_eq!(balances(&running, "batchId=b").await.0, 404);
    let counted = running.get("/control/requests", &[]).await.1;
    assert_eq!((&counted["rightfoot"], &counted["finbox"]), (&json!({"GET /v1/balances": 3}), &json!({})));
}

#[tokio::test]
async fn a_run_is_told_by_its_schedule_and_its_authorizers() {
    let running = start(json!({})).await;
    let schedule = async || running.get("/rightfoot/v1/monitoring/schedules/s1", &[KEY]).await;
    assert_eq!(schedule().await.0, 404);
    let set = json!({"next_run_at": "2026-11-21T02:30:00Z", "total_authorizers": 2});
    running.control(Method::PUT, "rightfoot/schedules/s1", set).await;
    assert_eq!(schedule().await.1["last_run_at"], Value::Null);
    for (day, batch) in [(21, "b1"), (22, "b2")] {
        let run = json!({
            "batch_id": batch, "run_at": format!("2026-11-{day}T02:30:00Z"), "next_run_at": "2026-11-23T02:30:00Z",
            "balances": [{"authorizer_unique_id": "a1", "balance": -1.5}, {"authorizer_unique_id": "a2", "balance": null}],
        });
        running.control(Method::POST, "rightfoot/schedules/s1/runs", run).await;
    }
    let expected = json!({"schedule_id": "s1", "name": null, "last_run_at": "2026-11-22T02:30:00Z",
                          "next_run_at": "2026-11-23T02:30:00Z", "total_authorizers": 2});
    assert_eq!(schedule().await.1, expected);
    let (status, failed) = running.get("/rightfoot/v1/monitoring/authorizers/a2/history", &[KEY]).await;
    assert_eq!((status, &failed["total_count"], &failed["history"][0]["status"]), (200, &json!(2), &json!("failed")));
    assert_eq!(failed["history"][0]["batch_id"], "b2", "newest first");
    assert_eq!(balances(&running, "batchId=b2").await.1["total_processed"], 2);
}

#[tokio::test]
async fn a_history_is_read_page_by_page() {
    let running = start(json!({})).await;
    let runs: Vec<Value> = (0..25).map(|run| json!({"batch_id": run.to_string()})).collect();
    running.control(Method::PUT, "rightfoot/authorizers/a1/history", json!({"history": runs})).await;
    let history = async |query: &str| {
        running.get(&format!("/rightfoot/v1/monitoring/authorizers/a1/history?{query}"), &[KEY]).await
    };
    assert_eq!(history("").await.1["history"].as_array().unwrap().len(), 10);
    let (mut seen, mut query) = (Vec::new(), "limit=12".to_owned());
    loop {
        let (status, page) = history(&query).await;
        assert_eq!((status, &page["total_count"]), (200, &json!(25)));
        seen.extend(page["history"].as_array().unwrap().clone());
        let Some(token) = page["next_page_token"].as_str() else { break };
        query = format!("limit=12&next_page_token={token}");
    }
    assert_eq!(seen, runs);
    for query in ["limit=0", "limit=101", "next_page_token=x"] {
        assert_eq!(history(query).await.0, 400, "{query}");
    }
    assert_eq!(running.get("/rightfoot/v1/monitoring/authorizers/a2/history", &[KEY]).await.0, 404);
    assert_eq!(running.get("/rightfoot/v1/monitoring/authorizers/a1/history", &[]).await.0, 401);
}

#[tokio::test]
async fn an_answer_is_forgotten_after_a_day() {
    // A day of the provider's is over here before the next request can be sent.
    let running = start(json!({"time_scale": 1e9})).await;
    let submit = async || {
        let body = r#"{"authorizers":[{}],"webhook_url":"http://127.0.0.1:1/w"}"#;
        parsed(running.call(Method::POST, "/rightfoot/v1/balance_requests", &[KEY], body).await).1
    };
    assert_ne!(submit().await["batch_id"], submit().await["batch_id"]);
}

#[tokio::test]
async fn a_complete_batch_may_be_empty_at_first() {
    let running = start(json!({})).await;
    let batch = |empty_for_ms: u64| json!({"state": "complete", "balances": [{}, {}], "empty_for_ms": empty_for_ms});
    running.control(Method::PUT, "rightfoot/batches/b-1", batch(200)).await;
    let shown = async || {
        let (status, page) = balances(&running, "batchId=b-1").await;
        assert_eq!((status, &page["total_processed"], &page["has_more"]), (200, &json!(2), &json!(false)));
        page["balances"].as_array().unwrap().len()
    };
    assert_eq!(shown().await, 0);
    // Counted from the first look.
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(shown().await, 2);
    running.control(Method::PUT, "rightfoot/batches/b-1", batch(0)).await;
    assert_eq!(shown().await, 2);
}

#[tokio::test]
async fn pages_name_the_next_one_in_their_spelling() {
    let running = start(json!({})).await;
    let names = async |spelling: Value| {
        let mut batch = json!({"state": "complete", "balances": [{}, {}]});
        batch["page_spelling"] = spelling;
        running.control(Method::PUT, "rightfoot/batches/b-1", batch).await;
        let (_, page) = balances(&running, "batchId=b-1&limit=1").await;
        let names: Vec<String> = page.as_object().unwrap().keys().filter(|name| !name.contains('b')).cloned().collect();
        let token = page.get("next_page_token").or(page.get("nextPageToken")).and_then(Value::as_str).unwrap();
        let (_, last) = balances(&running, &format!("batchId=b-1&limit=1&next_page_token={token}")).await;
        assert_eq!(last["balances"].as_array().unwrap().len(), 1);
        names
    };
    assert_eq!(names(json!("snake")).await, ["has_more", "next_page_token", "total_processed"]);
    assert_eq!(names(json!("camel")).await, ["hasMore", "nextPageToken", "total_processed"]);
    assert_eq!(names(json!("no_flag")).await, ["next_page_token", "total_processed"]);
}

#[tokio::test]
async fn a_page_token_may_be_refused_and_a_new_walk_succeeds() {
    let running = start(json!({})).await;
    let batch = json!({"state": "complete", "balances": [{}, {}], "refuse_tokens": 1});
    running.control(Method::PUT, "rightfoot/batches/b-1", batch).await;
    let walk = async || {
        let (_, first) = balances(&running, "batchId=b-1&limit=1").await;
        let token = first["next_page_token"].as_str().unwrap().to_owned();
        balances(&running, &format!("batchId=b-1&limit=1&next_page_token={token}")).await
    };
    let (status, refused) = walk().await;
    assert_eq!((status, &refused["error"]["code"]), (400, &json!("INVALID_PAGE_TOKEN")));
    assert_eq!(walk().await.0, 200);
}
