//! The simulation, run and itself tested: it repeats exactly, and it sees what is broken.

use std::cell::Cell;

use hookledger_core::model::circuit::Circuit;
use hookledger_core::model::debt::{Debt, Due, Expectation, ExpectationState, Listing, Wanted};
use hookledger_core::model::entry::{Admitted, Entry, NewEntry, State};
use hookledger_core::model::fact::{Fact, Status};
use hookledger_core::model::identity::{ItemKey, ProviderId, Subject};
use hookledger_core::model::refused::Refused;
use hookledger_core::model::row::{Row, Snapshot};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{
    CircuitStore, Debts, Entries, Expectations, Postponed, Refusals, ReopenedBy, Results, Settlement, StoreError,
};
use hookledger_simulation::memory::MemoryLedger;
use hookledger_simulation::simulation::{Glass, Totals, simulate, simulate_on};

/// Some seconds without optimisation. `cargo xtask test` runs 2,000 optimised, `cargo xtask simulate --seeds N` any
/// number.
const SEEDS: u64 = 200;
/// A broken rule must show within so many seeds.
const SEEDS_TO_FAIL: u64 = 60;

#[test]
fn nothing_is_lost_doubled_or_let_in() {
    let mut totals = Totals::default();
    for seed in 1..=SEEDS {
        let outcome = simulate(seed, false);
        totals.add(&outcome);
        assert!(
            outcome.violations.is_empty(),
            "seed {seed}: {:#?}\nto see its history: cargo xtask simulate --seed {seed}",
            outcome.violations
        );
    }
    // A simulation in which nothing went wrong would show nothing.
    assert!(totals.circuit_moves > SEEDS, "outages must open circuits: {totals:?}");
    assert!(totals.cut > 0 && totals.rescued > SEEDS / 10, "chains must be cut, deliveries rescued: {totals:?}");
    assert!(totals.kills > SEEDS && totals.port_calls > 500 * SEEDS && totals.entries > 10 * SEEDS, "{totals:?}");
    assert!(totals.parked < totals.entries / 10, "most of it must be done, not given to people: {totals:?}");
}

#[test]
fn a_seed_is_one_history() {
    for seed in [3, 11, 2040] {
        let (first, second) = (simulate(seed, true), simulate(seed, true));
        assert!(first.history.len() > 100, "seed {seed} tells nothing");
        assert_eq!(first, second, "seed {seed}");
        // Keeping the history changes nothing.
        let silent = simulate(seed, false);
        assert_eq!((silent.port_calls, silent.kills), (first.port_calls, first.kills), "seed {seed}");
    }
    assert_ne!(simulate(3, true).history, simulate(4, true).history);
}

#[test]
fn what_is_broken_is_seen() {
    let rows = [
        (Broken::AdmitDropsThePut, "acknowledged is kept"),
        (Broken::SettledBeforePublished, "what is done was published"),
        (Broken::FactWithoutCondition, "one id, one detail"),
        (Broken::FreezeForgets, "one id, one detail"),
        (Broken::PostponedWithoutDueTime, "quiescence"),
        (Broken::ExpectationForgotten, "announced is kept"),
        (Broken::CircuitOpenForEver, "quiescence"),
    ];
    for (broken, invariant) in rows {
        let seen = |seed| {
            let outcome = simulate_on(seed, Meddler::new(broken), false);
            outcome.violations.iter().any(|(name, _)| name.starts_with(invariant))
        };
        assert!((1..=SEEDS_TO_FAIL).any(seen), "{broken:?} breaks \"{invariant}\", and nobody saw it");
    }
}

