//! The rows behind the memory ledger, one kind for each shape the real table holds.

use std::collections::BTreeMap;

use hookledger_core::model::act::Act;
use hookledger_core::model::circuit::Circuit;
use hookledger_core::model::debt::{DueKey, Expectation, ExpectationState, Listing};
use hookledger_core::model::entry::{Entry, NewEntry, Start, State};
use hookledger_core::model::fact::{Fact, Status};
use hookledger_core::model::identity::ItemKey;
use hookledger_core::model::refused::Refused;
use hookledger_core::model::row::Row;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::StoreError;

pub(super) type Table = BTreeMap<ItemKey, Item>;

#[expect(clippy::large_enum_variant, reason = "most rows are entries, and none is moved often")]
pub(super) enum Item {
    Entry(StoredEntry),
    Expectation {
        expectation: Expectation,
        expires_at: Option<UnixMs>,
        history: Vec<Act>,
    },
    Listing(Listing),
    Fact(Fact),
    Status(Status),
    Circuit(Circuit),
    Row(StoredRow),
    /// With how many more were refused than are kept.
    Refused(Refused, u64),
}

/// A result row, with the answer it is from.
#[derive(Clone, Debug)]
pub struct StoredRow {
    /// The row.
    pub row: Row,
    /// When it was asked for.
    pub asked_at: UnixMs,
    pub(super) place: u64,
}

/// Where a body lies that is not in its row.
#[derive(Clone, Debug)]
pub(super) struct Pieces {
    pub(super) name: String,
    pub(super) count: usize,
}

/// An entry with what only an audit reads.
#[derive(Clone, Debug)]
pub struct StoredEntry {
    /// The entry.
    pub entry: Entry,
    /// The exact bytes.
    pub body: Vec<u8>,
    /// The id of the secret or token that proved it.
    pub proof: Option<String>,
    /// Facts for the audit that nothing trusts.
    pub notes: Vec<(&'static str, String)>,
    pub(super) pieces: Option<Pieces>,
    /// When it was parked, while it is: that orders the list a person works through.
    pub parked_at: Option<UnixMs>,
    /// When it may be deleted; never set on what owes.
    pub expires_at: Option<UnixMs>,
    /// What people did to it.
    pub history: Vec<Act>,
}

impl StoredEntry {
    pub(super) fn new(new: &NewEntry, pieces: Option<Pieces>) -> Self {
        let (state, due_at, reason) = match &new.start {
            Start::Open { due_at } => (State::Open, Some(*due_at), None),
            Start::Ignored { reason, .. } => (State::Ignored, None, Some(reason.to_string())),
            Start::Parked { reason } => (State::Parked, None, Some(reason.clone())),
        };
        let expires_at = if let Start::Ignored { expires_at, .. } = new.start { Some(expires_at) } else { None };
        let parked_at = (state == State::Parked).then_some(new.received_at);
        let entry = Entry {
            key: new.event.key(),
            provider: new.provider.to_string(),
            event_type: new.event.event_type.clone(),
            state,
            origin: new.origin,
            received_at: new.received_at,
            occurred_at: new.event.occurred_at,
            pushed_at: None,
            settled_at: (state == State::Ignored).then_some(new.received_at),
            due_at,
            attempts: 0,
            waits: 0,
            reopened: 0,
            reason,
            frozen: None,
            progress: None,
            proof: new.proof.clone(),
        };
        let body = if pieces.is_some() { Vec::new() } else { new.body.clone() };
        let (proof, notes) = (new.proof.clone(), new.event.notes.clone());
        Self { entry, body, pieces, proof, notes, parked_at, expires_at, history: Vec::new() }
    }
}

impl Item {
    /// The instant under which the `due` index lists this row for the reconciler. Parked entries are listed elsewhere.
    pub(super) fn due_at(&self) -> Option<UnixMs> {
        match self {
            Self::Entry(stored) if stored.entry.state == State::Open => stored.entry.due_at,
            Self::Expectation { expectation, .. } if expectation.state == ExpectationState::Waiting => {
                expectation.due_at
            }
            Self::Listing(listing) => Some(listing.due_at),
            _ => None,
        }
    }

    /// Takes the debt: the new due time, and a count of it where this kind of row counts.
    pub(super) fn claim(&mut self, next_due_at: UnixMs) {
        match self {
            Self::Entry(stored) => {
                stored.entry.due_at = Some(next_due_at);
                stored.entry.attempts += 1;
            }
            Self::Expectation { expectation, .. } => {
                expectation.due_at = Some(next_due_at);
                expectation.polls += 1;
            }
            Self::Listing(listing) => {
                listing.due_at = next_due_at;
                listing.tries += 1;
            }
            Self::Fact(_) | Self::Status(_) | Self::Circuit(_) | Self::Row(_) | Self::Refused(..) => {}
        }
    }
}

/// The wanted debts of the table, oldest first.
pub(super) fn debts(table: &Table, wanted: impl Fn(UnixMs, &ItemKey) -> bool) -> Vec<DueKey> {
    let owing = table.iter().filter_map(|(key, item)| Some((key, item.due_at()?)));
    let wanted = owing.filter(|(key, due_at)| wanted(*due_at, key));
    let mut debts: Vec<DueKey> = wanted.map(|(key, due_at)| DueKey { key: key.clone(), due_at }).collect();
    debts.sort_by_key(|debt| debt.due_at);
    debts
}

/// The entry under this key. Another kind of row there is corrupt data, as it would be in the real table.
pub(super) fn entry_mut<'a>(table: &'a mut Table, key: &ItemKey) -> Result<Option<&'a mut StoredEntry>, StoreError> {
    match table.get_mut(key) {
        None => Ok(None),
        Some(Item::Entry(stored)) => Ok(Some(stored)),
        Some(_) => Err(StoreError::Corrupt { key: key.clone(), what: "kind" }),
    }
}

/// The open entry under this key.
pub(super) fn open_mut<'a>(table: &'a mut Table, key: &ItemKey) -> Result<Option<&'a mut StoredEntry>, StoreError> {
    Ok(entry_mut(table, key)?.filter(|stored| stored.entry.state == State::Open))
}

/// The waiting expectation under this key.
pub(super) fn waiting_mut<'a>(table: &'a mut Table, key: &ItemKey) -> Option<&'a mut Expectation> {
    match table.get_mut(key) {
        Some(Item::Expectation { expectation, .. }) if expectation.state == ExpectationState::Waiting => {
            Some(expectation)
        }
        _ => None,
    }
}
