//! Admission: one identity, one entry, however many deliveries race.
#![expect(missing_docs, reason = "the name of a case is the rule it asserts")]

use futures_util::future::join_all;
use hookledger_core::model::entry::{Admitted, Entry, NewEntry, Origin, Start, State};
use hookledger_core::model::identity::Identity;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Ledger, ReopenedBy};

use super::sample::*;

pub async fn the_first_is_new_and_is_read_back_whole<L: Ledger>(ledger: &L) {
    let new = new_entry("b1");
    let key = admit(ledger, &new).await;
    let wanted = Entry {
        key: key.clone(),
        provider: "rightfoot".into(),
        event_type: "BATCH_COMPLETE".into(),
        state: State::Open,
        origin: Origin::Push,
        received_at: NOW,
        occurred_at: Some(UnixMs(NOW.0 - 1_001)),
        pushed_at: None,
        settled_at: None,
        due_at: Some(at(120)),
        attempts: 0,
        waits: 0,
        reopened: 0,
        reason: None,
        frozen: None,
        progress: None,
        proof: new.proof.clone(),
    };
    assert_eq!(read_whole(ledger, &key).await, (wanted, new.body));

    let mut polled = NewEntry { origin: Origin::Poll, proof: None, ..new_entry("b2") };
    (polled.event.occurred_at, polled.event.notes) = (None, Vec::new());
    let key = admit(ledger, &polled).await;
    let entry = read(ledger, &key).await;
    assert_eq!((entry.origin, entry.occurred_at), (Origin::Poll, None));
}

pub async fn the_second_is_a_duplicate_and_learns_every_state<L: Ledger>(ledger: &L) {
    let states = [State::Open, State::Done, State::Ignored, State::Parked];
    for state in states {
        let new = new_entry(state.as_str());
        let key = admit(ledger, &new).await;
        match state {
            State::Open => {}
            State::Parked => assert_eq!(ledger.park(&key, "why", at(1)).await, Ok(true)),
            State::Done | State::Ignored => {
                assert_eq!(
                    ledger.settle(&key, &hookledger_core::ports::Settlement { state, ..done() }).await,
                    Ok(true)
                );
            }
        }
        for _ in 0..2 {
            assert_eq!(state_of(ledger.admit(&new).await), state);
        }
    }
}

pub async fn a_duplicate_changes_nothing<L: Ledger>(ledger: &L) {
    let key = admit(ledger, &new_entry("b1")).await;
    let before = read_whole(ledger, &key).await;
    let mut other = new_entry("b1");
    other.event.event_type = "OTHER".into();
    other.event.occurred_at = None;
    other.origin = Origin::Poll;
    other.received_at = at(9);
    other.start = Start::Ignored { reason: "not known here", expires_at: EXPIRES };
    other.body = noise(1, 300_000);
    assert_eq!(state_of(ledger.admit(&other).await), State::Open);
    assert_eq!(read_whole(ledger, &key).await, before);
    assert_eq!(listed(ledger, &key, FAR).await, Some(at(120)));
}

pub async fn one_of_fifty_racers_is_new<L: Ledger>(ledger: &L) {
    let new = new_entry("b1");
    let answers = join_all((0..50).map(|_| ledger.admit(&new))).await;
    let new_ones = answers.iter().filter(|answer| **answer == Ok(Admitted::New)).count();
    assert_eq!(new_ones, 1);
    let known = answers.into_iter().filter(|answer| *answer != Ok(Admitted::New));
    assert!(known.map(state_of).all(|state| state == State::Open));
}

pub async fn a_duplicate_is_shown_what_it_is_one_of<L: Ledger>(ledger: &L) {
    let first = new_entry("b1");
    admit(ledger, &first).await;
    for origin in [Origin::Push, Origin::Poll] {
        let mut other = with_body("b1", b"other".to_vec());
        other.origin = origin;
        other.event.event_type = "OTHER".into();
        let Ok(Admitted::Duplicate(known)) = ledger.admit(&other).await else { panic!("no duplicate") };
        assert_eq!(known.event_type, first.event.event_type);
        // What was found by asking is not compared with it.
        let wanted = (origin == Origin::Push).then_some(&first.body);
        assert!(known.body.as_ref() == wanted || origin == Origin::Poll, "{origin:?}");
    }
    // One that lies beside its row is not brought along.
    let large = with_body("b2", noise(1, 900_000));
    admit(ledger, &large).await;
    let Ok(Admitted::Duplicate(known)) = ledger.admit(&large).await else { panic!("no duplicate") };
    assert!(known.body.is_none_or(|body| body == large.body));
}

