//! What providers really send, row by row: the sides of these rows that `believed.rs` does not show.

use std::cell::Cell;

use hookledger_core::model::debt::ExpectationState;
use hookledger_core::model::entry::{Origin, State};
use hookledger_core::model::job::Job;
use hookledger_core::model::secret::Secret;
use hookledger_core::ports::Metric;
use hookledger_tests::memory::{answer, killed_after};
use hookledger_tests::town::{Town, id};
use serde_json::{Value, json};

use super::{BATCH, STATEMENT, types_published};

fn payment(payload: &str, attempt: u32) -> String {
    format!(
        r#"{{"event_type":"transaction.entered","source_id":9,"timestamp":"2039-12-31T10:00:00Z","payload":{payload},"metadata":{{"attempt":{attempt},"idempotency_key":"k"}}}}"#
    )
}

fn extract(data: &str) -> String {
    format!(r#"{{"event_id":"e1","type":"balance.extracted","data":{data}}}"#)
}

fn merchant(status: &str, key: &str, at: &str) -> String {
    json!({
        "event_type": format!("merchant.{status}"), "source_id": 7, "timestamp": at, "payload": { "merchant_id": 7 },
        "metadata": { "idempotency_key": key },
    })
    .to_string()
}

/// Row 2.
#[test]
fn each_status_has_one_effect_however_far_ahead_it_was_stamped() {
    for (ahead, live_at) in [
        ("five and a half hours", "2040-01-01T05:30:00Z"),
        ("a day", "2040-01-02T00:00:00Z"),
        ("a year", "2041-01-01T00:00:00Z"),
    ] {
        let town = Town::new();
        let items = json!([{ "merchant_id": 7, "merchant_status": "Cancelled" }]);
        town.inbox.api.answer_with(move |_| answer(200, json!({ "items": items, "hasMore": false }).to_string()));
        town.deliver("runpayments", &merchant("live", "k1", live_at));
        town.work();
        town.pass_minutes(30);
        town.deliver("runpayments", &merchant("cancelled", "k2", "2040-01-01T00:31:00Z"));
        town.work();
        town.pass_minutes(24 * 60);
        let mut types = types_published(&town);
        types.sort();
        assert_eq!(
            (types, town.effects().len()),
            (vec!["merchant.cancelled".into(), "merchant.live".into()], 2),
            "{ahead}"
        );
        let statuses = town.inbox.ledger.statuses();
        assert_eq!((statuses.len(), statuses[0].1.status.as_str()), (1, "cancelled"), "{ahead}");
    }
}

/// Row 10.
#[test]
fn two_rows_under_one_key_stay_two_when_the_work_is_done_twice() {
    for pages in [1, 2] {
        for turns in 0..30 {
            let town = Town::new();
            town.inbox.api.answer_with(move |url| {
                let row = |amount: &str| format!(r#"{{"authorizer_unique_id":"a1","balance":{amount}}}"#);
                let (rows, next) = match (pages, url.contains("p2")) {
                    (1, _) => (format!("{},{}", row("1.10"), row("2.20")), "null"),
                    (_, false) => (row("1.10"), r#""p2""#),
                    (_, true) => (row("2.20"), "null"),
                };
                answer(200, format!(r#"{{"total_processed":2,"balances":[{rows}],"next_page_token":{next}}}"#))
            });
            town.deliver("rightfoot", BATCH);
            let _ = killed_after(turns, town.worker().work(Job::entry(town.only_entry().key)));
            town.pass_minutes(30);
            let entry = town.only_entry();
            let rows = town.inbox.ledger.rows(&entry.key.subject());
            let mut amounts: Vec<&str> = rows.iter().map(|row| row.columns[0].1.as_str()).collect();
            amounts.sort_unstable();
            assert_eq!(
                (entry.state, amounts),
                (State::Done, vec!["1.10", "2.20"]),
                "{pages} pages, killed after {turns}"
            );
            assert!(rows.iter().all(|row| row.sk.starts_with("balance#")));
        }
    }
}

/// Row 11.
#[test]
fn a_completion_that_overtook_is_told_once_whoever_brings_it() {
    // The worker is killed at every turn, and the completion is pushed before, in between or after.
    for turns in 0..24 {
        for pushed in ["before", "in between", "after"] {
            let town = Town::new();
            let document = r#"{"progress":[{"statement_id":"s1","status":"completed"}],"accounts":[]}"#;
            town.inbox.api.answer_with(move |_| answer(200, document));
            let push = |when| {
                if when == pushed {
                    assert_eq!(town.deliver("finbox", STATEMENT).status, 200)
                }
            };
            push("before");
            town.deliver("finbox", &STATEMENT.replace("completed", "failed"));
            let entries = town.inbox.ledger.entries();
            let failed = entries.into_iter().find(|entry| entry.event_type == "statement.failed").unwrap().key;
            let _ = killed_after(turns, town.worker().work(Job::entry(failed)));
            push("in between");
            town.pass_minutes(30);
            push("after");
            town.pass_minutes(30);
            let name = format!("killed after {turns}, pushed {pushed}");
            assert_eq!(town.inbox.ledger.entries_in(State::Done).len(), 2, "{name}");
            assert_eq!(
                (types_published(&town)[0].as_str(), town.effects().len()),
                ("statement.completed", 1),
                "{name}"
            );
        }
    }
}

/// Row 12.
#[test]
fn only_what_a_delivery_says_makes_it_another() {
    let same: [(&str, &str, String, String); 6] = [
        ("white space", "fynapse", extract(r#"{"a":1.10,"b":2}"#), extract("{ \"a\" : 1.10,\n\"b\":2 }")),
        ("the order of names", "fynapse", extract(r#"{"a":1.10,"b":2}"#), extract(r#"{"b":2,"a":1.10}"#)),
        ("an escape", "fynapse", extract(r#"{"a":"x/y"}"#), extract(r#"{"a":"x\/\u0079"}"#)),
        ("the attempt", "runpayments", payment(r#"{"a":1.10}"#, 1), payment(r#"{"a":1.10}"#, 2)),
        ("white space", "runpayments", payment(r#"{"a":1.10}"#, 1), payment(r#"{ "a" : 1.10 }"#, 1)),
        ("the order of names", "runpayments", payment(r#"{"a":1,"b":2}"#, 1), payment(r#"{"b":2,"a":1}"#, 3)),
    ];
    let other: [(&str, &str, String, String); 4] = [
        ("an amount", "fynapse", extract(r#"{"a":100.10}"#), extract(r#"{"a":90.10}"#)),
        ("a digit that no float holds", "fynapse", extract("90071992547409931.1"), extract("90071992547409931.2")),
        ("the order of a list", "fynapse", extract("[1,2]"), extract("[2,1]")),
        ("an amount", "runpayments", payment(r#"{"a":100.10}"#, 1), payment(r#"{"a":90.10}"#, 1)),
    ];
    let rows = same.into_iter().map(|row| (row, 0)).chain(other.into_iter().map(|row| (row, 1)));
    for ((name, provider, first, second), kept) in rows {
        let town = Town::new();
        for body in [&first, &second, &second, &first, &second] {
            assert_eq!(town.deliver(provider, body).status, 200, "{provider}: {name}");
            town.work();
            town.pass_minutes(2);
        }
        let entries = (town.inbox.ledger.entries_in(State::Ignored), town.inbox.ledger.entries_in(State::Done));
        assert_eq!((entries.0.len(), entries.1.len()), (kept, 1), "{provider}: {name}");
        assert_eq!(town.inbox.publisher.count(), 1, "{provider}: {name}");
        assert_eq!(town.inbox.ledger.stored(&entries.1[0].key).unwrap().body, first.as_bytes(), "{provider}: {name}");
        // An extract's data is a row.
        let data = first.split_once(r#""data":"#).map(|(_, rest)| rest.strip_suffix('}').unwrap().as_bytes());
        let rows = town.inbox.ledger.rows(&entries.1[0].key.subject());
        let documents: Vec<&[u8]> = rows.iter().map(|row| row.document.as_slice()).collect();
        assert_eq!(documents, Vec::from_iter(data), "{name}: the first one's row");
    }
}

/// Row 13.
#[test]
fn a_redelivery_of_either_type_under_one_key_is_a_duplicate() {
    for first in ["signed", "in_underwriting"] {
        let town = Town::new();
        let second = if first == "signed" { "in_underwriting" } else { "signed" };
        let at = |status| if status == "signed" { "2039-12-31T10:00:00Z" } else { "2039-12-31T11:00:00Z" };
        for status in [first, second, first, second, second, first] {
            assert_eq!(town.deliver("runpayments", &merchant(status, "k1", at(status))).status, 200);
            town.work();
        }
        town.pass_minutes(10);
        assert_eq!(types_published(&town), [format!("merchant.{first}"), format!("merchant.{second}")]);
        assert_eq!(town.inbox.ledger.statuses()[0].1.status, "in_underwriting", "{first} came first");
        assert_eq!(town.inbox.ledger.entries_in(State::Done).len(), 2, "{first} came first");
        assert_eq!(town.inbox.meter.of(Metric::DeliveriesReceived, id("runpayments")), 2, "{first} came first");
    }
}

/// Where a tag that can't be read spoils the good one beside it, before or behind it.
fn spoiled(provider: &str, body: &str, prefix: &str) -> Vec<String> {
    let mut spoiled = Vec::new();
    for unreadable in ["not hex", "xyz", "abc", "", "ab"] {
        for joined in [",", ", "] {
            let town = Town::new();
            let header = town.delivery(provider, body).headers[0].1.clone();
            let (before, good) = header.split_once(prefix).unwrap();
            let (good, other) = (format!("{prefix}{good}"), format!("{prefix}{unreadable}"));
            let answered = |tags: [&str; 2]| {
                let mut delivery = town.delivery(provider, body);
                delivery.headers[0].1 = format!("{before}{}", tags.join(joined));
                let sent = delivery.headers[0].1.clone();
                (town.deliver_this(delivery).status, sent)
            };
            assert_eq!(answered([&other, &other]).0, 403, "{provider} {other}: nothing good in it");
            let tried = [answered([&other, &good]), answered([&good, &other])];
            spoiled.extend(tried.into_iter().filter(|(status, _)| *status != 200).map(|tried| format!("{tried:?}")));
        }
    }
    spoiled
}

/// Row 14.
#[test]
fn a_tag_of_fynapse_that_cannot_be_read_matches_nothing_and_spoils_nothing() {
    let spoiled = spoiled("fynapse", &extract("1"), "v1=");
    assert!(spoiled.is_empty(), "{} are refused:\n{}", spoiled.len(), spoiled.join("\n"));
}

/// Row 18.
#[test]
fn a_flood_of_forgeries_hides_no_delivery_that_is_proved() {
    let town = Town::new();
    let shown = Cell::new(false);
    for n in 0..30 {
        let mut forged =
            town.delivery("rightfoot", &format!(r#"{{"type":"BALANCE_BATCH_COMPLETED","batch_id":"f{n}"}}"#));
        forged.path_token = Some(Secret::new("guessed"));
        assert_eq!(town.deliver_this(forged).status, 403);
        town.inbox.clock.advance_secs(u64::from(n % 2 == 0));
    }
    for n in 0..3 {
        let body = json!({ "type": "BALANCE_BATCH_COMPLETED", "batch_id": format!("b{n}") }).to_string();
        let answered = town.deliver("rightfoot", &body);
        assert_eq!(answered.status, 400);
        assert!(answered.body.contains("event_uuid"), "{}", answered.body);
        // However often Rightfoot sends it again, it is expected once.
        assert_eq!(town.deliver("rightfoot", &body).status, 400);
    }
    let bodies: Vec<Value> = town
        .inbox
        .ledger
        .refusals()
        .into_iter()
        .filter(|refused| refused.code == "unreadable")
        .map(|refused| serde_json::from_slice(&refused.body).unwrap())
        .collect();
    for n in 0..3 {
        assert!(bodies.iter().any(|body| body["batch_id"] == format!("b{n}")), "b{n} is not kept");
    }
    let waiting = town.inbox.ledger.expectations();
    let references: Vec<&str> = waiting.iter().map(|expectation| expectation.reference.as_str()).collect();
    assert_eq!(references, ["b0", "b1", "b2"], "what is forged asks for nothing");
    assert!(waiting.iter().all(|expectation| expectation.state == ExpectationState::Waiting));
    town.inbox.api.answer_with(move |_| {
        let first = !shown.replace(true);
        answer(if first { 404 } else { 200 }, r#"{"balances":[{"authorizer_unique_id":"a1","balance":1.10}]}"#)
    });
    town.pass_minutes(10);
    let found = town.inbox.ledger.entries_in(State::Done);
    assert_eq!((found.len(), town.effects().len()), (3, 3));
    assert!(found.iter().all(|entry| entry.origin == Origin::Poll));
}
