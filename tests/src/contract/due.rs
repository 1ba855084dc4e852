//! The list of debts: what is due, oldest first, each in its own shard.
#![expect(missing_docs, reason = "the name of a case is the rule it asserts")]

use futures_util::future::join_all;
use hookledger_core::model::debt::{DUE_SHARDS, Due, DueKey, Expectation, ExpectationState, Wanted};
use hookledger_core::model::identity::{ProviderId, Subject};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::Ledger;

use super::sample::*;

pub async fn a_debt_is_listed_from_its_instant_on<L: Ledger>(ledger: &L) {
    let key = admit(ledger, &new_entry("b1")).await;
    assert_eq!(listed(ledger, &key, UnixMs(at(120).0 - 1)).await, None);
    assert_eq!(listed(ledger, &key, at(120)).await, Some(at(120)));
    assert_eq!(listed(ledger, &key, UnixMs(at(120).0 + 1)).await, Some(at(120)));
}

/// Admits one entry for each due time, all in one shard, and gives back what `due` should list.
async fn in_one_shard<L: Ledger>(ledger: &L, due_secs: &[u64]) -> (u8, Vec<DueKey>) {
    let (shard, ids) = ids_of_one_shard(due_secs.len());
    let mut debts = Vec::new();
    for (id, secs) in ids.iter().zip(due_secs) {
        debts.push(DueKey { key: admit_due(ledger, id, at(*secs)).await, due_at: at(*secs) });
    }
    debts.sort_by_key(|debt| debt.due_at);
    (shard, debts)
}

pub async fn the_oldest_come_first<L: Ledger>(ledger: &L) {
    // Of different numbers of digits, so that an order of texts would show.
    let (shard, debts) = in_one_shard(ledger, &[500, 7, 100_000, 50, 3000]).await;
    for (now, due, oldest) in [(FAR, 5, Some(at(7))), (at(500), 3, Some(at(7))), (at(6), 0, None)] {
        let found = ledger.due(shard, now, &Wanted::ALL).await.expect("the store answers");
        assert_eq!((&found.keys[..], found.left, found.oldest), (&debts[..due], 0, oldest));
    }
}

pub async fn the_limit_keeps_the_oldest<L: Ledger>(ledger: &L) {
    let (shard, debts) = in_one_shard(ledger, &[40, 10, 30, 20, 60]).await;
    for limit in [0, 1, 3, 5, 6] {
        let wanted = Wanted { of_each: limit, without_entries_of: &[] };
        let found = ledger.due(shard, FAR, &wanted).await.expect("the store answers");
        assert_eq!(found.keys, debts[..limit.min(5)], "limit {limit}");
        assert_eq!((found.left, found.oldest), (5 - found.keys.len(), Some(at(10))), "limit {limit}");
    }
}

pub async fn no_provider_hides_anothers_debts<L: Ledger>(ledger: &L) {
    let (shard, debts) = in_one_shard(ledger, &[10, 20, 30]).await;
    // Later than all of them, in the same shard: a batch's expectation, and another provider's.
    let later = |provider: ProviderId, id: usize| Expectation {
        key: Subject::new(provider, "batch", &format!("e{id}")).item("expectation"),
        due_at: Some(at(90)),
        ..expectation("any")
    };
    let in_shard = |provider| (0..).map(|n| later(provider, n)).find(|later| later.key.shard(DUE_SHARDS) == shard);
    let (own, other) = (in_shard(PROVIDER).unwrap(), in_shard(ProviderId("finbox")).unwrap());
    for expected in [&own, &other] {
        assert_eq!(ledger.expect(expected).await, Ok(true));
    }
    let keys = |due: Due| due.keys.into_iter().map(|due| due.key).collect::<Vec<_>>();
    let due = async |of_each, without: &[&str]| {
        let wanted = Wanted { of_each, without_entries_of: without };
        ledger.due(shard, FAR, &wanted).await.expect("the store answers")
    };
    let few = due(2, &[]).await;
    assert_eq!((few.left, keys(few)), (2, vec![debts[0].key.clone(), debts[1].key.clone(), other.key.clone()]));
    // What is held back counts for nothing: polls come all the same.
    let held = due(1, &[PROVIDER.0]).await;
    assert_eq!((held.left, held.oldest), (3, Some(at(10))));
    let mut polls = keys(held);
    polls.sort();
    let mut wanted = vec![own.key, other.key];
    wanted.sort();
    assert_eq!(polls, wanted);
}

pub async fn each_debt_is_in_its_own_shard_alone<L: Ledger>(ledger: &L) {
    let ids: Vec<String> = (0..40).map(|n| format!("b{n}")).collect();
    let news: Vec<_> = ids.iter().map(|id| new_entry(id)).collect();
    join_all(news.iter().map(|new| admit(ledger, new))).await;
    let mut seen = 0;
    for shard in 0..DUE_SHARDS {
        for debt in ledger.due(shard, FAR, &Wanted::ALL).await.expect("the store answers").keys {
            assert_eq!(debt.key.shard(DUE_SHARDS), shard, "{}", debt.key);
            seen += 1;
        }
    }
    assert_eq!(seen, ids.len());
}

pub async fn what_is_settled_is_in_no_shard<L: Ledger>(ledger: &L) {
    let entry = admit(ledger, &new_entry("b1")).await;
    let reopened = admit_parked(ledger, "b2").await;
    assert_eq!(ledger.reopen(&reopened, at(5), DELIVERED).await, Ok(true));
    let awaited = expect(ledger, "b3").await;
    assert_eq!(owed(ledger).await.len(), 3);
    settle(ledger, &entry).await;
    settle(ledger, &reopened).await;
    assert_eq!(ledger.end_expectation(&awaited, ExpectationState::Met, at(9), EXPIRES).await, Ok(true));
    assert_eq!(owed(ledger).await, []);
}

pub async fn all_kinds_of_debt_are_listed<L: Ledger>(ledger: &L) {
    let entry = admit(ledger, &new_entry("b1")).await;
    let awaited = expect(ledger, "b1").await;
    let listing = listing();
    assert_eq!(ledger.ensure_listing(&listing).await, Ok(()));
    assert_eq!(listed(ledger, &entry, FAR).await, Some(at(120)));
    assert_eq!(listed(ledger, &awaited, FAR).await, Some(at(30)));
    assert_eq!(listed(ledger, &listing.key, FAR).await, Some(NOW));
    assert_eq!(owed(ledger).await.len(), 3);
}

pub async fn more_debts_than_one_write_holds_are_listed<L: Ledger>(ledger: &L) {
    let (shard, ids) = ids_of_one_shard(130);
    let news: Vec<_> = ids.iter().map(|id| new_entry(id)).collect();
    for some in news.chunks(20) {
        join_all(some.iter().map(|new| admit(ledger, new))).await;
    }
    let due = ledger.due(shard, FAR, &Wanted::ALL).await.expect("the store answers");
    let mut keys: Vec<_> = due.keys.into_iter().map(|debt| debt.key).collect();
    keys.sort();
    let mut wanted: Vec<_> = news.iter().map(|new| new.event.key()).collect();
    wanted.sort();
    assert_eq!(keys, wanted);
}
