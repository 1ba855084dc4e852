//! What is believed of that which comes from outside: a test for each rule, over every provider and path it holds for.

use hookledger_core::flows::expectations;
use hookledger_core::flows::receive::stopped;
use hookledger_core::model::entry::State;
use hookledger_core::model::job::Job;
use hookledger_core::ports::Metric;
use hookledger_core::providers::{Providers, definition};
use hookledger_kit::{self as kit, Kit};
use hookledger_tests::memory::{answer, run};
use hookledger_tests::town::{Town, id};

use super::{STATEMENT, with_lists};

const SESSION: &str = r#"{"event_name":"ENRICHMENT_NOTIFICATION","session_id":"x1","accounts":[]}"#;
const UPLOAD: &str = r#"{"event_name":"SESSION_REQUIREMENT_COMPLETION_NOTIFICATION","session_id":"x1","accounts":[]}"#;

/// Work that asks its provider: the provider and a delivery.
fn work() -> Vec<(&'static str, String)> {
    let events = kit::ALL.iter().filter(|kit| (kit.at_sandbox)("e1").is_some());
    let events = events.map(|kit| (kit.name, (kit.event)("e1")));
    events.chain([("finbox", SESSION.into()), ("finbox", UPLOAD.into())]).collect()
}

/// What can be polled for.
fn polls() -> impl Iterator<Item = (&'static str, String)> {
    kit::ALL.iter().flat_map(|kit| kit.references.iter().map(|beginning| (kit.name, format!("{beginning}x1"))))
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
            let town = Town::full();
            town.inbox.api.answer_with(move |_| answer(status, body));
            town.deliver(provider, &delivery);
            town.work();
            let entry = town.only_entry();
            assert_eq!(entry.state, State::Open, "{name} at {delivery}: {:?}", entry.reason);
            town.confirm();
            town.pass_minutes(30);
            let key = entry.key;
            let entry = town.inbox.ledger.stored(&key).unwrap().entry;
            assert_eq!(entry.state, State::Done, "{name} at {delivery}: {:?}", entry.reason);
        }
        for (provider, reference) in polls() {
            let town = Town::full();
            town.inbox.api.answer_with(move |_| answer(status, body));
            run(expectations::announce(&town.inbox, town.provider(provider), &reference)).unwrap();
            town.pass_minutes(3);
            assert!(town.inbox.ledger.entries().is_empty(), "{name} at {reference}");
            assert!(town.inbox.meter.of(Metric::WorkFailed, id(provider)) > 0, "{name} at {reference}: counted");
            town.confirm();
            town.pass_minutes(30);
            assert!(town.inbox.meter.of(Metric::DeliveriesReceived, id(provider)) > 0, "{name} at {reference}");
        }
        for provider in with_lists() {
            let town = Town::full();
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
    for Kit { name: broken, strict_setting: setting, .. } in kit::ALL {
        let mut town = Town::new();
        town.confirm();
        for kit in kit::ALL {
            assert_eq!(town.deliver(kit.name, &(kit.event)("e1")).status, 200);
            if let Some(reference) = kit.reference("e1") {
                run(expectations::announce(&town.inbox, town.provider(kit.name), &reference)).unwrap();
            }
        }
        let wrong = |name: &str| (name == *setting).then(|| "99999999999999".to_string());
        town.providers = Providers::read(&wrong);
        assert!(town.providers.stopped(broken).is_some() && town.providers.iter().count() == kit::ALL.len() - 1);
        // Longer than anything is tried.
        town.pass_minutes(12 * 60);
        for entry in town.inbox.ledger.entries() {
            let expected = if entry.provider == *broken { State::Open } else { State::Done };
            assert_eq!(entry.state, expected, "{broken} is stopped: {} {:?}", entry.key, entry.reason);
            let says = entry.reason.as_ref().is_some_and(|reason| reason.contains(*setting));
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
    for kit in kit::ALL {
        let mut town = Town::new();
        town.confirm();
        let delivery = town.delivery(kit.name, &(kit.event)("e1"));
        let answered = run(stopped(&town.inbox, definition(kit.name).unwrap(), &delivery));
        // Those who come again are asked to; the one that does not has its delivery kept.
        let expected = if kit.sends_once() { (200, None) } else { (503, Some(30)) };
        assert_eq!((answered.status, answered.retry_after_secs), expected, "{}", kit.name);
        if !kit.sends_once() {
            continue;
        }
        town.providers = Providers::read(&|name| (name == kit.strict_setting).then(|| "99999999999999".into()));
        town.pass_minutes(24 * 60);
        assert_eq!(town.inbox.ledger.entries(), []);
        assert!(matches!(town.inbox.queue.jobs()[..], [Job::Rescue { .. }]));
        town.providers = Providers::read(&|_| None);
        town.pass_minutes(7);
        assert_eq!(town.only_entry().state, State::Done);
    }
}
