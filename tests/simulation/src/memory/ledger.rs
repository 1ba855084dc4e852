//! The ledger in memory: one state, and one change of it per call, so that every call is as atomic as one conditional
//! write of the real table.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use hookledger_core::model::circuit::Circuit;
use hookledger_core::model::debt::{DUE_SHARDS, Debt, Due, Expectation, ExpectationState, Listing, Wanted};
use hookledger_core::model::entry::{Admitted, Entry, Known, NewEntry, Origin, State};
use hookledger_core::model::fact::{Fact, Status};
use hookledger_core::model::identity::{ItemKey, ProviderId, Subject};
use hookledger_core::model::refused::Kept;
use hookledger_core::model::refused::Refused;
use hookledger_core::model::row::{MAX_ALIKE_ROWS, Row, Snapshot, nth_sk};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{
    Attempt, CircuitStore, Debts, Entries, Expectations, MAX_PARKED_COUNTED, Postponed, Quarantine, Refusals,
    ReopenedBy, Results, Settlement, StoreError,
};

use super::faults::Faults;
use super::table::{Item, StoredEntry, StoredRow, Table, debts, entry_mut, open_mut, waiting_mut};

/// The table in memory. Faults are named by the methods of [`Ledger`](hookledger_core::ports::Ledger).
#[derive(Default)]
pub struct MemoryLedger {
    /// The fault switches.
    pub faults: Faults,
    pub(super) table: RefCell<Table>,
    /// Bodies that lie beside the table, by their name and their place in it.
    pub(super) pieces: RefCell<BTreeMap<(String, usize), Vec<u8>>>,
    pub(super) piece_bytes: Cell<Option<usize>>,
    pub(super) times_expired: Cell<u64>,
}

impl MemoryLedger {
    pub(super) async fn call<T>(
        &self,
        call: &'static str,
        effect: impl FnOnce(&mut Table) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let fault = StoreError::Unavailable("a fault of the test");
        self.faults.call(call, fault, || effect(&mut self.table.borrow_mut())).await
    }
}

impl Entries for MemoryLedger {
    async fn admit(&self, entry: &NewEntry) -> Result<Admitted, StoreError> {
        let pieces = self.write_pieces(entry).await?;
        self.call("admit", |table| {
            let key = entry.event.key();
            if let Some(known) = entry_mut(table, &key)? {
                let body = known.pieces.is_none().then(|| known.body.clone());
                let Entry { state, event_type, reopened, attempts, waits, origin, pushed_at, .. } = known.entry.clone();
                let spent = attempts > 0 || waits > 0;
                let is_unpushed = origin == Origin::Poll && pushed_at.is_none();
                return Ok(Admitted::Duplicate(Known { state, event_type, reopened, spent, is_unpushed, body }));
            }
            table.insert(key, Item::Entry(StoredEntry::new(entry, pieces)));
            Ok(Admitted::New)
        })
        .await
    }

    async fn reopen(&self, key: &ItemKey, due_at: UnixMs, by: ReopenedBy) -> Result<bool, StoreError> {
        self.call("reopen", |table| {
            let Some(StoredEntry { entry, parked_at, .. }) = entry_mut(table, key)? else { return Ok(false) };
            if entry.state != State::Parked {
                return Ok(false);
            }
            (entry.reopened, entry.reason) = match by {
                ReopenedBy::Person => (0, None),
                ReopenedBy::Delivery { seen, .. } if seen != entry.reopened => return Ok(false),
                ReopenedBy::Delivery { seen, reason } => (seen + 1, reason.map(Into::into)),
            };
            (entry.state, entry.due_at) = (State::Open, Some(due_at));
            (entry.attempts, entry.waits, *parked_at) = (0, 0, None);
            entry.progress = None;
            Ok(true)
        })
        .await
    }

    async fn came_after_all(&self, key: &ItemKey, at: UnixMs) -> Result<bool, StoreError> {
        self.call("came_after_all", |table| {
            let found = entry_mut(table, key)?.map(|stored| &mut stored.entry);
            let unpushed = found.filter(|entry| entry.origin == Origin::Poll && entry.pushed_at.is_none());
            Ok(unpushed.map(|entry| entry.pushed_at = Some(at)).is_some())
        })
        .await
    }

    async fn entry(&self, key: &ItemKey) -> Result<Option<(Entry, Vec<u8>)>, StoreError> {
        let stored = self.call("entry", |table| Ok(entry_mut(table, key)?.cloned())).await?;
        let Some(StoredEntry { entry, body, pieces, .. }) = stored else { return Ok(None) };
        let body = match pieces {
            Some(pieces) => self.call("read_pieces", |_| Ok(self.assembled(&pieces))).await?,
            None => body,
        };
        Ok(Some((entry, body)))
    }

