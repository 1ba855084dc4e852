//! Orders of people.

use hookledger_core::desk::replay::Replayed;
use hookledger_core::flows::expectations::announce;
use hookledger_core::model::debt::ExpectationState;
use hookledger_core::model::entry::State;
use hookledger_core::ports::Desk;
use hookledger_tests::memory::{answer, run};
use hookledger_tests::town::Town;

use super::{BALANCES, BATCH};

/// A town whose Rightfoot has refused a batch for good, and would show it now.
fn parked() -> Town {
    let town = Town::new();
    town.inbox.api.answer_with(|_| answer(400, "{}"));
    town.deliver("rightfoot", BATCH);
    town.work();
    assert_eq!(town.only_entry().state, State::Parked);
    town.inbox.api.answer_with(|_| answer(200, BALANCES));
    town
}

#[test]
fn a_replay_is_worked_on_at_once_and_only_what_is_parked_is_replayed() {
    let town = parked();
    let key = town.only_entry().key;
    assert_eq!(town.replay(&key), Replayed::OnItsWay);
    assert_eq!(town.replay(&key), Replayed::NotParked, "it is open");
    town.work();
    assert_eq!((town.only_entry().state, town.effects().len()), (State::Done, 1));
    assert_eq!(town.replay(&key), Replayed::NotParked, "it is done");
}

#[test]
fn a_replay_without_a_queue_is_owed() {
    let town = parked();
    town.inbox.queue.faults.down(true);
    let replayed = town.replay(&town.only_entry().key);
    assert!(matches!(&replayed, Replayed::Owed(why) if why.contains("queue")), "{replayed:?}");
    town.inbox.queue.faults.down(false);
    town.pass_minutes(5);
    assert_eq!((town.only_entry().state, town.effects().len()), (State::Done, 1));
}

#[test]
fn what_cannot_be_let_in_as_it_is_stays_with_the_person() {
    let town = Town::new();
    let long = format!(r#"{{"event_id":"e1","type":"{}","data":1}}"#, "x".repeat(201));
    assert_eq!(town.deliver("fynapse", &long).status, 200);
    let entry = town.only_entry();
    assert_eq!(entry.state, State::Parked);
    assert_eq!(town.replay(&entry.key), Replayed::OnItsWay);
    town.work();
    let again = town.only_entry();
    assert_eq!((again.state, again.reason), (State::Parked, entry.reason), "nothing was let in");
}

#[test]
fn what_a_person_closed_no_delivery_opens() {
    let town = parked();
    let key = town.only_entry().key;
    assert!(town.close(&key));
    assert!(!town.close(&key), "it is closed");
    assert_eq!(town.replay(&key), Replayed::NotParked);
    town.deliver("rightfoot", BATCH);
    town.work();
    town.pass_minutes(60);
    assert_eq!((town.only_entry().state, town.effects().len()), (State::Ignored, 0));
    let acts = run(town.inbox.ledger.history(&key)).unwrap();
    assert_eq!(acts.iter().map(|act| act.what.as_str()).collect::<Vec<_>>(), ["close"]);
}

#[test]
fn an_expectation_that_expired_is_closed_and_may_be_announced_again() {
    let town = Town::new();
    town.inbox.api.answer_with(|_| answer(404, ""));
    run(announce(&town.inbox, town.provider("rightfoot"), "b1")).unwrap();
    let key = town.inbox.ledger.expectations()[0].key.clone();
    assert!(!town.close(&key), "it is waited for");
    town.pass_minutes(60 * 24 * 4);
    assert_eq!(town.inbox.ledger.expectations()[0].state, ExpectationState::Expired);
    assert!(town.close(&key));
    assert_eq!(town.inbox.ledger.expectations()[0].state, ExpectationState::Closed);
    run(announce(&town.inbox, town.provider("rightfoot"), "b1")).unwrap();
    assert_eq!(town.inbox.ledger.expectations()[0].state, ExpectationState::Waiting);
}
