//! What the flows need from the world, as traits. Production gives them DynamoDB, SQS, EventBridge and HTTPS; the tests
//! give them a world in memory. Both ledgers pass one contract suite, so what is shown of one holds for the other.
#![expect(async_fn_in_trait, reason = "every flow runs on one thread; nothing here has to be Send")]

mod ledger;
mod meter;

use std::sync::Arc;

use crate::model::entry::Announcement;
use crate::model::identity::ProviderId;
use crate::model::job::{Job, RescuedDelivery};
use crate::model::provider_call::{ApiError, ApiRequest, ApiResponse};
use crate::model::secret::ProviderSecrets;
use crate::model::settings::Timing;
use crate::model::time::UnixMs;

pub use ledger::{
    Attempt, CircuitStore, Debts, Desk, Entries, Expectations, Ledger, MAX_PARKED_COUNTED, Postponed, Quarantine,
    Receives, Refusals, ReopenedBy, Results, Settlement, StoreError,
};
pub use meter::{Meter, Metric};

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

/// What every flow needs: the ledger, the queue, time, and somewhere to count.
pub trait Inbox {
    /// The ledger's type.
    type Ledger: Receives;
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
