//! What is believed of that which comes from outside: a test for each rule, over every provider and path it holds for.

use hookledger_core::flows::expectations;
use hookledger_core::flows::receive::stopped;
use hookledger_core::model::entry::State;
use hookledger_core::model::job::Job;
use hookledger_core::ports::Metric;
use hookledger_core::providers::{Providers, definition};
use hookledger_tests::memory::{answer, run};
use hookledger_tests::town::{Town, id};
use serde_json::{Value, json};

use super::{BATCH, STATEMENT, transaction};

const EXTRACT: &str = r#"{"event_id":"e1","type":"balance.extracted","data":{"a":1}}"#;
const SESSION: &str = r#"{"event_name":"ENRICHMENT_NOTIFICATION","session_id":"x1","accounts":[]}"#;
const UPLOAD: &str = r#"{"event_name":"SESSION_REQUIREMENT_COMPLETION_NOTIFICATION","session_id":"x1","accounts":[]}"#;

/// Everything on that can ask.
fn town() -> Town {
    Town::with(&[("RUNPAYMENTS_REPORTING", "on"), ("FYNAPSE_API_BASE_URL", "https://fynapse.example")])
}

/// Work that asks its provider: the provider and a delivery.
fn work() -> Vec<(&'static str, String)> {
    vec![
        ("rightfoot", BATCH.into()),
        ("finbox", STATEMENT.into()),
        ("finbox", SESSION.into()),
        ("finbox", UPLOAD.into()),
        ("runpayments", transaction("k")),
    ]
}

/// What can be polled for.
const POLLS: [(&str, &str); 6] = [
    ("rightfoot", "b1"),
    ("rightfoot", "authorizer:a1"),
    ("rightfoot", "schedule:s1"),
    ("finbox", "link:l1"),
    ("finbox", "entity:e1"),
    ("finbox", "session:x1"),
];

/// An answer that is as good for all of them as it can be.
fn good(url: &str) -> Value {
    match url {
        _ if url.contains("/v1/balances") => json!({ "balances": [{ "authorizer_unique_id": "a1" }] }),
        _ if url.contains("/history") => json!({ "history": [{ "run_at": "2039-12-31T12:00:00Z", "batch_id": "b9" }] }),
        _ if url.contains("/schedules/") => json!({ "last_run_at": "2039-12-31T12:00:00Z" }),
        _ if url.contains("webhook_payloads") => {
            json!({ "payloads": [serde_json::from_str::<Value>(STATEMENT).unwrap()] })
        }
        _ if url.contains("/entity/?") => json!({ "results": [] }),
        _ if url.contains("upload_status") => json!({ "upload_status": "COMPLETED", "accounts": [] }),
        _ if url.contains("/progress/") => json!({ "session_progress": "completed", "accounts": [] }),
        _ if url.contains("/sprint/") => json!({ "items": [{ "id": 9 }] }),
        _ if url.contains("/merchants") => json!({ "items": [{ "merchant_id": 7, "merchant_status": "live" }] }),
        _ if url.contains("/deliveries") => json!({ "data": [], "totalPages": 1 }),
        _ => json!({ "progress": [{ "statement_id": "s1", "status": "completed" }], "accounts": [] }),
    }
}

fn answer_well(town: &Town) {
    town.inbox.api.answer_with(|url| answer(200, good(url).to_string()));
}

#[test]
fn only_a_documented_refusal_is_permanent() {
    // A maintenance page, a redirect, a compressed answer, JSON of no known shape: at work, at polls, at lists.
    let answers: [(&str, u16, &[u8]); 5] = [
        ("HTML", 200, b"<!doctype html>"),
        ("HTML with a 404 of a proxy's", 422, b"<html>"),
        ("a redirect", 302, b""),
        ("gzip", 200, b"\x1f\x8b\x08\x00"),
        ("another shape", 200, b"[]"),
    ];
    for (name, status, body) in answers {
        for (provider, delivery) in work() {
            let town = town();
            town.inbox.api.answer_with(move |_| answer(status, body));
            town.deliver(provider, &delivery);
            town.work();
            let entry = town.only_entry();
            assert_eq!(entry.state, State::Open, "{name} at {delivery}: {:?}", entry.reason);
            answer_well(&town);
            town.pass_minutes(30);
            let key = entry.key;
            let entry = town.inbox.ledger.stored(&key).unwrap().entry;
            assert_eq!(entry.state, State::Done, "{name} at {delivery}: {:?}", entry.reason);
        }
        for (provider, reference) in POLLS {
            let town = town();
            town.inbox.api.answer_with(move |_| answer(status, body));
            run(expectations::announce(&town.inbox, town.provider(provider), reference)).unwrap();
            town.pass_minutes(3);
            assert!(town.inbox.ledger.entries().is_empty(), "{name} at {reference}");
            assert!(town.inbox.meter.of(Metric::WorkFailed, id(provider)) > 0, "{name} at {reference}: counted");
            answer_well(&town);
            town.pass_minutes(30);
            assert!(town.inbox.meter.of(Metric::DeliveriesReceived, id(provider)) > 0, "{name} at {reference}");
        }
        for provider in ["runpayments", "fynapse"] {
            let town = town();
            town.inbox.api.answer_with(move |_| answer(status, body));
            town.reconcile();
            assert_eq!(town.inbox.meter.of(Metric::WorkFailed, id(provider)), 1, "{name} at {provider}'s list");
        }
    }
}

