//! How an entry that is not settled is put off: the ledger owns every wait.

use crate::flows::answer_pages::AnswerPages;
use crate::flows::enqueue::{delay_until, enqueue};
use crate::flows::work::{MAX_ATTEMPTS, Worker};
use crate::model::backoff::MIN_BACKOFF_MS;
use crate::model::circuit::MAX_SPARED_SECS;
use crate::model::entry::{Entry, Progress};
use crate::model::job::Job;
use crate::model::provider_call::MAX_RETRY_AFTER_SECS;
use crate::model::time::UnixMs;
use crate::ports::{
    Attempt, Clock, Entries, Inbox, Ledger, Meter, Metric, Postponed, ProviderApi, Publisher, Secrets, StoreError,
};
use crate::providers::Provider;

impl<I: Inbox<Ledger: Ledger>, A: ProviderApi, P: Publisher, S: Secrets> Worker<'_, I, A, P, S> {
    /// "Not yet" is no failure: due again by the poll cadence, until the deadline.
    pub(super) async fn wait(&self, provider: &dyn Provider, entry: &Entry, reason: &str) -> Result<(), StoreError> {
        if self.waited_out(entry) {
            return self.park(entry, &format!("never confirmed: {reason}")).await;
        }
        let wait_ms = self.asker.inbox.timing().poll.wait_ms(entry.waits);
        self.put_off(provider, entry, wait_ms, reason, Attempt::Waited, None).await
    }

    pub(super) async fn try_again(
        &self,
        provider: &dyn Provider,
        entry: &Entry,
        reason: &str,
        after_secs: Option<u64>,
        (progress, further): (Option<Progress>, bool),
    ) -> Result<(), StoreError> {
        let inbox = self.asker.inbox;
        let asked_ms = after_secs.unwrap_or(0).min(MAX_RETRY_AFTER_SECS).saturating_mul(1000);
        if further {
            // Progress is no failure, and what comes further each time comes to an end: a walk has a limit of pages.
            let wait_ms = asked_ms.max(MIN_BACKOFF_MS);
            return self.put_off(provider, entry, wait_ms, reason, Attempt::Progressed, progress).await;
        }
        inbox.meter().count(Metric::WorkFailed, Some(provider.id()), 1);
        tracing::warn!(provider = provider.id().0, attempts = entry.attempts, reason, "work failed");
        if entry.attempts.saturating_add(1) >= MAX_ATTEMPTS {
            return self.park(entry, &format!("tried {MAX_ATTEMPTS} times: {reason}")).await;
        }
        let backoff_ms = inbox.timing().retry.wait_ms(entry.attempts, inbox.clock().random());
        self.put_off(provider, entry, backoff_ms.max(asked_ms), reason, Attempt::Failed, progress).await
    }

    /// The provider can't be asked, which is no failure of this entry's: due again when it may be, and no attempt is
    /// counted. An outage beyond all reason is counted after all, so that a person hears of it.
    pub(super) async fn spare(
        &self,
        provider: &dyn Provider,
        entry: &Entry,
        made: u32,
        until: UnixMs,
        reason: &str,
        walk: AnswerPages,
    ) -> Result<(), StoreError> {
        let now = self.asker.inbox.clock().now();
        let (progress, _) = walk.left_off();
        if now >= entry.received_at.plus_secs(MAX_SPARED_SECS) {
            return self.try_again(provider, entry, reason, None, (progress, false)).await;
        }
        let wait_ms = self.asker.after_outage(until).since_ms(now);
        self.put_off(provider, entry, wait_ms, reason, Attempt::NotMade(made), progress).await
    }

    pub(super) async fn put_off(
        &self,
        provider: &dyn Provider,
        entry: &Entry,
        wait_ms: u64,
        reason: &str,
        attempt: Attempt,
        progress: Option<Progress>,
    ) -> Result<(), StoreError> {
        let inbox = self.asker.inbox;
        let now = inbox.clock().now();
        let due_at = now.plus_ms(wait_ms);
        let postponed = Postponed { due_at, reason: reason.into(), attempt, progress };
        if inbox.ledger().postpone(&entry.key, &postponed).await?
            && let Some(delay_secs) = delay_until(now, due_at)
        {
            enqueue(inbox, provider.id(), &Job::retry(entry.key.clone(), due_at), delay_secs).await;
        }
        Ok(())
    }

    /// Whether the waits for a "not yet" add up to the deadline.
    pub(super) fn waited_out(&self, entry: &Entry) -> bool {
        let timing = self.asker.inbox.timing();
        timing.poll.elapsed_ms(entry.waits) >= timing.poll_deadline_secs.saturating_mul(1000)
    }
}