    async fn renew(&self, key: &ItemKey) -> Result<(), StoreError> {
        self.call("renew", |table| {
            if let Some(StoredEntry { entry, .. }) = open_mut(table, key)? {
                (entry.attempts, entry.waits) = (0, 0);
            }
            Ok(())
        })
        .await
    }

    async fn postpone(&self, key: &ItemKey, postponed: &Postponed) -> Result<bool, StoreError> {
        self.call("postpone", |table| {
            let Some(StoredEntry { entry, .. }) = open_mut(table, key)? else { return Ok(false) };
            entry.due_at = Some(postponed.due_at);
            entry.reason = Some(postponed.reason.clone());
            entry.progress = postponed.progress.clone();
            match postponed.attempt {
                Attempt::Failed => {}
                Attempt::Progressed => entry.attempts = 0,
                Attempt::Waited => (entry.attempts, entry.waits) = (0, entry.waits + 1),
                Attempt::NotMade(attempts) => entry.attempts = attempts,
            }
            Ok(true)
        })
        .await
    }

    async fn park(&self, key: &ItemKey, reason: &str, at: UnixMs) -> Result<bool, StoreError> {
        self.call("park", |table| {
            let Some(StoredEntry { entry, parked_at, .. }) = open_mut(table, key)? else { return Ok(false) };
            // No machine owes it anything now: it has no due time, only a place in a person's list.
            (entry.state, entry.due_at, *parked_at) = (State::Parked, None, Some(at));
            entry.reason = Some(reason.to_string());
            Ok(true)
        })
        .await
    }

    async fn freeze(&self, key: &ItemKey, detail: &str) -> Result<String, StoreError> {
        self.call("freeze", |table| {
            // Whatever the state is by now: the detail given first stays the one.
            let Some(StoredEntry { entry, .. }) = entry_mut(table, key)? else {
                return Err(StoreError::Corrupt { key: key.clone(), what: "entry" });
            };
            Ok(entry.frozen.get_or_insert_with(|| detail.to_string()).clone())
        })
        .await
    }

    async fn settle(&self, key: &ItemKey, settlement: &Settlement) -> Result<bool, StoreError> {
        self.call("settle", |table| {
            let Some(stored) = open_mut(table, key)? else { return Ok(false) };
            (stored.entry.state, stored.entry.due_at) = (settlement.state, None);
            stored.entry.settled_at = Some(settlement.at);
            stored.entry.reason = settlement.reason.clone();
            stored.expires_at = Some(settlement.expires_at);
            Ok(true)
        })
        .await
    }
}

impl Results for MemoryLedger {
    async fn put_rows(&self, subject: &Subject, rows: &[Row], snapshot: &Snapshot) -> Result<(), StoreError> {
        let Snapshot { asked_at, walk, .. } = *snapshot;
        for (row, index) in rows.iter().zip(0..) {
            let place = snapshot.place_of(row, index);
            self.call("put_rows", |table| {
                for nth in 1..=MAX_ALIKE_ROWS {
                    let sk = nth_sk(&row.sk, nth);
                    let key = subject.item(&sk);
                    match table.get(&key) {
                        Some(Item::Row(there)) if there.asked_at >= walk && there.place != place => {}
                        Some(Item::Row(there)) if there.asked_at > asked_at => return Ok(()),
                        _ => {
                            let row = Row { sk, ..row.clone() };
                            table.insert(key, Item::Row(StoredRow { row, asked_at, place }));
                            return Ok(());
                        }
                    }
                }
                Err(StoreError::Refused("more than 100 rows of one answer stand under one key"))
            })
            .await?;
        }
        Ok(())
    }

    async fn facts(&self, subject: &Subject) -> Result<Vec<Fact>, StoreError> {
        self.call("facts", |table| {
            let rows = table.range(subject.item("")..).take_while(|(key, _)| key.pk == subject.as_str());
            Ok(rows
                .filter_map(|(_, item)| if let Item::Fact(fact) = item { Some(fact.clone()) } else { None })
                .collect())
        })
        .await
    }

    async fn put_fact(&self, subject: &Subject, fact: &Fact) -> Result<bool, StoreError> {
        self.call("put_fact", |table| {
            let key = subject.item(Fact::sk(&fact.status, fact.n));
            let free = !table.contains_key(&key);
            table.entry(key).or_insert_with(|| Item::Fact(fact.clone()));
            Ok(free)
        })
        .await
    }

