//! Where push and poll meet: one way into the ledger for every event, however it was learnt of.

use crate::flows::enqueue::enqueue;
use crate::flows::expectations;
use crate::model::entry::{Admitted, Event, Known, NewEntry, OnDuplicate, Origin, Start, State};
use crate::model::identity::{ItemKey, ProviderId};
use crate::model::job::Job;
use crate::model::settings::Timing;
use crate::model::time::UnixMs;
use crate::ports::{Clock, Entries, Inbox, Meter, Metric, ReopenedBy, StoreError};
use crate::providers::{Found, Provider, has_webhook};

use crate::model::debt::{MAX_REOPENED_AT_ONCE, REOPENED_WAIT_SECS};

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

/// What an entry starts as, pushed or found.
pub(crate) fn start(timing: &Timing, event: &Event, received_at: UnixMs) -> Start {
    // Its identity may be forgotten already: a replayed capture of an old event would look new.
    if event.occurred_at.is_some_and(|at| at < received_at.minus_secs(timing.oldest_processed_secs())) {
        return Start::Parked { reason: "the event is older than identities are remembered".into() };
    }
    if event.known {
        return Start::Open { due_at: received_at.plus_secs(timing.admit_grace_secs) };
    }
    Start::Ignored { reason: UNKNOWN_TYPE, expires_at: received_at.plus_secs(timing.retention_secs()) }
}

/// Why an entry of a type that is not known here is ignored.
const UNKNOWN_TYPE: &str = "a type that is not known here: it is kept, and nothing is done for it";
/// Why a reopened entry's work waits.
const REOPENED_OFTEN: &str = "it was parked and delivered again several times: its work is done within the hour";
/// Why a delivery that has another content than the first is ignored.
const CONFLICTING: &str = "another content came under an identity that was known: the first stands";

/// Writes the event down unless it is known, and sees to it that what is owed for it is on its way.
///
/// ```text
/// new                  → put, enqueue
/// known, another type  → another event that shares its key: put under key and type
/// known, other content → the first stands; this one is kept beside it, and counted; of an unsigned alert: another event
/// known, settled       → nothing is owed
/// known, open          → its attempts and waits begin anew; enqueue once more, a little later (only for a push: the
///                        first message may have been lost)
/// known, parked        → open again, enqueue; after three times, open again and due in an hour
/// ```
///
/// When this returns `Ok`, the event is durable. A failed send is no failure: the entry owes, and the reconciler pays.
pub async fn admit(inbox: &impl Inbox, provider: &dyn Provider, entry: &NewEntry) -> Result<Admission, StoreError> {
    let known = match put(inbox, provider, entry).await? {
        Admitted::New => return Ok(Admission::New),
        Admitted::Duplicate(known) => known,
    };
    // The type is part of the identity, wherever a provider's own key does not tell two of them apart. It is added to the
    // second alone: what was stored first keeps its key.
    if entry.origin == Origin::Push && known.event_type != entry.event.event_type {
        let identity = entry.event.identity.with(&[&entry.event.event_type]);
        let entry = NewEntry { event: Event { identity, ..entry.event.clone() }, ..entry.clone() };
        return match put(inbox, provider, &entry).await? {
            Admitted::New => Ok(Admission::New),
            Admitted::Duplicate(known) => again(inbox, provider, &entry, known).await,
        };
    }
    again(inbox, provider, entry, known).await
}

/// Writes the entry down, unless its key is taken.
async fn put(inbox: &impl Inbox, provider: &dyn Provider, entry: &NewEntry) -> Result<Admitted, StoreError> {
    let admitted = inbox.ledger().admit(entry).await?;
    if admitted != Admitted::New {
        return Ok(admitted);
    }
    let id = provider.id();
    inbox.meter().count(Metric::DeliveriesReceived, Some(id), 1);
    if entry.origin == Origin::Poll && has_webhook(id.0, &entry.event.event_type, &entry.event.key()) {
        inbox.meter().count(Metric::EventsFound, Some(id), 1);
    }
    match &entry.start {
        Start::Open { .. } => _ = enqueue(inbox, id, &Job::entry(entry.event.key()), 0).await,
        Start::Ignored { .. } => {
            tracing::warn!(provider = id.0, subject = entry.event.subject.as_str(), "of a type that is not known here");
            inbox.meter().count(Metric::DeliveriesIgnored, Some(id), 1);
        }
        Start::Parked { .. } => inbox.meter().count(Metric::EntriesParked, Some(id), 1),
    }
    Ok(admitted)
}

/// An event that is known.
async fn again(
    inbox: &impl Inbox,
    provider: &dyn Provider,
    entry: &NewEntry,
    known: Known,
) -> Result<Admission, StoreError> {
    let id = provider.id();
    inbox.meter().count(Metric::DeliveriesDuplicate, Some(id), 1);
    if entry.origin == Origin::Push {
        recount(inbox, provider, &entry.event.on_duplicate).await?;
        if let Some(mark) = other_content(inbox, provider, entry, &known).await? {
            if entry.event.on_duplicate == OnDuplicate::Apart {
                return apart(inbox, provider, entry, &mark).await;
            }
            keep_beside(inbox, provider, entry, &mark).await?;
            return Ok(Admission::Known(known.state));
        }
    }
    duplicate(inbox, id, entry, &known).await
}

