//! What a test may ask the memory ledger that no flow may: everything, without a turn and without a fault.

use hookledger_core::model::circuit::Circuit;
use hookledger_core::model::debt::{DueKey, Expectation, Listing};
use hookledger_core::model::entry::{Entry, State};
use hookledger_core::model::fact::{Fact, Status};
use hookledger_core::model::identity::{ItemKey, ProviderId, Subject};
use hookledger_core::model::refused::Refused;
use hookledger_core::model::row::Row;
use hookledger_core::model::time::UnixMs;

use super::ledger::MemoryLedger;
use super::table::{Item, StoredEntry, StoredRow, debts};

impl MemoryLedger {
    /// Every entry, in the order of the keys.
    pub fn entries(&self) -> Vec<Entry> {
        self.each(|item| if let Item::Entry(stored) = item { Some(stored.entry.clone()) } else { None })
    }

    /// The entries in this state.
    pub fn entries_in(&self, state: State) -> Vec<Entry> {
        self.entries().into_iter().filter(|entry| entry.state == state).collect()
    }

    /// One entry with its body and all that is kept for the audit.
    pub fn stored(&self, key: &ItemKey) -> Option<StoredEntry> {
        match self.table.borrow().get(key) {
            Some(Item::Entry(stored)) => {
                let whole = stored.pieces.as_ref().map(|pieces| self.assembled(pieces));
                Some(StoredEntry { body: whole.unwrap_or_else(|| stored.body.clone()), ..stored.clone() })
            }
            _ => None,
        }
    }

    /// Replaces an entry's stored body.
    pub fn replace_body(&self, key: &ItemKey, body: &[u8]) {
        if let Some(Item::Entry(stored)) = self.table.borrow_mut().get_mut(key) {
            (stored.body, stored.pieces) = (body.to_vec(), None);
        }
    }

    /// Every expectation, in the order of the keys.
    pub fn expectations(&self) -> Vec<Expectation> {
        self.each(
            |item| if let Item::Expectation { expectation, .. } = item { Some(expectation.clone()) } else { None },
        )
    }

    /// Every listing.
    pub fn listings(&self) -> Vec<Listing> {
        self.each(|item| if let Item::Listing(listing) = item { Some(listing.clone()) } else { None })
    }

    /// How often an expectation expired so far.
    pub fn times_expired(&self) -> u64 {
        self.times_expired.get()
    }

    /// The result rows of a subject, in the order of their keys.
    pub fn rows(&self, subject: &Subject) -> Vec<Row> {
        let table = self.table.borrow();
        let of_subject = table.iter().filter(|(key, _)| key.pk == subject.as_str());
        of_subject
            .filter_map(|(_, item)| if let Item::Row(stored) = item { Some(stored.row.clone()) } else { None })
            .collect()
    }

    /// The result rows of all subjects, with their keys and the answers they are from.
    pub fn all_rows(&self) -> Vec<(ItemKey, StoredRow)> {
        let table = self.table.borrow();
        let row = |(key, item): (&ItemKey, &Item)| {
            if let Item::Row(stored) = item { Some((key.clone(), stored.clone())) } else { None }
        };
        table.iter().filter_map(row).collect()
    }

    /// What was refused and kept.
    pub fn refusals(&self) -> Vec<Refused> {
        self.each(|item| if let Item::Refused(refused, _) = item { Some(refused.clone()) } else { None })
    }

    /// Every debt a machine must pay, oldest first, whether due yet or not.
    pub fn owed(&self) -> Vec<DueKey> {
        debts(&self.table.borrow(), |_, _| true)
    }

    /// The debts that are due by then, oldest first.
    pub fn owed_by(&self, then: UnixMs) -> Vec<DueKey> {
        debts(&self.table.borrow(), |due_at, _| due_at <= then)
    }

    /// When the next debt falls due, or fell.
    pub fn next_due_at(&self) -> Option<UnixMs> {
        self.table.borrow().values().filter_map(Item::due_at).min()
    }

    /// Whether there is an entry under this key.
    pub fn holds(&self, key: &ItemKey) -> bool {
        matches!(self.table.borrow().get(key), Some(Item::Entry(_)))
    }

    /// How a provider's circuit stands; closed where there is no row.
    pub fn circuit_of(&self, provider: ProviderId) -> Circuit {
        match self.table.borrow().get(&Circuit::key(provider)) {
            Some(Item::Circuit(circuit)) => circuit.clone(),
            _ => Circuit::default(),
        }
    }

    /// The current status of every subject that has one.
    pub fn statuses(&self) -> Vec<(Subject, Status)> {
        let table = self.table.borrow();
        let pick = |(key, item): (&ItemKey, &Item)| match item {
            Item::Status(status) => Some((key.subject(), status.clone())),
            _ => None,
        };
        table.iter().filter_map(pick).collect()
    }

    /// Every status fact.
    pub fn all_facts(&self) -> Vec<(Subject, Fact)> {
        let table = self.table.borrow();
        let pick = |(key, item): (&ItemKey, &Item)| match item {
            Item::Fact(fact) => Some((key.subject(), fact.clone())),
            _ => None,
        };
        table.iter().filter_map(pick).collect()
    }

    /// The entries that wait for a person, the longest waiting first, each with the instant it was parked.
    pub fn parked(&self) -> Vec<DueKey> {
        let mut parked = self.each(|item| match item {
            Item::Entry(stored) => Some(DueKey { key: stored.entry.key.clone(), due_at: stored.parked_at? }),
            _ => None,
        });
        parked.sort_by_key(|parked| parked.due_at);
        parked
    }

    /// When the row may be deleted, if it may be.
    pub fn expires_at(&self, key: &ItemKey) -> Option<UnixMs> {
        match self.table.borrow().get(key) {
            Some(Item::Entry(stored)) => stored.expires_at,
            Some(Item::Expectation { expires_at, .. }) => *expires_at,
            _ => None,
        }
    }

    /// Deletes every row whose end has come, as the table's own expiry does: without a look at what the row is.
    pub fn expire(&self, now: UnixMs) {
        let ends = |item: &Item| match item {
            Item::Entry(stored) => stored.expires_at,
            Item::Expectation { expires_at, .. } => *expires_at,
            _ => None,
        };
        self.table.borrow_mut().retain(|_, item| ends(item).is_none_or(|end| end > now));
    }

    fn each<T>(&self, pick: impl FnMut(&Item) -> Option<T>) -> Vec<T> {
        self.table.borrow().values().filter_map(pick).collect()
    }
}
