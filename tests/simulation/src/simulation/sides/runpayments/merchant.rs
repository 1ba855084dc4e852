//! A merchant: what it becomes, how that is stamped and spelt, and the entries that tell of it.

use hookledger_core::model::entry::{Origin, State};
use hookledger_core::model::fact::{Fact, Status};
use hookledger_core::model::identity::{ItemKey, ProviderId, Subject};
use hookledger_core::model::time::UnixMs;

use crate::memory::{MemoryLedger, StoredEntry};
use crate::simulation::engine::limits::CLOCKS_APART_SECS;
use crate::simulation::plot::{beside, key};

pub(super) const NAME: &str = "runpayments";

/// A merchant's way, in order; one of the last two may end it at any step.
pub(super) const WAY: [&str; 6] = ["new", "sent_for_signature", "signed", "in_underwriting", "boarded", "live"];

const EVENT_TYPES: [&str; 8] = [
    "merchant.new",
    "merchant.sent_for_signature",
    "merchant.signed",
    "merchant.in_underwriting",
    "merchant.boarded",
    "merchant.live",
    "merchant.cancelled",
    "merchant.declined",
];

/// A merchant and what it became, each status with the moment. It may return to a status, later than it left it: at the
/// same instant nobody could tell which of two came last.
pub(crate) struct Merchant {
    pub(crate) id: String,
    pub(crate) statuses: Vec<(&'static str, UnixMs)>,
    /// The idempotency key of each status' webhook. Two in a row may share one: their types tell them apart.
    pub(super) keys: Vec<String>,
    /// The status whose webhook is stamped ahead, and by how many seconds: by a clock that is fast, or in a local time that
    /// is marked as UTC.
    pub(super) ahead: Option<(usize, u64)>,
    /// From when until when the list shows a status that nobody knows.
    pub(super) unknown: Option<(UnixMs, UnixMs)>,
    /// How the list spells its status.
    pub(super) spelling: Spelling,
}

/// A row of the merchants' list.
#[derive(Clone, Copy)]
pub(crate) struct Shown {
    /// The merchant, by its index.
    pub(crate) merchant: usize,
    /// Its status, by its place on this merchant's way.
    pub(crate) step: usize,
    /// When the page was asked for. A replica that lags behind shows what was true before.
    pub(crate) asked_at: UnixMs,
    /// The list showed another status, which nobody knows.
    pub(crate) unknown: bool,
}

/// How a status is spelt.
#[derive(Clone, Copy)]
pub(super) enum Spelling {
    Words,
    Title,
    Hyphens,
    Typed,
    Other,
}

impl Spelling {
    pub(super) const ALL: [Self; 5] = [Self::Words, Self::Title, Self::Hyphens, Self::Typed, Self::Other];

    pub(super) fn write(self, status: &str) -> String {
        let words = || status.split('_');
        let title = |word: &str| word[..1].to_uppercase() + &word[1..];
        match (self, status) {
            (Self::Words, _) => words().collect::<Vec<_>>().join(" "),
            (Self::Title, _) => words().map(title).collect::<Vec<_>>().join("  "),
            (Self::Hyphens, _) => words().collect::<Vec<_>>().join("-").to_uppercase(),
            (Self::Typed, _) => format!("merchant.{status}"),
            (Self::Other, "cancelled") => "Canceled".into(),
            (Self::Other, "in_underwriting") => "Underwriting".into(),
            (Self::Other, _) => status.into(),
        }
    }
}

/// The status that nobody knows.
pub(super) const UNKNOWN: &str = "Suspended";
/// How far a local time is ahead that is marked as UTC.
pub(super) const ZONE_SECS: u64 = 19_800;
/// A time that is not further ahead of its receipt is believed.
pub(super) const BELIEVED_SECS: u64 = 300;

/// The place of a status in the order.
pub(crate) fn place(status: &str) -> usize {
    WAY.iter().position(|step| *step == status).unwrap_or(WAY.len())
}

impl Merchant {
    pub(crate) fn subject(&self) -> Subject {
        Subject::new(ProviderId(NAME), "merchant", &self.id)
    }

    /// The status of a step, and since when it was true.
    pub(crate) fn step(&self, step: usize) -> (&'static str, UnixMs) {
        self.statuses[step]
    }

