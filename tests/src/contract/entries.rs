//! Open entries: put off, settled, and their detail frozen.
#![expect(missing_docs, reason = "the name of a case is the rule it asserts")]

use futures_util::future::join_all;
use hookledger_core::model::entry::{Admitted, NewEntry, Origin, Start, State};
use hookledger_core::model::identity::ItemKey;
use hookledger_core::ports::{Attempt, Ledger, Postponed, ReopenedBy, Settlement};

use super::Inspect;
use super::sample::*;

fn failed(due_at: u64) -> Postponed {
    Postponed { due_at: at(due_at), reason: format!("failed until {due_at}"), attempt: Attempt::Failed, progress: None }
}

fn waited(due_at: u64) -> Postponed {
    Postponed { attempt: Attempt::Waited, ..failed(due_at) }
}

pub async fn a_failure_moves_the_debt_and_keeps_the_attempts<L: Ledger>(ledger: &L) {
    let key = admit(ledger, &new_entry("b1")).await;
    assert_eq!(ledger.claim(&key, at(120), at(180)).await, Ok(true));
    assert_eq!(ledger.postpone(&key, &failed(500)).await, Ok(true));
    let entry = read(ledger, &key).await;
    assert_eq!((entry.state, entry.due_at), (State::Open, Some(at(500))));
    assert_eq!((entry.attempts, entry.waits), (1, 0));
    assert_eq!(entry.reason.as_deref(), Some("failed until 500"));
    assert_eq!(listed(ledger, &key, FAR).await, Some(at(500)));

    // It may also be brought forward: a provider that says when to come back.
    assert_eq!(ledger.postpone(&key, &failed(100)).await, Ok(true));
    assert_eq!(listed(ledger, &key, FAR).await, Some(at(100)));
    assert_eq!(read(ledger, &key).await.attempts, 1);
}

pub async fn a_wait_starts_the_attempts_again_and_is_counted<L: Ledger>(ledger: &L) {
    let key = admit(ledger, &new_entry("b1")).await;
    assert_eq!(ledger.claim(&key, at(120), at(180)).await, Ok(true));
    assert_eq!(ledger.claim(&key, at(180), at(240)).await, Ok(true));
    for (waits, due_at) in [(1, 300), (2, 400)] {
        assert_eq!(ledger.postpone(&key, &waited(due_at)).await, Ok(true));
        let entry = read(ledger, &key).await;
        assert_eq!((entry.attempts, entry.waits, entry.due_at), (0, waits, Some(at(due_at))));
        assert_eq!(entry.reason, Some(format!("failed until {due_at}")));
    }
    assert_eq!(ledger.postpone(&key, &failed(500)).await, Ok(true));
    assert_eq!(read(ledger, &key).await.waits, 2);
}

pub async fn an_attempt_not_made_is_taken_back<L: Ledger>(ledger: &L) {
    let key = admit(ledger, &new_entry("b1")).await;
    assert_eq!(ledger.claim(&key, at(120), at(180)).await, Ok(true));
    assert_eq!(ledger.claim(&key, at(180), at(240)).await, Ok(true));
    let not_made = Postponed { attempt: Attempt::NotMade(1), ..failed(300) };
    // Said twice, it counts once: the first answer may have got lost.
    for _ in 0..2 {
        assert_eq!(ledger.postpone(&key, &not_made).await, Ok(true));
        let entry = read(ledger, &key).await;
        assert_eq!((entry.attempts, entry.waits, entry.due_at), (1, 0, Some(at(300))));
        assert_eq!(entry.reason.as_deref(), Some("failed until 300"));
    }
}

pub async fn attempts_and_waits_begin_anew_and_the_debt_stays<L: Ledger>(ledger: &L) {
    let new = new_entry("b1");
    let key = admit(ledger, &new).await;
    let spent = async || match ledger.admit(&new).await {
        Ok(Admitted::Duplicate(known)) => known.spent,
        other => panic!("{other:?}"),
    };
    assert!(!spent().await);
    assert_eq!(ledger.postpone(&key, &waited(300)).await, Ok(true));
    assert!(spent().await);
    assert_eq!(ledger.claim(&key, at(300), at(400)).await, Ok(true));
    for _ in 0..2 {
        assert_eq!(ledger.renew(&key).await, Ok(()));
        let entry = read(ledger, &key).await;
        assert_eq!((entry.attempts, entry.waits, entry.due_at), (0, 0, Some(at(400))));
        assert_eq!(entry.reason.as_deref(), Some("failed until 300"));
    }
    assert!(!spent().await);
}

