//! Asking for an event's truth: what to ask, and what the answer means.

use std::borrow::Cow;

use crate::model::entry::{Entry, Event};
use crate::model::fact::Status;
use crate::model::identity::{Subject, digest_hex};
use crate::model::provider_call::{ApiRequest, Trouble};
use crate::model::row::Row;
use crate::model::time::UnixMs;

/// What was asked for an entry's work.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// Its body.
    pub body: &'a [u8],
    /// From where on; `None`: from the start.
    pub cursor: Option<&'a str>,
    /// Rows read before that.
    pub tally: u64,
    /// When it was asked.
    pub at: UnixMs,
}

/// What an entry's work asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Nothing: the delivery itself says all.
    Nothing(Box<Step>),
    /// An answer from the provider.
    Request(ApiRequest),
}

/// What an answer means for the work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write these rows and ask on.
    More {
        /// Result rows of this page.
        rows: Vec<Row>,
        /// How many of them can't be read, and are kept as they came.
        unreadable: u64,
        /// Where to go on.
        cursor: String,
    },
    /// Write these rows: the work is done.
    Done {
        /// Result rows of the last page.
        rows: Vec<Row>,
        /// How many of them can't be read, and are kept as they came.
        unreadable: u64,
        /// What came of it.
        outcome: Outcome,
    },
    /// The provider can't say yet.
    NotYet {
        /// For the operator.
        reason: Cow<'static, str>,
    },
    /// The provider itself has overtaken what the event says: there is nothing to tell of it any more.
    Overtaken {
        /// For the operator.
        reason: &'static str,
        /// What the provider says by now.
        by: Found,
    },
    /// It did not work.
    Trouble(Trouble),
}

impl Step {
    /// Done, with these rows.
    pub(crate) fn done(rows: Vec<Row>, outcome: Outcome) -> Self {
        Self::Done { rows, unreadable: 0, outcome }
    }

    pub(crate) fn not_yet(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::NotYet { reason: reason.into() }
    }

    /// What no further asking changes: a person's.
    pub(crate) fn hopeless(reason: &str) -> Self {
        Self::Trouble(Trouble::Permanent { reason: reason.into() })
    }
}

/// A row of an answer that can't be read, kept as it came.
pub(crate) fn unreadable_row(document: &[u8]) -> Row {
    let mut digest = digest_hex(document);
    digest.truncate(32);
    Row { sk: format!("unreadable#{digest}"), columns: Vec::new(), document: document.to_vec() }
}

/// What came of an entry's work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Facts for the published event, as JSON values; no personal data, no amounts of persons.
    pub summary: Vec<(&'static str, serde_json::Value)>,
    /// Whether the summary came from an answer that a second asking might change: then it is frozen before publishing.
    pub pulled: bool,
    /// The status this event moves its subject to.
    pub status: Option<StatusMove>,
    /// The effect, where it is not this entry's own identity: what the provider's API said, however many unsigned
    /// deliveries made us ask.
    pub once: Option<Once>,
}

/// An effect that a subject has so many times, whichever entries bring it first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// What the API said.
    pub name: String,
    /// How many times it says so.
    pub times: u32,
}

/// A move of a subject's status. The effect belongs to the fact `(status, n)`, whichever entry brings it first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusMove {
    /// Whose status.
    pub subject: Subject,
    /// The new status.
    pub status: String,
    /// Its place in the provider's order.
    pub rank: u8,
    /// When it happened.
    pub occurred_at: UnixMs,
    /// For a listing's entry: which `n` it was admitted for.
    pub n: Option<u32>,
}

impl StatusMove {
    /// Whether this moves on from `current`: later, or at the same time and further along.
    pub fn moves(&self, current: Option<&Status>) -> bool {
        current.is_none_or(|current| (self.occurred_at, self.rank) > (current.occurred_at, current.rank))
    }
}

/// An event found by asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What happened.
    pub event: Event,
    /// The provider's JSON for it, in the shape of its webhook's body.
    pub body: Vec<u8>,
}