/// One rule of the ledger, broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    /// Every fifth new entry is reported as written, and is not.
    AdmitDropsThePut,
    /// Freezing the detail settles the entry at once: a publish that fails afterwards is never made good.
    SettledBeforePublished,
    /// A fact is written over another's, who is told that it owns it as well.
    FactWithoutCondition,
    /// The detail is not kept: a second attempt publishes another one.
    FreezeForgets,
    /// Work that is put off is not owed: postponing says yes and writes a due time that never comes.
    PostponedWithoutDueTime,
    /// An expectation is taken, and not written.
    ExpectationForgotten,
    /// A circuit opens without an end.
    CircuitOpenForEver,
}

/// The memory ledger with one rule broken.
struct Meddler {
    ledger: MemoryLedger,
    broken: Broken,
    calls: Cell<u32>,
}

impl Meddler {
    fn new(broken: Broken) -> Self {
        Self { ledger: MemoryLedger::default(), broken, calls: Cell::default() }
    }

    fn is(&self, broken: Broken) -> bool {
        self.broken == broken
    }
}

impl Glass for Meddler {
    fn memory(&self) -> &MemoryLedger {
        &self.ledger
    }
}

impl Entries for Meddler {
    async fn admit(&self, entry: &NewEntry) -> Result<Admitted, StoreError> {
        self.calls.set(self.calls.get() + 1);
        if self.is(Broken::AdmitDropsThePut) && self.calls.get().is_multiple_of(5) {
            return Ok(Admitted::New);
        }
        self.ledger.admit(entry).await
    }

    async fn reopen(&self, key: &ItemKey, due_at: UnixMs, by: ReopenedBy) -> Result<bool, StoreError> {
        self.ledger.reopen(key, due_at, by).await
    }

    async fn came_after_all(&self, key: &ItemKey, at: UnixMs) -> Result<bool, StoreError> {
        self.ledger.came_after_all(key, at).await
    }

    async fn entry(&self, key: &ItemKey) -> Result<Option<(Entry, Vec<u8>)>, StoreError> {
        self.ledger.entry(key).await
    }

    async fn renew(&self, key: &ItemKey) -> Result<(), StoreError> {
        self.ledger.renew(key).await
    }

    async fn postpone(&self, key: &ItemKey, postponed: &Postponed) -> Result<bool, StoreError> {
        if self.is(Broken::PostponedWithoutDueTime) {
            let never = Postponed { due_at: UnixMs(i64::MAX), ..postponed.clone() };
            return self.ledger.postpone(key, &never).await.map(|_| false);
        }
        self.ledger.postpone(key, postponed).await
    }

    async fn park(&self, key: &ItemKey, reason: &str, at: UnixMs) -> Result<bool, StoreError> {
        self.ledger.park(key, reason, at).await
    }

    async fn freeze(&self, key: &ItemKey, detail: &str) -> Result<String, StoreError> {
        if self.is(Broken::FreezeForgets) {
            self.calls.set(self.calls.get() + 1);
            return Ok(detail.replacen('{', &format!("{{\"attempt\":{},", self.calls.get()), 1));
        }
        if self.is(Broken::SettledBeforePublished) {
            let settlement =
                Settlement { state: State::Done, reason: None, at: UnixMs(0), expires_at: UnixMs(i64::MAX) };
            self.ledger.settle(key, &settlement).await?;
        }
        self.ledger.freeze(key, detail).await
    }

    async fn settle(&self, key: &ItemKey, settlement: &Settlement) -> Result<bool, StoreError> {
        self.ledger.settle(key, settlement).await
    }
}

impl Results for Meddler {
    async fn put_rows(&self, subject: &Subject, rows: &[Row], snapshot: &Snapshot) -> Result<(), StoreError> {
        self.ledger.put_rows(subject, rows, snapshot).await
    }

    async fn facts(&self, subject: &Subject) -> Result<Vec<Fact>, StoreError> {
        let facts = self.ledger.facts(subject).await?;
        Ok(if self.is(Broken::FactWithoutCondition) { Vec::new() } else { facts })
    }