    /// The entry of the webhook that tells of a step.
    pub(crate) fn pushed(&self, step: usize, memory: &MemoryLedger) -> ItemKey {
        let own = key(NAME, "merchant", &self.id, &[&self.keys[step]]);
        if self.keys.iter().filter(|known| **known == self.keys[step]).count() == 1 {
            return own;
        }
        let event_type = format!("merchant.{}", self.statuses[step].0);
        let first = memory.stored(&own).is_some_and(|stored| stored.entry.event_type == event_type);
        if first { own } else { beside(&own, &event_type) }
    }

    /// Since when a step is true as far as its webhook can be believed: what is said to lie ahead, since its receipt.
    pub(crate) fn since(&self, step: usize, memory: &MemoryLedger) -> UnixMs {
        let at = self.statuses[step].1;
        let Some((_, ahead_secs)) = self.ahead.filter(|(ahead, _)| *ahead == step) else { return at };
        let stamped_at = at.plus_secs(ahead_secs);
        let stored = memory.stored(&self.pushed(step, memory));
        let received_at = stored.map_or(stamped_at, |stored| stored.entry.received_at);
        if stamped_at > received_at.plus_secs(BELIEVED_SECS) { received_at } else { stamped_at }
    }

    /// Whether a step is the one whose webhook says it lies ahead.
    pub(crate) fn is_ahead(&self, step: usize) -> bool {
        self.ahead.is_some_and(|(ahead, _)| ahead == step)
    }

    /// How many statuses more than there were may be told: one whose time can't be believed may seem to come after what
    /// came after it.
    pub(crate) fn misplaced(&self) -> usize {
        usize::from(self.ahead.is_some())
    }

    /// Whether the list shows a status that nobody knows, at some time.
    pub(crate) fn listed_unknown_ever(&self) -> bool {
        self.unknown.is_some()
    }

    /// The entry of the list's row that shows a status that nobody knows.
    pub(crate) fn listed_unknown(&self) -> ItemKey {
        key(NAME, "merchant", &self.id, &["listing-unknown", &self.id, &UNKNOWN.to_lowercase()])
    }

    /// The entry of the list's row that shows a status for the `n`th time.
    pub(crate) fn listed(&self, status: &str, n: usize) -> ItemKey {
        key(NAME, "merchant", &self.id, &["listing", &self.id, status, &n.to_string()])
    }

    /// Whether somebody knows what a row shows: this time of the status, not one before.
    pub(super) fn is_known(&self, shown: &Shown, memory: &MemoryLedger) -> bool {
        let (subject, (status, at)) = (self.subject(), self.step(shown.step));
        if shown.unknown {
            return memory.holds(&self.listed_unknown());
        }
        let since = at.minus_secs(CLOCKS_APART_SECS);
        // What was pushed since the page was asked for is newer than the page.
        let ahead = |(of, held): &(Subject, Status)| {
            let newer = held.moved_at.plus_secs(2 * CLOCKS_APART_SECS) >= shown.asked_at;
            *of == subject && (place(&held.status) >= place(status) || newer)
        };
        // One that is still open may be of a time before: the next walk finds this one, when that one has its fact.
        let listed = |n| {
            memory.stored(&self.listed(status, n)).is_some_and(|StoredEntry { entry, .. }| {
                entry.state == State::Open || entry.occurred_at.is_some_and(|looked_at| looked_at >= since)
            })
        };
        let facts = memory.all_facts();
        let stands = |(of, fact): &(Subject, Fact)| {
            let left = |(of, other): &(Subject, Fact)| {
                let later = other.occurred_at > fact.occurred_at;
                *of == subject && other.origin == Origin::Push && other.status != fact.status && later
            };
            *of == subject && fact.status == status && (fact.occurred_at >= since || !facts.iter().any(left))
        };
        memory.statuses().iter().any(ahead) || facts.iter().any(stands) || (1..=self.times(status) + 1).any(listed)
    }

    /// How often it came to a status.
    pub(crate) fn times(&self, status: &str) -> usize {
        self.statuses.iter().filter(|(step, _)| *step == status).count()
    }
}

/// The type of the webhook that tells of a status.
pub(super) fn event_type(status: &str) -> &'static str {
    EVENT_TYPES.iter().find(|name| name.strip_prefix("merchant.") == Some(status)).copied().unwrap_or("merchant.new")
}
