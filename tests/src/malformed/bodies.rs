//! The bodies of the table.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hookledger_kit::{Kit, with_field};
use serde_json::Value;

/// The largest event Lambda takes in, in bytes.
pub(super) const LAMBDA_BYTES: usize = 6 * 1024 * 1024;
/// How deep the nesting of the table goes.
const LEVELS: usize = 10_000;

/// An event of a type that nobody works on, with more in it, in a field that nobody reads.
pub(super) fn with(kit: &Kit, id: &str, field: &str) -> String {
    with_field(&(kit.unknown)(id), "unread", field)
}

/// The same with the field that names its subject twice.
pub(super) fn doubled(kit: &Kit, id: &str) -> String {
    with_field(&(kit.unknown)(id), kit.subject, &format!("\"first-{id}\""))
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
