//! Debts: whatever is still owed carries a `due_at`; what is settled carries none.
//!
//! A put to the table and a send to the queue can't be one transaction. So nothing depends on the send: the sparse
//! index over `due_at` lists every debt, and the reconciler pays what is due. Three kinds of row can owe: an open
//! entry, an expectation (or a watch, which may be met more than once), and a listing whose next walk is due. A parked
//! entry owes a person's decision: it sits in the index's own `parked` partitions, which no machine retries.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::entry::Entry;
use crate::model::identity::{ItemKey, ProviderId};
use crate::model::time::UnixMs;

/// Logical shards of the `due` index. Fixed: workers take ranges of them, so their number can change freely.
pub const DUE_SHARDS: u8 = 64;
/// How often a delivery or a poll takes an entry out of the parked state at once; then, once in an hour. None is ever
/// refused, because it may be the genuine one. A person may do it any number of times.
pub const MAX_REOPENED_AT_ONCE: u32 = 3;
/// How long the work of an entry waits that deliveries reopened more often, in seconds.
pub const REOPENED_WAIT_SECS: u64 = 3600;
/// The row that holds a listing's cursor.
pub const RECONCILER_PK: &str = "reconciler";

/// A debt as the index lists it: keys only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueKey {
    /// The row that owes.
    pub key: ItemKey,
    /// When it was due.
    pub due_at: UnixMs,
}

impl DueKey {
    /// The name of the provider that is asked when this debt is paid, as the key has it.
    pub fn provider(&self) -> &str {
        let ItemKey { pk, sk } = &self.key;
        // A listing: `cursor#<provider>#<list>`. All other rows stand under their subject: `<provider>#<kind>#<id>`.
        let named = if pk == RECONCILER_PK { sk.split('#').nth(1) } else { pk.split('#').next() };
        named.unwrap_or("")
    }

    /// Whether it is an entry, as the key has it. All other rows that owe are polled or walked.
    pub fn is_entry(&self) -> bool {
        self.key.sk.starts_with("event#")
    }
}

/// Which debts of a shard a run of the reconciler takes up.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// So many of each provider: what is owed to one hides nothing that is owed to another.
    pub of_each: usize,
    /// Entries of these providers are left where they are. What is polled and walked is taken up all the same.
    pub without_entries_of: &'a [&'a str],
}

impl Wanted<'static> {
    /// All of them.
    pub const ALL: Self = Self { of_each: usize::MAX, without_entries_of: &[] };
}

/// The debts of a shard that were found due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Those that are wanted, oldest first.
    pub keys: Vec<DueKey>,
    /// Others that were seen.
    pub left: usize,
    /// Since when the oldest of all is due.
    pub oldest: Option<UnixMs>,
    taken: BTreeMap<String, usize>,
}

impl Due {
    /// Takes up the next debt of the index, if it is wanted.
    pub fn see(&mut self, key: DueKey, wanted: &Wanted<'_>) {
        self.oldest = self.oldest.or(Some(key.due_at));
        let provider = key.provider();
        let held_back = key.is_entry() && wanted.without_entries_of.contains(&provider);
        let taken = self.taken.entry(provider.to_string()).or_default();
        if held_back || *taken >= wanted.of_each {
            self.left += 1;
            return;
        }
        *taken += 1;
        self.keys.push(key);
    }
}

/// A row that owes, read in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Debt {
    /// An open entry: its work was never done, or failed.
    Entry(Entry),
    /// A completion somebody waits for.
    Expectation(Expectation),
    /// A provider's list to walk.
    Listing(Listing),
}

impl Debt {
    /// When it is due, if it still owes.
    pub fn due_at(&self) -> Option<UnixMs> {
        match self {
            Self::Entry(entry) => entry.due_at,
            Self::Expectation(expectation) => expectation.due_at,
            Self::Listing(listing) => Some(listing.due_at),
        }
    }

    /// The row's key.
    pub fn key(&self) -> &ItemKey {
        match self {
            Self::Entry(entry) => &entry.key,
            Self::Expectation(expectation) => &expectation.key,
            Self::Listing(listing) => &listing.key,
        }
    }
}

/// How an expectation ended, or that it has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExpectationState {
    /// Still polled.
    Waiting,
    /// The provider said it is complete.
    Met,
    /// The application or an operator ended it.
    Closed,
    /// The deadline came first: counted and alarmed on.
    Expired,
}

impl ExpectationState {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Met => "met",
            Self::Closed => "closed",
            Self::Expired => "expired",
        }
    }

    /// Reads what [`ExpectationState::as_str`] wrote.
    pub fn from_stored(text: &str) -> Option<Self> {
        [Self::Waiting, Self::Met, Self::Closed, Self::Expired].into_iter().find(|state| state.as_str() == text)
    }
}

/// A completion that somebody waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// `<subject>` / `expectation` or `watch`.
    pub key: ItemKey,
    /// The provider's name as stored.
    pub provider: String,
    /// What the application called it: a batch id, `link:<id>`, `entity:<id>`, `session:<id>`.
    pub reference: String,
    /// Watches stay until their deadline, since several completions may come.
    pub repeats: bool,
    /// How it stands.
    pub state: ExpectationState,
    /// When it was announced to us.
    pub created_at: UnixMs,
    /// The next poll; `None` once ended.
    pub due_at: Option<UnixMs>,
    /// When we stop waiting.
    pub deadline: UnixMs,
    /// Polls made so far.
    pub polls: u32,
    /// Completions found so far.
    pub found: u32,
}

/// A provider's list, and how far its walk has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// `reconciler` / `cursor#<provider>#<list>`.
    pub key: ItemKey,
    /// The provider's name as stored.
    pub provider: String,
    /// The list's name.
    pub list: String,
    /// When the next page is due.
    pub due_at: UnixMs,
    /// Where the walk goes on; `None` starts a new one.
    pub position: Option<String>,
    /// Pages of this walk so far.
    pub pages: u32,
    /// How often it was taken up since a page was last answered, or could be said not to be. More than a few times says
    /// that the page may be what ends its readers.
    pub tries: u32,
}

impl Listing {
    /// The key of a list's cursor row.
    pub fn key(provider: ProviderId, list: &str) -> ItemKey {
        ItemKey { pk: RECONCILER_PK.into(), sk: format!("cursor#{provider}#{list}") }
    }
}

/// The partition of the `due` index that a row belongs to.
pub fn due_shard(key: &ItemKey) -> String {
    shard_name(key.shard(DUE_SHARDS))
}

/// The partition of the `due` index for rows that wait for a person.
pub fn parked_shard(key: &ItemKey) -> String {
    parked_shard_name(key.shard(DUE_SHARDS))
}

/// A shard's part of the index for what waits for a person.
pub fn parked_shard_name(shard: u8) -> String {
    format!("parked#{}", shard_name(shard))
}

/// The name of a shard of the `due` index.
pub fn shard_name(shard: u8) -> String {
    format!("{shard:02}")
}
