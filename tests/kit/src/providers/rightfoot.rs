//! Rightfoot: a token in the URL, batches of balances, five attempts.

use serde_json::{Value, json};

use crate::kit::{Kit, Local, Order, Unreadable, Way};
use crate::proof::Proof;
use crate::retries::{Retries, listed};
use crate::url::behind;

pub(super) static KIT: Kit = Kit {
    name: "rightfoot",
    title: "Rightfoot",
    event: |id| json!({ "event_uuid": id, "type": "BALANCE_BATCH_COMPLETED", "batch_id": id }).to_string(),
    unknown: |id| json!({ "event_uuid": id, "type": "NOT_A_TYPE", "batch_id": id }).to_string(),
    listed: |id| json!([id, "NOT_A_TYPE", id, null, null, null]),
    subject: "batch_id",
    time: Some("timestamp"),
    prove: |_, secret, _| Proof::token(secret),
    beside: |_| Vec::new(),
    refused: 403,
    unreadable: Unreadable::Quarantined(400),
    retries: Retries {
        wait: |made| listed(&[60, 120, 240, 480], made),
        gives_up_at: &[],
        heeds_retry_after: false,
        signs_anew: false,
    },
    host: "api.rightfoot.com",
    answer: |url| match url {
        _ if url.contains("/v1/balances?") => {
            let batch = behind(url, "batchId=");
            Some(json!({ "batch_id": batch, "balances": [{ "authorizer_unique_id": "a1" }], "has_more": false }))
        }
        _ if url.contains("/history") => {
            Some(json!({ "history": [{ "run_at": "2039-12-31T12:00:00Z", "batch_id": "b9" }] }))
        }
        _ if url.contains("/schedules/") => Some(json!({ "last_run_at": "2039-12-31T12:00:00Z" })),
        _ => None,
    },
    references: &["", "authorizer:", "schedule:"],
    ways: &[
        Way::Work(r#"{"event_uuid":"u1","type":"BALANCE_BATCH_COMPLETED","batch_id":"b1"}"#),
        Way::Work(
            r#"{"event_uuid":"u1","type":"BALANCE_THRESHOLD_ALERT","schedule_id":"p1","batch_id":"b1","alerts":[{"authorizer_unique_id":"a1","balance":1}]}"#,
        ),
        Way::Poll("b1"),
        Way::Poll("authorizer:a1"),
        Way::Poll("schedule:p1"),
    ],
    finds: r#"{
        "balances":[{"authorizer_unique_id":"a1","balance":1.10,"balance_status_code":0}],"has_more":false,
        "history":[{"run_at":"2040-01-01T00:00:00Z","batch_id":"b1"}],"last_run_at":"2040-01-01T00:00:00Z"}"#,
    pushes: || {
        let batch = json!({
            "event_uuid": "u1", "type": "BALANCE_BATCH_COMPLETED", "batch_id": "b1", "timestamp": "2040-01-01T00:00:00Z",
        });
        let alert =
            json!({ "authorizer_unique_id": "a1", "balance": 1, "threshold_amount": 2, "institution_name": "i" });
        let alerts = json!({
            "event_uuid": "u1", "type": "BALANCE_THRESHOLD_ALERT", "batch_id": "b1", "schedule_id": "p1", "alerts": [alert],
        });
        vec![
            (batch, &["/event_uuid", "/type", "/batch_id", "/timestamp"]),
            (
                alerts,
                &[
                    "/event_uuid",
                    "/type",
                    "/batch_id",
                    "/schedule_id",
                    "/alerts",
                    "/alerts/0/authorizer_unique_id",
                    "/alerts/0/balance",
                ],
            ),
        ]
    },
    confirm: |url, _| match url {
        _ if url.contains("/v1/balances") => {
            Some(json!({ "balances": [balance("authorizer-1", 1.5), balance("authorizer-2", 1.5)] }))
        }
        _ if url.contains("/monitoring/schedules/") => {
            let run_at = "2026-11-22T10:00:00.000Z";
            Some(json!({ "schedule_id": "m1", "last_run_at": run_at, "next_run_at": null, "total_authorizers": 2 }))
        }
        _ => None,
    },
    settings: &[],
    strict_setting: "RIGHTFOOT_ALLOWED_CIDRS",
    told: |id| json!({ "kind": "batch", "batch_id": id, "balances": [{ "authorizer": "a1", "amount": "12.5" }] }),
    at_sandbox: |id| Some(complete(id, &[balance("a1", 12.5)])),
    samples_at_sandbox: || {
        vec![
            complete("batch-2001", &[balance("authorizer-9", 1250.1)]),
            complete("batch-2002", &[balance("authorizer-1", 90.1), balance("authorizer-2", -12.5)]),
        ]
    },
    local: Local {
        urls: &[("RightfootApiBaseUrl", "/rightfoot")],
        credentials: &[("api_key", "sandbox-rightfoot-key")],
        parameters: &[],
    },
};

fn balance(authorizer: &str, amount: f64) -> Value {
    json!({ "authorizer_unique_id": authorizer, "balance": amount, "balance_status_code": 0 })
}

/// A batch is complete, with these balances.
fn complete(id: &str, balances: &[Value]) -> Order {
    ("PUT", format!("rightfoot/batches/{id}"), json!({ "state": "complete", "balances": balances }))
}