    async fn put_fact(&self, subject: &Subject, fact: &Fact) -> Result<bool, StoreError> {
        let put = self.ledger.put_fact(subject, fact).await?;
        Ok(put || self.is(Broken::FactWithoutCondition))
    }

    async fn match_fact(&self, subject: &Subject, status: &str, n: u32, by: &ItemKey) -> Result<bool, StoreError> {
        self.ledger.match_fact(subject, status, n, by).await
    }

    async fn status(&self, subject: &Subject) -> Result<Option<Status>, StoreError> {
        self.ledger.status(subject).await
    }

    async fn move_status(&self, subject: &Subject, seen: Option<u64>, status: &Status) -> Result<bool, StoreError> {
        self.ledger.move_status(subject, seen, status).await
    }
}

impl Expectations for Meddler {
    async fn expect(&self, expectation: &Expectation) -> Result<bool, StoreError> {
        if self.is(Broken::ExpectationForgotten) {
            return Ok(true);
        }
        self.ledger.expect(expectation).await
    }

    async fn expectation(&self, key: &ItemKey) -> Result<Option<Expectation>, StoreError> {
        self.ledger.expectation(key).await
    }

    async fn end_expectation(
        &self,
        key: &ItemKey,
        state: ExpectationState,
        at: UnixMs,
        expires_at: UnixMs,
    ) -> Result<bool, StoreError> {
        self.ledger.end_expectation(key, state, at, expires_at).await
    }

    async fn count_found(&self, key: &ItemKey, found: u32) -> Result<(), StoreError> {
        self.ledger.count_found(key, found).await
    }

    async fn hasten(&self, key: &ItemKey, due_at: UnixMs) -> Result<bool, StoreError> {
        self.ledger.hasten(key, due_at).await
    }

    async fn delay_poll(
        &self,
        key: &ItemKey,
        seen_due_at: UnixMs,
        due_at: UnixMs,
        polls: u32,
    ) -> Result<bool, StoreError> {
        self.ledger.delay_poll(key, seen_due_at, due_at, polls).await
    }
}

impl Debts for Meddler {
    async fn ensure_listing(&self, listing: &Listing) -> Result<(), StoreError> {
        self.ledger.ensure_listing(listing).await
    }

    async fn advance_listing(&self, listing: &Listing, seen_due_at: UnixMs) -> Result<bool, StoreError> {
        self.ledger.advance_listing(listing, seen_due_at).await
    }

    async fn due(&self, shard: u8, now: UnixMs, wanted: &Wanted<'_>) -> Result<Due, StoreError> {
        self.ledger.due(shard, now, wanted).await
    }

    async fn count_parked(&self, shard: u8) -> Result<u64, StoreError> {
        self.ledger.count_parked(shard).await
    }

    async fn debt(&self, key: &ItemKey) -> Result<Option<Debt>, StoreError> {
        self.ledger.debt(key).await
    }

    async fn claim(&self, key: &ItemKey, seen_due_at: UnixMs, next_due_at: UnixMs) -> Result<bool, StoreError> {
        self.ledger.claim(key, seen_due_at, next_due_at).await
    }
}

impl CircuitStore for Meddler {
    async fn circuit(&self, provider: ProviderId) -> Result<Option<Circuit>, StoreError> {
        self.ledger.circuit(provider).await
    }

    async fn move_circuit(
        &self,
        provider: ProviderId,
        seen: Option<u64>,
        circuit: &Circuit,
    ) -> Result<bool, StoreError> {
        let for_ever = Circuit { open_until: circuit.open_until.map(|_| UnixMs(i64::MAX)), ..circuit.clone() };
        let circuit = if self.is(Broken::CircuitOpenForEver) { &for_ever } else { circuit };
        self.ledger.move_circuit(provider, seen, circuit).await
    }
}

impl Refusals for Meddler {
    async fn refuse(&self, refused: &Refused) -> Result<bool, StoreError> {
        self.ledger.refuse(refused).await
    }
}
