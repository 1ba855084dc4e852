//! Expectations: created, hastened, counted and ended, each once.
#![expect(missing_docs, reason = "the name of a case is the rule it asserts")]

use futures_util::future::join_all;
use hookledger_core::model::debt::{Expectation, ExpectationState};
use hookledger_core::ports::Ledger;

use super::Inspect;
use super::sample::*;

const ENDS: [ExpectationState; 3] = [ExpectationState::Met, ExpectationState::Closed, ExpectationState::Expired];

pub async fn one_is_created_and_read_back<L: Ledger>(ledger: &L) {
    for id in ["b1", "link:ü#2", ""] {
        let expectation = expectation(id);
        assert_eq!(ledger.expect(&expectation).await, Ok(true));
        assert_eq!(ledger.expectation(&expectation.key).await, Ok(Some(expectation.clone())));
        assert_eq!(listed(ledger, &expectation.key, FAR).await, expectation.due_at);
    }
}

pub async fn one_that_waits_is_not_replaced<L: Ledger>(ledger: &L) {
    let key = expect(ledger, "b1").await;
    let other = Expectation { due_at: Some(at(5)), deadline: FAR, reference: "other".into(), ..expectation("b1") };
    assert_eq!(ledger.expect(&other).await, Ok(false));
    assert_eq!(waiting(ledger, &key).await, expectation("b1"));
    assert_eq!(listed(ledger, &key, FAR).await, Some(at(30)));
}

pub async fn one_that_ended_is_replaced<L: Ledger>(ledger: &L) {
    for end in ENDS {
        let key = expect(ledger, end.as_str()).await;
        assert_eq!(ledger.claim(&key, at(30), at(75)).await, Ok(true));
        assert_eq!(ledger.count_found(&key, 2).await, Ok(()));
        assert_eq!(ledger.end_expectation(&key, end, at(80), EXPIRES).await, Ok(true));
        let again = Expectation { created_at: at(90), due_at: Some(at(100)), ..expectation(end.as_str()) };
        assert_eq!(ledger.expect(&again).await, Ok(true));
        assert_eq!(waiting(ledger, &key).await, again);
        assert_eq!(listed(ledger, &key, FAR).await, Some(at(100)));
        assert_eq!(ledger.expect(&again).await, Ok(false));
    }
}

pub async fn one_of_twenty_creates_it<L: Ledger>(ledger: &L) {
    let expectation = expectation("b1");
    for _ in 0..2 {
        assert_eq!(winners(join_all((0..20).map(|_| ledger.expect(&expectation))).await), 1);
        assert_eq!(ledger.end_expectation(&expectation.key, ExpectationState::Met, at(1), EXPIRES).await, Ok(true));
    }
}

pub async fn it_ends_once<L: Ledger>(ledger: &L) {
    let key = expect(ledger, "b1").await;
    let ends = ENDS.iter().cycle().take(21);
    let answers = join_all(ends.map(|end| ledger.end_expectation(&key, *end, at(9), EXPIRES))).await;
    let won = answers.iter().position(|answer| *answer == Ok(true)).expect("one wins");
    assert_eq!(winners(answers), 1);
    assert_eq!(waiting(ledger, &key).await.state, ENDS[won % 3]);
    let missing = expectation("missing").key;
    assert_eq!(ledger.end_expectation(&missing, ExpectationState::Met, at(9), EXPIRES).await, Ok(false));
    assert_eq!(ledger.expectation(&missing).await, Ok(None));
}

pub async fn every_end_pays_the_debt<L: Ledger>(ledger: &L) {
    for end in ENDS {
        let key = expect(ledger, end.as_str()).await;
        assert_eq!(ledger.end_expectation(&key, end, at(9), EXPIRES).await, Ok(true));
        let wanted = Expectation { state: end, due_at: None, ..expectation(end.as_str()) };
        assert_eq!(waiting(ledger, &key).await, wanted);
        assert_eq!(listed(ledger, &key, FAR).await, None);
    }
}

pub async fn it_is_only_ever_hastened<L: Ledger>(ledger: &L) {
    let key = expect(ledger, "b1").await;
    for (asked, due_at, moved) in [(40, 30, false), (30, 30, false), (10, 10, true), (20, 10, false), (0, 0, true)] {
        assert_eq!(ledger.hasten(&key, at(asked)).await, Ok(moved));
        assert_eq!(waiting(ledger, &key).await, Expectation { due_at: Some(at(due_at)), ..expectation("b1") });
        assert_eq!(listed(ledger, &key, FAR).await, Some(at(due_at)));
    }
}

