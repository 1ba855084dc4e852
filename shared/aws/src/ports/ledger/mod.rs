//! The ledger in DynamoDB: one table, item collections by subject.
//!
//! ```text
//! item     rows as items, and back          entries    admit … settle         operator   what a person asks
//! codec    bytes: compressed, in chunks     owed       expectations, listings, circuits
//! write    one conditional write            results    rows, facts, status
//! read     consistent reads, queries        refusals   the quarantine
//! ```
//!
//! The happy path of an event is exactly one `PutItem` (admit) and one `UpdateItem` (settle). Each condition carries a
//! comment that says which race it decides.

pub mod schema;

mod bodies;
mod codec;
mod entries;
mod item;
mod operator;
mod owed;
mod read;
mod refusals;
mod results;
mod slots;
mod table;
mod write;

pub use operator::{Pointer, StoredRow, StoryLine};
pub use table::DynamoLedger;

use hookledger_core::model::circuit::Circuit;
use hookledger_core::model::debt::{Debt, Due, Expectation, ExpectationState, Listing, Wanted};
use hookledger_core::model::entry::{Admitted, Entry, NewEntry};
use hookledger_core::model::fact::{Fact, Status};
use hookledger_core::model::identity::{ItemKey, ProviderId, Subject};
use hookledger_core::model::refused::Refused;
use hookledger_core::model::row::{Row, Snapshot};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Ledger, Postponed, ReopenedBy, Settlement, StoreError};

impl Ledger for DynamoLedger {
    async fn admit(&self, entry: &NewEntry) -> Result<Admitted, StoreError> {
        self.admit_entry(entry).await
    }

    async fn reopen(&self, key: &ItemKey, due_at: UnixMs, by: ReopenedBy) -> Result<bool, StoreError> {
        self.reopen_entry(key, due_at, by).await
    }

    async fn entry(&self, key: &ItemKey) -> Result<Option<(Entry, Vec<u8>)>, StoreError> {
        self.read_entry(key).await
    }

    async fn renew(&self, key: &ItemKey) -> Result<(), StoreError> {
        self.renew_entry(key).await
    }

    async fn postpone(&self, key: &ItemKey, postponed: &Postponed) -> Result<bool, StoreError> {
        self.postpone_entry(key, postponed).await
    }

    async fn park(&self, key: &ItemKey, reason: &str, at: UnixMs) -> Result<bool, StoreError> {
        self.park_entry(key, reason, at).await
    }

    async fn freeze(&self, key: &ItemKey, detail: &str) -> Result<String, StoreError> {
        self.freeze_detail(key, detail).await
    }

    async fn settle(&self, key: &ItemKey, settlement: &Settlement) -> Result<bool, StoreError> {
        self.settle_entry(key, settlement).await
    }

    async fn put_rows(&self, subject: &Subject, rows: &[Row], snapshot: &Snapshot) -> Result<(), StoreError> {
        self.write_rows(subject, rows, snapshot).await
    }

    async fn facts(&self, subject: &Subject) -> Result<Vec<Fact>, StoreError> {
        self.read_facts(subject).await
    }

    async fn put_fact(&self, subject: &Subject, fact: &Fact) -> Result<bool, StoreError> {
        self.write_fact(subject, fact).await
    }

    async fn match_fact(&self, subject: &Subject, status: &str, n: u32, by: &ItemKey) -> Result<bool, StoreError> {
        self.mark_fact(subject, status, n, by).await
    }

    async fn status(&self, subject: &Subject) -> Result<Option<Status>, StoreError> {
        self.read_status(subject).await
    }

    async fn move_status(&self, subject: &Subject, seen: Option<u64>, status: &Status) -> Result<bool, StoreError> {
        self.write_status(subject, seen, status).await
    }

    async fn expect(&self, expectation: &Expectation) -> Result<bool, StoreError> {
        self.write_expectation(expectation).await
    }

    async fn expectation(&self, key: &ItemKey) -> Result<Option<Expectation>, StoreError> {
        self.read_expectation(key).await
    }

    async fn end_expectation(
        &self,
        key: &ItemKey,
        state: ExpectationState,
        at: UnixMs,
        expires_at: UnixMs,
    ) -> Result<bool, StoreError> {
        self.close_expectation(key, state, at, expires_at).await
    }

    async fn count_found(&self, key: &ItemKey, found: u32) -> Result<(), StoreError> {
        self.add_found(key, found).await
    }

    async fn hasten(&self, key: &ItemKey, due_at: UnixMs) -> Result<bool, StoreError> {
        self.bring_forward(key, due_at).await
    }

    async fn delay_poll(
        &self,
        key: &ItemKey,
        seen_due_at: UnixMs,
        due_at: UnixMs,
        polls: u32,
    ) -> Result<bool, StoreError> {
        self.move_poll(key, seen_due_at, due_at, polls).await
    }

    async fn ensure_listing(&self, listing: &Listing) -> Result<(), StoreError> {
        self.create_listing(listing).await
    }

    async fn advance_listing(&self, listing: &Listing, seen_due_at: UnixMs) -> Result<bool, StoreError> {
        self.move_listing(listing, seen_due_at).await
    }

    async fn due(&self, shard: u8, now: UnixMs, wanted: &Wanted<'_>) -> Result<Due, StoreError> {
        self.due_keys(shard, now, wanted).await
    }

    async fn count_parked(&self, shard: u8) -> Result<u64, StoreError> {
        self.parked_of(shard).await
    }

    async fn debt(&self, key: &ItemKey) -> Result<Option<Debt>, StoreError> {
        self.read_debt(key).await
    }

    async fn claim(&self, key: &ItemKey, seen_due_at: UnixMs, next_due_at: UnixMs) -> Result<bool, StoreError> {
        self.take_debt(key, seen_due_at, next_due_at).await
    }

    async fn circuit(&self, provider: ProviderId) -> Result<Option<Circuit>, StoreError> {
        self.read_circuit(provider).await
    }

    async fn move_circuit(
        &self,
        provider: ProviderId,
        seen: Option<u64>,
        circuit: &Circuit,
    ) -> Result<bool, StoreError> {
        self.write_circuit(provider, seen, circuit).await
    }

    async fn refuse(&self, refused: &Refused) -> Result<bool, StoreError> {
        self.quarantine(refused).await
    }
}

#[cfg(test)]
mod tests;
