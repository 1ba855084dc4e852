//! One effect that several entries bring, and the entry that took it first never gets to tell of it: the others do.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;

use hookledger_core::flows::work::MAX_ATTEMPTS;
use hookledger_core::model::entry::{Origin, State};
use hookledger_core::model::fact::Fact;
use hookledger_core::model::identity::{ProviderId, Subject};
use hookledger_core::ports::{Clock as _, Entries, Results};
use hookledger_tests::memory::{Side, answer, run};
use hookledger_tests::town::Town;

/// One way in which two entries bring one effect.
struct Way {
    name: &'static str,
    provider: &'static str,
    api: fn(&str) -> &'static str,
    /// What makes the first entry: a delivery's body; `None`: a row of the provider's list.
    first: Option<&'static str>,
    /// The delivery that makes the second.
    second: &'static str,
}

const WAYS: [Way; 3] = [
    Way {
        name: "a session under two sets of accounts",
        provider: "finbox",
        api: |url| match url.rsplit('/').nth(1) {
            Some("progress") => {
                r#"{"session_progress":"completed","accounts":[{"account_id":"a","status":"completed"}]}"#
            }
            _ => r#"{"upload_status":"COMPLETED","accounts":[]}"#,
        },
        first: Some(
            r#"{"event_name":"ENRICHMENT_NOTIFICATION","session_id":"x1","accounts":[{"account_id":"posted"}]}"#,
        ),
        second: r#"{"event_name":"ENRICHMENT_NOTIFICATION","session_id":"x1","accounts":[{"account_id":"a"}]}"#,
    },
    Way {
        name: "a failure without a name under two reasons",
        provider: "finbox",
        api: |_| r#"{"progress":[{"status":"failed","statement_id":null,"message":"no such bank"}]}"#,
        first: Some(r#"{"entity_id":"e1","statement_id":"","link_id":null,"progress":"failed","reason":"posted"}"#),
        second: r#"{"entity_id":"e1","statement_id":"","link_id":null,"progress":"failed","reason":"no such bank"}"#,
    },
    Way {
        name: "a merchant that the list showed before its webhook came",
        provider: "runpayments",
        api: |_| r#"{"items":[{"merchant_id":7,"merchant_status":"live"}],"hasMore":false}"#,
        first: None,
        second: r#"{"event_type":"merchant.live","source_id":7,"timestamp":"2039-12-31T10:00:00.000Z","payload":{"merchant_id":7},"metadata":{"idempotency_key":"k1"}}"#,
    },
];

impl Way {
    /// A town in which the first entry took the effect, and the bus did not take the event, as far as could be seen.
    fn untold(&self, side: Side, attempts: u32) -> Town {
        let town = Town::new();
        let api = self.api;
        town.inbox.api.answer_with(move |url| answer(200, api(url)));
        town.inbox.publisher.faults.next(side, u32::MAX);
        match self.first {
            Some(body) => assert_eq!(town.deliver(self.provider, body).status / 100, 2, "{}", self.name),
            None => drop(town.reconcile()),
        }
        town.work();
        for _ in 1..attempts {
            town.inbox.clock.advance_secs(3600);
            town.reconcile();
            town.work();
        }
        town.inbox.publisher.faults.clear();
        town
    }
}

/// Once the bus has the event, and its answer is lost; once it has not.
const SIDES: [Side; 2] = [Side::Before, Side::After];

#[test]
fn what_its_owner_never_told_is_told_by_the_next_that_brings_it() {
    for (way, side) in WAYS.iter().flat_map(|way| SIDES.map(|side| (way, side))) {
        for (attempts, state) in [(1, State::Open), (MAX_ATTEMPTS, State::Parked)] {
            let town = way.untold(side, attempts);
            let case = format!("{}, {side:?}, the first is {state:?}", way.name);
            assert_eq!(town.only_entry().state, state, "{case}");
            assert_eq!(town.deliver(way.provider, way.second).status / 100, 2, "{case}");
            town.work();
            let entries = town.inbox.ledger.entries();
            assert_eq!((entries.len(), town.effects().len()), (2, 1), "{case}: {entries:#?}");
            assert!(entries.iter().all(|entry| entry.state == State::Done), "{case}: {entries:#?}");
            let told = town.inbox.publisher.count();
            town.pass_minutes(180);
            assert_eq!((told, town.effects().len()), (town.inbox.publisher.count(), 1), "{case}: nothing is owed");
            let details: BTreeSet<String> =
                town.inbox.publisher.published().into_iter().map(|told| told.detail).collect();
            assert_eq!(details.len(), 1, "{case}: one id, one detail");
        }
    }
}

#[test]
fn a_fact_that_names_an_owner_elsewhere_tells_nothing_and_touches_nobody() {
    // Whoever has taken a receiver over may write its own provider's rows, and no other's.
    let way = &WAYS[2];
    let town = Town::new();
    let api = way.api;
    town.inbox.api.answer_with(move |url| answer(200, api(url)));
    let parked = r#"{"event_uuid":"u1","type":"BALANCE_BATCH_COMPLETED","batch_id":"b1"}"#;
    town.deliver("rightfoot", parked);
    let victim = town.only_entry();
    run(town.inbox.ledger.park(&victim.key, "for this test", town.inbox.clock.now())).unwrap();
    let victim = town.only_entry();
    let subject = Subject::new(ProviderId("runpayments"), "merchant", "7");
    let forged = Fact {
        status: "live".into(),
        n: 1,
        owner: victim.key.clone(),
        origin: Origin::Poll,
        occurred_at: town.inbox.clock.now(),
        matched_by: None,
    };
    assert_eq!(run(town.inbox.ledger.put_fact(&subject, &forged)), Ok(true));
    assert_eq!(town.deliver(way.provider, way.second).status, 200);
    town.work();
    let entries = town.inbox.ledger.entries();
    assert_eq!(town.inbox.publisher.count(), 0);
    assert!(entries.contains(&victim), "as it was: {entries:#?}");
    let genuine = entries.iter().find(|entry| entry.provider == way.provider).unwrap();
    let reason = genuine.reason.clone().unwrap_or_default();
    assert!(genuine.state == State::Parked && reason.contains("names an owner elsewhere"), "{genuine:#?}");
}

#[test]
fn a_status_that_stands_is_told_as_the_current_one_whoever_brought_it_first() {
    // The list's entry writes the fact, and never gets to move the status; or the push works between the two.
    for attempts in [1, MAX_ATTEMPTS] {
        let way = &WAYS[2];
        let town = Town::new();
        let api = way.api;
        town.inbox.api.answer_with(move |url| answer(200, api(url)));
        town.inbox.ledger.faults.next_of("move_status", Side::Before, u32::MAX);
        town.reconcile();
        town.work();
        for _ in 1..attempts {
            town.inbox.clock.advance_secs(3600);
            town.reconcile();
            town.work();
        }
        town.inbox.ledger.faults.clear();
        assert_eq!(town.deliver(way.provider, way.second).status, 200);
        town.work();
        town.pass_minutes(60);
        let told: Vec<serde_json::Value> =
            town.inbox.publisher.published().iter().map(|told| serde_json::from_str(&told.detail).unwrap()).collect();
        assert!(!told.is_empty() && town.effects().len() == 1, "{attempts}: {told:#?}");
        assert!(told.iter().all(|told| told["applied"] == true), "{attempts}: {told:#?}");
    }
}

#[test]
fn what_is_frozen_is_told_although_the_api_says_something_else_by_now() {
    for side in SIDES {
        let town = Town::new();
        let account = Rc::new(Cell::new("completed"));
        let shown = account.clone();
        town.inbox.api.answer_with(move |_| {
            let status = shown.get();
            answer(
                200,
                format!(r#"{{"session_progress":"completed","accounts":[{{"account_id":"a","status":"{status}"}}]}}"#),
            )
        });
        let body = |accounts: &str| {
            format!(r#"{{"event_name":"ENRICHMENT_NOTIFICATION","session_id":"x1","accounts":{accounts}}}"#)
        };
        town.inbox.publisher.faults.next(side, 1);
        town.deliver("finbox", &body("[]"));
        town.work();
        account.set("failed");
        town.pass_minutes(10);
        assert_eq!(town.effects().len(), 1, "{side:?}: what it froze");
        town.deliver("finbox", &body(r#"[{"account_id":"a","status":"failed"}]"#));
        town.work();
        let failed: BTreeSet<String> = town
            .inbox
            .publisher
            .published()
            .iter()
            .map(|told| {
                serde_json::from_str::<serde_json::Value>(&told.detail).unwrap()["summary"]["failed_accounts"]
                    .to_string()
            })
            .collect();
        assert_eq!((town.effects().len(), failed), (2, BTreeSet::from(["0".to_string(), "1".to_string()])), "{side:?}");
    }
}
