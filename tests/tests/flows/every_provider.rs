//! What has to hold for each provider alike, tried with each. `docs/providers.md` names these tests.

use hookledger_core::model::circuit::Gate;
use hookledger_core::model::entry::{Origin, State};
use hookledger_core::model::provider_call::ApiResponse;
use hookledger_core::ports::{Clock, Metric};
use hookledger_core::providers::ALL;
use hookledger_kit::{self as kit, Kit, Unreadable, with_field};
use hookledger_tests::memory::answer;
use hookledger_tests::town::{SECRET, Town, id};

use super::with_lists;

/// The secret before [`SECRET`], which each scheme can read as well.
const BEFORE: &str = "be404ebe404ebe404ebe404ebe404ebe";

/// A genuine event of each provider, with an amount that no float can hold in a field that nobody reads.
fn events() -> impl Iterator<Item = (&'static str, String)> {
    kit::ALL.iter().map(|kit| (kit.name, with_field(&(kit.event)("e1"), "beside", "90071992547409931.10")))
}

/// A town in which every provider's API confirms these events.
fn town() -> Town {
    let town = Town::new();
    town.confirm();
    town
}

#[test]
fn each_has_an_event_here() {
    let here: Vec<&str> = events().map(|(provider, _)| provider).collect();
    let built_in: Vec<&str> = ALL.iter().map(|definition| definition.id.0).collect();
    assert_eq!(here, built_in);
}

#[test]
fn each_genuine_delivery_is_worked_and_each_forged_one_refused() {
    for (provider, body) in events() {
        let town = town();
        let answered = town.deliver_this(town.forged(provider, &body));
        assert_eq!(answered.status, kit::of(provider).refused, "{provider}");
        let mut forged = town.forged(provider, &body);
        forged.headers = town.delivery(provider, &format!("{body} ")).headers;
        assert_eq!(town.deliver_this(forged).status, answered.status, "{provider}: signed for another body");
        assert!(town.inbox.ledger.entries().is_empty(), "{provider}: the forged one became an entry");
        assert_eq!(town.inbox.ledger.refusals().len(), 2, "{provider}: nothing is kept of a forged one");
        let answered = town.deliver(provider, &body);
        assert_eq!(answered.status, 200, "{provider}");
        town.work();
        let entry = town.only_entry();
        assert_eq!((entry.state, entry.origin), (State::Done, Origin::Push), "{provider}");
        assert_eq!(town.inbox.publisher.published().len(), 1, "{provider}");
    }
}

#[test]
fn each_duplicate_is_known() {
    for (provider, body) in events() {
        let town = town();
        for _ in 0..3 {
            assert_eq!(town.deliver(provider, &body).status, 200, "{provider}");
            town.work();
            town.inbox.clock.advance_secs(60);
        }
        town.work();
        assert_eq!(town.only_entry().state, State::Done, "{provider}");
        assert_eq!(town.inbox.publisher.published().len(), 1, "{provider}");
        assert_eq!(town.inbox.meter.of(Metric::DeliveriesDuplicate, town.provider(provider).id()), 2, "{provider}");
    }
}

#[test]
fn each_unreadable_delivery_is_kept() {
    for provider in kit::names() {
        let town = town();
        let answered = town.deliver(provider, "{\"no\":\"event\"}");
        let unreadable = kit::of(provider).unreadable;
        assert_eq!(answered.status, unreadable.status(), "{provider}");
        match unreadable {
            Unreadable::Parked => assert_eq!(town.only_entry().state, State::Parked, "{provider}"),
            Unreadable::Quarantined(_) => {
                assert_eq!(town.inbox.ledger.refusals()[0].code, "unreadable", "{provider}");
            }
        }
    }
}

#[test]
fn each_body_and_each_amount_is_kept_as_it_was_sent() {
    for (provider, body) in events() {
        let town = town();
        town.deliver(provider, &body);
        town.work();
        let key = town.only_entry().key;
        assert_eq!(town.inbox.ledger.stored(&key).unwrap().body, body.as_bytes(), "{provider}");
    }
}

