//! Sending work to the queue. It decides nothing: what is not sent is owed all the same.

use crate::model::identity::ProviderId;
use crate::model::job::Job;
use crate::model::settings::MAX_QUEUE_DELAY_SECS;
use crate::model::time::UnixMs;
use crate::ports::{Inbox, Meter, Metric, WorkQueue};

/// Sends a job; a failure is only logged, since the ledger holds the debt. False: it failed.
pub(crate) async fn enqueue(inbox: &impl Inbox, provider: ProviderId, job: &Job, delay_secs: u32) -> bool {
    let sent = inbox.queue().send(provider, job, delay_secs).await;
    if let Err(error) = &sent {
        // The entry is safe and its work is late: somebody should hear of it if it goes on.
        inbox.meter().count(Metric::WorkFailed, Some(provider), 1);
        tracing::warn!(provider = provider.0, %error, "not enqueued: the reconciler will take the debt up");
    }
    sent.is_ok()
}

/// The queue's delay for a message that must not come before `due_at`; `None` when that is further than it can wait.
pub(crate) fn delay_until(now: UnixMs, due_at: UnixMs) -> Option<u32> {
    let delay_secs = u32::try_from(due_at.since_ms(now).div_ceil(1000)).ok()?;
    (delay_secs <= MAX_QUEUE_DELAY_SECS).then_some(delay_secs)
}
