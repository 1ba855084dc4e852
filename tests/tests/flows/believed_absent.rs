//! Absent is one thing: a field that is missing, null, empty or blank. Tried with every field of every provider's push.

use hookledger_kit::{ALL, Kit};
use hookledger_tests::memory::answer;
use hookledger_tests::town::Town;
use serde_json::Value;

/// A provider's delivery, and the fields that may say nothing. A pointer leads into objects and lists.
fn deliveries() -> impl Iterator<Item = (&'static Kit, Value, &'static [&'static str])> {
    ALL.iter().flat_map(|kit| (kit.pushes)().into_iter().map(|(delivery, pointers)| (*kit, delivery, pointers)))
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
fn what_became(kit: &'static Kit, delivery: &Value) -> Vec<String> {
    let town = Town::new();
    town.inbox.api.answer_with(|_| answer(200, kit.finds));
    let answered = town.deliver(kit.name, &delivery.to_string());
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
fn told_apart(kit: &'static Kit, delivery: &Value, pointer: &str) -> Vec<String> {
    let [(_, missing), others @ ..] = saying_nothing(delivery, pointer);
    let first = what_became(kit, &missing);
    let became = others.into_iter().map(|(shape, other)| (shape, what_became(kit, &other)));
    let differs = became.filter(|(_, became)| *became != first);
    differs
        .map(|(shape, became)| {
            format!("{} {delivery}\n  {pointer} {shape}:\n    {became:?}\n  missing:\n    {first:?}", kit.name)
        })
        .collect()
}

#[test]
fn a_field_that_is_missing_null_empty_or_blank_is_one_thing() {
    let mut wrong = Vec::new();
    for (kit, delivery, pointers) in deliveries() {
        wrong.extend(pointers.iter().flat_map(|pointer| told_apart(kit, &delivery, pointer)));
    }
    assert!(wrong.is_empty(), "{} go wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn each_provider_and_each_known_delivery_is_tried_here() {
    for kit in ALL {
        assert!(!(kit.pushes)().is_empty(), "{}", kit.name);
    }
    for (kit, delivery, _) in deliveries() {
        let seen = what_became(kit, &delivery);
        assert!(seen.iter().any(|line| line.starts_with("published ")), "{} {delivery}: {seen:?}", kit.name);
    }
}