#[test]
fn each_secret_can_be_rotated_without_a_loss() {
    for (provider, body) in events() {
        let town = town();
        let here = town.provider(provider).id();
        let others = format!(r#"[{{"id":"before","value":"{BEFORE}"}}]"#);
        town.inbox.secrets.set(here, &format!(r#"{{"signing_secrets":{others},"url_tokens":{others}}}"#));
        assert_eq!(town.deliver(provider, &body).status, 403, "{provider}: the new value is not known yet");
        // Both live side by side: the new one counts at once, with the old document still cached.
        let both = format!(r#"[{{"id":"before","value":"{BEFORE}"}},{{"id":"now","value":"{SECRET}"}}]"#);
        town.inbox.secrets.rotate(here, &format!(r#"{{"signing_secrets":{both},"url_tokens":{both}}}"#));
        assert_eq!(town.deliver(provider, &body).status, 200, "{provider}");
        town.work();
        assert_eq!(town.only_entry().state, State::Done, "{provider}");
    }
}

#[test]
fn each_outlasts_a_store_that_is_down() {
    for (provider, body) in events() {
        let town = town();
        town.inbox.ledger.faults.down(true);
        let answered = town.deliver(provider, &body);
        town.inbox.ledger.faults.clear();
        if kit::of(provider).sends_once() {
            assert_eq!(answered.status, 200, "{provider}: it never comes again");
        } else {
            assert_eq!((answered.status, answered.retry_after_secs), (503, Some(30)), "{provider}");
            assert_eq!(town.deliver(provider, &body).status, 200, "{provider}: it comes again");
        }
        town.work();
        town.work();
        assert_eq!(town.only_entry().state, State::Done, "{provider}");
    }
}

/// Those that have lists are asked by walking them, the others about each delivery.
#[test]
fn each_rate_limit_is_obeyed() {
    let with_lists = with_lists();
    for (provider, body) in events().filter(|(provider, _)| !with_lists.contains(provider)) {
        let town = town();
        let limited = || Ok(ApiResponse { status: 429, retry_after_secs: Some(1200), body: Vec::new() });
        town.inbox.api.answer_with(move |_| limited());
        town.deliver(provider, &body);
        town.work();
        let asked = |town: &Town| town.inbox.api.requests().iter().filter(|(of, _)| *of == id(provider)).count();
        assert_eq!(asked(&town), 1, "{provider}");
        assert!(town.only_entry().due_at.unwrap() >= town.inbox.clock.now().plus_secs(1200), "{provider}");
        town.confirm();
        town.pass_minutes(19);
        assert_eq!(asked(&town), 1, "{provider}: asked before it was time");
        town.pass_minutes(6);
        assert_eq!(town.only_entry().state, State::Done, "{provider}");
    }
    for provider in with_lists {
        let town = Town::full();
        town.inbox.api.answer_with(|_| Ok(ApiResponse { status: 429, retry_after_secs: Some(3600), body: Vec::new() }));
        let asked = || town.inbox.api.requests().iter().filter(|(of, _)| *of == id(provider)).count();
        town.pass_minutes(2);
        assert_eq!(asked(), 1, "{provider}");
        town.pass_minutes(55);
        assert_eq!(asked(), 1, "{provider}: asked before it was time");
        town.pass_minutes(10);
        assert_eq!(asked(), 2, "{provider}");
    }
}

/// Six questions in vain, and then none before it is time; and nobody else's circuit opens.
#[test]
fn each_outage_opens_a_circuit_of_its_own() {
    for Kit { name: provider, event, host, .. } in kit::ALL {
        let town = Town::full();
        town.inbox.api.answer_with(move |url| answer(if url.contains(host) { 503 } else { 404 }, ""));
        for n in 0..6 {
            town.deliver(provider, &event(&format!("e{n}")));
            town.work();
        }
        let gate = |of| town.inbox.ledger.circuit_of(id(of)).gate(town.inbox.clock.now());
        for _ in 0..200 {
            if gate(provider) != Gate::Closed {
                break;
            }
            town.pass_minutes(1);
        }
        assert!(matches!(gate(provider), Gate::Open(_)), "{provider}: its circuit does not open");
        let asked = || town.inbox.api.requests().iter().filter(|(of, _)| *of == id(provider)).count();
        let before = asked();
        town.reconcile();
        town.work();
        assert_eq!(asked(), before, "{provider}: asked although it is known to be down");
        for other in kit::names().filter(|other| other != provider) {
            assert_eq!(gate(other), Gate::Closed, "{other} pays for {provider}");
        }
    }
}
