//! Claims: a debt is taken once, by moving its due time; and read in full.
#![expect(missing_docs, reason = "the name of a case is the rule it asserts")]

use futures_util::future::join_all;
use hookledger_core::model::debt::{Debt, Expectation, ExpectationState, Listing};
use hookledger_core::model::entry::{NewEntry, Start};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Attempt, Ledger, Postponed};

use super::sample::*;

pub async fn one_of_twenty_moves_the_debt<L: Ledger>(ledger: &L) {
    let key = admit(ledger, &new_entry("b1")).await;
    let answers = join_all((0..20).map(|n| ledger.claim(&key, at(120), at(200 + n)))).await;
    let won = answers.iter().position(|answer| *answer == Ok(true)).expect("one wins");
    assert_eq!(winners(answers), 1);
    let entry = read(ledger, &key).await;
    assert_eq!((entry.due_at, entry.attempts), (Some(at(200 + won as u64)), 1));
    assert_eq!(listed(ledger, &key, FAR).await, entry.due_at);
}

pub async fn each_counts_an_attempt<L: Ledger>(ledger: &L) {
    let key = admit(ledger, &new_entry("b1")).await;
    for attempts in 1..=9 {
        assert_eq!(ledger.claim(&key, at(119 + attempts), at(120 + attempts)).await, Ok(true));
        let entry = read(ledger, &key).await;
        assert_eq!((u64::from(entry.attempts), entry.due_at), (attempts, Some(at(120 + attempts))));
    }
}

pub async fn a_debt_that_moved_is_not_claimed<L: Ledger>(ledger: &L) {
    let key = admit(ledger, &new_entry("b1")).await;
    let postponed = Postponed { due_at: at(300), reason: "503".into(), attempt: Attempt::Failed, progress: None };
    assert_eq!(ledger.postpone(&key, &postponed).await, Ok(true));
    for seen in [at(120), UnixMs(at(300).0 - 1), UnixMs(at(300).0 + 1)] {
        assert_eq!(ledger.claim(&key, seen, at(400)).await, Ok(false));
    }
    let entry = read(ledger, &key).await;
    assert_eq!((entry.due_at, entry.attempts), (Some(at(300)), 0));
    assert_eq!(ledger.claim(&key, at(300), at(400)).await, Ok(true));
}

pub async fn a_paid_debt_is_not_claimed<L: Ledger>(ledger: &L) {
    let settled = admit(ledger, &new_entry("b1")).await;
    settle(ledger, &settled).await;
    let ignored =
        NewEntry { start: Start::Ignored { reason: "not known here", expires_at: EXPIRES }, ..new_entry("b2") };
    let ignored = admit(ledger, &ignored).await;
    for key in [settled, ignored] {
        let before = read(ledger, &key).await;
        assert_eq!(ledger.claim(&key, at(120), at(200)).await, Ok(false));
        assert_eq!(read(ledger, &key).await, before);
    }
    let ended = expect(ledger, "b3").await;
    assert_eq!(ledger.end_expectation(&ended, ExpectationState::Met, at(9), EXPIRES).await, Ok(true));
    let before = waiting(ledger, &ended).await;
    assert_eq!(ledger.claim(&ended, at(30), at(60)).await, Ok(false));
    assert_eq!(waiting(ledger, &ended).await, before);
    assert_eq!(owed(ledger).await, []);
}

pub async fn a_parked_entry_is_not_claimed<L: Ledger>(ledger: &L) {
    let key = admit(ledger, &new_entry("b1")).await;
    assert_eq!(ledger.park(&key, "why", at(150)).await, Ok(true));
    let before = read(ledger, &key).await;
    for seen in [at(120), at(150)] {
        assert_eq!(ledger.claim(&key, seen, at(200)).await, Ok(false));
    }
    assert_eq!(read(ledger, &key).await, before);
    assert_eq!(owed(ledger).await, []);
}

pub async fn what_is_not_there_is_not_claimed<L: Ledger>(ledger: &L) {
    let key = new_entry("b1").event.key();
    assert_eq!(ledger.claim(&key, at(120), at(200)).await, Ok(false));
    assert_eq!(ledger.entry(&key).await, Ok(None));
    assert_eq!(ledger.debt(&key).await, Ok(None));
    assert_eq!(owed(ledger).await, []);
}

pub async fn each_counts_a_poll<L: Ledger>(ledger: &L) {
    let key = expect(ledger, "b1").await;
    let answers = join_all((0..20).map(|_| ledger.claim(&key, at(30), at(75)))).await;
    assert_eq!(winners(answers), 1);
    assert_eq!(ledger.claim(&key, at(75), at(140)).await, Ok(true));
    let expectation = waiting(ledger, &key).await;
    assert_eq!((expectation.polls, expectation.due_at), (2, Some(at(140))));
}

pub async fn a_listing_is_claimed<L: Ledger>(ledger: &L) {
    let listing = Listing { position: Some("page-2".into()), pages: 1, ..listing() };
    assert_eq!(ledger.ensure_listing(&listing).await, Ok(()));
    let answers = join_all((0..20).map(|_| ledger.claim(&listing.key, NOW, at(60)))).await;
    assert_eq!(winners(answers), 1);
    let wanted = Debt::Listing(Listing { due_at: at(60), tries: 1, ..listing.clone() });
    assert_eq!(ledger.debt(&listing.key).await, Ok(Some(wanted)));
}

pub async fn each_kind_is_read_back_as_it_was_written<L: Ledger>(ledger: &L) {
    let key = admit(ledger, &new_entry("b1")).await;
    let entry = read(ledger, &key).await;
    assert_eq!(ledger.debt(&key).await, Ok(Some(Debt::Entry(entry))));

    let plain = expectation("b1");
    let watch = Expectation {
        key: subject("b2").item("watch"),
        reference: "link:ü#1".into(),
        repeats: true,
        deadline: FAR,
        ..expectation("b2")
    };
    for expectation in [plain, watch] {
        assert_eq!(ledger.expect(&expectation).await, Ok(true));
        let key = expectation.key.clone();
        assert_eq!(ledger.debt(&key).await, Ok(Some(Debt::Expectation(expectation))));
    }

    let fresh = listing();
    let midway = Listing {
        key: Listing::key(PROVIDER, "deposits"),
        list: "deposits".into(),
        position: Some("https://host/next?page=2&x=#é".into()),
        pages: 9_999,
        ..listing()
    };
    for listing in [fresh, midway] {
        assert_eq!(ledger.ensure_listing(&listing).await, Ok(()));
        let key = listing.key.clone();
        assert_eq!(ledger.debt(&key).await, Ok(Some(Debt::Listing(listing))));
    }
}

pub async fn a_paid_debt_owes_nothing<L: Ledger>(ledger: &L) {
    let settled = admit(ledger, &new_entry("b1")).await;
    settle(ledger, &settled).await;
    let ended = expect(ledger, "b2").await;
    assert_eq!(ledger.end_expectation(&ended, ExpectationState::Closed, at(9), EXPIRES).await, Ok(true));
    for key in [settled, ended] {
        let debt = ledger.debt(&key).await.expect("the store answers");
        assert_eq!(debt.and_then(|debt| debt.due_at()), None, "{key}");
    }
}