/// The mark of what this delivery says, if the first one said something else.
async fn other_content(
    inbox: &impl Inbox,
    provider: &dyn Provider,
    entry: &NewEntry,
    known: &Known,
) -> Result<Option<String>, StoreError> {
    let Some(mark) = provider.content(&entry.body) else { return Ok(None) };
    let first = match &known.body {
        Some(body) => provider.content(body),
        None => inbox.ledger().entry(&entry.event.key()).await?.and_then(|(_, body)| provider.content(&body)),
    };
    Ok(first.filter(|first| *first != mark).map(|_| mark))
}

/// Keeps a delivery with another content beside the first, where its story shows it. However often it comes, it is one.
async fn keep_beside(
    inbox: &impl Inbox,
    provider: &dyn Provider,
    entry: &NewEntry,
    mark: &str,
) -> Result<(), StoreError> {
    let identity = entry.event.identity.with(&["other", mark]);
    let expires_at = entry.received_at.plus_secs(inbox.timing().retention_secs());
    let kept = NewEntry {
        event: Event { identity, known: false, ..entry.event.clone() },
        start: Start::Ignored { reason: CONFLICTING, expires_at },
        ..entry.clone()
    };
    if inbox.ledger().admit(&kept).await? == Admitted::New {
        let (subject, entry) = (entry.event.subject.as_str(), kept.event.key().stable_id());
        tracing::error!(provider = provider.id().0, subject, entry, "another content under an identity that is known");
        inbox.meter().count(Metric::DeliveriesConflicting, Some(provider.id()), 1);
    }
    Ok(())
}

/// Lets a delivery in beside the first, as the event of its own that it is.
async fn apart(
    inbox: &impl Inbox,
    provider: &dyn Provider,
    entry: &NewEntry,
    mark: &str,
) -> Result<Admission, StoreError> {
    let identity = entry.event.identity.with(&[mark]);
    let entry = NewEntry { event: Event { identity, ..entry.event.clone() }, ..entry.clone() };
    match put(inbox, provider, &entry).await? {
        Admitted::New => Ok(Admission::New),
        Admitted::Duplicate(known) => {
            inbox.meter().count(Metric::DeliveriesDuplicate, Some(provider.id()), 1);
            duplicate(inbox, provider.id(), &entry, &known).await
        }
    }
}

async fn duplicate(
    inbox: &impl Inbox,
    id: ProviderId,
    entry: &NewEntry,
    known: &Known,
) -> Result<Admission, StoreError> {
    let key = entry.event.key();
    if known.is_unpushed && entry.origin == Origin::Push {
        came_after_all(inbox, id, &key, entry.received_at).await;
    }
    match known.state {
        State::Open if entry.origin == Origin::Push => {
            // The first may be somebody's who posted it before it was true. The genuine one has its whole time.
            if known.spent {
                inbox.ledger().renew(&key).await?;
            }
            let delay_secs = inbox.timing().duplicate_delay_secs;
            enqueue(inbox, id, &Job::entry(key), delay_secs).await;
            Ok(Admission::Known(State::Open))
        }
        // Somebody who posts early with a leaked token must not make the genuine event a "duplicate". But a delivery
        // that would itself be parked (unreadable, or too old) is no reason to open anything.
        State::Parked if matches!(entry.start, Start::Open { .. }) => {
            let now = inbox.clock().now();
            let at_once = known.reopened < MAX_REOPENED_AT_ONCE;
            let (due_at, reason) = match at_once {
                true => (now.plus_secs(inbox.timing().admit_grace_secs), None),
                false => (now.plus_secs(REOPENED_WAIT_SECS), Some(REOPENED_OFTEN)),
            };
            let by = ReopenedBy::Delivery { seen: known.reopened, reason };
            if !inbox.ledger().reopen(&key, due_at, by).await? {
                return Ok(Admission::Known(State::Parked));
            }
            if at_once {
                enqueue(inbox, id, &Job::entry(key), 0).await;
            }
            Ok(Admission::Reopened)
        }
        state => Ok(Admission::Known(state)),
    }
}

/// Writes down that what was found by asking was pushed after all. A failure costs the count, and no event.
pub(crate) async fn came_after_all(inbox: &impl Inbox, id: ProviderId, key: &ItemKey, at: UnixMs) {
    match inbox.ledger().came_after_all(key, at).await {
        Ok(true) => inbox.meter().count(Metric::EventsLate, Some(id), 1),
        Ok(false) => {}
        Err(error) => tracing::warn!(%error, subject = key.pk, "a late delivery will be counted as lost"),
    }
}

/// What only looks like a duplicate is counted by the provider's own list, where somebody watches it: that poll is owed
/// before we say 200.
async fn recount(inbox: &impl Inbox, provider: &dyn Provider, what: &OnDuplicate) -> Result<(), StoreError> {
    match what {
        OnDuplicate::Same | OnDuplicate::Apart => Ok(()),
        OnDuplicate::Recount { reference } => expectations::recount(inbox, provider, reference).await,
    }
}

/// Lets in an event that was found by asking.
pub(crate) async fn admit_found(
    inbox: &impl Inbox,
    provider: &dyn Provider,
    found: Found,
) -> Result<Admission, StoreError> {
    let now = inbox.clock().now();
    let start = start(inbox.timing(), &found.event, now);
    let entry = NewEntry {
        provider: provider.id(),
        event: found.event,
        origin: Origin::Poll,
        received_at: now,
        start,
        proof: None,
        body: found.body,
    };
    admit(inbox, provider, &entry).await
}