    async fn match_fact(&self, subject: &Subject, status: &str, n: u32, by: &ItemKey) -> Result<bool, StoreError> {
        self.call("match_fact", |table| {
            let Some(Item::Fact(fact)) = table.get_mut(&subject.item(Fact::sk(status, n))) else { return Ok(false) };
            // Work that is done twice reports its own match twice: only another entry is told no.
            Ok(*fact.matched_by.get_or_insert_with(|| by.clone()) == *by)
        })
        .await
    }

    async fn status(&self, subject: &Subject) -> Result<Option<Status>, StoreError> {
        self.call("status", |table| match table.get(&subject.item("state")) {
            Some(Item::Status(status)) => Ok(Some(status.clone())),
            _ => Ok(None),
        })
        .await
    }

    async fn move_status(&self, subject: &Subject, seen: Option<u64>, status: &Status) -> Result<bool, StoreError> {
        self.call("move_status", |table| {
            let key = subject.item("state");
            let current =
                table.get(&key).and_then(|item| if let Item::Status(s) = item { Some(s.version) } else { None });
            if current != seen {
                return Ok(false);
            }
            table.insert(key, Item::Status(status.clone()));
            Ok(true)
        })
        .await
    }
}

impl Expectations for MemoryLedger {
    async fn expect(&self, expectation: &Expectation) -> Result<bool, StoreError> {
        self.call("expect", |table| {
            if waiting_mut(table, &expectation.key).is_some() {
                return Ok(false);
            }
            let item = Item::Expectation { expectation: expectation.clone(), expires_at: None, history: Vec::new() };
            table.insert(expectation.key.clone(), item);
            Ok(true)
        })
        .await
    }

    async fn expectation(&self, key: &ItemKey) -> Result<Option<Expectation>, StoreError> {
        self.call("expectation", |table| match table.get(key) {
            Some(Item::Expectation { expectation, .. }) => Ok(Some(expectation.clone())),
            _ => Ok(None),
        })
        .await
    }

    async fn end_expectation(
        &self,
        key: &ItemKey,
        state: ExpectationState,
        _at: UnixMs,
        expires_at: UnixMs,
    ) -> Result<bool, StoreError> {
        self.call("end_expectation", |table| {
            let Some(waiting) = waiting_mut(table, key) else { return Ok(false) };
            let expectation = Expectation { state, due_at: None, ..waiting.clone() };
            let expired = u64::from(state == ExpectationState::Expired);
            self.times_expired.set(self.times_expired.get() + expired);
            let ended = Item::Expectation { expectation, expires_at: Some(expires_at), history: Vec::new() };
            table.insert(key.clone(), ended);
            Ok(true)
        })
        .await
    }

    async fn count_found(&self, key: &ItemKey, found: u32) -> Result<(), StoreError> {
        self.call("count_found", |table| {
            if let Some(expectation) = waiting_mut(table, key) {
                expectation.found += found;
            }
            Ok(())
        })
        .await
    }

    async fn hasten(&self, key: &ItemKey, due_at: UnixMs) -> Result<bool, StoreError> {
        self.call("hasten", |table| {
            let later =
                waiting_mut(table, key).filter(|waiting| waiting.due_at.is_some_and(|planned| planned > due_at));
            let Some(expectation) = later else { return Ok(false) };
            expectation.due_at = Some(due_at);
            Ok(true)
        })
        .await
    }

    async fn delay_poll(
        &self,
        key: &ItemKey,
        seen_due_at: UnixMs,
        due_at: UnixMs,
        polls: u32,
    ) -> Result<bool, StoreError> {
        self.call("delay_poll", |table| {
            let waiting = waiting_mut(table, key).filter(|expectation| expectation.due_at == Some(seen_due_at));
            let Some(expectation) = waiting else { return Ok(false) };
            (expectation.due_at, expectation.polls) = (Some(due_at), polls);
            Ok(true)
        })
        .await
    }
}

impl Debts for MemoryLedger {
    async fn ensure_listing(&self, listing: &Listing) -> Result<(), StoreError> {
        self.call("ensure_listing", |table| {
            table.entry(listing.key.clone()).or_insert_with(|| Item::Listing(listing.clone()));
            Ok(())
        })
        .await
    }

    async fn advance_listing(&self, listing: &Listing, seen_due_at: UnixMs) -> Result<bool, StoreError> {
        self.call("advance_listing", |table| match table.get_mut(&listing.key) {
            Some(Item::Listing(stored)) if stored.due_at == seen_due_at => {
                *stored = listing.clone();
                Ok(true)
            }
            _ => Ok(false),
        })
        .await
    }

