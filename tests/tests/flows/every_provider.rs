//! What has to hold for each provider alike, tried with each. `docs/providers.md` names these tests.

use hookledger_core::model::circuit::Gate;
use hookledger_core::model::entry::{Origin, State};
use hookledger_core::model::provider_call::ApiResponse;
use hookledger_core::model::secret::Secret;
use hookledger_core::ports::{Clock, Metric};
use hookledger_core::providers::{ALL, OnStoreDown, OnUnreadable};
use hookledger_tests::memory::answer;
use hookledger_tests::town::{Town, id};

/// A genuine event of each provider, with an amount that no float can hold in a field that nobody reads.
const EVENTS: [(&str, &str); 4] = [
    (
        "rightfoot",
        r#"{"event_uuid":"u1","type":"BALANCE_BATCH_COMPLETED","batch_id":"b1","amount":90071992547409931.10}"#,
    ),
    ("fynapse", r#"{"event_id":"e1","type":"balance.extracted","data":{"amount":90071992547409931.10}}"#),
    (
        "finbox",
        r#"{"entity_id":"e1","statement_id":"s1","link_id":"l1","progress":"completed","reason":"","amount":90071992547409931.10}"#,
    ),
    (
        "runpayments",
        r#"{"event_type":"transaction.entered","source_id":9,"timestamp":"2039-12-31T10:00:00Z","payload":{"amount":90071992547409931.10},"metadata":{"idempotency_key":"k1"}}"#,
    ),
];

/// A town in which every provider's API confirms these events.
fn town() -> Town {
    let town = Town::new();
    confirm(&town);
    town
}

fn confirm(town: &Town) {
    town.inbox.api.answer_with(|url| {
        let known = ["/v1/balances", "/entity/"].iter().any(|path| url.contains(path));
        let body = r#"{"balances":[{"authorizer_unique_id":"a1"}],"progress":[{"status":"completed","statement_id":"s1"}],"accounts":[]}"#;
        answer(if known { 200 } else { 404 }, body)
    });
}

#[test]
fn each_has_an_event_here() {
    let here: Vec<&str> = EVENTS.iter().map(|(provider, _)| *provider).collect();
    let built_in: Vec<&str> = ALL.iter().map(|definition| definition.id.0).collect();
    assert_eq!(here, built_in);
}

#[test]
fn each_genuine_delivery_is_worked_and_each_forged_one_refused() {
    for (provider, body) in EVENTS {
        let town = town();
        let mut forged = town.delivery(provider, body);
        forged.path_token = forged.path_token.map(|_| Secret::new("guessed"));
        forged.headers = town.delivery(provider, &format!("{body} ")).headers;
        let answered = town.deliver_this(forged);
        assert_eq!(answered.status, town.provider(provider).answers().refused, "{provider}");
        assert!(town.inbox.ledger.entries().is_empty(), "{provider}: the forged one became an entry");
        assert_eq!(town.inbox.ledger.refusals().len(), 1, "{provider}: nothing is kept of the forged one");
        let answered = town.deliver(provider, body);
        assert_eq!(answered.status, 200, "{provider}");
        town.work();
        let entry = town.only_entry();
        assert_eq!((entry.state, entry.origin), (State::Done, Origin::Push), "{provider}");
        assert_eq!(town.inbox.publisher.published().len(), 1, "{provider}");
    }
}

#[test]
fn each_duplicate_is_known() {
    for (provider, body) in EVENTS {
        let town = town();
        for _ in 0..3 {
            assert_eq!(town.deliver(provider, body).status, 200, "{provider}");
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
    for (provider, _) in EVENTS {
        let town = town();
        let answered = town.deliver(provider, "{\"no\":\"event\"}");
        match town.provider(provider).answers().unreadable {
            OnUnreadable::Park => {
                assert_eq!(answered.status, 200, "{provider}");
                assert_eq!(town.only_entry().state, State::Parked, "{provider}");
            }
            OnUnreadable::Quarantine(status) => {
                assert_eq!(answered.status, status, "{provider}");
                assert_eq!(town.inbox.ledger.refusals()[0].code, "unreadable", "{provider}");
            }
        }
    }
}

#[test]
fn each_body_and_each_amount_is_kept_as_it_was_sent() {
    for (provider, body) in EVENTS {
        let town = town();
        town.deliver(provider, body);
        town.work();
        let key = town.only_entry().key;
        assert_eq!(town.inbox.ledger.stored(&key).unwrap().body, body.as_bytes(), "{provider}");
    }
}

#[test]
fn each_secret_can_be_rotated_without_a_loss() {
    for (provider, body) in EVENTS {
        let town = town();
        let here = town.provider(provider).id();
        let others = r#"[{"id":"before","value":"the-value-before-this-one"}]"#;
        town.inbox.secrets.set(here, &format!(r#"{{"signing_secrets":{others},"url_tokens":{others}}}"#));
        assert_eq!(town.deliver(provider, body).status, 403, "{provider}: the new value is not known yet");
        // Both live side by side: the new one counts at once, with the old document still cached.
        let both =
            r#"[{"id":"before","value":"the-value-before-this-one"},{"id":"now","value":"a-secret-of-these-tests"}]"#;
        town.inbox.secrets.rotate(here, &format!(r#"{{"signing_secrets":{both},"url_tokens":{both}}}"#));
        assert_eq!(town.deliver(provider, body).status, 200, "{provider}");
        town.work();
        assert_eq!(town.only_entry().state, State::Done, "{provider}");
    }
}

#[test]
fn each_outlasts_a_store_that_is_down() {
    for (provider, body) in EVENTS {
        let town = town();
        town.inbox.ledger.faults.down(true);
        let answered = town.deliver(provider, body);
        town.inbox.ledger.faults.clear();
        match town.provider(provider).answers().store_down {
            OnStoreDown::AskAgain => {
                assert_eq!((answered.status, answered.retry_after_secs), (503, Some(30)), "{provider}");
                assert_eq!(town.deliver(provider, body).status, 200, "{provider}: it comes again");
            }
            OnStoreDown::Rescue => assert_eq!(answered.status, 200, "{provider}: it never comes again"),
        }
        town.work();
        town.work();
        assert_eq!(town.only_entry().state, State::Done, "{provider}");
    }
}

/// With what is off by default turned on.
fn town_with_everything() -> Town {
    Town::with(&[("FYNAPSE_API_BASE_URL", "https://fynapse.example")])
}

/// Two are asked about each delivery, the other two by walking their lists.
#[test]
fn each_rate_limit_is_obeyed() {
    for provider in ["rightfoot", "finbox"] {
        let body = EVENTS.iter().find(|(name, _)| *name == provider).unwrap().1;
        let town = town();
        let limited = || Ok(ApiResponse { status: 429, retry_after_secs: Some(1200), body: Vec::new() });
        town.inbox.api.answer_with(move |_| limited());
        town.deliver(provider, body);
        town.work();
        let asked = |town: &Town| town.inbox.api.requests().iter().filter(|(of, _)| *of == id(provider)).count();
        assert_eq!(asked(&town), 1, "{provider}");
        assert!(town.only_entry().due_at.unwrap() >= town.inbox.clock.now().plus_secs(1200), "{provider}");
        confirm(&town);
        town.pass_minutes(19);
        assert_eq!(asked(&town), 1, "{provider}: asked before it was time");
        town.pass_minutes(6);
        assert_eq!(town.only_entry().state, State::Done, "{provider}");
    }
    for provider in ["fynapse", "runpayments"] {
        let town = town_with_everything();
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
    let hosts = ["api.rightfoot.com", "fynapse.example", "bankconnect.finbox.in", "apps.runpayments.io"];
    for ((provider, body), host) in EVENTS.into_iter().zip(hosts) {
        let town = town_with_everything();
        town.inbox.api.answer_with(move |url| answer(if url.contains(host) { 503 } else { 404 }, ""));
        for n in 0..6 {
            town.deliver(provider, &body.replace("e1", &format!("e{n}")).replace("b1", &format!("b{n}")));
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
        for (other, _) in EVENTS.iter().filter(|(other, _)| *other != provider) {
            assert_eq!(gate(other), Gate::Closed, "{other} pays for {provider}");
        }
    }
}
