//! Run Payments on the deployed stack: what a webhook announces is looked up in the reports.

use hookledger_core::model::entry::State;
use hookledger_tests::local::until;
use hookledger_tests::samples::event_of;
use serde_json::json;

/// More digits than a double holds.
const AMOUNT: &str = "12345678901234567.10";

fn transaction(id: &str) -> String {
    format!(
        r#"{{"event_type":"transaction.entered","source_id":"{id}","timestamp":"2026-11-20T08:00:00Z","payload":{{"amount":{AMOUNT}}},"metadata":{{"webhook_id":"wh","attempt":1,"idempotency_key":"{id}"}}}}"#
    )
}

#[tokio::test]
async fn a_transaction_is_looked_up_and_its_amount_kept_as_sent() {
    let (_guard, scene) = super::scene("report").await;
    let local = &scene.local;
    let body = transaction(&scene.id("transaction"));
    let key = event_of("runpayments", &body).key();
    // Announced before the report shows it: that is waited for.
    local.sandbox.send_expecting("runpayments", &body, json!({ "update_listing": false }), 200).await.unwrap();
    until("the look-up to wait for its report", async || {
        let reason = local.entry(&key).await?.and_then(|entry| entry.reason);
        Ok(reason
            .filter(|reason| reason.contains("does not show it yet"))
            .ok_or_else(|| "it does not wait".to_string()))
    })
    .await
    .unwrap();
    // It is shown now, whatever becomes of the webhook's second copy.
    local.sandbox.send_expecting("runpayments", &body, json!({}), 200).await.unwrap();
    local.until_state(&key, State::Done).await.unwrap();

    let rows = local.ledger.rows(&key.pk, "transactions#").await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].columns, [("amount".to_string(), AMOUNT.to_string())]);
    let document = String::from_utf8(rows[0].document.clone()).unwrap();
    assert!(document.contains(&format!(r#""amount":{AMOUNT}"#)), "{document}");
    let published = local.observer.published(&key.pk).await.unwrap();
    assert_eq!(published.len(), 1);
    assert_eq!(published[0]["summary"], json!({ "looked_up": true, "rows": 1 }));
}

/// The reports answer what no retry mends: the event is told all the same, and says that it was not looked up.
#[tokio::test]
async fn an_event_is_told_without_its_report_where_that_cannot_be_had() {
    let (_guard, scene) = super::scene("unreported").await;
    let local = &scene.local;
    let body = transaction(&scene.id("transaction"));
    let key = event_of("runpayments", &body).key();
    local.sandbox.faults("runpayments", json!({ "outage": true, "status": 422 })).await.unwrap();
    let sent = local.sandbox.send_expecting("runpayments", &body, json!({}), 200).await;
    let settled = local.until_state(&key, State::Done).await;
    local.sandbox.faults("runpayments", json!({ "outage": false, "status": 503 })).await.unwrap();
    sent.and(settled.map(drop)).unwrap();
    assert!(local.ledger.rows(&key.pk, "transactions#").await.unwrap().is_empty());
    let published = local.observer.published(&key.pk).await.unwrap();
    assert_eq!((published.len(), &published[0]["summary"]["looked_up"]), (1, &json!(false)));
    assert!(published[0]["summary"]["why"].is_string(), "{published:?}");
}
