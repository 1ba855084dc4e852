//! Fynapse: a signature over time and body, extracts, 23 attempts, an audit of its deliveries.

use serde_json::json;

use crate::kit::{Kit, Local, Unreadable, Way};
use crate::proof::{Proof, tag};
use crate::retries::{Retries, Wait};

const DATA: &str = r#"{"amount":-0.10}"#;

pub(super) static KIT: Kit = Kit {
    name: "fynapse",
    title: "Fynapse",
    event: |id| format!(r#"{{"event_id":"{id}","type":"balance.extracted","data":{DATA}}}"#),
    unknown: |id| json!({ "event_id": id, "type": "not.a.type", "data": {} }).to_string(),
    listed: |id| json!([id, "not.a.type", null, null, {}]),
    subject: "event_id",
    time: None,
    prove: |body, secret, at_secs| {
        let tag = tag(secret, &[at_secs.to_string().as_bytes(), b".", body]);
        Proof::header("webhook-signature", format!("t={at_secs},v1={tag}"))
    },
    // The event's own id, where it has one.
    beside: |body| {
        let id = body.split_once(r#"{"event_id":""#).and_then(|(_, rest)| rest.split_once('"'));
        id.map(|(id, _)| ("idempotency-key", id.into())).into_iter().collect()
    },
    refused: 403,
    unreadable: Unreadable::Parked,
    // Twice at once, then three times as long each time, up to four hours.
    retries: Retries {
        wait: |made| match made {
            1 | 2 => Some(Wait::between_ms(200, 2_000)),
            3..=22 => Some(Wait::about_secs((30 * 3_u64.pow((made - 3).min(7))).min(14_400))),
            _ => None,
        },
        gives_up_at: &[400, 401, 402, 405, 406, 410, 413],
        heeds_retry_after: true,
        signs_anew: false,
    },
    host: "api.fynapse.com",
    // Its audit of deliveries, in which none is lost.
    answer: |url| url.contains("/deliveries").then(|| json!({ "data": [], "totalPages": 1 })),
    references: &[],
    ways: &[Way::List("/event-deliveries/")],
    finds: r#"{
        "data":[{"id":"d1","eventId":"e9","status":"DEAD_LETTER","createdAt":"2039-12-31T10:00:00Z","updatedAt":"2039-12-31T10:00:00Z"}],
        "page":1,"totalPages":1}"#,
    pushes: || {
        let extract = |event_type: &str| json!({ "event_id": "e1", "type": event_type, "data": { "a": 1 } });
        let mut odd = extract("balance.extracted");
        (odd["event_type"], odd["eventType"]) = ("odd".into(), "odder".into());
        vec![(extract("balance.extracted"), &["/event_id", "/type", "/data"]), (odd, &["/type"])]
    },
    confirm: |_, _| None,
    settings: &[("FYNAPSE_API_BASE_URL", "https://api.fynapse.com")],
    strict_setting: "FYNAPSE_TOLERANCE_PAST_SECS",
    told: |id| json!({ "kind": "extract", "event_id": id, "data": DATA }),
    at_sandbox: |_| None,
    samples_at_sandbox: Vec::new,
    local: Local {
        urls: &[("FynapseApiBaseUrl", "/fynapse")],
        credentials: &[("client_id", "sandbox-fynapse-client"), ("client_secret", "sandbox-fynapse-secret")],
        parameters: &[("FynapseAuditGraceSecs", "5")],
    },
};
