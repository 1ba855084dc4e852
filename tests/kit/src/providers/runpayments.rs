//! Run Payments: a signature over the body, payments that its reports show, eight attempts.

use serde_json::{Value, json};

use crate::kit::{Kit, Local, Unreadable, Way};
use crate::proof::{Proof, tag};
use crate::retries::{Retries, listed};
use crate::url::{behind, decoded};

const FUNDING: &str = "funding.entered";
const AMOUNT: &str = "12.50";

pub(super) static KIT: Kit = Kit {
    name: "runpayments",
    title: "Run Payments",
    event: |id| event(FUNDING, id),
    unknown: |id| event("not.a_type", id),
    listed: |id| json!(["not.a_type", id, null, {}, { "idempotency_key": id }]),
    subject: "source_id",
    time: Some("timestamp"),
    prove: |body, secret, _| Proof::header("x-webhook-signature-256", format!("sha256={}", tag(secret, &[body]))),
    beside: |_| Vec::new(),
    refused: 403,
    unreadable: Unreadable::Parked,
    retries: Retries {
        wait: |made| listed(&[5, 300, 1_800, 7_200, 18_000, 36_000, 36_000], made),
        gives_up_at: &[],
        heeds_retry_after: false,
        signs_anew: false,
    },
    host: "apps.runpayments.io",
    answer: |url| match url {
        // A report, with the row that is asked for.
        _ if url.contains("/sprint/") => {
            let row: Value = serde_json::from_str(&decoded(behind(url, "?q=")?)).ok()?;
            Some(json!({ "items": [row], "hasMore": false }))
        }
        // The merchants, of which there is none.
        _ if url.contains("/merchants?") => Some(json!({ "items": [], "hasMore": false })),
        _ => None,
    },
    references: &[],
    ways: &[
        Way::Work(
            r#"{"event_type":"transaction.entered","source_id":9,"timestamp":"2039-12-31T10:00:00Z","payload":{},"metadata":{"idempotency_key":"k1"}}"#,
        ),
        Way::Work(r#"{"event_type":"funding.entered","source_id":9,"metadata":{"idempotency_key":"k1"}}"#),
        Way::List("/merchants?"),
    ],
    finds: r#"{"items":[{"id":9,"merchant_id":7,"merchant_status":"Live","amount":1.10}],"hasMore":false}"#,
    pushes: || {
        let metadata = json!({ "webhook_id": "w", "attempt": 1, "idempotency_key": "k" });
        let event = |event_type: &str, payload: Value| {
            json!({
                "event_type": event_type, "source_id": 9, "timestamp": "2039-12-31T10:00:00Z", "payload": payload,
                "metadata": metadata,
            })
        };
        let merchant = json!({ "merchant_id": 7, "event_table_pk": 8, "mid": "m" });
        let envelope =
            &["/event_type", "/source_id", "/timestamp", "/metadata/idempotency_key", "/metadata/webhook_id"][..];
        let mut boarding = event("boarding.varcomplete", json!({ "event_table_pk": 8 }));
        if let Some(boarding) = boarding.as_object_mut() {
            boarding.remove("timestamp");
        }
        vec![
            (event("merchant.live", merchant.clone()), envelope),
            (event("merchant.live", merchant), &["/payload", "/payload/merchant_id"]),
            (boarding, &["/payload/event_table_pk", "/timestamp"]),
            (event("transaction.entered", json!({})), envelope),
        ]
    },
    // Where look-ups are on, its reports are asked: tests of theirs say what they answer.
    confirm: |_, _| None,
    settings: &[("RUNPAYMENTS_REPORTING", "on")],
    strict_setting: "RUNPAYMENTS_PAGE_LIMIT",
    told: |id| {
        json!({
            "kind": "movement", "event_type": FUNDING, "source_id": id, "amount": AMOUNT, "idempotency_key": id,
        })
    },
    // It happened, and so the reports show it; that its webhook arrives is the test's own affair.
    at_sandbox: |id| {
        let lost = json!({ "provider": "runpayments", "body": (KIT.event)(id), "faults": { "drop": true } });
        Some(("POST", "send".into(), lost))
    },
    samples_at_sandbox: Vec::new,
    local: Local {
        urls: &[
            ("RunpaymentsApiBaseUrl", "/runpayments/ords"),
            ("RunpaymentsTokenUrl", "/runpayments/ords/relay/oauth/token"),
            ("RunpaymentsReportingTokenUrl", "/runpayments/ords/sprint/oauth/token"),
        ],
        credentials: &[
            ("client_id", "sandbox-run-client"),
            ("client_secret", "sandbox-run-secret"),
            ("reporting_client_id", "sandbox-run-reporting-client"),
            ("reporting_client_secret", "sandbox-run-reporting-secret"),
        ],
        parameters: &[("RunpaymentsReporting", "on")],
    },
};

/// Without a time: it is of any day.
fn event(event_type: &str, id: &str) -> String {
    let metadata = json!({ "webhook_id": "wh", "attempt": 1, "idempotency_key": id });
    format!(
        r#"{{"event_type":"{event_type}","source_id":"{id}","payload":{{"amount":{AMOUNT}}},"metadata":{metadata}}}"#
    )
}
