//! Circuits: moved by the one who saw how they stood.
#![expect(missing_docs, reason = "the name of a case is the rule it asserts")]

use futures_util::future::join_all;
use hookledger_core::model::circuit::{Answered, Circuit};
use hookledger_core::model::identity::ProviderId;
use hookledger_core::ports::Ledger;

use super::sample::*;

/// Open until so many seconds from now, as the `version`th move.
fn open(until: u64, version: u64) -> Circuit {
    let answered = Answered { url: format!("https://api.example.com/{until}"), at: at(1) };
    let answered = [("balances".into(), answered)].into();
    Circuit { open_until: Some(at(until)), trips: 1, version, answered }
}

pub async fn there_is_none_at_first<L: Ledger>(ledger: &L) {
    assert_eq!(ledger.circuit(PROVIDER).await, Ok(None));
    assert_eq!(ledger.move_circuit(PROVIDER, Some(1), &open(30, 2)).await, Ok(false));
    assert_eq!(ledger.circuit(PROVIDER).await, Ok(None));
}

pub async fn one_moves_from_the_version_seen<L: Ledger>(ledger: &L) {
    assert_eq!(ledger.move_circuit(PROVIDER, None, &open(30, 1)).await, Ok(true));
    assert_eq!(ledger.circuit(PROVIDER).await, Ok(Some(open(30, 1))));
    for seen in [None, Some(0), Some(2)] {
        assert_eq!(ledger.move_circuit(PROVIDER, seen, &open(60, 2)).await, Ok(false), "{seen:?}");
    }
    assert_eq!(ledger.move_circuit(PROVIDER, Some(1), &Circuit { trips: 2, ..open(60, 2) }).await, Ok(true));
    let closed = Circuit { version: 3, ..Circuit::default() };
    assert_eq!(ledger.move_circuit(PROVIDER, Some(2), &closed).await, Ok(true));
    assert_eq!(ledger.circuit(PROVIDER).await, Ok(Some(closed)));
}

pub async fn one_of_twenty_moves_it<L: Ledger>(ledger: &L) {
    for seen in [None, Some(1)] {
        let moves: Vec<Circuit> = (1..=20).map(|n| open(n, seen.map_or(1, |seen| seen + 1))).collect();
        let answers = join_all(moves.iter().map(|to| ledger.move_circuit(PROVIDER, seen, to))).await;
        let won = answers.iter().position(|answer| *answer == Ok(true)).expect("one wins");
        assert_eq!(winners(answers), 1);
        assert_eq!(ledger.circuit(PROVIDER).await, Ok(Some(moves[won].clone())));
    }
}

pub async fn providers_have_their_own<L: Ledger>(ledger: &L) {
    assert_eq!(ledger.move_circuit(PROVIDER, None, &open(30, 1)).await, Ok(true));
    assert_eq!(ledger.circuit(ProviderId("finbox")).await, Ok(None));
    assert_eq!(ledger.move_circuit(ProviderId("finbox"), None, &open(5, 1)).await, Ok(true));
    assert_eq!(ledger.circuit(PROVIDER).await, Ok(Some(open(30, 1))));
}

pub async fn they_are_no_debts<L: Ledger>(ledger: &L) {
    assert_eq!(ledger.move_circuit(PROVIDER, None, &open(0, 1)).await, Ok(true));
    assert_eq!(owed(ledger).await, []);
}
