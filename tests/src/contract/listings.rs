//! Listings: a cursor that only the holder of the claim moves.
#![expect(missing_docs, reason = "the name of a case is the rule it asserts")]

use futures_util::future::join_all;
use hookledger_core::model::debt::{Debt, Listing};
use hookledger_core::ports::Ledger;

use super::sample::*;

async fn stored<L: Ledger>(ledger: &L) -> Listing {
    match ledger.debt(&listing().key).await {
        Ok(Some(Debt::Listing(listing))) => listing,
        other => panic!("{other:?}"),
    }
}

/// The listing after so many pages, due at this instant.
fn after(pages: u32, due_at: u64) -> Listing {
    Listing { position: Some(format!("page-{pages}")), pages, due_at: at(due_at), ..listing() }
}

pub async fn one_is_created_once<L: Ledger>(ledger: &L) {
    for answer in join_all((0..5).map(|_| async { ledger.ensure_listing(&listing()).await })).await {
        assert_eq!(answer, Ok(()));
    }
    assert_eq!(stored(ledger).await, listing());
    assert_eq!(ledger.ensure_listing(&after(5, 900)).await, Ok(()));
    assert_eq!(stored(ledger).await, listing());
    assert_eq!(listed(ledger, &listing().key, FAR).await, Some(NOW));
}

pub async fn it_moves_on_from_the_claim_seen<L: Ledger>(ledger: &L) {
    assert_eq!(ledger.ensure_listing(&listing()).await, Ok(()));
    assert_eq!(ledger.claim(&listing().key, NOW, at(60)).await, Ok(true));
    assert_eq!(ledger.advance_listing(&after(1, 1), at(60)).await, Ok(true));
    assert_eq!(stored(ledger).await, after(1, 1));
    assert_eq!(listed(ledger, &listing().key, FAR).await, Some(at(1)));
    assert_eq!(ledger.ensure_listing(&listing()).await, Ok(()));
    assert_eq!(stored(ledger).await, after(1, 1));
}

pub async fn a_walk_that_lost_its_claim_moves_nothing<L: Ledger>(ledger: &L) {
    assert_eq!(ledger.advance_listing(&after(1, 60), NOW).await, Ok(false));
    assert_eq!(ledger.debt(&listing().key).await, Ok(None));
    assert_eq!(ledger.ensure_listing(&listing()).await, Ok(()));
    assert_eq!(ledger.claim(&listing().key, NOW, at(60)).await, Ok(true));
    assert_eq!(ledger.claim(&listing().key, at(60), at(120)).await, Ok(true));
    for seen in [NOW, at(60)] {
        assert_eq!(ledger.advance_listing(&after(1, 61), seen).await, Ok(false));
    }
    assert_eq!(stored(ledger).await, Listing { due_at: at(120), tries: 2, ..listing() });
    assert_eq!(ledger.advance_listing(&after(1, 121), at(120)).await, Ok(true));
}

pub async fn one_of_twenty_moves_it<L: Ledger>(ledger: &L) {
    assert_eq!(ledger.ensure_listing(&listing()).await, Ok(()));
    let moves: Vec<Listing> = (1..=20).map(|n| after(n, 60)).collect();
    let answers = join_all(moves.iter().map(|to| ledger.advance_listing(to, NOW))).await;
    let won = answers.iter().position(|answer| *answer == Ok(true)).expect("one wins");
    assert_eq!(winners(answers), 1);
    assert_eq!(stored(ledger).await, moves[won]);
}

pub async fn a_new_walk_starts_without_a_position<L: Ledger>(ledger: &L) {
    assert_eq!(ledger.ensure_listing(&after(7, 0)).await, Ok(()));
    let ended = Listing { due_at: at(900), ..listing() };
    assert_eq!(ledger.advance_listing(&ended, NOW).await, Ok(true));
    assert_eq!(stored(ledger).await, ended);
}
