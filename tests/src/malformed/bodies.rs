//! The bodies of the table.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

/// The largest event Lambda takes in, in bytes.
pub(super) const LAMBDA_BYTES: usize = 6 * 1024 * 1024;
/// How deep the nesting of the table goes.
const LEVELS: usize = 10_000;

/// A genuine event of a type that nobody works on, of its own for each row.
pub(super) fn genuine(provider: &str, id: &str) -> String {
    let event = match provider {
        "rightfoot" => json!({ "event_uuid": id, "type": "NOT_A_TYPE", "batch_id": id }),
        "fynapse" => json!({ "event_id": id, "type": "not.a.type", "data": {} }),
        "finbox" => {
            json!({ "entity_id": id, "statement_id": id, "link_id": null, "progress": "uploaded", "reason": "" })
        }
        _ => {
            json!({ "event_type": "not.a_type", "source_id": id, "payload": {}, "metadata": { "idempotency_key": id } })
        }
    };
    event.to_string()
}

/// The same with more in it, in a field that nobody reads.
pub(super) fn with(provider: &str, id: &str, field: &str) -> String {
    genuine(provider, id).replacen('{', &format!("{{\"unread\":{field},"), 1)
}

/// Its fields as they are read, one after the other, without their names.
pub(super) fn listed(provider: &str, id: &str) -> String {
    let fields = match provider {
        "rightfoot" => json!([id, "NOT_A_TYPE", id, null, null, null]),
        "fynapse" => json!([id, "not.a.type", null, null, {}]),
        "finbox" => json!(["NOT_AN_EVENT", id, []]),
        _ => json!(["not.a_type", id, null, {}, { "idempotency_key": id }]),
    };
    fields.to_string()
}

/// The same with the first of its fields twice.
pub(super) fn doubled(provider: &str, id: &str) -> String {
    let genuine: Value = serde_json::from_str(&genuine(provider, id)).unwrap_or_default();
    let field = match provider {
        "rightfoot" => "batch_id",
        "fynapse" => "event_id",
        "finbox" => "entity_id",
        _ => "source_id",
    };
    genuine.to_string().replacen('{', &format!("{{\"{field}\":\"first-{id}\","), 1)
}

pub(super) fn deep() -> String {
    format!("{}{}", "[".repeat(LEVELS), "]".repeat(LEVELS))
}

/// What is in an event's body, decoded.
pub(super) fn body_of(event: &str) -> Vec<u8> {
    let event: Value = serde_json::from_str(event).unwrap_or_default();
    let text = event["body"].as_str().unwrap_or_default();
    if event["isBase64Encoded"] == true { BASE64_STANDARD.decode(text).unwrap_or_default() } else { text.into() }
}