    async fn due(&self, shard: u8, now: UnixMs, wanted: &Wanted<'_>) -> Result<Due, StoreError> {
        self.call("due", |table| {
            let mut due = Due::default();
            for key in debts(table, |due_at, key| due_at <= now && key.shard(DUE_SHARDS) == shard) {
                due.see(key, wanted);
            }
            Ok(due)
        })
        .await
    }

    async fn count_parked(&self, shard: u8) -> Result<u64, StoreError> {
        self.call("count_parked", |table| {
            let parked = |item: &&Item| matches!(item, Item::Entry(stored) if stored.parked_at.is_some());
            let of_shard = table.iter().filter(|(key, item)| parked(item) && key.shard(DUE_SHARDS) == shard);
            Ok(of_shard.take(MAX_PARKED_COUNTED as usize).count() as u64)
        })
        .await
    }

    async fn debt(&self, key: &ItemKey) -> Result<Option<Debt>, StoreError> {
        self.call("debt", |table| {
            Ok(match table.get(key) {
                Some(Item::Entry(stored)) => Some(Debt::Entry(stored.entry.clone())),
                Some(Item::Expectation { expectation, .. }) => Some(Debt::Expectation(expectation.clone())),
                Some(Item::Listing(listing)) => Some(Debt::Listing(listing.clone())),
                _ => None,
            })
        })
        .await
    }

    async fn claim(&self, key: &ItemKey, seen_due_at: UnixMs, next_due_at: UnixMs) -> Result<bool, StoreError> {
        self.call("claim", |table| {
            let Some(item) = table.get_mut(key).filter(|item| item.due_at() == Some(seen_due_at)) else {
                return Ok(false);
            };
            item.claim(next_due_at);
            Ok(true)
        })
        .await
    }
}

impl CircuitStore for MemoryLedger {
    async fn circuit(&self, provider: ProviderId) -> Result<Option<Circuit>, StoreError> {
        self.call("circuit", |table| match table.get(&Circuit::key(provider)) {
            Some(Item::Circuit(circuit)) => Ok(Some(circuit.clone())),
            _ => Ok(None),
        })
        .await
    }

    async fn move_circuit(
        &self,
        provider: ProviderId,
        seen: Option<u64>,
        circuit: &Circuit,
    ) -> Result<bool, StoreError> {
        self.call("move_circuit", |table| {
            let key = Circuit::key(provider);
            let current = match table.get(&key) {
                Some(Item::Circuit(circuit)) => Some(circuit.version),
                _ => None,
            };
            if current != seen {
                return Ok(false);
            }
            table.insert(key, Item::Circuit(circuit.clone()));
            Ok(true)
        })
        .await
    }
}

impl Refusals for MemoryLedger {
    async fn refuse(&self, refused: &Refused) -> Result<bool, StoreError> {
        self.call("refuse", |table| {
            let free = refused.slots().map(|slot| refused.key_at(slot)).find(|key| !table.contains_key(key));
            let kept = free.is_some();
            table.extend(free.map(|key| (key, Item::Refused(refused.clone(), 0))));
            let counted = refused.slots().next().filter(|_| !kept).map(|slot| refused.key_at(slot));
            if let Some(Item::Refused(_, more)) = counted.and_then(|key| table.get_mut(&key)) {
                *more += 1;
            }
            Ok(kept)
        })
        .await
    }
}

impl Quarantine for MemoryLedger {
    async fn kept(
        &self,
        provider: ProviderId,
        day: &str,
        before: Option<&ItemKey>,
        limit: usize,
    ) -> Result<Vec<Kept>, StoreError> {
        self.call("kept", |table| {
            let of = |refused: &Refused| refused.provider == provider && refused.at.day() == day;
            let kept = table.iter().rev().filter_map(|(key, item)| match item {
                Item::Refused(refused, more) if of(refused) && before.is_none_or(|before| key < before) => {
                    Some(Kept { key: key.clone(), refused: refused.clone(), more: *more })
                }
                _ => None,
            });
            Ok(kept.take(limit).collect())
        })
        .await
    }

    async fn remove(&self, key: &ItemKey, digest: &str) -> Result<bool, StoreError> {
        self.call("remove", |table| {
            let seen = matches!(table.get(key), Some(Item::Refused(refused, _)) if refused.digest == digest);
            Ok(seen && table.remove(key).is_some())
        })
        .await
    }
}
