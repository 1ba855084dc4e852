//! Deliveries that a provider says it made, or gave up, held against the entries we hold.
//!
//! ```text
//! its entry is held                → nothing is lost; a loss that was reported is closed
//! not held, pending                → the provider tries again
//! not held, given up or delivered  → lost: a row of its own, parked for a person, counted once
//! ```
//!
//! A loss is never done by itself: there is no body to work on. It is closed by the event, once the provider was made
//! to deliver it again. The row stands in the event's own collection under a key of its own, so that it never stands in
//! the event's way.

use crate::flows::admit::came_after_all;
use crate::flows::call::Asker;
use crate::flows::settle::close;
use crate::model::debt::Debt;
use crate::model::entry::{Admitted, Entry, Event, NewEntry, OnDuplicate, Origin, Start, State};
use crate::model::identity::{Identity, ItemKey, ProviderId};
use crate::model::time::UnixMs;
use crate::ports::{Debts, Entries, Inbox, Ledger, Meter, Metric, ProviderApi, StoreError};
use crate::providers::{AuditedDelivery, Fate, Lists, Provider};

/// The event type under which losses are listed.
pub const LOST: &str = "delivery.lost";
/// How a closed loss is settled.
pub const ARRIVED: &str = "the event arrived after all";

/// How long one of our receivers may be at work on a delivery, with a disagreement of the clocks.
const IN_FLIGHT_SECS: u64 = 60;

/// What a person reads about a delivery that was given up.
const GIVEN_UP: &str = "the provider gave this delivery up and its event never reached us: have the provider deliver \
                        it again; this row is closed once the event is here";
/// What a person reads about a delivery that is said to have arrived.
const UNKNOWN: &str = "the provider says that it delivered this, but its event is not held: see whether it is parked \
                       as unreadable, else have the provider deliver it again; this row is closed once the event is here";
/// What a person reads where the audit does not name the event.
const UNNAMED: &str = "the provider gave up a delivery whose event its audit does not name, so nobody can tell here \
                       whether it came another way: compare by hand, and have the provider deliver it again";

/// Whether an entry tells of a loss. Only we write these, so one that was pushed under this type is none.
pub(crate) fn is_loss(entry: &Entry) -> bool {
    entry.event_type == LOST && entry.origin == Origin::Poll
}

impl<I: Inbox<Ledger: Ledger>, A: ProviderApi> Asker<'_, I, A> {
    /// Holds one audited delivery against the ledger.
    pub(crate) async fn audit(
        &self,
        provider: &dyn Provider,
        lists: &dyn Lists,
        delivery: &AuditedDelivery,
        requested_at: UnixMs,
    ) -> Result<(), StoreError> {
        let grace_secs = lists.audit().offered().map_or(0, |audit| audit.grace_secs());
        let loss = loss_key(delivery);
        if let Some(held) = self.held(delivery).await? {
            // A loss is only reported when its delivery is older than the grace. What we had by then was never missed,
            // and that saves nearly every row a second reading.
            let soon =
                |created_at: UnixMs| held.received_at.plus_secs(IN_FLIGHT_SECS) < created_at.plus_secs(grace_secs);
            if !delivery.created_at.is_some_and(soon) {
                self.close_loss(provider.id(), &loss, &held).await?;
            }
            return Ok(());
        }
        let last_change = delivery.changed_at.max(delivery.created_at);
        let settling = last_change.is_some_and(|at| requested_at < at.plus_secs(grace_secs));
        match why_lost(delivery) {
            Some(reason) if !settling => self.report(provider.id(), delivery, reason, requested_at).await,
            _ => Ok(()),
        }
    }

    /// Reads a loss again that a person replays. True: its event is here by now, so there is nothing to report any
    /// more. Otherwise the reason to park it again.
    pub(crate) async fn reread_loss(
        &self,
        provider: &dyn Provider,
        document: &[u8],
    ) -> Result<Result<(), &'static str>, StoreError> {
        let lists = provider.lists().offered();
        let audit = lists.and_then(|lists| lists.audit().offered());
        let Some(delivery) = audit.and_then(|audit| audit.delivery(document)) else {
            return Ok(Err("the provider's audit is turned off, or its row cannot be read any more"));
        };
        if let Some(held) = self.held(&delivery).await? {
            came_after_all(self.inbox, provider.id(), &loss_key(&delivery), held.received_at).await;
            return Ok(Ok(()));
        }
        Ok(Err(why_lost(&delivery).unwrap_or(GIVEN_UP)))
    }

    /// The entry of the delivery's event, in whatever state.
    async fn held(&self, delivery: &AuditedDelivery) -> Result<Option<Entry>, StoreError> {
        let Some(key) = &delivery.entry else { return Ok(None) };
        Ok(match self.inbox.ledger().debt(key).await? {
            Some(Debt::Entry(entry)) => Some(entry),
            _ => None,
        })
    }

    /// Writes a loss down, unless it is.
    async fn report(
        &self,
        provider: ProviderId,
        delivery: &AuditedDelivery,
        reason: &'static str,
        requested_at: UnixMs,
    ) -> Result<(), StoreError> {
        let event = Event {
            event_type: LOST.into(),
            subject: delivery.subject.clone(),
            identity: Identity::new(&["lost", &delivery.id]),
            occurred_at: delivery.changed_at,
            known: true,
            on_duplicate: OnDuplicate::Same,
            notes: Vec::new(),
        };
        let key = event.key();
        let entry = NewEntry {
            provider,
            event,
            origin: Origin::Poll,
            received_at: requested_at,
            start: Start::Parked { reason: reason.into() },
            proof: None,
            body: delivery.document.clone(),
        };
        if self.inbox.ledger().admit(&entry).await? == Admitted::New {
            tracing::error!(provider = provider.0, subject = key.pk, entry = key.stable_id(), reason, "delivery lost");
            self.inbox.meter().count(Metric::DeliveriesLost, Some(provider), 1);
            self.inbox.meter().count(Metric::EventsFound, Some(provider), 1);
            self.inbox.meter().count(Metric::EntriesParked, Some(provider), 1);
        }
        Ok(())
    }

    /// The event is here: the loss that was reported for it, if any, is over.
    async fn close_loss(&self, provider: ProviderId, key: &ItemKey, held: &Entry) -> Result<(), StoreError> {
        let inbox = self.inbox;
        match inbox.ledger().debt(key).await? {
            Some(Debt::Entry(loss)) if matches!(loss.state, State::Open | State::Parked) => {
                came_after_all(inbox, provider, key, held.received_at).await;
                close(inbox, provider, &loss, Some(ARRIVED)).await
            }
            _ => Ok(()),
        }
    }
}

fn loss_key(delivery: &AuditedDelivery) -> ItemKey {
    ItemKey::entry(&delivery.subject, &Identity::new(&["lost", &delivery.id]))
}

/// What to tell a person about a delivery whose event is not held; `None` where nothing is lost, or nobody can say.
fn why_lost(delivery: &AuditedDelivery) -> Option<&'static str> {
    match (delivery.fate, &delivery.entry) {
        (Fate::Pending, _) | (Fate::Delivered, None) => None,
        (Fate::Delivered, Some(_)) => Some(UNKNOWN),
        (Fate::GivenUp, Some(_)) => Some(GIVEN_UP),
        (Fate::GivenUp, None) => Some(UNNAMED),
    }
}
