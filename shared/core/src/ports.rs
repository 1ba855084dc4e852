//! What the flows need from the world, as traits. Production gives them DynamoDB, SQS, EventBridge and HTTPS; the tests
//! give them a world in memory. Both ledgers pass one contract suite, so what is shown of one holds for the other.
//!
//! Every write is conditional on what its caller saw, and says whether it happened: no method of the ledger is a
//! read followed by a blind write.
#![expect(async_fn_in_trait, reason = "every flow runs on one thread; nothing here has to be Send")]

use std::sync::Arc;

use crate::model::refused::Kept;
use crate::model::circuit::Circuit;
use crate::model::debt::{Debt, Due, Expectation, ExpectationState, Listing, Wanted};
use crate::model::fact::{Fact, Status};
use crate::model::entry::{Admitted, Announcement, Entry, NewEntry, Progress};
use crate::model::refused::Refused;
use crate::model::row::{Row, Snapshot};
use crate::model::identity::{ItemKey, ProviderId, Subject};
use crate::model::job::{Job, RescuedDelivery};
use crate::model::provider_call::{ApiError, ApiRequest, ApiResponse};
use crate::model::secret::ProviderSecrets;
use crate::model::settings::Timing;
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
    pub state: crate::model::entry::State,
    /// A word on how, where "done" does not say it: "already known".
    pub reason: Option<String>,
    /// When.
    pub at: UnixMs,
    /// When the row may be deleted. Only now: what owes never expires.
    pub expires_at: UnixMs,
}

/// How far the entries of a shard that wait for a person are counted: as many are read for the price of a handful.
pub const MAX_PARKED_COUNTED: u32 = 200;

/// The single table.
pub trait Ledger {
    /// Writes a new entry unless its key is taken, in one conditional put.
    async fn admit(&self, entry: &NewEntry) -> Result<Admitted, StoreError>;
    /// Takes a parked entry back to open. Attempts, waits and the walk's progress start from zero. False: it was not
    /// parked, or another delivery reopened it since.
    async fn reopen(&self, key: &ItemKey, due_at: UnixMs, by: ReopenedBy) -> Result<bool, StoreError>;

    /// Gives an open entry its attempts and waits anew; when it is due stays as it is. Of any other nothing is changed.
    async fn renew(&self, key: &ItemKey) -> Result<(), StoreError>;

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

    /// Reads a provider's circuit, consistently.
    async fn circuit(&self, provider: ProviderId) -> Result<Option<Circuit>, StoreError>;
    /// Writes a provider's circuit if its version is still `seen` (`None`: there is no row yet). False: it is not.
    async fn move_circuit(
        &self,
        provider: ProviderId,
        seen: Option<u64>,
        circuit: &Circuit,
    ) -> Result<bool, StoreError>;

