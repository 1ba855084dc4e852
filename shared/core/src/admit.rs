//! Where push and poll meet: one way into the ledger for every event, however it was learnt of.

use crate::entry::{Admitted, NewEntry, OnDuplicate, Origin, Start, State};
use crate::expect;
use crate::identity::ProviderId;
use crate::job::Job;
use crate::ports::{Clock, Inbox, Ledger, Meter, Metric, StoreError, WorkQueue};
use crate::providers::Provider;

use crate::debt::MAX_REOPENED;

/// What became of an event at the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The first time it is seen.
    New,
    /// Known already, in this state.
    Known(State),
    /// Known and parked; open again.
    Reopened,
}

/// Writes the event down unless it is known, and sees to it that what is owed for it is on its way.
///
/// ```text
/// new                  → put, enqueue
/// known, settled       → nothing is owed
/// known, open          → enqueue once more, a little later (only for a push: the first message may have been lost)
/// known, parked        → open again, at most three times, enqueue
/// ```
///
/// When this returns `Ok`, the event is durable. A failed send is no failure: the entry owes, and the reconciler pays.
pub async fn admit(inbox: &impl Inbox, provider: &dyn Provider, entry: &NewEntry) -> Result<Admission, StoreError> {
    let key = entry.event.key();
    let id = provider.id();
    match inbox.ledger().admit(entry).await? {
        Admitted::New => {
            inbox.meter().count(Metric::DeliveriesReceived, Some(id), 1);
            match &entry.start {
                Start::Open { .. } => _ = enqueue(inbox, id, &Job::entry(key), 0).await,
                Start::Ignored { .. } => {}
                Start::Parked { .. } => inbox.meter().count(Metric::EntriesParked, Some(id), 1),
            }
            Ok(Admission::New)
        }
        Admitted::Duplicate(state) => {
            inbox.meter().count(Metric::DeliveriesDuplicate, Some(id), 1);
            if entry.origin == Origin::Push {
                recount(inbox, provider, &entry.event.on_duplicate).await?;
            }
            duplicate(inbox, id, entry, state).await
        }
    }
}

async fn duplicate(
    inbox: &impl Inbox,
    id: ProviderId,
    entry: &NewEntry,
    state: State,
) -> Result<Admission, StoreError> {
    let key = entry.event.key();
    match state {
        State::Open if entry.origin == Origin::Push => {
            let delay_secs = inbox.timing().duplicate_delay_secs;
            enqueue(inbox, id, &Job::entry(key), delay_secs).await;
            Ok(Admission::Known(State::Open))
        }
        // Somebody who posts early with a leaked token must not make the genuine event a "duplicate". But a delivery
        // that would itself be parked (unreadable, or too old) is no reason to open anything.
        State::Parked if matches!(entry.start, Start::Open { .. }) => {
            let due_at = inbox.clock().now().plus_secs(inbox.timing().admit_grace_secs);
            if !inbox.ledger().reopen(&key, due_at, Some(MAX_REOPENED)).await? {
                return Ok(Admission::Known(State::Parked));
            }
            enqueue(inbox, id, &Job::entry(key), 0).await;
            Ok(Admission::Reopened)
        }
        known => Ok(Admission::Known(known)),
    }
}

/// What only looks like a duplicate is counted by the provider's own list: that poll is owed before we say 200.
async fn recount(inbox: &impl Inbox, provider: &dyn Provider, what: &OnDuplicate) -> Result<(), StoreError> {
    let OnDuplicate::Recount { reference } = what else { return Ok(()) };
    match expect::poll_now(inbox, provider, reference).await {
        Err(expect::ExpectError::Store(error)) => Err(error),
        _ => Ok(()),
    }
}

/// Sends a job; a failure is only logged, since the ledger holds the debt. False: it failed.
pub(crate) async fn enqueue(inbox: &impl Inbox, provider: ProviderId, job: &Job, delay_secs: u32) -> bool {
    let sent = inbox.queue().send(job, delay_secs).await;
    if let Err(error) = &sent {
        tracing::warn!(provider = provider.0, %error, "not enqueued: the reconciler will take the debt up");
    }
    sent.is_ok()
}
