//! Work on deliveries that were kept as they came: on the rescue queue, or unreadable.

use crate::flows::receive::{self, Unproved, bounded};
use crate::flows::work::Worker;
use crate::model::delivery::Verified;
use crate::model::entry::Entry;
use crate::model::job::RescuedDelivery;
use crate::ports::{Inbox, Ledger, Meter, Metric, ProviderApi, Publisher, Secrets, StoreError};
use crate::providers::Provider;

/// Why a rescued delivery's message has to come back.
const NOT_STORED_YET: StoreError = StoreError::Unavailable("the rescued delivery is not stored yet");

impl<I: Inbox<Ledger: Ledger>, A: ProviderApi, P: Publisher, S: Secrets> Worker<'_, I, A, P, S> {
    /// A delivery that could not be read when it came, and that a person replays: perhaps this version can. Then it is
    /// let in as the event it is, and this row has done its duty.
    pub(super) async fn read_again(
        &self,
        provider: &dyn Provider,
        entry: &Entry,
        body: Vec<u8>,
    ) -> Result<(), StoreError> {
        let inbox = self.asker.inbox;
        let verified = Verified::stored(provider.id(), entry.received_at, body);
        if let Err(why) = provider.parse(&verified).and_then(bounded) {
            return self.park(entry, &why.to_string()).await;
        }
        match receive::store(inbox, provider, verified).await {
            Ok(_) => self.settle(provider, entry, Some("read by a later version, and let in as its own event")).await,
            Err(_) => Err(StoreError::Unavailable("the event could not be let in")),
        }
    }

    /// A delivery that was put on the rescue queue because the store was down: in at the same door, a little late. While
    /// it can't be stored its message is failed, and the queue brings it back, for days; then it is a dead letter, for a
    /// person. **Rationale.** Nobody sends it again: AWS stops a function that feeds its own queue after some rounds.
    pub(super) async fn rescued(&self, rescued: RescuedDelivery) -> Result<(), StoreError> {
        let inbox = self.asker.inbox;
        if let Some((id, _)) = self.asker.providers.stopped(rescued.provider()) {
            inbox.meter().count(Metric::Unconfigured, Some(id), 1);
            return Err(NOT_STORED_YET);
        }
        let Some(provider) = self.asker.providers.get(rescued.provider()) else {
            return Err(StoreError::Refused("a rescued delivery names a provider that is not built in"));
        };
        let Some(delivery) = rescued.unpack(provider.id()) else {
            return Err(StoreError::Refused("a rescued delivery does not decode"));
        };
        let kept = match receive::verify(inbox, self.secrets, provider, delivery).await {
            Ok(verified) => receive::store(inbox, provider, verified).await.is_ok(),
            // Refused after all, and quarantined. But without secrets nobody can tell.
            Err(Unproved::Answered(answer)) => answer.status != 503,
            Err(Unproved::Unsure(_) | Unproved::NoSecrets(_)) => false,
        };
        if kept { Ok(()) } else { Err(NOT_STORED_YET) }
    }
}
