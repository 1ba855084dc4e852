//! Parking: a person's debt, and the ways back.
#![expect(missing_docs, reason = "the name of a case is the rule it asserts")]

use futures_util::future::join_all;
use hookledger_core::debt::{DueKey, MAX_REOPENED};
use hookledger_core::entry::State;
use hookledger_core::identity::ItemKey;
use hookledger_core::ports::{Attempt, Ledger, Postponed};

use super::Inspect;
use super::sample::*;

pub async fn a_parked_entry_is_no_debt_of_the_reconciler<L: Ledger>(ledger: &L) {
    let key = admit(ledger, &new_entry("b1")).await;
    assert_eq!(ledger.claim(&key, at(120), at(180)).await, Ok(true));
    assert_eq!(ledger.park(&key, "too many attempts", at(150)).await, Ok(true));
    let entry = read(ledger, &key).await;
    assert_eq!((entry.state, entry.reason.as_deref()), (State::Parked, Some("too many attempts")));
    assert_eq!((entry.attempts, entry.due_at), (1, None), "what led here stays readable; nothing is due");
    assert_eq!(owed(ledger).await, []);
}

pub async fn parked_entries_are_listed_for_a_person<L: Inspect>(ledger: &L) {
    let from_the_start = admit_parked(ledger, "b1").await;
    let (late, early) = (admit(ledger, &new_entry("b2")).await, admit(ledger, &new_entry("b3")).await);
    assert_eq!(ledger.park(&late, "why", at(300)).await, Ok(true));
    assert_eq!(ledger.park(&early, "why", at(9)).await, Ok(true));
    let parked = |key: &ItemKey, since| DueKey { key: key.clone(), due_at: at(since) };
    let wanted = [parked(&from_the_start, 0), parked(&early, 9), parked(&late, 300)];
    assert_eq!(ledger.parked().await, wanted);
    assert_eq!(ledger.reopen(&early, at(400), None).await, Ok(true));
    settle(ledger, &early).await;
    assert_eq!(ledger.parked().await, [parked(&from_the_start, 0), parked(&late, 300)]);
}

pub async fn reopening_owes_again_from_the_start<L: Ledger>(ledger: &L) {
    let key = admit(ledger, &new_entry("b1")).await;
    let waited = Postponed { due_at: at(200), reason: "not yet".into(), attempt: Attempt::Waited, progress: None };
    assert_eq!(ledger.postpone(&key, &waited).await, Ok(true));
    assert_eq!(ledger.claim(&key, at(200), at(300)).await, Ok(true));
    assert_eq!(ledger.park(&key, "why", at(150)).await, Ok(true));
    assert_eq!(ledger.reopen(&key, at(400), Some(MAX_REOPENED)).await, Ok(true));
    let entry = read(ledger, &key).await;
    assert_eq!((entry.state, entry.due_at), (State::Open, Some(at(400))));
    assert_eq!((entry.attempts, entry.waits, entry.reopened), (0, 0, 1));
    assert_eq!(listed(ledger, &key, FAR).await, Some(at(400)));
}

pub async fn reopening_is_limited<L: Ledger>(ledger: &L) {
    let key = admit_parked(ledger, "b1").await;
    for reopened in 1..=MAX_REOPENED {
        assert_eq!(ledger.reopen(&key, at(1), Some(MAX_REOPENED)).await, Ok(true));
        assert_eq!(read(ledger, &key).await.reopened, reopened);
        assert_eq!(ledger.park(&key, "again", at(2)).await, Ok(true));
    }
    assert_eq!(ledger.reopen(&key, at(3), Some(MAX_REOPENED)).await, Ok(false));
    let entry = read(ledger, &key).await;
    assert_eq!((entry.state, entry.reopened), (State::Parked, MAX_REOPENED));
    assert_eq!(owed(ledger).await, []);
}

pub async fn a_person_reopens_without_limit<L: Ledger>(ledger: &L) {
    let key = admit_parked(ledger, "b1").await;
    for _ in 0..=MAX_REOPENED + 2 {
        assert_eq!(ledger.reopen(&key, at(1), None).await, Ok(true));
        assert_eq!(ledger.park(&key, "again", at(2)).await, Ok(true));
    }
    assert_eq!(ledger.reopen(&key, at(3), Some(0)).await, Ok(false));
}

pub async fn a_person_does_not_use_up_the_limit<L: Ledger>(ledger: &L) {
    let key = admit_parked(ledger, "b1").await;
    assert_eq!(ledger.reopen(&key, at(1), None).await, Ok(true));
    assert_eq!(read(ledger, &key).await.reopened, 0);
    assert_eq!(ledger.park(&key, "again", at(2)).await, Ok(true));
    assert_eq!(ledger.reopen(&key, at(3), Some(1)).await, Ok(true));
}

pub async fn only_parked_entries_are_reopened<L: Ledger>(ledger: &L) {
    let open = admit(ledger, &new_entry("open")).await;
    let settled = admit(ledger, &new_entry("done")).await;
    settle(ledger, &settled).await;
    for key in [open, settled, new_entry("missing").event.key()] {
        let before = ledger.entry(&key).await;
        for limit in [None, Some(MAX_REOPENED)] {
            assert_eq!(ledger.reopen(&key, at(1), limit).await, Ok(false), "{key}");
        }
        assert_eq!(ledger.entry(&key).await, before, "{key}");
    }
}

pub async fn one_of_twenty_reopens<L: Ledger>(ledger: &L) {
    let key = admit_parked(ledger, "b1").await;
    assert_eq!(winners(join_all((0..20).map(|_| ledger.reopen(&key, at(1), Some(MAX_REOPENED)))).await), 1);
    assert_eq!(read(ledger, &key).await.reopened, 1);
}
