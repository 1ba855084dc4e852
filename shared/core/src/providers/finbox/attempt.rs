//! An attempt of an entity: what a delivery or the list of a link says of a statement.

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::model::entry::{Event, OnDuplicate};
use crate::model::identity::{Identity, ItemKey, Subject};
use crate::providers::contract::Unreadable;
use crate::providers::json::{Field, id, optional_id, required, text};

use super::api::{COMPLETED, FAILED, ID, progress_named};

/// The five fields of the entity flow, as pushed and as listed.
#[derive(Deserialize)]
pub(super) struct Attempt<'a> {
    #[serde(borrow)]
    pub(super) entity_id: Field<'a>,
    #[serde(borrow)]
    pub(super) statement_id: Field<'a>,
    #[serde(borrow)]
    pub(super) link_id: Field<'a>,
    #[serde(borrow)]
    pub(super) progress: Field<'a>,
    #[serde(borrow)]
    pub(super) reason: Field<'a>,
}

/// Whether this is the key of an attempt that looks like one before it. Its webhook says what that one's says, and is taken
/// for it.
pub(super) fn is_a_repeat(key: &ItemKey) -> bool {
    key.sk.starts_with("event#attempt#") && !key.sk.ends_with("#1")
}

impl Attempt<'_> {
    /// None: there was no upload.
    pub(super) fn statement(&self) -> Option<String> {
        text(self.statement_id)
    }

    pub(super) fn link(&self) -> Option<String> {
        text(self.link_id)
    }

    pub(super) fn progress(&self) -> String {
        text(self.progress).map(progress_named).unwrap_or_default()
    }

    /// The event of the entity flow. Where no statement tells attempts apart, `ordinal` does: a push is taken as the
    /// first that looks like this, the link's list knows better.
    pub(super) fn event(&self, ordinal: u32) -> Result<Event, Unreadable> {
        let entity_id = id("entity_id", self.entity_id)?;
        let progress = progress_named(required("progress", self.progress)?);
        let (statement, link) =
            (optional_id("statement_id", self.statement_id)?, optional_id("link_id", self.link_id)?);
        let (identity, on_duplicate) = match statement {
            Some(statement) => (Identity::new(&["statement", &statement, &progress]), OnDuplicate::Same),
            None => {
                let reason = text(self.reason).unwrap_or_default();
                let (link_part, looks) = (link.as_deref().unwrap_or(""), reason_mark(&reason));
                let parts = ["attempt", link_part, &progress, &looks, &ordinal.to_string()];
                let recount = link.as_deref().map(|link| OnDuplicate::Recount { reference: format!("link:{link}") });
                (Identity::new(&parts), recount.unwrap_or(OnDuplicate::Same))
            }
        };
        Ok(Event {
            known: matches!(progress.as_str(), COMPLETED | FAILED),
            event_type: format!("statement.{progress}"),
            subject: Subject::new(ID, "entity", &entity_id),
            identity,
            occurred_at: None,
            on_duplicate,
            notes: Vec::new(),
        })
    }
}

/// What stands for lines of text in a key: half of their SHA-256.
pub(super) fn mark<'l>(lines: impl IntoIterator<Item = &'l str>) -> String {
    let mut hasher = Sha256::new();
    for (place, line) in lines.into_iter().enumerate() {
        hasher.update(if place == 0 { "" } else { "\n" });
        hasher.update(line);
    }
    let mut digits = hex::encode(hasher.finalize());
    digits.truncate(32);
    digits
}

/// What stands for a reason in a key, nothing for none. Keys are published, and a provider's text may say anything.
pub(super) fn reason_mark(reason: &str) -> String {
    Some(reason.trim()).filter(|reason| !reason.is_empty()).map(|reason| mark([reason])).unwrap_or_default()
}

pub(super) fn watch_key(link_id: &str) -> ItemKey {
    Subject::new(ID, "link", link_id).item("watch")
}
