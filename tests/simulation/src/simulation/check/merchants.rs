//! The merchants, when all is quiet: each status that was reached is one effect, and each merchant stands where it stands.
//!
//! A merchant may return to a status. Its webhooks have a key each, so a return that is pushed is told from a redelivery,
//! always, and so is the list's row from the second time on. What can't be told apart are a row and a push of the same
//! status, where nothing that is known says that the merchant was elsewhere in between: the two are one effect then
//! (`watch_matches`). And two things a list can't do: it shows the present alone, and it may only advance a status.

use std::collections::BTreeSet;

use hookledger_core::model::entry::{Origin, State};
use hookledger_core::model::fact::Fact;
use hookledger_core::model::identity::ItemKey;

use super::super::engine::CLOCKS_APART_SECS;
use super::super::sides::runpayments::{Merchant, place};
use super::super::world::Glass;
use super::Check;

impl<L: Glass> Check<'_, L> {
    /// The list was walked after everything healed: every merchant stands where it really stands, and its effects are
    /// out, each once.
    pub(super) fn merchants(&mut self) {
        let all_facts = self.world.memory().all_facts();
        let mut found = Vec::new();
        for (index, merchant) in self.world.truth.sides.runpayments.merchants.iter().enumerate() {
            let subject = merchant.subject();
            let facts: Vec<&Fact> = all_facts.iter().filter(|(of, _)| *of == subject).map(|(_, fact)| fact).collect();
            found.extend(self.final_status(index, merchant, &facts));
            found.extend(self.listed_too_often(merchant, &facts));
            for fact in &facts {
                let (status, n) = (&fact.status, usize::try_from(fact.n).unwrap());
                let numbered = n == 1 || facts.iter().any(|before| before.status == *status && before.n + 1 == fact.n);
                // A page that lags behind shows again what was left before.
                if !numbered
                    || n > merchant.times(status) + merchant.misplaced() + self.shown_late(index, merchant, status)
                {
                    found.push(("one effect once", format!("{subject} has a fact {status} {n}")));
                }
                let event_type = format!("merchant.{status}");
                let told = self.published.iter().any(|told| told.entry == fact.owner && told.event_type == event_type);
                if self.state(&fact.owner) == Some(State::Done) && !told {
                    found.push(("what is done was published", format!("{subject} became {status}")));
                }
            }
            for (step, (status, _)) in merchant.statuses.iter().enumerate() {
                let entry = merchant.pushed(step, self.world.memory());
                let says = |fact: &&&Fact| fact.owner == entry || fact.matched_by.as_ref() == Some(&entry);
                let times = facts.iter().filter(says).count();
                if self.state(&entry) == Some(State::Done) && times != 1 {
                    found.push(("one effect once", format!("{subject} became {status} by {entry}, in {times} facts")));
                }
                // Whoever owns the fact, and whatever became of it.
                let untold = |fact: &&&Fact| says(fact) && !self.published.iter().any(|told| told.entry == fact.owner);
                if self.state(&entry) == Some(State::Done) && facts.iter().any(|fact| untold(&fact)) {
                    found.push(("what is done was published", format!("{subject} became {status} by {entry}")));
                }
            }
        }
        self.violations.extend(found);
    }

    /// A list makes one event of a status, however often it shows it, and another one only for each push of another status
    /// that came, or had its effect, since the list first made one; and once more, where one push has a time that can't be
    /// believed and so seems to come after what the list had shown. What a push was there to tell before the list's entry
    /// was worked is the push's event: the entry settles on it, and the next walk asks anew.
    fn listed_too_often(&self, merchant: &Merchant, facts: &[&Fact]) -> Option<(&'static str, String)> {
        let memory = self.world.memory();
        let listed_as = |status: &str| {
            let start = format!("event#listing#{}#{status}#", merchant.id);
            let subject = merchant.subject();
            self.entries
                .values()
                .filter(move |entry| entry.key.subject() == subject && entry.key.sk.starts_with(&start))
        };
        let statuses: BTreeSet<&str> = merchant.statuses.iter().map(|(status, _)| *status).collect();
        let is_pushed = |key: &ItemKey, status: &str| {
            let of_push = |fact: &&&Fact| fact.origin == Origin::Push && fact.status == status;
            let mut pushed = facts.iter().filter(of_push);
            pushed.any(|fact| key.sk.ends_with(&format!("#{}", fact.n)))
        };
        statuses.into_iter().find_map(|status| {
            let first = listed_as(status).map(|entry| entry.received_at).min()?;
            let since = first.minus_secs(2 * CLOCKS_APART_SECS);
            let away = |step: &usize| {
                let pushed = merchant.pushed(*step, memory);
                let received_at = self.entries.get(&pushed).map(|entry| entry.received_at);
                let last = received_at.max(self.seen.effects.get(&pushed).copied());
                merchant.step(*step).0 != status && last.is_some_and(|last| last >= since)
            };
            let pushes = (0..merchant.statuses.len()).filter(away).count();
            let times = listed_as(status).filter(|entry| !is_pushed(&entry.key, status)).count();
            let reasons = pushes + merchant.misplaced();
            let what =
                format!("{} became {status} {times} times by the list, with {reasons} reasons since", merchant.id);
            (times > 1 + reasons).then_some(("a list makes at most one event of one state", what))
        })
    }

    /// How often a page showed a status that had been left by the time the page was asked for.
    fn shown_late(&self, index: usize, merchant: &Merchant, status: &str) -> usize {
        let left = |step: usize| merchant.statuses.get(step + 1).map(|(_, at)| *at);
        let shown = self.world.truth.sides.runpayments.shown_of(index);
        let late = shown.iter().filter(|shown| merchant.step(shown.step).0 == status);
        late.filter(|shown| left(shown.step).is_some_and(|left| left <= shown.asked_at)).count()
    }

    /// The status that is held is the last one, but for three cases.
    fn final_status(&self, index: usize, merchant: &Merchant, facts: &[&Fact]) -> Option<(&'static str, String)> {
        let steps = &merchant.statuses;
        let (step, (last, at)) = (steps.len().checked_sub(1)?, *steps.last()?);
        let statuses = self.world.memory().statuses();
        let subject = merchant.subject();
        let held = statuses.iter().find(|(of, _)| *of == subject).map(|(_, status)| status.status.as_str());
        if held == Some(last) {
            return None;
        }
        let broken = ("the final status is the true one", format!("{subject} is {last:?}, and held as {held:?}"));
        // Its entry was given to a person before it could move the status.
        let parked = |key: &ItemKey| self.state(key) == Some(State::Parked);
        let since = at.minus_secs(CLOCKS_APART_SECS);
        let with_a_person = |fact: &&Fact| fact.status == last && fact.occurred_at >= since && parked(&fact.owner);
        let pushed = merchant.pushed(step, self.world.memory());
        if parked(&pushed) || facts.iter().copied().any(|fact| with_a_person(&fact)) {
            return None;
        }
        let Some(held) = held.filter(|held| place(held) >= place(last)) else { return Some(broken) };
        // A return whose webhook was lost: the list may only advance a status.
        let lost = !self.entries.contains_key(&pushed);
        if lost && self.heard_last(merchant, held, facts) {
            return None;
        }
        // A return while the list was looked at: the page showed the status before.
        let looked = at.minus_secs(2 * CLOCKS_APART_SECS);
        let shown = self.world.truth.sides.runpayments.shown_of(index);
        let showed = shown.iter().any(|shown| merchant.step(shown.step).0 == held && shown.asked_at >= looked);
        (!showed).then_some(broken)
    }

    /// Whether nothing was pushed that is later than this status: it was pushed itself, or the list has shown it since.
    fn heard_last(&self, merchant: &Merchant, held: &str, facts: &[&Fact]) -> bool {
        let steps = || merchant.statuses.iter().enumerate().rev();
        let heard =
            |entry: ItemKey| facts.iter().any(|fact| fact.owner == entry || fact.matched_by.as_ref() == Some(&entry));
        let pushed = steps().find(|(step, _)| heard(merchant.pushed(*step, self.world.memory())));
        let Some((_, (pushed, pushed_at))) = pushed else { return true };
        let listed = |fact: &&Fact| {
            let since = fact.occurred_at.plus_secs(CLOCKS_APART_SECS);
            fact.status == held && fact.origin == Origin::Poll && since >= *pushed_at
        };
        *pushed == held || facts.iter().copied().any(|fact| listed(&fact))
    }
}
