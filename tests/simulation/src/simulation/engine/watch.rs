//! What must hold at every step of what is learnt about a merchant: whose effect a status is, that a return is none of
//! the times before it, that the status follows the truth, and that a cursor moves after its page.

use hookledger_core::model::entry::Origin;
use hookledger_core::model::fact::{Fact, Status};
use hookledger_core::model::identity::{ItemKey, Subject};
use hookledger_core::ports::Clock as _;

use super::super::side::{AFTER_ITS_PAGE, Side};
use super::super::sides::runpayments::{Merchant, place};
use super::super::world::Glass;
use super::Engine;
use super::invocation::Past;
use super::known::{Held, Known};
use super::limits::CLOCKS_APART_SECS;
use crate::memory::MemoryLedger;

fn key_of(subject: &Subject, fact: &Fact) -> ItemKey {
    subject.item(Fact::sk(&fact.status, fact.n))
}

impl<L: Glass> Engine<'_, L> {
    /// What is learnt while this invocation has its turn.
    pub(super) fn watch(&mut self, past: Past) {
        let chaos = &self.world.chaos;
        if chaos.take_answer_lost() {
            self.world.truth.forget_pages();
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
            let listings = self.world.memory().listings();
            self.cursors = listings.into_iter().map(|listing| (listing.key.clone(), listing)).collect();
        }
        if chaos.take_cursor_moved() {
            self.watch_cursors();
        }
        if chaos.take_status_moved() {
            self.watch_statuses();
        }
        self.watch_told();
        self.watch_outages(past);
    }

    fn merchant(&self, subject: &Subject) -> Option<&Merchant> {
        self.world.truth.sides.runpayments.merchants.iter().find(|merchant| merchant.subject() == *subject)
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
            self.seen.effects.entry(fact.owner.clone()).or_insert(since);
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
            self.seen.effects.insert(by.clone(), self.world.clock.now());
            let memory = self.world.memory();
            let merchants = &self.world.truth.sides.runpayments.merchants;
            let step = merchants.iter().find(|merchant| merchant.subject() == *subject).and_then(|merchant| {
                let step = (0..merchant.statuses.len()).find(|step| merchant.pushed(*step, memory) == *by)?;
                Some((merchant.step(step).0, merchant.since(step, memory)))
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
            let Some(now) = self.merchant(&subject).and_then(|merchant| hold(merchant, &status, listed, memory)) else {
                let what = format!("{subject} was never {} at {}", status.status, status.occurred_at);
                return self.violated("a status is a true one", what);
            };
            let before = self.held.insert(subject.to_string(), now);
            if before.is_none_or(|before| before.step != now.step)
                && let Some(merchant) = self.merchant(&subject)
            {
                self.seen.effects.insert(merchant.pushed(now.step, memory), self.world.clock.now());
                self.moved_at = if now.listed { self.moved_at } else { Some(self.world.clock.now()) };
            }
            let Some(before) = before.filter(|before| before.step > now.step) else { continue };
            // One of the two has a time that can't be believed, and counts from its receipt, by a clock of ours.
            let is_ahead = |merchant: &Merchant| merchant.is_ahead(now.step) || merchant.is_ahead(before.step);
            let received_since = now.occurred_at >= before.occurred_at && self.merchant(&subject).is_some_and(is_ahead);
            let shown_since = now.listed && now.occurred_at.plus_secs(CLOCKS_APART_SECS) >= before.occurred_at;
            if !received_since && (now.place <= before.place || !(before.listed || shown_since)) {
                self.violated("statuses move forward", format!("{subject} went back to {}", status.status));
            }
        }
    }

    /// When a cursor moves beyond a page, all that the page shows is known.
    fn watch_cursors(&mut self) {
        for listing in self.world.memory().listings() {
            let before = self.cursors.insert(listing.key.clone(), listing.clone());
            if before.as_ref() == Some(&listing) {
                continue;
            }
            // A walk that was held up goes on where it stopped: what counts is when it began.
            if before.is_none_or(|before| before.position.is_none()) {
                self.begun.insert(listing.key.clone(), self.now());
            }
            if listing.position.is_none() {
                self.walked.extend(self.begun.remove_entry(&listing.key));
            }
            let reached = listing.position.and_then(|position| position.parse::<u64>().ok());
            let world = self.world;
            let is_its =
                |side: &&dyn Side| side.provider() == listing.provider && side.lists().contains(&listing.list.as_str());
            let Some(side) = world.truth.sides.all().find(is_its) else {
                self.violated("the simulation knows every list", listing.list);
                continue;
            };
            if let Some(what) = side.passed_over(reached, &world.held(&|event| world.kept(event))) {
                self.violated(AFTER_ITS_PAGE, format!("the cursor moved on, and nobody knows yet that {what}"));
            }
        }
    }
}

/// The step of a merchant's way that a status is.
fn hold(merchant: &Merchant, status: &Status, listed: bool, memory: &MemoryLedger) -> Option<Held> {
    // A list says since when we know it, and not since when it is true.
    let latest = status.occurred_at.plus_secs(if listed { CLOCKS_APART_SECS } else { 0 });
    let is = |step: &usize| {
        let (name, at) = merchant.step(*step);
        let at = if listed { at } else { merchant.since(*step, memory) };
        name == status.status && if listed { at <= latest } else { at == status.occurred_at }
    };
    let step = (0..merchant.statuses.len()).rev().find(is)?;
    Some(Held { step, place: place(&status.status), occurred_at: status.occurred_at, listed })
}
