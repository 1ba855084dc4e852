//! The detail of a published event: how it is made, and how one that was frozen earlier is checked against its entry.
//!
//! The worker freezes a detail in the entry's row and publishes from there. Receivers can write that row too, their own
//! provider's at least. So before a frozen detail is published, all that says whose event it is must be the entry's own.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::model::entry::Entry;
use crate::model::identity::{ItemKey, ProviderId};
use crate::providers::Outcome;

/// The published detail: what happened, where the rows are, and a stable id to deduplicate by. No raw body, ever.
pub(crate) fn detail(
    provider: ProviderId,
    entry: &Entry,
    outcome: &Outcome,
    id: &str,
    applied: Option<bool>,
) -> String {
    let summary: Map<String, Value> =
        outcome.summary.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    let mut detail = json!({
        "version": 1,
        "id": id,
        "provider": provider.0,
        "type": entry.event_type,
        "subject": entry.key.pk,
        "origin": entry.origin.as_str(),
        "received_at": entry.received_at.to_string(),
        "occurred_at": entry.occurred_at.map(|at| at.to_string()),
        "summary": summary,
        "entry": { "pk": entry.key.pk, "sk": entry.key.sk },
    });
    if let (Some(applied), Some(object)) = (applied, detail.as_object_mut()) {
        object.insert("applied".into(), applied.into());
    }
    detail.to_string()
}

/// What a frozen detail says about whose it is.
#[derive(Deserialize)]
struct Owner {
    id: String,
    provider: String,
    #[serde(rename = "type")]
    event_type: String,
    subject: String,
    entry: ItemKey,
}

/// The part of a frozen detail that is not this entry's own; `None`: all of them are.
pub(crate) fn foreign_part(frozen: &str, provider: ProviderId, entry: &Entry, id: &str) -> Option<&'static str> {
    let Ok(owner) = serde_json::from_str::<Owner>(frozen) else { return Some("shape") };
    let parts = [
        ("provider", owner.provider == provider.0),
        ("type", owner.event_type == entry.event_type),
        ("subject", owner.subject == entry.key.pk),
        ("entry", owner.entry == entry.key),
        ("id", owner.id == id),
    ];
    parts.into_iter().find(|(_, own)| !own).map(|(part, _)| part)
}

/// Whether an entry says that it is the provider's whose partition it is in.
pub(crate) fn is_in_its_providers_partition(entry: &Entry) -> bool {
    entry.key.provider() == entry.provider
}
