//! Absent is one thing: a field that is missing, null, empty or blank. Tried with every field of every provider's push.

use hookledger_core::providers::ALL;
use hookledger_tests::memory::answer;
use hookledger_tests::town::Town;
use serde_json::{Value, json};

/// A provider's delivery, and the fields that may say nothing. A pointer leads into objects and lists.
fn deliveries() -> Vec<(&'static str, Value, &'static [&'static str])> {
    let account =
        json!({ "account_id": "a1", "account_status": "completed", "error_code": "E1", "error_message": "m" });
    let session = json!({ "event_name": "ENRICHMENT_NOTIFICATION", "session_id": "x1", "accounts": [account] });
    let mut uploaded = session.clone();
    uploaded["event_name"] = "SESSION_REQUIREMENT_COMPLETION_NOTIFICATION".into();
    let statement = json!({ "event_name": null, "entity_id": "e1", "statement_id": "s1", "link_id": "l1", "progress": "completed", "reason": "r" });
    let mut attempt = statement.clone();
    (attempt["statement_id"], attempt["progress"]) = ("".into(), "failed".into());
    let alert = json!({ "authorizer_unique_id": "a1", "balance": 1, "threshold_amount": 2, "institution_name": "i" });
    let merchant = json!({ "merchant_id": 7, "event_table_pk": 8, "mid": "m" });
    let metadata = json!({ "webhook_id": "w", "attempt": 1, "idempotency_key": "k" });
    let entity = &["/event_name", "/entity_id", "/statement_id", "/link_id", "/progress", "/reason"][..];
    let of_session = &["/event_name", "/session_id", "/accounts"][..];
    let envelope =
        &["/event_type", "/source_id", "/timestamp", "/metadata/idempotency_key", "/metadata/webhook_id"][..];
    vec![
        (
            "rightfoot",
            json!({ "event_uuid": "u1", "type": "BALANCE_BATCH_COMPLETED", "batch_id": "b1", "timestamp": "2040-01-01T00:00:00Z" }),
            &["/event_uuid", "/type", "/batch_id", "/timestamp"],
        ),
        (
            "rightfoot",
            json!({ "event_uuid": "u1", "type": "BALANCE_THRESHOLD_ALERT", "batch_id": "b1", "schedule_id": "p1", "alerts": [alert] }),
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
        (
            "fynapse",
            json!({ "event_id": "e1", "type": "balance.extracted", "data": { "a": 1 } }),
            &["/event_id", "/type", "/data"],
        ),
        (
            "fynapse",
            json!({ "event_id": "e1", "type": "balance.extracted", "event_type": "odd", "eventType": "odder", "data": 1 }),
            &["/type"],
        ),
        ("finbox", statement, entity),
        ("finbox", attempt, entity),
        ("finbox", session, of_session),
        ("finbox", uploaded, of_session),
        (
            "runpayments",
            json!({ "event_type": "merchant.live", "source_id": 9, "timestamp": "2039-12-31T10:00:00Z", "payload": merchant, "metadata": metadata }),
            envelope,
        ),
        (
            "runpayments",
            json!({ "event_type": "merchant.live", "source_id": 9, "timestamp": "2039-12-31T10:00:00Z", "payload": merchant, "metadata": metadata }),
            &["/payload", "/payload/merchant_id"],
        ),
        (
            "runpayments",
            json!({ "event_type": "boarding.varcomplete", "source_id": 9, "payload": { "event_table_pk": 8 }, "metadata": metadata }),
            &["/payload/event_table_pk", "/timestamp"],
        ),
        (
            "runpayments",
            json!({ "event_type": "transaction.entered", "source_id": 9, "timestamp": "2039-12-31T10:00:00Z", "payload": {}, "metadata": metadata }),
            envelope,
        ),
    ]
}

/// Without the field, and with it saying nothing.
fn saying_nothing(delivery: &Value, pointer: &str) -> [(&'static str, Value); 5] {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let with = |value: Option<Value>| {
        let mut delivery = delivery.clone();
        let parent = delivery.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match value {
            Some(value) => _ = parent.insert(name.into(), value),
            None => _ = parent.remove(name),
        }
        delivery
    };
    [
        ("missing", with(None)),
        ("null", with(Some(Value::Null))),
        ("empty", with(Some("".into()))),
        ("blank", with(Some("  ".into()))),
        ("a tab", with(Some("\t\n".into()))),
    ]
}

/// All that can be seen of what became of a delivery. A digest of the body differs as the bodies do.
fn what_became(provider: &str, delivery: &Value) -> Vec<String> {
    let town = Town::new();
    town.inbox.api.answer_with(|_| {
        let failed =
            json!({ "entity_id": "e1", "statement_id": null, "link_id": "l1", "progress": "failed", "reason": "r" });
        let document = json!({
            "balances": [{ "authorizer_unique_id": "a1", "balance": 1.10 }],
            "progress": [{ "statement_id": "s1", "status": "completed" }], "payloads": [failed],
            "session_progress": "completed", "accounts": [], "upload_status": "COMPLETED", "items": [],
        });
        answer(200, document.to_string())
    });
    let answered = town.deliver(provider, &delivery.to_string());
    town.pass_minutes(5);
    let plain = |key: &str| key.split("sha256#").next().unwrap_or_default().to_string();
    let mut seen = vec![format!("answered {} {}", answered.status, answered.body)];
    for entry in town.inbox.ledger.entries() {
        let subject = if entry.key.sk.contains("sha256#") { "by its digest" } else { entry.key.pk.as_str() };
        let notes = (&entry.event_type, entry.state, entry.occurred_at, &entry.reason);
        seen.push(format!("entry {subject} {} {notes:?}", plain(&entry.key.sk)));
        let rows = town.inbox.ledger.rows(&entry.key.subject());
        seen.extend(rows.into_iter().map(|row| format!("row {} {:?}", row.sk, row.columns)));
    }
    let refusals = town.inbox.ledger.refusals();
    seen.extend(refusals.into_iter().map(|refused| format!("refused {} {}", refused.code, refused.reason)));
    let expectations = town.inbox.ledger.expectations();
    seen.extend(expectations.into_iter().map(|waiting| format!("expected {} {:?}", waiting.reference, waiting.state)));
    let published = town.inbox.publisher.published();
    seen.extend(published.into_iter().map(|announcement| format!("published {}", announcement.detail_type)));
    seen
}

/// Where a field of this delivery does not count as absent in each of its shapes.
fn told_apart(provider: &str, delivery: &Value, pointer: &str) -> Vec<String> {
    let [(_, missing), others @ ..] = saying_nothing(delivery, pointer);
    let first = what_became(provider, &missing);
    let became = others.into_iter().map(|(shape, other)| (shape, what_became(provider, &other)));
    let differs = became.filter(|(_, became)| *became != first);
    differs
        .map(|(shape, became)| {
            format!("{provider} {delivery}\n  {pointer} {shape}:\n    {became:?}\n  missing:\n    {first:?}")
        })
        .collect()
}

#[test]
fn a_field_that_is_missing_null_empty_or_blank_is_one_thing() {
    let mut wrong = Vec::new();
    for (provider, delivery, pointers) in deliveries() {
        wrong.extend(pointers.iter().flat_map(|pointer| told_apart(provider, &delivery, pointer)));
    }
    assert!(wrong.is_empty(), "{} go wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn each_provider_and_each_known_delivery_is_tried_here() {
    for definition in ALL {
        assert!(deliveries().iter().any(|(provider, ..)| *provider == definition.id.0), "{}", definition.id);
    }
    for (provider, delivery, _) in deliveries() {
        let seen = what_became(provider, &delivery);
        assert!(seen.iter().any(|line| line.starts_with("published ")), "{provider} {delivery}: {seen:?}");
    }
}
