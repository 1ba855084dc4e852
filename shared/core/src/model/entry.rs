//! The rows of the ledger: entries, the results of their work, and what was refused.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::model::identity::{Identity, ItemKey, ProviderId, Subject, digest_hex};
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

/// What [`admit`](crate::ports::Ledger::admit) found.
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

/// A delivery that was not let in, kept for a while so that a person can look at it and verify it again.
#[derive(Clone, PartialEq, Eq)]
pub struct Refused {
    /// The provider whose URL was called.
    pub provider: ProviderId,
    /// The stable code of the reason.
    pub code: String,
    /// The rule that was broken, for a person.
    pub reason: String,
    /// When.
    pub at: UnixMs,
    /// SHA-256 of the whole body.
    pub digest: String,
    /// The body, up to [`Shelf::max_body_bytes`].
    pub body: Vec<u8>,
    /// The whole body's length.
    pub body_bytes: usize,
    /// SHA-256 of the URL's token in hex, where the URL had one: enough to verify it again, and no use to a reader.
    pub token_digest: Option<String>,
    /// The headers the scheme looks at.
    pub headers: Vec<(String, String)>,
    /// The client's address.
    pub source_ip: Option<String>,
}

impl Refused {
    /// The slots of its minute that it may be kept under, in the order in which they are tried. They follow from the
    /// network that it came from: whoever sends from one takes half of them at most, and leaves the others to others.
    pub fn slots(&self) -> impl Iterator<Item = u8> {
        let sum = |text: &str| text.bytes().fold(7u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
        let start = sum(&digest_hex(self.source_network().as_bytes())) % MAX_QUARANTINED_PER_MINUTE;
        // Several processes spread over the slots instead of queueing up.
        let turn = sum(&self.digest) % MAX_QUARANTINED_PER_SOURCE;
        (0..MAX_QUARANTINED_PER_SOURCE)
            .map(move |step| (start + (step + turn) % MAX_QUARANTINED_PER_SOURCE) % MAX_QUARANTINED_PER_MINUTE)
    }

    /// Where a provider's refusals of one UTC day are kept.
    pub fn collection(provider: ProviderId, day: &str) -> String {
        format!("{provider}#refused#{day}")
    }

    /// The minute whose slots it may be kept under.
    pub fn minute(&self) -> String {
        self.at.to_string().chars().take("2026-11-22T10:15".len()).collect()
    }

    /// The key of one of its slots.
    pub fn key_at(&self, slot: u8) -> ItemKey {
        let sk = format!("{}#{}{slot:02}", self.minute(), Shelf::of(&self.code).mark());
        ItemKey { pk: Self::collection(self.provider, &self.at.day()), sk }
    }

    /// The network that it came from, as wide as one customer of a hoster has it at least.
    fn source_network(&self) -> String {
        let address = self.source_ip.as_deref().and_then(|ip| ip.parse::<IpAddr>().ok());
        let network = address.and_then(|ip| IpNet::new(ip, if ip.is_ipv4() { 24 } else { 48 }).ok());
        network.map(|network| network.trunc().to_string()).unwrap_or_default()
    }
}

impl fmt::Debug for Refused {
    /// Why and when, never what: it may be genuine.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused")
            .field("provider", &self.provider.0)
            .field("code", &self.code)
            .field("at", &self.at)
            .field("body_bytes", &self.body_bytes)
            .finish_non_exhaustive()
    }
}

/// Partitions for each day of the index that lists what came in. One partition takes 1,000 writes a second.
pub const RECENT_SHARDS: u8 = 8;
/// The most of a refused body that is kept.
pub const MAX_QUARANTINE_BYTES: usize = 4096;
/// The most of a body that is kept which is proved and can't be read.
pub const MAX_UNREADABLE_BYTES: usize = 16 * 1024;
/// Refusals kept for each provider, minute and [`Shelf`]. All are counted; a flood can't fill the table.
pub const MAX_QUARANTINED_PER_MINUTE: u8 = 40;
/// The most of them that one network of senders takes.
pub const MAX_QUARANTINED_PER_SOURCE: u8 = 20;

/// Where a refusal is kept. Each shelf has slots of its own, so that what anybody can send takes no room from what only
/// few can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shelf {
    /// No signature or token, or one that can't be read.
    Bare,
    /// A signature or token that none of the live secrets proves.
    Wrong,
    /// Proved, and not readable.
    Genuine,
}

impl Shelf {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Bare, Self::Wrong, Self::Genuine];

    /// What stands before the slot in its key.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Bare => "",
            Self::Wrong => "w",
            Self::Genuine => "g",
        }
    }

    /// The most of a body that is kept on it.
    pub fn max_body_bytes(self) -> usize {
        match self {
            Self::Bare | Self::Wrong => MAX_QUARANTINE_BYTES,
            Self::Genuine => MAX_UNREADABLE_BYTES,
        }
    }

    /// The shelf of a refusal with this code.
    pub fn of(code: &str) -> Self {
        match code {
            "missing_signature" | "malformed_signature" => Self::Bare,
            crate::flows::receive::UNREADABLE => Self::Genuine,
            _ => Self::Wrong,
        }
    }
}
/// How long a refusal is kept.
pub const QUARANTINE_SECS: u64 = 14 * 24 * 3600;

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
