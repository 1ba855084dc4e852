//! A balance request through the deployed route, to its published end; and watches of what runs by itself.

use hookledger_core::model::debt::ExpectationState;
use hookledger_core::model::entry::{Entry, Origin, State};
use hookledger_core::model::identity::{Identity, ProviderId, Subject};
use hookledger_kit as kit;
use hookledger_tests::local::{Answered, Local, until};
use hookledger_tests::samples::event_of;
use serde_json::{Value, json};

use super::scene;

const RIGHTFOOT: ProviderId = ProviderId("rightfoot");

async fn submit(local: &Local, provider: &str, document: &Value) -> Answered {
    let url = format!("{}/submissions/{provider}", local.stack.api_url);
    local.http.signed("execute-api", "POST", &url, &[], document.to_string().into_bytes()).await.unwrap()
}

/// Gives the expectations function an order without the gateway; its answer is the HTTP answer as JSON.
async fn ordered(local: &Local, order: Value) -> Value {
    let path = format!("/2015-03-31/functions/{}/invocations", local.stack.function("expectations").unwrap());
    local.http.aws("lambda", "POST", &path, &[], order.to_string().into_bytes()).await.unwrap().json().unwrap()
}

fn reference(answered: &Answered) -> String {
    answered.json().unwrap()["reference"].as_str().unwrap().to_string()
}

async fn expectation_is(local: &Local, reference: &str, state: ExpectationState) {
    until(&format!("{reference} to be {}", state.as_str()), async || {
        let answered = local.expect("GET", "rightfoot", reference).await?.json()?;
        Ok(if answered["state"] == state.as_str() { Ok(()) } else { Err(format!("it is {}", answered["state"])) })
    })
    .await
    .unwrap();
}

/// Every text in the table, as the emulator hands it out.
async fn whole_table(local: &Local) -> String {
    let headers = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", "DynamoDB_20120810.Scan")];
    let (mut all, mut start) = (String::new(), Value::Null);
    for _ in 0..1000 {
        let mut question = json!({ "TableName": local.stack.table });
        if !start.is_null() {
            question["ExclusiveStartKey"] = start;
        }
        let body = question.to_string().into_bytes();
        let page = local.http.aws("dynamodb", "POST", "/", &headers, body).await.unwrap().json().unwrap();
        all.push_str(&page["Items"].to_string());
        start = page["LastEvaluatedKey"].clone();
        if start.is_null() {
            return all;
        }
    }
    panic!("the table does not end");
}

/// A minute's room for forgeries is full. What comes with the live token and can't be read is refused, as Rightfoot
/// expects it; it is kept all the same, and its batch is asked for.
#[tokio::test]
async fn forgeries_crowd_out_nothing_that_is_proved() {
    let (_guard, scene) = scene("crowded").await;
    let local = &scene.local;
    let before = local.refusals("rightfoot").await.unwrap();
    for n in 0..30 {
        let body = kit::event("rightfoot", &scene.id(&n.to_string()));
        let forged = local.post("rightfoot", &body, "no-token-of-ours", 0).unwrap();
        assert_eq!(local.send(forged).await.unwrap().status, 403);
    }
    let kept = local.refusals("rightfoot").await.unwrap();
    assert!(kept < before + 30, "the room has an end: {before}, {kept}");
    let batches = ["first", "second", "third"].map(|name| scene.id(name));
    for batch in &batches {
        local.sandbox.event("rightfoot", batch).await.unwrap();
        let nameless = json!({ "type": "BALANCE_BATCH_COMPLETED", "batch_id": batch });
        let answered = local.deliver("rightfoot", &nameless.to_string()).await.unwrap();
        assert_eq!(answered.status, 400, "as its page shows it");
    }
    assert_eq!(local.refusals("rightfoot").await.unwrap(), kept + batches.len(), "each is kept");
    for batch in &batches {
        expectation_is(local, batch, ExpectationState::Met).await;
        let key = event_of("rightfoot", kit::event("rightfoot", batch)).key();
        let found = local.until_state(&key, State::Done).await.unwrap();
        assert_eq!(found.origin, Origin::Poll, "{batch}");
    }
}