pub async fn settling_pays_the_debt<L: Ledger>(ledger: &L) {
    for state in [State::Done, State::Ignored] {
        let key = admit(ledger, &new_entry(state.as_str())).await;
        assert_eq!(listed(ledger, &key, FAR).await, Some(at(120)));
        assert_eq!(ledger.settle(&key, &Settlement { state, ..done() }).await, Ok(true));
        let entry = read(ledger, &key).await;
        assert_eq!((entry.state, entry.due_at), (state, None));
        assert_eq!(listed(ledger, &key, FAR).await, None);
    }
}

pub async fn settling_says_how_or_forgets_the_last_failure<L: Ledger>(ledger: &L) {
    for (id, reason) in [("b1", None), ("b2", Some("already known".to_string()))] {
        let key = admit(ledger, &new_entry(id)).await;
        assert_eq!(ledger.postpone(&key, &failed(500)).await, Ok(true));
        assert_eq!(ledger.settle(&key, &Settlement { reason: reason.clone(), ..done() }).await, Ok(true));
        assert_eq!(read(ledger, &key).await.reason, reason);
    }
}

pub async fn one_of_twenty_settles<L: Ledger>(ledger: &L) {
    let key = admit(ledger, &new_entry("b1")).await;
    let settlement = done();
    assert_eq!(winners(join_all((0..20).map(|_| ledger.settle(&key, &settlement))).await), 1);
}

/// Keys of entries in every state but open, and one of none.
async fn not_open<L: Ledger>(ledger: &L) -> Vec<ItemKey> {
    let done = admit(ledger, &new_entry("done")).await;
    settle(ledger, &done).await;
    let ignored =
        NewEntry { start: Start::Ignored { reason: "not known here", expires_at: EXPIRES }, ..new_entry("ignored") };
    let ignored = admit(ledger, &ignored).await;
    let parked = admit_parked(ledger, "parked").await;
    vec![done, ignored, parked, new_entry("missing").event.key()]
}

pub async fn only_open_ones_are_postponed_parked_or_settled<L: Ledger>(ledger: &L) {
    for key in not_open(ledger).await {
        let before = ledger.entry(&key).await;
        assert_eq!(ledger.postpone(&key, &failed(500)).await, Ok(false), "{key}");
        assert_eq!(ledger.postpone(&key, &waited(500)).await, Ok(false), "{key}");
        assert_eq!(ledger.park(&key, "another reason", at(9)).await, Ok(false), "{key}");
        assert_eq!(ledger.settle(&key, &done()).await, Ok(false), "{key}");
        assert_eq!(ledger.renew(&key).await, Ok(()), "{key}");
        assert_eq!(ledger.entry(&key).await, before, "{key}");
    }
}

