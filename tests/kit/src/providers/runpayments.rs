//! Run Payments: a signature over the body, payments that its reports show, eight attempts.

use serde_json::{Value, json};

use super::behind;
use crate::kit::{Kit, Unreadable};
use crate::proof::{Proof, tag};
use crate::retries::{Retries, Wait};

pub(super) static KIT: Kit = Kit {
    name: "runpayments",
    event: |id| event("funding.entered", id).to_string(),
    unknown: |id| event("not.a_type", id).to_string(),
    listed: |id| json!(["not.a_type", id, null, {}, { "idempotency_key": id }]),
    subject: "source_id",
    prove: |body, secret, _| Proof::header("x-webhook-signature-256", format!("sha256={}", tag(secret, &[body]))),
    beside: |_| Vec::new(),
    refused: 403,
    unreadable: Unreadable::Parked,
    retries: Retries::after(&[
        Wait::secs(5),
        Wait::secs(300),
        Wait::secs(1_800),
        Wait::secs(7_200),
        Wait::secs(18_000),
        Wait::secs(36_000),
        Wait::secs(36_000),
    ]),
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
    // It happened, and so the reports show it; that its webhook arrives is the test's own affair.
    at_sandbox: |id| {
        let lost = json!({ "provider": "runpayments", "body": (KIT.event)(id), "faults": { "drop": true } });
        Some(("POST", "send".into(), lost))
    },
};

/// Without a time: it is of any day.
fn event(event_type: &str, id: &str) -> Value {
    let metadata = json!({ "webhook_id": "wh", "attempt": 1, "idempotency_key": id });
    json!({ "event_type": event_type, "source_id": id, "payload": {}, "metadata": metadata })
}

/// A part of a URL as it was before it was escaped.
fn decoded(part: &str) -> String {
    let mut pieces = part.split('%');
    let first = pieces.next().unwrap_or_default().to_string();
    pieces.fold(first, |text, piece| {
        let code = piece.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).unwrap_or(b'?');
        text + &char::from(code).to_string() + piece.get(2..).unwrap_or_default()
    })
}
