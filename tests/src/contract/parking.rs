//! Parking: a person's debt, and the ways back.
#![expect(missing_docs, reason = "the name of a case is the rule it asserts")]

use futures_util::future::join_all;
use hookledger_core::model::debt::{DUE_SHARDS, DueKey};
use hookledger_core::model::entry::{Admitted, State};
use hookledger_core::model::identity::ItemKey;
use hookledger_core::ports::{Attempt, Ledger, Postponed, ReopenedBy};

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
    assert_eq!(ledger.reopen(&early, at(400), ReopenedBy::Person).await, Ok(true));
    settle(ledger, &early).await;
    assert_eq!(ledger.parked().await, [parked(&from_the_start, 0), parked(&late, 300)]);
}

pub async fn parked_entries_are_counted_in_their_shard<L: Ledger>(ledger: &L) {
    let counted = async || join_all((0..DUE_SHARDS).map(|shard| ledger.count_parked(shard))).await;
    assert!(counted().await.iter().all(|count| *count == Ok(0)));
    let keys = [admit_parked(ledger, "b1").await, admit_parked(ledger, "b2").await, admit_parked(ledger, "b3").await];
    admit(ledger, &new_entry("open")).await;
    let expected = |of: &[ItemKey]| {
        let in_shard = |shard| of.iter().filter(|key| key.shard(DUE_SHARDS) == shard).count() as u64;
        (0..DUE_SHARDS).map(|shard| Ok(in_shard(shard))).collect::<Vec<_>>()
    };
    assert_eq!(counted().await, expected(&keys));
    assert_eq!(ledger.reopen(&keys[0], at(400), ReopenedBy::Person).await, Ok(true));
    assert_eq!(counted().await, expected(&keys[1..]));
}

pub async fn reopening_owes_again_from_the_start<L: Ledger>(ledger: &L) {
    let key = admit(ledger, &new_entry("b1")).await;
    let waited = Postponed { due_at: at(200), reason: "not yet".into(), attempt: Attempt::Waited, progress: None };
    assert_eq!(ledger.postpone(&key, &waited).await, Ok(true));
    assert_eq!(ledger.claim(&key, at(200), at(300)).await, Ok(true));
    assert_eq!(ledger.park(&key, "why", at(150)).await, Ok(true));
    assert_eq!(ledger.reopen(&key, at(400), DELIVERED).await, Ok(true));
    let entry = read(ledger, &key).await;
    assert_eq!((entry.state, entry.due_at), (State::Open, Some(at(400))));
    assert_eq!((entry.attempts, entry.waits, entry.reopened), (0, 0, 1));
    assert_eq!(listed(ledger, &key, FAR).await, Some(at(400)));
}

pub async fn a_delivery_reopens_what_it_saw<L: Ledger>(ledger: &L) {
    let key = admit_parked(ledger, "b1").await;
    for seen in 0..5_u32 {
        for stale in [seen + 1, seen.saturating_sub(1)].into_iter().filter(|stale| *stale != seen) {
            let by = ReopenedBy::Delivery { seen: stale, reason: None };
            assert_eq!(ledger.reopen(&key, at(1), by).await, Ok(false));
        }
        assert_eq!(read(ledger, &key).await.state, State::Parked);
        let reason = (seen > 2).then_some("often");
        assert_eq!(ledger.reopen(&key, at(1), ReopenedBy::Delivery { seen, reason }).await, Ok(true));
        let entry = read(ledger, &key).await;
        assert_eq!((entry.reopened, entry.reason.as_deref(), entry.due_at), (seen + 1, reason, Some(at(1))));
        assert_eq!(ledger.park(&key, "again", at(2)).await, Ok(true));
    }
}

pub async fn a_duplicate_tells_how_often_it_was_reopened<L: Ledger>(ledger: &L) {
    let key = admit_parked(ledger, "b1").await;
    for seen in 0..3 {
        let Ok(Admitted::Duplicate(known)) = ledger.admit(&new_entry("b1")).await else { panic!("it is known") };
        assert_eq!((known.state, known.reopened), (State::Parked, seen));
        assert_eq!(ledger.reopen(&key, at(1), ReopenedBy::Delivery { seen, reason: None }).await, Ok(true));
        assert_eq!(ledger.park(&key, "again", at(2)).await, Ok(true));
    }
}

pub async fn a_person_reopens_and_what_deliveries_did_is_forgotten<L: Ledger>(ledger: &L) {
    let key = admit_parked(ledger, "b1").await;
    for _ in 0..5 {
        assert_eq!(ledger.reopen(&key, at(1), DELIVERED).await, Ok(true));
        assert_eq!(ledger.park(&key, "again", at(2)).await, Ok(true));
        assert_eq!(ledger.reopen(&key, at(3), ReopenedBy::Person).await, Ok(true));
        let entry = read(ledger, &key).await;
        assert_eq!((entry.reopened, entry.reason), (0, None));
        assert_eq!(ledger.park(&key, "again", at(4)).await, Ok(true));
    }
}

pub async fn only_parked_entries_are_reopened<L: Ledger>(ledger: &L) {
    let open = admit(ledger, &new_entry("open")).await;
    let settled = admit(ledger, &new_entry("done")).await;
    settle(ledger, &settled).await;
    for key in [open, settled, new_entry("missing").event.key()] {
        let before = ledger.entry(&key).await;
        for by in [ReopenedBy::Person, DELIVERED] {
            assert_eq!(ledger.reopen(&key, at(1), by).await, Ok(false), "{key}");
        }
        assert_eq!(ledger.entry(&key).await, before, "{key}");
    }
}

pub async fn one_of_twenty_reopens<L: Ledger>(ledger: &L) {
    let key = admit_parked(ledger, "b1").await;
    assert_eq!(winners(join_all((0..20).map(|_| ledger.reopen(&key, at(1), DELIVERED))).await), 1);
    assert_eq!(read(ledger, &key).await.reopened, 1);
}
