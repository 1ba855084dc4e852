//! Lists: what a provider shows of its own accord, walked to find what nobody told us.
//!
//! A row tells one of three things. A *status* says how a subject stands; it is compared with the status we hold. An
//! *audited delivery* says what became of a delivery to us; it is compared with the entries we hold. An *event* is let in
//! as its delivery would be, if it is not held.

use crate::model::entry::{Entry, Event, OnDuplicate};
use crate::model::identity::{Identity, ItemKey, Subject};
use crate::model::provider_call::{ApiRequest, ApiResponse, Trouble};
use crate::model::time::UnixMs;
use crate::providers::offer::Offer;
use crate::providers::step::Found;

/// Walking a provider's lists.
pub trait Lists {
    /// The lists the reconciler walks on its own.
    fn names(&self) -> &'static [&'static str];
    /// What to ask for a list's next page.
    fn list(&self, listing: &str, position: Option<&str>, now: UnixMs) -> ApiRequest;
    /// What the answer to that means. `now` is when it was asked.
    fn listed(&self, listing: &str, position: Option<&str>, now: UnixMs, response: &ApiResponse) -> Listed;
    /// Whether one of the lists is an audit of the deliveries to us.
    fn audit(&self) -> Offer<'_, dyn Audit>;
}

/// An audit of the deliveries to us.
pub trait Audit {
    /// Reads a row again, from the document it was kept with.
    fn delivery(&self, document: &[u8]) -> Option<AuditedDelivery>;
    /// How long after its last change a delivery is left alone: what is on its way to us is not lost.
    fn grace_secs(&self) -> u64;
}

/// What a page of a list means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    /// Its rows.
    Page {
        /// The rows.
        rows: Vec<ListedRow>,
        /// Rows that can't be read, and were passed over.
        unreadable: u64,
        /// Where the next page is; `None` at the end.
        next: Option<String>,
    },
    /// It did not work.
    Trouble(Trouble),
}

/// A row of a provider's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListedRow {
    /// How a subject stands.
    Status(StatusRow),
    /// What became of a delivery to us.
    Delivery(AuditedDelivery),
    /// An event with the time at which it happened, as its delivery would have brought it.
    Event(Found),
}

/// A row that shows how a subject stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusRow {
    /// What the row is about.
    pub subject: Subject,
    /// Its id at the provider.
    pub id: String,
    /// The type of the event that would have pushed this status.
    pub event_type: String,
    /// The status it shows.
    pub status: String,
    /// The status' place in the provider's order; `None` for one that is not known here.
    pub rank: Option<u8>,
    /// The provider's JSON for the row.
    pub document: Vec<u8>,
}

impl StatusRow {
    /// The event of a status that is not known here. However often the list shows it, it is one.
    pub fn unknown(&self) -> Event {
        let identity = Identity::new(&["listing-unknown", &self.id, &self.status]);
        Event { identity, occurred_at: None, known: false, ..self.event(1, UnixMs(0)) }
    }

    /// The event that this row reports, as the `n`th time its subject has this status.
    pub fn event(&self, n: u32, requested_at: UnixMs) -> Event {
        Event {
            event_type: self.event_type.clone(),
            subject: self.subject.clone(),
            identity: Identity::new(&["listing", &self.id, &self.status, &n.to_string()]),
            occurred_at: Some(requested_at),
            known: true,
            on_duplicate: OnDuplicate::Same,
            notes: Vec::new(),
        }
    }
}

/// The `n` that a status row's entry was admitted for: the last part of its identity.
pub(super) fn listed_n(entry: &Entry) -> Option<u32> {
    entry.key.sk.rsplit('#').next()?.parse().ok()
}

/// A row that shows what became of a delivery to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditedDelivery {
    /// What the delivery is about: a loss is kept in this subject's collection.
    pub subject: Subject,
    /// Its id at the provider.
    pub id: String,
    /// The entry we hold if its event ever reached us; `None` where the audit does not say which event it was.
    pub entry: Option<ItemKey>,
    /// What the provider says became of it.
    pub fate: Fate,
    /// When it was made, by the provider's clock.
    pub created_at: Option<UnixMs>,
    /// When it last changed, by the provider's clock.
    pub changed_at: Option<UnixMs>,
    /// The provider's JSON for the row.
    pub document: Vec<u8>,
}

/// What a provider says became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It will try again.
    Pending,
    /// We took it.
    Delivered,
    /// It will never try again.
    GivenUp,
}