    /// Keeps a refused delivery, within the cap per provider and minute. False: the cap is reached.
    async fn refuse(&self, refused: &Refused) -> Result<bool, StoreError>;
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

/// The queue did not take a message, or may have taken it and could not say so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the queue is not available: {0}")]
pub struct QueueError(pub &'static str);

/// The work queues, one for each provider: work for one that is flooded, or slow to answer, stands in nobody else's way.
pub trait WorkQueue {
    /// Sends a job, to be seen no earlier than `delay_secs` from now (at most 900).
    async fn send(&self, provider: ProviderId, job: &Job, delay_secs: u32) -> Result<(), QueueError>;
    /// Puts a delivery on the rescue queue, where it waits for the store. Whoever can't store it yet fails its message,
    /// which comes back by itself; nobody sends it again.
    async fn rescue(&self, delivery: &RescuedDelivery) -> Result<(), QueueError>;
    /// Roughly how many messages wait for a provider's work.
    async fn depth(&self, provider: ProviderId) -> Result<u64, QueueError>;
}

/// The providers' APIs.
pub trait ProviderApi {
    /// Sends a request with its credentials and brings the answer, whatever its status.
    async fn call(&self, provider: ProviderId, request: &ApiRequest) -> Result<ApiResponse, ApiError>;
    /// Whether the provider is used at all: not while its secret is the empty document, as the template creates it. One
    /// whose secret can't be read is.
    async fn is_used(&self, provider: ProviderId) -> bool;
}

/// The event was not published, or may have been and nobody said so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event bus did not take the event: {0}")]
pub struct PublishError(pub &'static str);

/// The event bus.
pub trait Publisher {
    /// Publishes one event.
    async fn publish(&self, announcement: &Announcement) -> Result<(), PublishError>;
}

/// The secrets could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the provider's secrets could not be read: {0}")]
pub struct SecretsError(pub &'static str);

/// The secret store, cached.
pub trait Secrets {
    /// The provider's secrets, at most one cache lifetime old; older only while the secret store is out of reach.
    async fn get(&self, provider: ProviderId) -> Result<Arc<ProviderSecrets>, SecretsError>;
    /// Reads them again after a mismatch: a rotation may just have happened. `None` when that was tried too recently.
    async fn reread(&self, provider: ProviderId) -> Result<Option<Arc<ProviderSecrets>>, SecretsError>;
}

/// Time and chance.
pub trait Clock {
    /// The present.
    fn now(&self) -> UnixMs;
    /// An evenly distributed random number.
    fn random(&self) -> u64;
}

/// What is counted. The names are those of the published metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metric {
    /// A verified, new event was written.
    DeliveriesReceived,
    /// Not let in.
    DeliveriesRefused,
    /// Known already.
    DeliveriesDuplicate,
    /// Verified, but not readable: parked or rejected.
    DeliveriesUnreadable,
    /// No live secret, or the secret could not be read.
    Unconfigured,
    /// Settled.
    EntriesSettled,
    /// Given to a person.
    EntriesParked,
    /// Entries that wait for a person now.
    EntriesWaiting,
    /// An attempt failed and will be made again.
    WorkFailed,
    /// A completion never came, in time, by any way.
    ExpectationsExpired,
    /// The age of the oldest debt that was due, in seconds.
    OldestDebtSecs,
    /// A reconciler run ended.
    ReconcilerRuns,
    /// Debts found due.
    DebtsDue,
    /// A read or write of the table failed.
    StoreUnavailable,
    /// Providers whose circuit is open.
    CircuitsOpen,
    /// A delivery was put on the queue because the store was down.
    Rescued,
    /// A provider's audit shows a delivery that never reached us.
    DeliveriesLost,
    /// A request below `/webhooks/` that is no delivery: another method, or no provider's path.
    RequestsUnrouted,
    /// Another content came under an identity that is known: the first stands, the other is kept beside it.
    DeliveriesConflicting,
    /// Of a type that is not known here: kept, and nothing is done for it.
    DeliveriesIgnored,
    /// Rows of a provider's answer that could not be read.
    RowsUnreadable,
}

impl Metric {
    /// The published name.
    pub fn name(self) -> &'static str {
        match self {
            Self::DeliveriesReceived => "DeliveriesReceived",
            Self::DeliveriesRefused => "DeliveriesRefused",
            Self::DeliveriesDuplicate => "DeliveriesDuplicate",
            Self::DeliveriesUnreadable => "DeliveriesUnreadable",
            Self::Unconfigured => "Unconfigured",
            Self::EntriesSettled => "EntriesSettled",
            Self::EntriesParked => "EntriesParked",
            Self::EntriesWaiting => "EntriesWaiting",
            Self::WorkFailed => "WorkFailed",
            Self::ExpectationsExpired => "ExpectationsExpired",
            Self::OldestDebtSecs => "OldestDebtSecs",
            Self::ReconcilerRuns => "ReconcilerRuns",
            Self::DebtsDue => "DebtsDue",
            Self::StoreUnavailable => "StoreUnavailable",
            Self::CircuitsOpen => "CircuitsOpen",
            Self::Rescued => "Rescued",
            Self::DeliveriesLost => "DeliveriesLost",
            Self::RequestsUnrouted => "RequestsUnrouted",
            Self::DeliveriesConflicting => "DeliveriesConflicting",
            Self::DeliveriesIgnored => "DeliveriesIgnored",
            Self::RowsUnreadable => "RowsUnreadable",
        }
    }
}

/// Where counts go.
pub trait Meter {
    /// Counts `value` of `metric`, for one provider or for all.
    fn count(&self, metric: Metric, provider: Option<ProviderId>, value: u64);
}

/// What every flow needs: the ledger, the queue, time, and somewhere to count.
pub trait Inbox {
    /// The ledger's type.
    type Ledger: Ledger;
    /// The queue's type.
    type Queue: WorkQueue;
    /// The clock's type.
    type Clock: Clock;
    /// The meter's type.
    type Meter: Meter;

    /// The ledger.
    fn ledger(&self) -> &Self::Ledger;
    /// The queue.
    fn queue(&self) -> &Self::Queue;
    /// The clock.
    fn clock(&self) -> &Self::Clock;
    /// The meter.
    fn meter(&self) -> &Self::Meter;
    /// The waits and limits.
    fn timing(&self) -> &Timing;
}
