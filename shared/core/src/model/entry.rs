//! Entries: the row of an event, from its admission on.

use serde::{Deserialize, Serialize};

use crate::model::identity::{Identity, ItemKey, ProviderId, Subject};
use crate::model::time::UnixMs;

/// How an event reached us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The provider sent it.
    Push,
    /// We found it by asking.
    Poll,
}

impl Origin {
    /// As stored and published.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Poll => "poll",
        }
    }
}

/// Where an entry stands.
///
/// ```text
/// Open ──▶ Done | Ignored          nothing is owed any more
///   └────▶ Parked ──▶ Open         by a person's replay, or by a new verified delivery or poll of the same event
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Work is owed.
    Open,
    /// Handled.
    Done,
    /// Kept, but nothing is to be done for it.
    Ignored,
    /// Waits for a person.
    Parked,
}

impl State {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Ignored => "ignored",
            Self::Parked => "parked",
        }
    }

    /// Reads what [`State::as_str`] wrote.
    pub fn from_stored(text: &str) -> Option<Self> {
        [Self::Open, Self::Done, Self::Ignored, Self::Parked].into_iter().find(|state| state.as_str() == text)
    }
}

/// An event as a provider file understood it, from a delivery or from a polled answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The provider's own name for its type.
    pub event_type: String,
    /// What it is about.
    pub subject: Subject,
    /// Which event of the subject it is.
    pub identity: Identity,
    /// When it happened or was stated, by the provider's clock, where it says so.
    pub occurred_at: Option<UnixMs>,
    /// Whether there is work to do for this type; if not it is kept and ignored.
    pub known: bool,
    /// What to do when this event turns out to be a duplicate.
    pub on_duplicate: OnDuplicate,
    /// Facts for the audit that are not trusted for anything.
    pub notes: Vec<(&'static str, String)>,
}

impl Event {
    /// The key of this event's entry.
    pub fn key(&self) -> ItemKey {
        ItemKey::entry(&self.subject, &self.identity)
    }
}

/// What a duplicate may mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnDuplicate {
    /// The same event again.
    Same,
    /// Perhaps another event that only looks the same: poll this reference, its list knows how many there were.
    Recount {
        /// As an application would announce it.
        reference: String,
    },
    /// The same event again, if it says the same. Of what nobody signed, another content is another event: whoever came
    /// first, and in other words, must not take the place of the genuine one.
    Apart,
}

/// An entry about to be admitted.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// The provider.
    pub provider: ProviderId,
    /// What happened.
    pub event: Event,
    /// Push or poll.
    pub origin: Origin,
    /// When we got it.
    pub received_at: UnixMs,
    /// What is owed from the start.
    pub start: Start,
    /// The id of the secret or token that proved a pushed delivery.
    pub proof: Option<String>,
    /// The exact bytes.
    pub body: Vec<u8>,
}

/// The state an entry starts in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Work is owed; if nobody has done it by then, the reconciler takes it up.
    Open {
        /// When the debt falls due.
        due_at: UnixMs,
    },
    /// Nothing is to be done for it.
    Ignored {
        /// Why.
        reason: &'static str,
        /// When the row may be deleted.
        expires_at: UnixMs,
    },
    /// A person must look at it.
    Parked {
        /// Why.
        reason: String,
    },
}

/// What [`admit`](crate::ports::Entries::admit) found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// The first time this event is seen: the entry is written.
    New,
    /// The entry was there before.
    Duplicate(Known),
}

/// The entry that stands where another one was to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its state.
    pub state: State,
    /// Its type.
    pub event_type: String,
    /// How often deliveries and polls reopened it.
    pub reopened: u32,
    /// Whether any attempt or wait of it is spent.
    pub spent: bool,
    /// Whether it was found by asking, and no delivery has brought it yet.
    pub is_unpushed: bool,
    /// Its body, unless it lies beside the row, or was not wanted: only what is pushed is compared with it.
    pub body: Option<Vec<u8>>,
}

/// An entry as stored, without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: ItemKey,
    /// The provider's name as stored.
    pub provider: String,
    /// The provider's own name for the type.
    pub event_type: String,
    /// Where it stands.
    pub state: State,
    /// Push or poll.
    pub origin: Origin,
    /// When we got it.
    pub received_at: UnixMs,
    /// When it happened, where the provider says so.
    pub occurred_at: Option<UnixMs>,
    /// When a delivery brought it after all, where it was found by asking.
    pub pushed_at: Option<UnixMs>,
    /// When it was settled.
    pub settled_at: Option<UnixMs>,
    /// When the debt is due; `None` once settled.
    pub due_at: Option<UnixMs>,
    /// How often the reconciler claimed it without an answer in between.
    pub attempts: u32,
    /// How often the provider said "not yet".
    pub waits: u32,
    /// How often it was taken out of the parked state by a delivery or poll, since a person last did.
    pub reopened: u32,
    /// Why the last attempt failed, why it is parked, or how it was settled.
    pub reason: Option<String>,
    /// The detail to publish, once frozen.
    pub frozen: Option<String>,
    /// How far the walk of the provider's answer has come, if an attempt ended on its way.
    pub progress: Option<Progress>,
    /// The id of the secret or token that proved it, if it was pushed.
    pub proof: Option<String>,
}

impl Entry {
    /// When it happened, as far as we may believe it: what is said to lie ahead of its receipt is ordered as of its
    /// receipt.
    pub fn happened_at(&self) -> UnixMs {
        self.occurred_at.map_or(self.received_at, |at| at.not_after(self.received_at))
    }
}

/// How far the walk of an answer of many pages has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Names the walk: when it began, in Unix milliseconds. 0: it has to begin anew.
    pub walk: i64,
    /// Where it goes on; `None` at its start.
    pub cursor: Option<String>,
    /// Pages read of this walk.
    pub pages: u32,
    /// Rows read of this walk.
    pub rows: u64,
    /// Rows of this walk that could not be read.
    pub unreadable: u64,
    /// How often a walk of this entry had to begin anew.
    pub restarts: u32,
}

/// The event type under which unreadable deliveries are listed.
pub const UNREADABLE: &str = "unreadable";
/// Partitions for each day of the index that lists what came in. One partition takes 1,000 writes a second.
pub const RECENT_SHARDS: u8 = 8;

/// What is published when an entry is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// `hookledger.<provider>`.
    pub source: String,
    /// The event's type.
    pub detail_type: String,
    /// The detail as JSON.
    pub detail: String,
}