pub async fn events_of_one_subject_are_apart<L: Ledger>(ledger: &L) {
    let first = new_entry("b1");
    let mut second = with_body("b1", b"second".to_vec());
    second.event.identity = Identity::new(&["OTHER", "b1"]);
    let mut elsewhere = with_body("b1", b"elsewhere".to_vec());
    elsewhere.event.subject = subject("b2");
    for new in [&first, &second, &elsewhere] {
        admit(ledger, new).await;
    }
    for new in [first, second, elsewhere] {
        assert_eq!(read_whole(ledger, &new.event.key()).await.1, new.body);
    }
}

pub async fn odd_ids_stay_apart_and_come_back<L: Ledger>(ledger: &L) {
    let long = ["long ".repeat(800), "long ".repeat(801), "é".repeat(4000)];
    let ids: Vec<&str> = ODD_IDS.iter().copied().chain(long.iter().map(String::as_str)).collect();
    for id in &ids {
        admit(ledger, &new_entry(id)).await;
    }
    for id in &ids {
        let new = new_entry(id);
        let key = new.event.key();
        let (entry, body) = read_whole(ledger, &key).await;
        assert_eq!((&entry.key, body), (&key, new.body), "{id:?}");
        assert_eq!(listed(ledger, &key, FAR).await, Some(at(120)), "{id:?}");
    }
}

pub async fn odd_texts_come_back<L: Ledger>(ledger: &L) {
    for (n, text) in ODD_IDS.iter().enumerate() {
        let mut new = new_entry(&format!("b{n}"));
        new.event.event_type = (*text).into();
        new.event.notes = vec![("note", (*text).into()), ("empty", String::new())];
        new.proof = Some((*text).into());
        new.start = Start::Parked { reason: (*text).into() };
        let key = admit(ledger, &new).await;
        let entry = read(ledger, &key).await;
        assert_eq!((entry.event_type.as_str(), entry.reason.as_deref()), (*text, Some(*text)));
        assert_eq!(ledger.reopen(&key, NOW, ReopenedBy::Person).await, Ok(true));
        assert_eq!(ledger.freeze(&key, text).await.as_deref(), Ok(*text));
        assert_eq!(read(ledger, &key).await.frozen.as_deref(), Some(*text));
    }
}

pub async fn an_ignored_start_owes_nothing<L: Ledger>(ledger: &L) {
    let new = NewEntry { start: Start::Ignored { reason: "not known here", expires_at: EXPIRES }, ..new_entry("b1") };
    let key = admit(ledger, &new).await;
    let entry = read(ledger, &key).await;
    assert_eq!((entry.state, entry.due_at), (State::Ignored, None));
    assert_eq!(owed(ledger).await, []);
    assert_eq!(state_of(ledger.admit(&new).await), State::Ignored);
}

pub async fn a_parked_start_waits_for_a_person<L: Ledger>(ledger: &L) {
    let key = admit_parked(ledger, "b1").await;
    let entry = read(ledger, &key).await;
    assert_eq!((entry.state, entry.reason.as_deref(), entry.due_at), (State::Parked, Some("too old"), None));
    assert_eq!(owed(ledger).await, []);
    assert_eq!(state_of(ledger.admit(&new_entry("b1")).await), State::Parked);
}

pub async fn what_is_not_there_is_none<L: Ledger>(ledger: &L) {
    let key = new_entry("b1").event.key();
    assert_eq!(ledger.entry(&key).await, Ok(None));
    assert_eq!(ledger.debt(&key).await, Ok(None));
    assert_eq!(ledger.expectation(&key).await, Ok(None));
    assert_eq!(owed(ledger).await, []);
}
