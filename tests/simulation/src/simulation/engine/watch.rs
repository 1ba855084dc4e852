//! What must hold at every step of what is learnt about a merchant: whose effect a status is, that a return is none of
//! the times before it, that the status follows the truth, and that a cursor moves after its page.

use hookledger_core::debt::{Fact, Listing, Status};
use hookledger_core::entry::{Origin, State};
use hookledger_core::identity::{ItemKey, Subject};
use hookledger_core::time::UnixMs;

use super::super::runpayments::{Merchant, Shown, place};
use super::super::world::Glass;
use super::{CLOCKS_APART_SECS, Engine, Past};
use crate::memory::StoredEntry;

/// What is known of a fact: whose it is, since when it stands, and whether a push was found to say the same.
pub(super) struct Known {
    owner: ItemKey,
    since: UnixMs,
    matched: bool,
}

/// A status that was held: where it stands on its merchant's way, and whether only a list has shown it.
#[derive(Clone, Copy)]
pub(super) struct Held {
    step: usize,
    place: usize,
    occurred_at: UnixMs,
    listed: bool,
}

fn key_of(subject: &Subject, fact: &Fact) -> ItemKey {
    subject.item(Fact::sk(&fact.status, fact.n))
}

impl<L: Glass> Engine<'_, L> {
    /// What is learnt while this invocation has its turn.
    pub(super) fn watch(&mut self, past: Past) {
        let chaos = &self.world.chaos;
        if chaos.take_answer_lost() {
            self.world.truth.runpayments.take_served();
        }
        if chaos.take_rows_put() {
            self.watch_rows();
        }
        if chaos.take_fact_put() {
            self.watch_facts();
        }
        if chaos.take_fact_matched() {
            self.watch_matches(past);
        }
        if chaos.take_claimed() {
            self.cursor = self.merchants_cursor();
        }
        if chaos.take_cursor_moved() {
            self.watch_cursor();
        }
        if chaos.take_status_moved() {
            self.watch_statuses();
        }
        self.watch_outages(past);
    }

    fn merchant(&self, subject: &Subject) -> Option<&Merchant> {
        self.world.truth.runpayments.merchants.iter().find(|merchant| merchant.subject() == *subject)
    }

    /// A row is never replaced by what was asked for earlier.
    fn watch_rows(&mut self) {
        for (key, row) in self.world.memory().all_rows() {
            let known = self.rows.entry(key.clone()).or_insert(row.asked_at);
            if *known > row.asked_at {
                let what = format!("{key} was of {known}, and is of {}", row.asked_at);
                return self.violated("rows never go back", what);
            }
            *known = row.asked_at;
        }
    }

    /// An effect is the one entry's that took it first.
    fn watch_facts(&mut self) {
        let since = self.now();
        for (subject, fact) in self.world.memory().all_facts() {
            let first = || Known { owner: fact.owner.clone(), since, matched: false };
            let known = self.facts.entry(key_of(&subject, &fact)).or_insert_with(first);
            if known.owner != fact.owner {
                let what = format!("{subject} {} was {}'s, and is {}'s now", fact.status, known.owner, fact.owner);
                return self.violated("one effect, one owner", what);
            }
        }
    }

    /// A push that is taken for what a list has shown may be so: it says the same status, and nothing that was known
    /// when its work began says that the merchant was elsewhere between the look and the push. A return that is worked
    /// before the step that it returns from can't be told from what the list showed.
    fn watch_matches(&mut self, past: Past) {
        let facts = self.world.memory().all_facts();
        for (subject, fact) in &facts {
            let (Some(by), Some(known)) = (&fact.matched_by, self.facts.get_mut(&key_of(subject, fact))) else {
                continue;
            };
            if std::mem::replace(&mut known.matched, true) {
                continue;
            }
            let step = self.merchant(subject).and_then(|merchant| {
                let step = (0..merchant.statuses.len()).find(|step| merchant.pushed(*step) == *by)?;
                Some(merchant.step(step))
            });
            let Some((_, at)) = step.filter(|(status, _)| *status == fact.status && fact.origin == Origin::Poll) else {
                return self.violated("one effect once", format!("{by} is taken for {subject} {}", fact.status));
            };
            let looked_at = fact.occurred_at.plus_secs(CLOCKS_APART_SECS);
            let elsewhere = |other: &&(Subject, Fact)| {
                let (of, other) = other;
                let known = self.facts.get(&key_of(of, other)).is_some_and(|known| known.since < past.started_at);
                let between = looked_at < other.occurred_at && other.occurred_at < at;
                of == subject && other.status != fact.status && between && known
            };
            if let Some((_, other)) = facts.iter().find(elsewhere) {
                let what = format!("{subject} was {} since it was listed as {}: {by}", other.status, fact.status);
                return self.violated("a return is an effect of its own", what);
            }
        }
    }

    /// A status is a true one, and moves as the truth does. Where one of two is known from a list alone, which does not
    /// say since when, the later on the provider's own way may win; the list's, only if the page was asked for after the
    /// other was true.
    fn watch_statuses(&mut self) {
        let memory = self.world.memory();
        for (subject, status) in memory.statuses() {
            let listed = |(of, fact): &(Subject, Fact)| {
                let same = fact.status == status.status && fact.occurred_at == status.occurred_at;
                *of == subject && same && fact.origin == Origin::Poll
            };
            let listed = memory.all_facts().iter().any(listed);
            let Some(now) = self.merchant(&subject).and_then(|merchant| hold(merchant, &status, listed)) else {
                let what = format!("{subject} was never {} at {}", status.status, status.occurred_at);
                return self.violated("a status is a true one", what);
            };
            let Some(before) = self.held.insert(subject.to_string(), now).filter(|before| before.step > now.step)
            else {
                continue;
            };
            let shown_since = now.listed && now.occurred_at.plus_secs(CLOCKS_APART_SECS) >= before.occurred_at;
            if now.place <= before.place || !(before.listed || shown_since) {
                self.violated("statuses move forward", format!("{subject} went back to {}", status.status));
            }
        }
    }

    pub(super) fn merchants_cursor(&self) -> Option<Listing> {
        self.world.memory().listings().into_iter().find(|listing| listing.provider == "runpayments")
    }

    /// When a cursor moves beyond a page, all that the page shows is known: as a status, as a fact, or as an entry.
    fn watch_cursor(&mut self) {
        let cursor = self.merchants_cursor();
        // Another provider's list was walked.
        if cursor == self.cursor {
            return;
        }
        self.cursor = cursor;
        let Some(served) = self.world.truth.runpayments.take_served() else { return };
        let reached = self.cursor.as_ref().and_then(|cursor| cursor.position.as_ref()?.parse::<usize>().ok());
        if reached.is_some_and(|reached| reached <= served.offset) {
            return;
        }
        if let Some(shown) = served.rows.iter().find(|shown| !self.is_known(shown)) {
            let merchant = &self.world.truth.runpayments.merchants[shown.merchant];
            let (id, (status, _)) = (&merchant.id, merchant.step(shown.step));
            let what = format!("the cursor moved on, and nobody knows yet that {id} is {status}");
            self.violated("a cursor moves after its page", what);
        }
    }

    /// Whether somebody knows what a row shows: this time of the status, not one before.
    fn is_known(&self, shown: &Shown) -> bool {
        let memory = self.world.memory();
        let merchant = &self.world.truth.runpayments.merchants[shown.merchant];
        let (subject, (status, at)) = (merchant.subject(), merchant.step(shown.step));
        let since = at.minus_secs(CLOCKS_APART_SECS);
        // What was pushed since the page was asked for is newer than the page.
        let ahead = |(of, held): &(Subject, Status)| {
            let newer = held.moved_at.plus_secs(2 * CLOCKS_APART_SECS) >= shown.asked_at;
            *of == subject && (place(&held.status) >= place(status) || newer)
        };
        // One that is still open may be of a time before: the next walk finds this one, when that one has its fact.
        let listed = |n| {
            memory.stored(&merchant.listed(status, n)).is_some_and(|StoredEntry { entry, .. }| {
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
        memory.statuses().iter().any(ahead) || facts.iter().any(stands) || (1..=merchant.times(status) + 1).any(listed)
    }
}

/// The step of a merchant's way that a status is.
fn hold(merchant: &Merchant, status: &Status, listed: bool) -> Option<Held> {
    // A list says since when we know it, and not since when it is true.
    let latest = status.occurred_at.plus_secs(if listed { CLOCKS_APART_SECS } else { 0 });
    let is = |(step, at): &(&str, UnixMs)| {
        *step == status.status && if listed { *at <= latest } else { *at == status.occurred_at }
    };
    let step = merchant.statuses.iter().rposition(is)?;
    Some(Held { step, place: place(&status.status), occurred_at: status.occurred_at, listed })
}