pub async fn what_does_not_wait_is_not_hastened<L: Ledger>(ledger: &L) {
    for end in ENDS {
        let key = expect(ledger, end.as_str()).await;
        assert_eq!(ledger.end_expectation(&key, end, at(9), EXPIRES).await, Ok(true));
        let before = waiting(ledger, &key).await;
        for due_at in [at(1), at(1000)] {
            assert_eq!(ledger.hasten(&key, due_at).await, Ok(false));
        }
        assert_eq!(waiting(ledger, &key).await, before);
    }
    let missing = expectation("missing").key;
    assert_eq!(ledger.hasten(&missing, at(1)).await, Ok(false));
    assert_eq!(ledger.expectation(&missing).await, Ok(None));
    assert_eq!(owed(ledger).await, []);
}

pub async fn a_poll_is_delayed_from_the_claim_seen<L: Ledger>(ledger: &L) {
    let key = expect(ledger, "b1").await;
    assert_eq!(ledger.claim(&key, at(30), at(75)).await, Ok(true));
    assert_eq!(ledger.delay_poll(&key, at(30), at(600), 0).await, Ok(false));
    assert_eq!(waiting(ledger, &key).await, Expectation { polls: 1, due_at: Some(at(75)), ..expectation("b1") });
    assert_eq!(ledger.delay_poll(&key, at(75), at(600), 0).await, Ok(true));
    assert_eq!(waiting(ledger, &key).await, Expectation { due_at: Some(at(600)), ..expectation("b1") });
    assert_eq!(listed(ledger, &key, FAR).await, Some(at(600)));
    for (id, end) in ["e1", "e2", "e3"].into_iter().zip(ENDS) {
        let key = expect(ledger, id).await;
        assert_eq!(ledger.end_expectation(&key, end, at(9), EXPIRES).await, Ok(true));
        let before = waiting(ledger, &key).await;
        for seen in [at(9), at(30)] {
            assert_eq!(ledger.delay_poll(&key, seen, at(600), 5).await, Ok(false), "{end:?}");
        }
        assert_eq!(waiting(ledger, &key).await, before);
    }
    let missing = expectation("missing").key;
    assert_eq!(ledger.delay_poll(&missing, at(30), at(600), 0).await, Ok(false));
    assert_eq!(ledger.expectation(&missing).await, Ok(None));
}

pub async fn findings_are_counted_while_it_waits<L: Ledger>(ledger: &L) {
    let key = expect(ledger, "b1").await;
    assert_eq!(ledger.count_found(&key, 2).await, Ok(()));
    join_all((0..10).map(|_| ledger.count_found(&key, 1))).await;
    assert_eq!(waiting(ledger, &key).await, Expectation { found: 12, ..expectation("b1") });
    assert_eq!(ledger.end_expectation(&key, ExpectationState::Met, at(9), EXPIRES).await, Ok(true));
    let missing = expectation("missing").key;
    for key in [&key, &missing] {
        assert_eq!(ledger.count_found(key, 5).await, Ok(()));
    }
    assert_eq!(waiting(ledger, &key).await.found, 12);
    assert_eq!(ledger.expectation(&missing).await, Ok(None));
}

pub async fn a_claim_counts_a_poll_and_keeps_the_rest<L: Ledger>(ledger: &L) {
    let key = expect(ledger, "b1").await;
    assert_eq!(ledger.count_found(&key, 1).await, Ok(()));
    assert_eq!(ledger.claim(&key, at(30), at(75)).await, Ok(true));
    let wanted = Expectation { polls: 1, found: 1, due_at: Some(at(75)), ..expectation("b1") };
    assert_eq!(waiting(ledger, &key).await, wanted);
    assert_eq!(ledger.claim(&key, at(30), at(90)).await, Ok(false));
    assert_eq!(ledger.hasten(&key, at(50)).await, Ok(true));
    assert_eq!(ledger.claim(&key, at(75), at(90)).await, Ok(false));
    assert_eq!(ledger.claim(&key, at(50), at(90)).await, Ok(true));
    assert_eq!(waiting(ledger, &key).await.polls, 2);
}

pub async fn only_what_ended_expires<L: Inspect>(ledger: &L) {
    let key = expect(ledger, "b1").await;
    assert_eq!(ledger.claim(&key, at(30), at(75)).await, Ok(true));
    assert_eq!(ledger.expires_at(&key).await, None);
    assert_eq!(ledger.end_expectation(&key, ExpectationState::Expired, at(9), EXPIRES).await, Ok(true));
    assert_eq!(ledger.expires_at(&key).await, Some(EXPIRES));
    assert_eq!(ledger.expect(&expectation("b1")).await, Ok(true));
    assert_eq!(ledger.expires_at(&key).await, None);
}
