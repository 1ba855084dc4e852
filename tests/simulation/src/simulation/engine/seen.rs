//! What a run has seen, beyond the ledger itself.

use std::collections::{BTreeMap, BTreeSet};

use hookledger_core::model::identity::ItemKey;
use hookledger_core::model::time::UnixMs;

/// What a genuine delivery found of an entry that was there before it.
#[derive(Clone, Copy)]
pub(crate) struct Awaited {
    /// How often it had been reopened.
    pub(crate) reopened: u32,
    pub(crate) waits: u32,
    pub(crate) attempts: u32,
}

/// What the run itself saw go wrong, by the name of the invariant.
pub(crate) type Violations = Vec<(&'static str, String)>;

/// What is known at the end beyond the ledger itself.
#[derive(Default)]
pub(crate) struct Seen {
    /// The true events that were answered 2xx, by index, with how often.
    pub(crate) acknowledged: BTreeMap<usize, u32>,
    /// When each was answered so first.
    pub(crate) taken_at: BTreeMap<usize, UnixMs>,
    /// Those whose entry was there already, and had waited: somebody had posted it before it was true.
    pub(crate) awaited: BTreeMap<usize, Awaited>,
    /// Messages that were shown once more while somebody had them.
    pub(crate) doubled: u64,
    /// When each entry was told of first.
    pub(crate) told_at: BTreeMap<ItemKey, UnixMs>,
    /// The announcements that were taken, by index.
    pub(crate) announced: Vec<usize>,
    /// What the application no longer waits for, by reference.
    pub(crate) closed: BTreeSet<String>,
    /// Forged deliveries that were answered 403.
    pub(crate) refused: u64,
    /// When a merchant's webhook had an effect last: its fact, or a status that is its own.
    pub(crate) effects: BTreeMap<ItemKey, UnixMs>,
    /// The expectations that waited, with a while to go, when everything healed.
    pub(crate) waiting_at_heal: Vec<ItemKey>,
    pub(crate) healed_at: Option<UnixMs>,
    pub(crate) violations: Violations,
}
