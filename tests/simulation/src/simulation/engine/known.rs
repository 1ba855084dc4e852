//! What is known of circuits, facts and statuses so far: what comes next is held against it.

use hookledger_core::model::identity::ItemKey;
use hookledger_core::model::time::UnixMs;

/// What is known of a provider's circuit.
#[derive(Default)]
pub(super) struct Line {
    /// Calls that nobody answered.
    pub(super) unanswered: u32,
    pub(super) version: u64,
    pub(super) moved_at: Option<UnixMs>,
}

/// What is known of a fact: whose it is, since when it stands, and whether a push was found to say the same.
pub(super) struct Known {
    pub(super) owner: ItemKey,
    pub(super) since: UnixMs,
    pub(super) matched: bool,
}

/// A status that was held: where it stands on its merchant's way, and whether only a list has shown it.
#[derive(Clone, Copy)]
pub(super) struct Held {
    pub(super) step: usize,
    pub(super) place: usize,
    pub(super) occurred_at: UnixMs,
    pub(super) listed: bool,
}