pub async fn the_first_detail_is_frozen<L: Ledger>(ledger: &L) {
    let key = admit(ledger, &new_entry("b1")).await;
    assert_eq!(ledger.freeze(&key, r#"{"n":1}"#).await.as_deref(), Ok(r#"{"n":1}"#));
    assert_eq!(ledger.freeze(&key, r#"{"n":2}"#).await.as_deref(), Ok(r#"{"n":1}"#));
    let entry = read(ledger, &key).await;
    assert_eq!(entry.frozen.as_deref(), Some(r#"{"n":1}"#));
    assert_eq!((entry.state, entry.due_at), (State::Open, Some(at(120))));
}

pub async fn racing_details_freeze_as_one<L: Ledger>(ledger: &L) {
    let key = admit(ledger, &new_entry("b1")).await;
    let details: Vec<String> = (0..20).map(|n| format!(r#"{{"n":{n}}}"#)).collect();
    let answers = join_all(details.iter().map(|detail| ledger.freeze(&key, detail))).await;
    let frozen = read(ledger, &key).await.frozen.expect("it is frozen");
    for answer in answers {
        assert_eq!(answer.as_ref(), Ok(&frozen));
    }
}

pub async fn a_frozen_detail_outlives_every_change_of_state<L: Ledger>(ledger: &L) {
    let key = admit(ledger, &new_entry("b1")).await;
    assert_eq!(ledger.freeze(&key, "first").await.as_deref(), Ok("first"));
    assert_eq!(ledger.postpone(&key, &waited(200)).await, Ok(true));
    assert_eq!(ledger.park(&key, "why", at(1)).await, Ok(true));
    assert_eq!(ledger.reopen(&key, at(2), ReopenedBy::Person).await, Ok(true));
    assert_eq!(ledger.freeze(&key, "second").await.as_deref(), Ok("first"));
    settle(ledger, &key).await;
    assert_eq!(ledger.freeze(&key, "third").await.as_deref(), Ok("first"));
    assert_eq!(read(ledger, &key).await.frozen.as_deref(), Some("first"));
}

pub async fn what_is_not_there_is_not_frozen<L: Ledger>(ledger: &L) {
    let key = new_entry("missing").event.key();
    assert!(ledger.freeze(&key, "late").await.is_err());
    assert_eq!(ledger.entry(&key).await, Ok(None));
}

pub async fn only_what_is_settled_expires<L: Inspect>(ledger: &L) {
    let ignored =
        NewEntry { start: Start::Ignored { reason: "not known here", expires_at: EXPIRES }, ..new_entry("ignored") };
    let ignored = admit(ledger, &ignored).await;
    assert_eq!(ledger.expires_at(&ignored).await, Some(EXPIRES));

    let started_parked = admit_parked(ledger, "parked").await;
    let key = admit(ledger, &new_entry("b1")).await;
    assert_eq!(ledger.expires_at(&key).await, None);
    assert_eq!(ledger.claim(&key, at(120), at(180)).await, Ok(true));
    assert_eq!(ledger.postpone(&key, &failed(500)).await, Ok(true));
    assert_eq!(ledger.expires_at(&key).await, None);
    assert_eq!(ledger.park(&key, "why", at(1)).await, Ok(true));
    for parked in [&key, &started_parked] {
        assert_eq!(ledger.expires_at(parked).await, None);
        assert_eq!(ledger.reopen(parked, at(2), DELIVERED).await, Ok(true));
        assert_eq!(ledger.expires_at(parked).await, None);
        settle(ledger, parked).await;
        assert_eq!(ledger.expires_at(parked).await, Some(EXPIRES));
    }
}

pub async fn what_was_found_is_pushed_after_all_once<L: Ledger>(ledger: &L) {
    let found = NewEntry { origin: Origin::Poll, proof: None, ..new_entry("found") };
    let (found, pushed) = (admit(ledger, &found).await, admit(ledger, &new_entry("pushed")).await);
    settle(ledger, &found).await;
    let answers = join_all((0..20).map(|n| ledger.came_after_all(&found, at(100 + n)))).await;
    let won = answers.iter().position(|answer| *answer == Ok(true)).expect("one wins");
    assert_eq!(winners(answers), 1);
    let entry = read(ledger, &found).await;
    assert_eq!((entry.state, entry.pushed_at), (State::Done, Some(at(100 + won as u64))));
    for key in [pushed, new_entry("missing").event.key()] {
        assert_eq!(ledger.came_after_all(&key, at(100)).await, Ok(false), "{key}");
    }
    assert_eq!(read(ledger, &new_entry("pushed").event.key()).await.pushed_at, None);
}

pub async fn a_duplicate_learns_whether_it_is_the_first_delivery<L: Ledger>(ledger: &L) {
    let found = NewEntry { origin: Origin::Poll, proof: None, ..new_entry("found") };
    let key = admit(ledger, &found).await;
    let again = async |new: &NewEntry| match ledger.admit(new).await {
        Ok(Admitted::Duplicate(known)) => known.is_unpushed,
        other => panic!("{other:?}"),
    };
    assert!(again(&found).await && again(&new_entry("found")).await);
    assert_eq!(ledger.came_after_all(&key, at(1)).await, Ok(true));
    assert!(!again(&new_entry("found")).await);
    admit(ledger, &new_entry("pushed")).await;
    assert!(!again(&new_entry("pushed")).await);
}
