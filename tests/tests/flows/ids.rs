//! Ids that no provider gives out, where they come from elsewhere than a token's holder: signed deliveries, and the rows
//! of answers. None is a subject, none is asked for, and none hides the row beside it.

use hookledger_core::flows::expectations;
use hookledger_core::model::entry::State;
use hookledger_core::ports::Metric;
use hookledger_tests::memory::{answer, run};
use hookledger_tests::town::Town;
use serde_json::{Value, json};

const BAD: [&str; 5] = ["\u{0}", "a\u{1b}[2J", "a\nb", "..", "."];

/// Where a provider's API shows ids: what is expected, a part of the URL, and the answer with this id beside a good one.
type Shown = (&'static str, Option<&'static str>, &'static str, fn(&str) -> Value);

const SHOWN: [Shown; 6] = [
    ("rightfoot", Some("authorizer:a1"), "/authorizers/a1", |id| {
        let run = |id: &str| json!({ "batch_id": id, "run_at": "2040-01-01T00:00:30Z" });
        json!({ "authorizer_unique_id": "a1", "history": [run(id), run("good")], "has_more": false })
    }),
    ("finbox", Some("entity:good"), "/entity/good/transactions", |id| {
        let statement = |id: &str| json!({ "status": "completed", "statement_id": id });
        json!({ "progress": [statement(id), statement("s1")], "transactions": [] })
    }),
    ("finbox", Some("link:l1"), "webhook_payloads", |id| {
        let payload =
            |id: &str| json!({ "entity_id": id, "statement_id": "s1", "link_id": "l1", "progress": "completed" });
        json!({ "payloads": [payload(id), payload("good")] })
    }),
    ("finbox", Some("link:l1"), "entity/?link_id", |id| {
        let row = |id: &str| json!({ "entity_id": id, "link_id": "l1" });
        json!({ "next": null, "results": [row(id), row("good")] })
    }),
    ("runpayments", None, "/merchants?", |id| {
        let row = |id: &str| json!({ "merchant_id": id, "merchant_status": "Live" });
        json!({ "items": [row(id), row("good")], "hasMore": false })
    }),
    ("fynapse", None, "/deliveries?", |id| {
        let row = |id: &str| {
            let at = "2039-12-30T00:00:00Z";
            json!({ "id": id, "eventId": "good", "status": "DEAD_LETTER", "createdAt": at, "updatedAt": at })
        };
        json!({ "data": [row(id), row("good")], "page": 1, "totalPages": 1 })
    }),
];

#[test]
fn a_row_with_an_id_that_no_provider_gives_out_hides_no_other() {
    for (provider, reference, part, shown) in SHOWN {
        for bad in BAD {
            let town = Town::with(&[("FYNAPSE_API_BASE_URL", "https://f.example")]);
            town.inbox.api.answer_with(move |url| match url {
                url if url.contains(part) => answer(200, shown(bad).to_string()),
                url if url.contains("webhook_payloads") => answer(200, r#"{"payloads":[]}"#),
                url if url.contains("/entity/good/") => answer(
                    200,
                    r#"{"progress":[{"status":"completed","statement_id":"s1"}],"accounts":[],"transactions":[]}"#,
                ),
                url if url.contains("/balances") => {
                    answer(200, r#"{"batch_id":"good","balances":[{"authorizer_unique_id":"a1"}],"has_more":false}"#)
                }
                _ => answer(404, ""),
            });
            if let Some(reference) = reference {
                run(expectations::announce(&town.inbox, town.provider(provider), reference)).unwrap();
            }
            town.pass_minutes(6);
            let name = format!("{provider} {part} {bad:?}");
            let entries = town.inbox.ledger.entries();
            assert_eq!(entries.len(), 1, "{name}: {entries:#?}");
            assert!(entries[0].key.to_string().contains("good"), "{name}: {}", entries[0].key);
            assert_ne!(entries[0].state, State::Open, "{name}");
            assert!(town.inbox.meter.total(Metric::RowsUnreadable) >= 1, "{name}: it is counted");
            let urls = town.inbox.api.urls();
            let asked = |sign: &str| urls.iter().any(|url| url.contains(sign));
            assert!(
                !asked("%00") && !asked("%1B") && !asked("%0A") && !asked("/../") && !asked("/./"),
                "{name}: {urls:?}"
            );
        }
    }
}

#[test]
fn a_signed_delivery_with_such_an_id_is_kept_and_names_nothing_by_it() {
    for bad in BAD {
        let envelope = |source: &str, merchant: &str, key: &str| {
            json!({ "event_type": "merchant.live", "source_id": source, "timestamp": "2039-12-31T10:00:00Z",
                "payload": { "merchant_id": merchant }, "metadata": { "idempotency_key": key } })
        };
        let bodies = [
            ("runpayments", envelope("7", bad, "k"), State::Parked),
            ("runpayments", envelope("7", "7", bad), State::Parked),
            (
                "runpayments",
                json!({ "event_type": "transaction.entered", "source_id": bad, "timestamp": "2039-12-31T10:00:00Z",
                "payload": {}, "metadata": { "idempotency_key": "k" } }),
                State::Parked,
            ),
            // Without an id of its own it goes by its bytes.
            ("fynapse", json!({ "event_id": bad, "type": "balance.extracted", "data": { "a": 1 } }), State::Done),
        ];
        for (provider, body, state) in bodies {
            let town = Town::new();
            town.inbox.api.answer_with(|_| answer(404, ""));
            assert!((200..300).contains(&town.deliver(provider, &body.to_string()).status), "{provider} {body}");
            town.work();
            let entry = town.only_entry();
            assert_eq!(entry.state, state, "{provider} {body}: {:?}", entry.reason);
            let key = entry.key.to_string();
            assert!(!key.contains(bad) || bad == ".", "{key}");
            assert!(key.contains("sha256#"), "{key}: by its bytes");
        }
    }
}
