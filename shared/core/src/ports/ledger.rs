//! The ledger: the one table, and what is written to it.
//!
//! Every write is conditional on what its caller saw, and says whether it happened: no method is a read followed by a
//! blind write.

use crate::model::act::Act;
use crate::model::circuit::Circuit;
use crate::model::debt::{Debt, Due, Expectation, ExpectationState, Listing, Wanted};
use crate::model::entry::{Admitted, Entry, NewEntry, Progress, State};
use crate::model::fact::{Fact, Status};
use crate::model::identity::{ItemKey, ProviderId, Subject};
use crate::model::refused::{Kept, Refused};
use crate::model::row::{Row, Snapshot};
use crate::model::time::UnixMs;

/// The store did not do what it was asked, or may have done it and could not say so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Not reachable, throttled, or timed out: whether the write happened is unknown.
    #[error("the store is not available: {0}")]
    Unavailable(&'static str),
    /// A row does not have the shape this version writes.
    #[error("a row of {} cannot be read: {what}", key.pk)]
    Corrupt {
        /// The row's key.
        key: ItemKey,
        /// The attribute that is missing or wrong.
        what: &'static str,
    },
    /// The store refuses the item itself: too large, or no permission. Trying again won't help.
    #[error("the store refused the request: {0}")]
    Refused(&'static str),
}

/// How work on an open entry is put off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postponed {
    /// The next attempt.
    pub due_at: UnixMs,
    /// Why; holds no text of the provider's.
    pub reason: String,
    /// What the attempt counts for.
    pub attempt: Attempt,
    /// Where the walk of the provider's answer goes on; `None`: from its start.
    pub progress: Option<Progress>,
}

/// What an attempt counts for that did not settle its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It failed: the attempts stay as the claim left them.
    Failed,
    /// The provider answered "not yet": no failure, so the attempts start again from zero and a wait is counted.
    Waited,
    /// It was not made, because the provider can't be asked now: this many attempts were made before.
    NotMade(u32),
    /// It came further than any before it: no failure, so the attempts start again from zero.
    Progressed,
}

/// By whom a parked entry is reopened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReopenedBy {
    /// A person, who may do it any number of times: how often deliveries did so before is forgotten.
    Person,
    /// A delivery or a poll of the same event, which is counted.
    Delivery {
        /// How often the entry had been reopened when it was found.
        seen: u32,
        /// Why its work is not done at once; `None` where it is.
        reason: Option<&'static str>,
    },
}

/// How an entry is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// `Done` or `Ignored`.
    pub state: State,
    /// A word on how, where "done" does not say it: "already known".
    pub reason: Option<String>,
    /// When.
    pub at: UnixMs,
    /// When the row may be deleted. Only now: what owes never expires.
    pub expires_at: UnixMs,
}

/// How far the entries of a shard that wait for a person are counted: as many are read for the price of a handful.
pub const MAX_PARKED_COUNTED: u32 = 200;

/// What became of each event: from its admission to its settlement.
pub trait Entries {
    /// Writes a new entry unless its key is taken, in one conditional put.
    async fn admit(&self, entry: &NewEntry) -> Result<Admitted, StoreError>;
    /// Takes a parked entry back to open. Attempts, waits and the walk's progress start from zero. False: it was not
    /// parked, or another delivery reopened it since.
    async fn reopen(&self, key: &ItemKey, due_at: UnixMs, by: ReopenedBy) -> Result<bool, StoreError>;
    /// Gives an open entry its attempts and waits anew; when it is due stays as it is. Of any other nothing is changed.
    async fn renew(&self, key: &ItemKey) -> Result<(), StoreError>;
    /// Says that a delivery brought this entry after all, which was found by asking. False: one did before, or it was not
    /// found by asking.
    async fn came_after_all(&self, key: &ItemKey, at: UnixMs) -> Result<bool, StoreError>;
    /// An entry with its body, read consistently.
    async fn entry(&self, key: &ItemKey) -> Result<Option<(Entry, Vec<u8>)>, StoreError>;
    /// Puts an open entry off. False: it is not open any more.
    async fn postpone(&self, key: &ItemKey, postponed: &Postponed) -> Result<bool, StoreError>;
    /// Parks an open entry for a person. False: it is not open any more.
    async fn park(&self, key: &ItemKey, reason: &str, at: UnixMs) -> Result<bool, StoreError>;
    /// Keeps the first detail ever given for this open entry, and returns it.
    async fn freeze(&self, key: &ItemKey, detail: &str) -> Result<String, StoreError>;
    /// Settles an open entry: its debt is gone. False: it is not open any more.
    async fn settle(&self, key: &ItemKey, settlement: &Settlement) -> Result<bool, StoreError>;
}

/// What is known of a subject: the rows of its answers, the facts about its status, and where it stands.
pub trait Results {
    /// Writes result rows of a subject. A row takes the place of what was asked for earlier or at the same time, and of
    /// nothing else. Where another row of the same walk stands under the key, both are kept ([`nth_sk`]).
    ///
    /// [`nth_sk`]: crate::model::row::nth_sk
    async fn put_rows(&self, subject: &Subject, rows: &[Row], snapshot: &Snapshot) -> Result<(), StoreError>;
    /// All status facts of a subject, read consistently.
    async fn facts(&self, subject: &Subject) -> Result<Vec<Fact>, StoreError>;
    /// Writes a fact unless its `(status, n)` is taken. False: it is.
    async fn put_fact(&self, subject: &Subject, fact: &Fact) -> Result<bool, StoreError>;
    /// Says that a pushed entry reports the fact `(status, n)`. False: another one did already.
    async fn match_fact(&self, subject: &Subject, status: &str, n: u32, by: &ItemKey) -> Result<bool, StoreError>;
    /// The current status of a subject, read consistently.
    async fn status(&self, subject: &Subject) -> Result<Option<Status>, StoreError>;
    /// Writes the current status if its version is still `seen` (`None`: there is no row yet). False: it is not.
    async fn move_status(&self, subject: &Subject, seen: Option<u64>, status: &Status) -> Result<bool, StoreError>;
}

