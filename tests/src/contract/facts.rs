//! Status facts, the identities of effects, and the current status folded from them.
#![expect(missing_docs, reason = "the name of a case is the rule it asserts")]

use futures_util::future::join_all;
use hookledger_core::model::entry::Origin;
use hookledger_core::model::fact::{Fact, HeldBack, Status};
use hookledger_core::model::identity::ItemKey;
use hookledger_core::ports::Ledger;

use super::sample::*;

fn by(id: &str) -> ItemKey {
    new_entry(id).event.key()
}

fn fact(status: &str, n: u32) -> Fact {
    Fact {
        status: status.into(),
        n,
        owner: by("owner"),
        origin: Origin::Poll,
        occurred_at: at(n.into()),
        matched_by: None,
    }
}

pub async fn each_is_written_once<L: Ledger>(ledger: &L) {
    let merchant = subject("m1");
    assert_eq!(ledger.facts(&merchant).await.as_deref(), Ok(&[][..]));
    let first = fact("APPROVED", 1);
    assert_eq!(ledger.put_fact(&merchant, &first).await, Ok(true));
    let late = Fact { owner: by("late"), origin: Origin::Push, occurred_at: at(99), ..first.clone() };
    assert_eq!(ledger.put_fact(&merchant, &late).await, Ok(false));
    assert_eq!(ledger.put_fact(&merchant, &first).await, Ok(false));
    assert_eq!(ledger.facts(&merchant).await.as_deref(), Ok(&[first][..]));

    let matched = Fact { matched_by: Some(by("pushed")), ..fact("APPROVED", 2) };
    assert_eq!(ledger.put_fact(&merchant, &matched).await, Ok(true));
    assert_eq!(ledger.facts(&merchant).await.unwrap().pop(), Some(matched));
}

pub async fn one_of_twenty_owners_gets_it<L: Ledger>(ledger: &L) {
    let merchant = subject("m1");
    let facts: Vec<Fact> = (0..20).map(|n| Fact { owner: by(&format!("o{n}")), ..fact("APPROVED", 1) }).collect();
    let answers = join_all(facts.iter().map(|fact| ledger.put_fact(&merchant, fact))).await;
    let won = answers.iter().position(|answer| *answer == Ok(true)).expect("one wins");
    assert_eq!(winners(answers), 1);
    assert_eq!(ledger.facts(&merchant).await.as_deref(), Ok(&facts[won..=won]));
}

pub async fn they_come_in_the_order_of_their_keys<L: Ledger>(ledger: &L) {
    let merchant = subject("m1");
    let odd = "ON HOLD #1 é";
    for (status, n) in [("B", 10), (odd, 1), ("B", 2), ("A", 3), ("B", 1), ("A", 1)] {
        assert_eq!(ledger.put_fact(&merchant, &fact(status, n)).await, Ok(true));
    }
    // Other rows of the subject don't disturb.
    assert_eq!(ledger.move_status(&merchant, None, &status("B", 1)).await, Ok(true));
    admit(ledger, &new_entry("m1")).await;
    let facts = ledger.facts(&merchant).await.unwrap();
    let order: Vec<(&str, u32)> = facts.iter().map(|fact| (fact.status.as_str(), fact.n)).collect();
    assert_eq!(order, [("A", 1), ("A", 3), ("B", 1), ("B", 2), ("B", 10), (odd, 1)]);
    assert_eq!(facts[5], fact(odd, 1));
}

pub async fn subjects_do_not_share_them<L: Ledger>(ledger: &L) {
    assert_eq!(ledger.put_fact(&subject("m1"), &fact("APPROVED", 1)).await, Ok(true));
    assert_eq!(ledger.put_fact(&subject("m12"), &fact("APPROVED", 1)).await, Ok(true));
    assert_eq!(ledger.facts(&subject("m1")).await.unwrap().len(), 1);
    assert_eq!(ledger.facts(&subject("m")).await.unwrap().len(), 0);
}

