//! Run Payments: a signature over the body, payments that its reports show, eight attempts.

use serde_json::{Value, json};

use crate::kit::{Kit, Unreadable};
use crate::proof::{Proof, tag};
use crate::retries::{Retries, listed};
use crate::url::{behind, decoded};

const FUNDING: &str = "funding.entered";
const AMOUNT: &str = "12.50";

pub(super) static KIT: Kit = Kit {
    name: "runpayments",
    event: |id| event(FUNDING, id),
    unknown: |id| event("not.a_type", id),
    listed: |id| json!(["not.a_type", id, null, {}, { "idempotency_key": id }]),
    subject: "source_id",
    prove: |body, secret, _| Proof::header("x-webhook-signature-256", format!("sha256={}", tag(secret, &[body]))),
    beside: |_| Vec::new(),
    refused: 403,
    unreadable: Unreadable::Parked,
    retries: Retries {
        wait: |made| listed(&[5, 300, 1_800, 7_200, 18_000, 36_000, 36_000], made),
        gives_up_at: &[],
        heeds_retry_after: false,
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
};

/// Without a time: it is of any day.
fn event(event_type: &str, id: &str) -> String {
    let metadata = json!({ "webhook_id": "wh", "attempt": 1, "idempotency_key": id });
    format!(
        r#"{{"event_type":"{event_type}","source_id":"{id}","payload":{{"amount":{AMOUNT}}},"metadata":{metadata}}}"#
    )
}