#[test]
fn what_a_list_shows_is_checked_for_its_age_as_a_push_is() {
    let town = Town::with(&[]);
    let old = STATEMENT.replacen('{', r#"{"date_time":"2037-01-01 00:00:00","#, 1);
    town.inbox.api.answer_with(move |url| match url.contains("webhook_payloads") {
        true => answer(200, format!(r#"{{"payloads":[{old}]}}"#)),
        false => answer(404, ""),
    });
    run(expectations::announce(&town.inbox, town.provider("finbox"), "link:l1")).unwrap();
    town.pass_minutes(5);
    let entry = town.only_entry();
    assert_eq!(
        (entry.state, entry.reason.as_deref()),
        (State::Parked, Some("the event is older than identities are remembered"))
    );
}

#[test]
fn one_providers_wrong_setting_stops_that_provider_alone() {
    let events = [
        ("rightfoot", "RIGHTFOOT_ALLOWED_CIDRS", BATCH.to_string()),
        ("fynapse", "FYNAPSE_TOLERANCE_PAST_SECS", EXTRACT.into()),
        ("finbox", "FINBOX_UTC_OFFSET_MINUTES", STATEMENT.into()),
        ("runpayments", "RUNPAYMENTS_PAGE_LIMIT", transaction("k")),
    ];
    for (broken, setting, _) in &events {
        let mut town = Town::new();
        answer_well(&town);
        for (provider, _, body) in &events {
            assert_eq!(town.deliver(provider, body).status, 200);
        }
        run(expectations::announce(&town.inbox, town.provider("finbox"), "entity:e1")).unwrap();
        let wrong = |name: &str| (name == *setting).then(|| "99999999999999".to_string());
        town.providers = Providers::read(&wrong);
        assert!(town.providers.stopped(broken).is_some() && town.providers.iter().count() == 3);
        // Longer than anything is tried.
        town.pass_minutes(12 * 60);
        for entry in town.inbox.ledger.entries().iter().filter(|entry| entry.event_type != "merchant.live") {
            let expected = if entry.provider == *broken { State::Open } else { State::Done };
            assert_eq!(entry.state, expected, "{broken} is stopped: {} {:?}", entry.key, entry.reason);
            let says = entry.reason.as_ref().is_some_and(|reason| reason.contains(setting));
            assert_eq!(says, entry.provider == *broken, "{:?}", entry.reason);
        }
        assert!(town.inbox.meter.of(Metric::Unconfigured, id(broken)) > 0, "{broken}: it is said");
        town.providers = Providers::read(&|_| None);
        town.pass_minutes(20);
        assert!(town.inbox.ledger.entries_in(State::Open).is_empty(), "{broken}: its work was put off, not lost");
        assert!(town.inbox.ledger.entries_in(State::Parked).is_empty());
    }
}

#[test]
fn a_stopped_providers_deliveries_are_not_lost() {
    for provider in ["rightfoot", "fynapse", "finbox", "runpayments"] {
        let mut town = Town::new();
        answer_well(&town);
        let delivery = town.delivery(provider, if provider == "finbox" { STATEMENT } else { BATCH });
        let answered = run(stopped(&town.inbox, definition(provider).unwrap(), &delivery));
        // Those who come again are asked to; the one that does not has its delivery kept.
        let expected = if provider == "finbox" { (200, None) } else { (503, Some(30)) };
        assert_eq!((answered.status, answered.retry_after_secs), expected, "{provider}");
        if provider != "finbox" {
            continue;
        }
        town.providers = Providers::read(&|name| (name == "FINBOX_UTC_OFFSET_MINUTES").then(|| "1e9".into()));
        town.pass_minutes(24 * 60);
        let of_finbox = |town: &Town| {
            let entries = town.inbox.ledger.entries().into_iter().filter(|entry| entry.provider == "finbox");
            entries.map(|entry| entry.state).collect::<Vec<_>>()
        };
        assert_eq!(of_finbox(&town), []);
        assert!(matches!(town.inbox.queue.jobs()[..], [Job::Rescue { .. }]));
        town.providers = Providers::read(&|_| None);
        town.pass_minutes(7);
        assert_eq!(of_finbox(&town), [State::Done]);
    }
}
