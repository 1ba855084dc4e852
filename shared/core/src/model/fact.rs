//! Facts: a subject's effects, each written by whoever brought it first; and the current status, folded from them.

use crate::model::entry::Origin;
use crate::model::identity::{ItemKey, escape};
use crate::model::time::UnixMs;

/// Which status a subject ever had, and how often: each time is a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The status.
    pub status: String,
    /// The 1st, 2nd, 3rd … time that the subject got this status.
    pub n: u32,
    /// The entry whose effect this fact is.
    pub owner: ItemKey,
    /// How the owner came in.
    pub origin: Origin,
    /// When it happened: the event's own time, or when the page that showed it was requested.
    pub occurred_at: UnixMs,
    /// The pushed entry that turned out to report the same fact.
    pub matched_by: Option<ItemKey>,
}

impl Fact {
    /// The sort key: the identity of the effect.
    pub fn sk(status: &str, n: u32) -> String {
        format!("fact#{}#{n:06}", escape(status))
    }
}

/// The current status of a subject, folded from its facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The status.
    pub status: String,
    /// Its place in the provider's order; at equal times the higher one wins.
    pub rank: u8,
    /// When it happened, as in [`Fact::occurred_at`].
    pub occurred_at: UnixMs,
    /// When we last wrote the row, by our clock.
    pub moved_at: UnixMs,
    /// Counts the moves: each is conditional on the one it saw.
    pub version: u64,
    /// The latest push that could not be told to be later than this status, which a list has shown.
    pub held_back: Option<HeldBack>,
}

/// A status that was pushed, and did not move the current one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBack {
    /// The status.
    pub status: String,
    /// Its place in the provider's order.
    pub rank: u8,
    /// When it happened.
    pub occurred_at: UnixMs,
}

impl HeldBack {
    /// Where it stands in time, and at equal times in the provider's order.
    pub fn place(&self) -> (UnixMs, u8) {
        (self.occurred_at, self.rank)
    }
}

impl Status {
    /// When it happened, for comparing with other events of the provider: what we wrote before it is said to have happened
    /// is ordered as of the writing.
    pub fn ordered_at(&self) -> UnixMs {
        self.occurred_at.not_after(self.moved_at)
    }

    /// The latest it can have happened, for comparing with our own clock: before we knew of it.
    pub fn happened_at(&self) -> UnixMs {
        self.occurred_at.min(self.moved_at)
    }
}
