//! What a person does to a row, and that it is written down.
#![expect(missing_docs, reason = "the name of a case is the rule it asserts")]

use futures_util::future::join_all;
use hookledger_core::model::act::{Act, Order};
use hookledger_core::model::debt::ExpectationState;
use hookledger_core::model::entry::{Admitted, State};
use hookledger_core::model::identity::ItemKey;
use hookledger_core::model::time::UnixMs;

use super::Inspect;
use super::sample::*;

fn act(what: &str, secs: u64) -> Act {
    let why = (what == "close").then(|| "told twice: \"ü#1\"\n🦀".to_string());
    Order { by: "arn:aws:iam::000000000000:user/ops".into(), why }.act(what, at(secs))
}

async fn expired<L: Inspect>(ledger: &L, id: &str) -> ItemKey {
    let key = expect(ledger, id).await;
    assert_eq!(ledger.end_expectation(&key, ExpectationState::Expired, at(9), FAR).await, Ok(true));
    key
}

pub async fn acts_are_kept_in_their_order<L: Inspect>(ledger: &L) {
    let key = admit_parked(ledger, "b1").await;
    assert_eq!(ledger.history(&key).await, Ok(vec![]));
    assert_eq!(ledger.replay(&key, at(20), &act("replay", 10)).await, Ok(true));
    assert_eq!(listed(ledger, &key, FAR).await, Some(at(20)));
    assert_eq!(ledger.park(&key, "again", at(30)).await, Ok(true));
    assert_eq!(ledger.replay(&key, at(50), &act("replay", 40)).await, Ok(true));
    assert_eq!(ledger.park(&key, "again", at(60)).await, Ok(true));
    assert_eq!(ledger.close(&key, &act("close", 70), FAR).await, Ok(true));
    assert_eq!(ledger.history(&key).await, Ok(vec![act("replay", 10), act("replay", 40), act("close", 70)]));
}

pub async fn only_what_waits_for_a_person_is_touched<L: Inspect>(ledger: &L) {
    let open = admit(ledger, &new_entry("open")).await;
    let settled = admit(ledger, &new_entry("done")).await;
    settle(ledger, &settled).await;
    let waiting = expect(ledger, "waiting").await;
    let list = listing();
    assert_eq!(ledger.ensure_listing(&list).await, Ok(()));
    let missing = new_entry("missing").event.key();
    for key in [open, settled, waiting, list.key, missing] {
        let before = ledger.debt(&key).await;
        assert_eq!(ledger.close(&key, &act("close", 1), FAR).await, Ok(false), "{key}");
        assert_eq!((ledger.debt(&key).await, ledger.history(&key).await), (before, Ok(vec![])), "{key}");
    }
    for id in ["open", "done", "missing"] {
        let key = new_entry(id).event.key();
        assert_eq!(ledger.replay(&key, at(1), &act("replay", 1)).await, Ok(false), "{key}");
        assert_eq!(ledger.history(&key).await, Ok(vec![]), "{key}");
    }
}

pub async fn a_mark_changes_nothing_else_and_makes_no_row<L: Inspect>(ledger: &L) {
    let (open, waiting) = (admit(ledger, &new_entry("open")).await, expect(ledger, "waiting").await);
    for key in [&open, &waiting] {
        let before = ledger.debt(key).await;
        assert_eq!(ledger.mark(key, &act("send", 1)).await, Ok(true), "{key}");
        assert_eq!(ledger.mark(key, &act("close", 2)).await, Ok(true), "{key}");
        assert_eq!(ledger.debt(key).await, before, "{key}");
        assert_eq!(ledger.history(key).await, Ok(vec![act("send", 1), act("close", 2)]), "{key}");
    }
    let missing = new_entry("missing").event.key();
    assert_eq!(ledger.mark(&missing, &act("send", 1)).await, Ok(false));
    assert_eq!((ledger.debt(&missing).await, ledger.history(&missing).await), (Ok(None), Ok(vec![])));
}

pub async fn one_of_twenty_closes<L: Inspect>(ledger: &L) {
    for key in [admit_parked(ledger, "b1").await, expired(ledger, "b2").await] {
        let orders: Vec<Act> = (0..20).map(|n| act("close", n)).collect();
        let answers = join_all(orders.iter().map(|act| ledger.close(&key, act, FAR))).await;
        let won = answers.iter().position(|answer| *answer == Ok(true)).expect("one wins");
        assert_eq!(winners(answers), 1);
        assert_eq!(ledger.history(&key).await, Ok(vec![orders[won].clone()]));
    }
}

pub async fn what_is_closed_waits_no_more_and_expires<L: Inspect>(ledger: &L) {
    let new = new_entry("b1");
    let (entry, expectation) = (admit_parked(ledger, "b1").await, expired(ledger, "b2").await);
    assert_eq!(ledger.expires_at(&entry).await, None);
    for key in [&entry, &expectation] {
        assert_eq!(ledger.close(key, &act("close", 70), UnixMs(FAR.0 + 5_000)).await, Ok(true));
        assert_eq!(ledger.expires_at(key).await, Some(UnixMs(FAR.0 + 5_000)));
    }
    assert_eq!((ledger.parked().await, owed(ledger).await), (vec![], vec![]));
    let closed = read(ledger, &entry).await;
    assert_eq!((closed.state, closed.reason.as_deref()), (State::Ignored, Some("closed by a person")));
    // A redelivery finds it, and brings nothing back.
    let Ok(Admitted::Duplicate(known)) = ledger.admit(&new).await else { panic!("it is new") };
    assert_eq!(known.state, State::Ignored);
    // What expired makes room for a new announcement, as any that has ended.
    let state = ledger.expectation(&expectation).await.map(|found| found.map(|found| found.state));
    assert_eq!(state, Ok(Some(ExpectationState::Closed)));
    assert_eq!(expect(ledger, "b2").await, expectation);
}
