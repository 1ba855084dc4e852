//! Whatever bytes arrive with a genuine proof of origin: they are read, or refused by name. Nothing panics.

mod corpora;
mod malformed;
mod vectors;

use hookledger_kit::ALL;
use hookledger_tests::samples::all;
use hookledger_tests::town::Town;
use proptest::prelude::*;

/// Delivers these bytes, genuinely signed or tokened, and returns the status.
fn status_of(town: &Town, provider: &str, body: &[u8]) -> u16 {
    town.deliver_this(town.delivery_of(provider, body)).status
}

fn deliver_everywhere(body: &[u8]) {
    let town = Town::new();
    for kit in ALL {
        let status = status_of(&town, kit.name, body);
        assert!([200, kit.unreadable.status()].contains(&status), "{}: {status}", kit.name);
    }
    // Everything that was answered 200 is kept byte for byte.
    for entry in town.inbox.ledger.entries() {
        assert_eq!(town.inbox.ledger.stored(&entry.key).unwrap().body, body);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_bytes(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        deliver_everywhere(&body);
    }

    #[test]
    fn any_json_object_with_the_known_fields(
        fields in proptest::collection::vec((0usize..FIELDS.len(), 0usize..VALUES.len()), 0..8)
    ) {
        let members: Vec<String> =
            fields.iter().map(|(field, value)| format!(r#""{}":{}"#, FIELDS[*field], VALUES[*value])).collect();
        deliver_everywhere(format!("{{{}}}", members.join(",")).as_bytes());
    }

    #[test]
    fn samples_with_one_byte_changed(at in any::<prop::sample::Index>(), byte in any::<u8>(), which in any::<prop::sample::Index>()) {
        let samples = all();
        let sample = which.get(&samples);
        let mut body = sample.body.clone().into_bytes();
        let at = at.index(body.len());
        body[at] = byte;
        deliver_everywhere(&body);
    }
}

const FIELDS: &[&str] = &[
    "event_uuid",
    "type",
    "batch_id",
    "schedule_id",
    "alerts",
    "timestamp",
    "event_id",
    "event_type",
    "eventType",
    "data",
    "entity_id",
    "statement_id",
    "link_id",
    "progress",
    "reason",
    "event_name",
    "session_id",
    "accounts",
    "source_id",
    "payload",
    "metadata",
];

const VALUES: &[&str] = &[
    "null",
    "\"\"",
    "\" \"",
    "\"x\"",
    "7",
    "-0.10",
    "1e999",
    "12345678901234567890123",
    "[]",
    "[{}]",
    "{}",
    "true",
    "{\"idempotency_key\":\"k\"}",
    "\"merchant.live\"",
    "\"BALANCE_THRESHOLD_ALERT\"",
    "\"2026-01-01T00:00:00Z\"",
    "\"\\ud83d\\ude00\"",
    "\"a#b%c~\"",
    "\"completed\"",
    "\"failed\"",
];

#[test]
fn strange_bodies() {
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    let long = format!(r#"{{"event_uuid":"u","type":"T","batch_id":"{}"}}"#, "x".repeat(100_000));
    for body in ["", "null", "[]", "{}", "\u{feff}{}", r#"{"type":"a","type":"b"}"#, deep.as_str(), long.as_str()] {
        deliver_everywhere(body.as_bytes());
    }
}