pub async fn each_is_matched_by_one_entry<L: Ledger>(ledger: &L) {
    let merchant = subject("m1");
    assert_eq!(ledger.put_fact(&merchant, &fact("APPROVED", 1)).await, Ok(true));
    assert_eq!(ledger.put_fact(&merchant, &fact("APPROVED", 2)).await, Ok(true));
    let racers: Vec<ItemKey> = (0..20).map(|n| by(&format!("p{n}"))).collect();
    let answers = join_all(racers.iter().map(|racer| ledger.match_fact(&merchant, "APPROVED", 1, racer))).await;
    let won = answers.iter().position(|answer| *answer == Ok(true)).expect("one wins");
    assert_eq!(winners(answers), 1);
    let wanted = Fact { matched_by: Some(racers[won].clone()), ..fact("APPROVED", 1) };
    assert_eq!(ledger.facts(&merchant).await.as_deref(), Ok(&[wanted, fact("APPROVED", 2)][..]));
}

pub async fn matching_twice_equals_matching_once<L: Ledger>(ledger: &L) {
    let merchant = subject("m1");
    assert_eq!(ledger.put_fact(&merchant, &fact("APPROVED", 1)).await, Ok(true));
    // Work cut off after the match is done again, and is not "another" entry then.
    for _ in 0..2 {
        assert_eq!(ledger.match_fact(&merchant, "APPROVED", 1, &by("pushed")).await, Ok(true));
    }
    let same_subject = ItemKey { sk: "event#another".into(), ..by("pushed") };
    for other in [by("other"), same_subject] {
        assert_eq!(ledger.match_fact(&merchant, "APPROVED", 1, &other).await, Ok(false));
    }
    assert_eq!(ledger.facts(&merchant).await.unwrap()[0].matched_by, Some(by("pushed")));
}

pub async fn what_is_not_there_is_not_matched<L: Ledger>(ledger: &L) {
    let merchant = subject("m1");
    assert_eq!(ledger.match_fact(&merchant, "APPROVED", 1, &by("pushed")).await, Ok(false));
    assert_eq!(ledger.facts(&merchant).await.as_deref(), Ok(&[][..]));
}

fn status(status: &str, version: u64) -> Status {
    Status { status: status.into(), rank: 7, occurred_at: at(1), moved_at: at(2), version, held_back: None }
}

pub async fn there_is_no_status_at_first<L: Ledger>(ledger: &L) {
    assert_eq!(ledger.status(&subject("m1")).await, Ok(None));
    assert_eq!(ledger.move_status(&subject("m1"), Some(0), &status("A", 1)).await, Ok(false));
    assert_eq!(ledger.status(&subject("m1")).await, Ok(None));
}

pub async fn a_status_moves_from_the_version_seen<L: Ledger>(ledger: &L) {
    let merchant = subject("m1");
    let held_back = Some(HeldBack { status: "BACK".into(), rank: 0, occurred_at: at(3) });
    let first = Status { held_back, ..status("SUBMITTED", 1) };
    let second = Status { rank: 255, occurred_at: at(8), ..status("ÄNDERUNG #2", 2) };
    assert_eq!(ledger.move_status(&merchant, None, &first).await, Ok(true));
    assert_eq!(ledger.status(&merchant).await, Ok(Some(first)));
    assert_eq!(ledger.move_status(&merchant, None, &second).await, Ok(false));
    assert_eq!(ledger.move_status(&merchant, Some(2), &second).await, Ok(false));
    assert_eq!(ledger.move_status(&merchant, Some(1), &second).await, Ok(true));
    assert_eq!(ledger.move_status(&merchant, Some(1), &status("STALE", 2)).await, Ok(false));
    assert_eq!(ledger.status(&merchant).await, Ok(Some(second)));
    assert_eq!(ledger.status(&subject("m2")).await, Ok(None));
}

pub async fn one_of_twenty_moves_the_status<L: Ledger>(ledger: &L) {
    let merchant = subject("m1");
    for seen in [None, Some(1)] {
        let version = seen.unwrap_or(0) + 1;
        let moves: Vec<Status> = (0..20).map(|n| status(&format!("S{n}"), version)).collect();
        let answers = join_all(moves.iter().map(|to| ledger.move_status(&merchant, seen, to))).await;
        let won = answers.iter().position(|answer| *answer == Ok(true)).expect("one wins");
        assert_eq!(winners(answers), 1);
        assert_eq!(ledger.status(&merchant).await, Ok(Some(moves[won].clone())));
    }
}
