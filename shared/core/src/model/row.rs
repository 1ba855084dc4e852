//! Result rows: what the work of an entry brought, under keys that are the same however often it is done.

use crate::model::time::UnixMs;

/// When rows were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// When: a row never goes back to what was asked for earlier.
    pub asked_at: UnixMs,
    /// When its walk began. What was asked for since then, under the same key and at another place, is another row: both
    /// are kept.
    pub walk: UnixMs,
    /// The place of the first row in the walk.
    pub first: u64,
}

impl Snapshot {
    /// The place of a row, the `index`th of those that were read together. What stands under a name alone (`accounts`) is
    /// one in its subject, whichever entry of the subject asks for it, and before or after what else.
    pub fn place_of(&self, row: &Row, index: u64) -> u64 {
        if row.sk.contains('#') { self.first.saturating_add(index) } else { 0 }
    }

    /// Rows that were not asked for: they came with the event.
    pub fn delivered(at: UnixMs) -> Self {
        Self { asked_at: at, walk: at, first: 0 }
    }
}

/// The most rows of one walk that may stand under one key, told apart as `…#2`, `…#3`.
pub const MAX_ALIKE_ROWS: u32 = 100;

/// The sort key of the `n`th row of a walk under this key.
pub fn nth_sk(sk: &str, n: u32) -> String {
    if n == 1 { sk.into() } else { format!("{sk}#{n}") }
}

/// One result row, under a key that is the same however often the work is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The sort key in the subject's collection, `balance#<authorizer>`.
    pub sk: String,
    /// Columns worth reading without opening the document. Amounts are the text the provider sent.
    pub columns: Vec<(&'static str, String)>,
    /// The provider's own JSON for this row, byte for byte.
    pub document: Vec<u8>,
}