#[tokio::test]
async fn a_balance_request_through_us_is_heard_to_its_end() {
    let (_guard, scene) = scene("submit").await;
    let local = &scene.local;
    let authorizer = scene.id("authorizer");
    let canary = format!("canary-{}", scene.id("ssn"));
    let document =
        |note: &str| json!({ "authorizers": [{ "authorizer_unique_id": authorizer, "ssn": canary, "note": note }] });

    let url = format!("{}/submissions/rightfoot", local.stack.api_url);
    let unsigned = local.http.json("POST", &url, &document("")).await.unwrap();
    assert_eq!(unsigned.status, 403, "{}", unsigned.text());
    let rows = [("finbox", document(""), 422), ("nobody", document(""), 404), ("rightfoot", json!({}), 400)];
    for (provider, document, expected) in rows {
        let answered = submit(local, provider, &document).await;
        assert_eq!(answered.status, expected, "{provider}: {}", answered.text());
    }

    let taken = submit(local, "rightfoot", &document("first")).await;
    assert_eq!(taken.status, 201, "{}", taken.text());
    let batch = reference(&taken);
    let submission = taken.json().unwrap()["submission"].as_str().unwrap().to_string();
    expectation_is(local, &submission, ExpectationState::Met).await;
    expectation_is(local, &batch, ExpectationState::Waiting).await;
    // The same document again is the same batch.
    assert_eq!(reference(&submit(local, "rightfoot", &document("first")).await), batch);

    // Rightfoot calls back where the submission told it to.
    let balances = json!([{ "authorizer_unique_id": authorizer, "balance": -1.5, "balance_status_code": 0 }]);
    local.sandbox.batch(&batch, "complete", balances).await.unwrap();
    let body = kit::event("rightfoot", &batch);
    local.sandbox.send_expecting("rightfoot", &body, json!({}), 200).await.unwrap();
    let key = event_of("rightfoot", &body).key();
    local.until_state(&key, State::Done).await.unwrap();
    expectation_is(local, &batch, ExpectationState::Met).await;
    assert_eq!(local.rows(&key.subject(), "balance#").await.unwrap(), [format!("balance#{authorizer}")]);

    // Rightfoot is down: nobody can say, so it stays owed; the second attempt settles it.
    local.sandbox.faults("rightfoot", json!({ "outage": true })).await.unwrap();
    let failed = submit(local, "rightfoot", &document("second")).await;
    local.sandbox.faults("rightfoot", json!({ "outage": false })).await.unwrap();
    assert_eq!((failed.status, failed.header("retry-after")), (503, Some("30")), "{}", failed.text());
    let told: Value = serde_json::from_slice(&failed.body).unwrap();
    let submission = told["submission"].as_str().unwrap();
    expectation_is(local, submission, ExpectationState::Waiting).await;
    let taken = submit(local, "rightfoot", &document("second")).await;
    assert_eq!(taken.json().unwrap()["submission"], submission);
    expectation_is(local, submission, ExpectationState::Met).await;
    local.expect("DELETE", "rightfoot", &reference(&taken)).await.unwrap();

    // What is owed for a submission is looked at from outside, and neither made nor ended; by either door.
    for (method, action) in [("PUT", "put"), ("DELETE", "delete")] {
        let answered = local.expect(method, "rightfoot", submission).await.unwrap();
        assert_eq!(answered.status, 400, "{method}: {}", answered.text());
        assert!(answered.text().contains("must not begin with submission:"), "{method}: {}", answered.text());
        let order = json!({ "action": action, "provider": "rightfoot", "reference": submission });
        let answered = ordered(local, order).await;
        assert_eq!(answered["statusCode"], 400, "{action}: {answered}");
    }
    assert_eq!(local.expect("GET", "rightfoot", submission).await.unwrap().status, 200);
    // No field goes to Rightfoot that it does not document.
    let mut more = document("third");
    more["callback_url"] = json!("https://else.example");
    let refused = submit(local, "rightfoot", &more).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(refused.text().contains("field callback_url"), "{}", refused.text());
    let order = json!({ "action": "submit", "provider": "rightfoot", "document": more });
    assert_eq!(ordered(local, order).await["statusCode"], 400);

    assert!(!whole_table(local).await.contains(&canary), "an authorizer's data is in the table");
}

#[tokio::test]
async fn what_runs_by_schedule_is_found_by_watching() {
    let (_guard, scene) = scene("watch").await;
    let local = &scene.local;
    let (schedule, authorizer, batch) = (scene.id("schedule"), scene.id("authorizer"), scene.id("batch"));
    let now = hookledger_core::ports::Clock::now(&hookledger_aws::ports::clock::SystemClock::new());
    let set = json!({ "next_run_at": now.to_string(), "total_authorizers": 1 });
    local.sandbox.control("PUT", &format!("rightfoot/schedules/{schedule}"), &set).await.unwrap();
    let watches = [format!("schedule:{schedule}"), format!("authorizer:{authorizer}")];
    for watch in &watches {
        assert_eq!(local.expect("PUT", "rightfoot", watch).await.unwrap().status, 201);
    }
    let run = json!({
        "batch_id": batch, "run_at": now.to_string(),
        "balances": [{ "authorizer_unique_id": authorizer, "balance": null, "balance_status_code": 3300 }],
    });
    local.sandbox.control("POST", &format!("rightfoot/schedules/{schedule}/runs"), &run).await.unwrap();

    let completed = Subject::new(RIGHTFOOT, "batch", &batch);
    let completed = completed.item(Identity::new(&["BALANCE_BATCH_COMPLETED", &batch]).as_str());
    let ran = Subject::new(RIGHTFOOT, "schedule", &schedule);
    let ran = ran.item(Identity::new(&["MONITORING_SCHEDULE_RUN", &now.to_string()]).as_str());
    for key in [&completed, &ran] {
        let Entry { origin, .. } = local.until_state(key, State::Done).await.unwrap();
        assert_eq!(origin, Origin::Poll, "{key}");
    }
    assert_eq!(local.rows(&completed.subject(), "balance#").await.unwrap(), [format!("balance#{authorizer}")]);
    // The webhook comes after all.
    let body = kit::event("rightfoot", &batch);
    local.sandbox.send_expecting("rightfoot", &body, json!({}), 200).await.unwrap();
    assert_eq!(local.rows(&completed.subject(), "event#").await.unwrap().len(), 1);
    for watch in &watches {
        assert_eq!(local.expect("DELETE", "rightfoot", watch).await.unwrap().status, 200);
    }
}
