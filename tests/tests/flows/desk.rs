//! Orders of people.

use hookledger_core::desk::replay::Replayed;
use hookledger_core::model::entry::State;
use hookledger_tests::memory::answer;
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
