//! Ports that take everything at once and keep nothing, so that only the core's own work is measured.

use std::cell::Cell;
use std::sync::Arc;

use hookledger_core::model::debt::{Expectation, ExpectationState};
use hookledger_core::model::entry::{Admitted, Entry, NewEntry};
use hookledger_core::model::identity::{ItemKey, ProviderId};
use hookledger_core::model::job::{Job, RescuedDelivery};
use hookledger_core::model::refused::Refused;
use hookledger_core::model::secret::ProviderSecrets;
use hookledger_core::model::settings::Timing;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{
    Clock, Entries, Expectations, Inbox, Meter, Metric, Postponed, QueueError, Refusals, ReopenedBy, Secrets,
    SecretsError, Settlement, StoreError, WorkQueue,
};

/// All ports but the secrets.
pub(crate) struct Ports {
    timing: Timing,
    sent: Cell<u64>,
}

impl Default for Ports {
    fn default() -> Self {
        Self { timing: Timing::read(&|_| None).expect("the defaults"), sent: Cell::new(0) }
    }
}

impl Ports {
    /// How many jobs were sent: one for each event that owes work.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.get()
    }
}

impl Inbox for Ports {
    type Ledger = Self;
    type Queue = Self;
    type Clock = Self;
    type Meter = Self;

    fn ledger(&self) -> &Self {
        self
    }
    fn queue(&self) -> &Self {
        self
    }
    fn clock(&self) -> &Self {
        self
    }
    fn meter(&self) -> &Self {
        self
    }
    fn timing(&self) -> &Timing {
        &self.timing
    }
}

impl Clock for Ports {
    fn now(&self) -> UnixMs {
        UnixMs(0)
    }
    fn random(&self) -> u64 {
        0
    }
}

impl Meter for Ports {
    fn count(&self, _: Metric, _: Option<ProviderId>, _: u64) {}
}

impl WorkQueue for Ports {
    async fn send(&self, _: ProviderId, _: &Job, _: u32) -> Result<(), QueueError> {
        self.sent.set(self.sent.get() + 1);
        Ok(())
    }
    async fn rescue(&self, _: &RescuedDelivery) -> Result<(), QueueError> {
        Ok(())
    }
    async fn depth(&self, _: ProviderId) -> Result<u64, QueueError> {
        Ok(0)
    }
}

/// Secrets that are always at hand.
pub(crate) struct Known(pub(crate) Arc<ProviderSecrets>);

impl Secrets for Known {
    async fn get(&self, _: ProviderId) -> Result<Arc<ProviderSecrets>, SecretsError> {
        Ok(Arc::clone(&self.0))
    }
    async fn reread(&self, _: ProviderId) -> Result<Option<Arc<ProviderSecrets>>, SecretsError> {
        Ok(None)
    }
}

/// What a receiver has no business with.
const NOT_RECEIVING: StoreError = StoreError::Refused("a receiver only admits");

impl Entries for Ports {
    async fn admit(&self, entry: &NewEntry) -> Result<Admitted, StoreError> {
        std::hint::black_box(entry);
        Ok(Admitted::New)
    }
    async fn reopen(&self, _: &ItemKey, _: UnixMs, _: ReopenedBy) -> Result<bool, StoreError> {
        Err(NOT_RECEIVING)
    }
    async fn came_after_all(&self, _: &ItemKey, _: UnixMs) -> Result<bool, StoreError> {
        Err(NOT_RECEIVING)
    }
    async fn entry(&self, _: &ItemKey) -> Result<Option<(Entry, Vec<u8>)>, StoreError> {
        Err(NOT_RECEIVING)
    }
    async fn renew(&self, _: &ItemKey) -> Result<(), StoreError> {
        Err(NOT_RECEIVING)
    }
    async fn postpone(&self, _: &ItemKey, _: &Postponed) -> Result<bool, StoreError> {
        Err(NOT_RECEIVING)
    }
    async fn park(&self, _: &ItemKey, _: &str, _: UnixMs) -> Result<bool, StoreError> {
        Err(NOT_RECEIVING)
    }
    async fn freeze(&self, _: &ItemKey, _: &str) -> Result<String, StoreError> {
        Err(NOT_RECEIVING)
    }
    async fn settle(&self, _: &ItemKey, _: &Settlement) -> Result<bool, StoreError> {
        Err(NOT_RECEIVING)
    }
}

impl Expectations for Ports {
    async fn expect(&self, _: &Expectation) -> Result<bool, StoreError> {
        Err(NOT_RECEIVING)
    }
    async fn expectation(&self, _: &ItemKey) -> Result<Option<Expectation>, StoreError> {
        Err(NOT_RECEIVING)
    }
    async fn end_expectation(
        &self,
        _: &ItemKey,
        _: ExpectationState,
        _: UnixMs,
        _: UnixMs,
    ) -> Result<bool, StoreError> {
        Err(NOT_RECEIVING)
    }
    async fn count_found(&self, _: &ItemKey, _: u32) -> Result<(), StoreError> {
        Err(NOT_RECEIVING)
    }
    async fn hasten(&self, _: &ItemKey, _: UnixMs) -> Result<bool, StoreError> {
        Err(NOT_RECEIVING)
    }
    async fn delay_poll(&self, _: &ItemKey, _: UnixMs, _: UnixMs, _: u32) -> Result<bool, StoreError> {
        Err(NOT_RECEIVING)
    }
}

impl Refusals for Ports {
    async fn refuse(&self, _: &Refused) -> Result<bool, StoreError> {
        Err(NOT_RECEIVING)
    }
}