/// What was announced, and is asked for until it comes.
pub trait Expectations {
    /// Creates an expectation, unless one for the same key is still waiting. False: it is.
    async fn expect(&self, expectation: &Expectation) -> Result<bool, StoreError>;
    /// Reads an expectation.
    async fn expectation(&self, key: &ItemKey) -> Result<Option<Expectation>, StoreError>;
    /// Ends a waiting expectation. One that expired is listed among the parked rows, for a person to see. False: it
    /// does not wait any more.
    async fn end_expectation(
        &self,
        key: &ItemKey,
        state: ExpectationState,
        at: UnixMs,
        expires_at: UnixMs,
    ) -> Result<bool, StoreError>;
    /// Counts completions found by a poll of this waiting expectation.
    async fn count_found(&self, key: &ItemKey, found: u32) -> Result<(), StoreError>;
    /// Makes a waiting expectation due at `due_at` if it would be due later. False: there is none that waits, or it is due
    /// by then.
    async fn hasten(&self, key: &ItemKey, due_at: UnixMs) -> Result<bool, StoreError>;
    /// Moves a waiting expectation's next poll from the due time that was seen, and says how many polls were made. False:
    /// somebody else moved it, or it does not wait any more.
    async fn delay_poll(
        &self,
        key: &ItemKey,
        seen_due_at: UnixMs,
        due_at: UnixMs,
        polls: u32,
    ) -> Result<bool, StoreError>;
}

/// What is owed and when: entries, expectations, and the walks of the lists.
pub trait Debts {
    /// Creates a listing's cursor row unless it is there.
    async fn ensure_listing(&self, listing: &Listing) -> Result<(), StoreError>;
    /// Moves a listing on: its position, its pages, its next due time; conditional on the due time of the claim.
    async fn advance_listing(&self, listing: &Listing, seen_due_at: UnixMs) -> Result<bool, StoreError>;
    /// The debts of one shard that are due, oldest first, as far as they are wanted.
    async fn due(&self, shard: u8, now: UnixMs, wanted: &Wanted<'_>) -> Result<Due, StoreError>;
    /// How many entries of one shard wait for a person, counted as far as [`MAX_PARKED_COUNTED`].
    async fn count_parked(&self, shard: u8) -> Result<u64, StoreError>;
    /// Reads a row that owes.
    async fn debt(&self, key: &ItemKey) -> Result<Option<Debt>, StoreError>;
    /// Takes a debt by moving its due time, if that is still the one seen; counts an attempt (or a poll). False:
    /// someone else took it, or it is paid.
    async fn claim(&self, key: &ItemKey, seen_due_at: UnixMs, next_due_at: UnixMs) -> Result<bool, StoreError>;
}

/// Whether a provider is asked at all.
pub trait CircuitStore {
    /// Reads a provider's circuit, consistently.
    async fn circuit(&self, provider: ProviderId) -> Result<Option<Circuit>, StoreError>;
    /// Writes a provider's circuit if its version is still `seen` (`None`: there is no row yet). False: it is not.
    async fn move_circuit(
        &self,
        provider: ProviderId,
        seen: Option<u64>,
        circuit: &Circuit,
    ) -> Result<bool, StoreError>;
}

/// What was not let in.
pub trait Refusals {
    /// Keeps a refused delivery, within the cap per provider and minute. False: the cap is reached, and it is counted on one
    /// that is kept, in steps that at least half of those beyond the cap are part of.
    async fn refuse(&self, refused: &Refused) -> Result<bool, StoreError>;
}

/// What a receiver needs of the table.
pub trait Receives: Entries + Expectations + Refusals {}

impl<T: Entries + Expectations + Refusals> Receives for T {}

/// What the worker and the reconciler need of the table: all of it.
pub trait Ledger: Receives + Results + Debts + CircuitStore {}

impl<T: Receives + Results + Debts + CircuitStore> Ledger for T {}

/// What a person may do to a row, and what people did. No function does any of it.
pub trait Desk {
    /// Takes a parked entry back to open, with its attempts and waits anew. False: it is not parked.
    async fn replay(&self, key: &ItemKey, due_at: UnixMs, act: &Act) -> Result<bool, StoreError>;
    /// Ends what waits for a person: a parked entry is ignored from now on, an expectation that expired is closed. False:
    /// it does not wait for a person.
    async fn close(&self, key: &ItemKey, act: &Act, expires_at: UnixMs) -> Result<bool, StoreError>;
    /// Writes down in a row what a person did to it, or what brought it here, and changes nothing else of it. False: there
    /// is no such row.
    async fn mark(&self, key: &ItemKey, act: &Act) -> Result<bool, StoreError>;
    /// What people did to this row, the first act first.
    async fn history(&self, key: &ItemKey) -> Result<Vec<Act>, StoreError>;
}

/// What was refused, for the operator's second look. No function reads or removes it.
pub trait Quarantine {
    /// What was refused of a provider on a UTC day (`2026-11-22`), the latest `limit` of it, or of what stands `before` a
    /// row that was read.
    async fn kept(
        &self,
        provider: ProviderId,
        day: &str,
        before: Option<&ItemKey>,
        limit: usize,
    ) -> Result<Vec<Kept>, StoreError>;
    /// Removes a row, if it still holds the body with this digest. False: it does not, or there is none.
    async fn remove(&self, key: &ItemKey, digest: &str) -> Result<bool, StoreError>;
}
