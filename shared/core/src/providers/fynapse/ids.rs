//! How Fynapse and its events are called here.

use crate::model::identity::{Identity, ProviderId, Subject};

pub(super) const ID: ProviderId = ProviderId("fynapse");

/// What an event is about, and which event of it this is: itself, in both cases.
pub(super) fn place(event_id: &str) -> (Subject, Identity) {
    (Subject::new(ID, "event", event_id), Identity::new(&[event_id]))
}
