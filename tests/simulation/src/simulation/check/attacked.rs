//! What an attacker with a live token may bring about, when all is quiet: nothing but that we ask, so and so often.

use std::collections::BTreeSet;

use hookledger_core::entry::State;
use hookledger_core::identity::ItemKey;
use hookledger_core::time::UnixMs;
use hookledger_core::work::MAX_ATTEMPTS;

use super::super::attacker::BOGUS;
use super::super::engine::CLOCKS_APART_SECS;
use super::super::truth::{Effect, TrueEvent};
use super::super::world::{Glass, World, is_other};
use super::Check;

/// In a world where nothing else goes wrong, what is signed is told so soon after it was taken.
const SIGNED_WITHIN_SECS: u64 = 30;
/// And what is not, so soon after the provider's API says it.
const UNSIGNED_WITHIN_SECS: u64 = 240;
/// An alert of Rightfoot's, as its entry's key begins.
const ALERT: &str = "event#BALANCE_THRESHOLD_ALERT#";

/// The most calls that one post may cause, for each page of the answer: an entry is asked for once, and once more after
/// each wait of the poll cadence until the waits add up to the deadline; between two waits there may be so many attempts
/// that meet trouble, and one less than a person is called at.
pub(super) struct Bound {
    /// Calls that are answered.
    pub(super) answered: u64,
    /// Calls in all.
    pub(super) calls: u64,
}

impl Bound {
    pub(super) fn of<L>(world: &World<L>) -> Self {
        let timing = &world.timing;
        let over = |waits: &u32| timing.poll.elapsed_ms(*waits) >= timing.poll_deadline_secs * 1000;
        let waits = (0..).find(over).unwrap_or_default();
        let answered = u64::from(waits) + 1;
        Self { answered, calls: answered * u64::from(MAX_ATTEMPTS) }
    }
}

impl<L: Glass> Check<'_, L> {
    pub(super) fn attacked(&mut self) {
        self.calls();
        self.genuine();
        self.told();
        self.expected();
        self.gentle();
    }

    /// One post causes so many calls and no more.
    fn calls(&mut self) {
        let bound = Bound::of(self.world);
        let mut found = Vec::new();
        for (id, posts) in &self.world.truth.attack.invented {
            let calls = self.world.truth.asked_about(id);
            let sum = calls.answered + calls.troubled;
            if calls.answered > posts * bound.answered || sum > posts * bound.calls {
                let what = format!(
                    "{posts} posts of {id} caused {} calls that were answered, and {} that met trouble; bound {}",
                    calls.answered, calls.troubled, bound.answered
                );
                found.push(("one post, so many calls", what));
            }
        }
        self.violations.extend(found);
    }

    /// A genuine delivery has its whole time, whatever was posted before it.
    fn genuine(&mut self) {
        let mut found = Vec::new();
        for (event, awaited) in &self.seen.awaited {
            let happens = &self.world.truth.plot.events[*event];
            let Some(entry) = self.world.kept(happens).map(|stored| stored.entry) else { continue };
            let reason = entry.reason.unwrap_or_default();
            let given_up = reason.starts_with("never confirmed") || reason.starts_with("tried 8 times");
            if entry.state == State::Parked && given_up && entry.reopened == awaited.reopened {
                let what = format!(
                    "{} had {} waits and {} attempts behind it when event {event} came, and is parked: {reason}",
                    happens.key, awaited.waits, awaited.attempts
                );
                found.push(("a genuine delivery has its whole time", what));
            }
        }
        self.violations.extend(found);
    }

    /// What is told is what the provider's API said by then: a true event, or an alert of authorizers that it names.
    fn told(&mut self) {
        let plot = &self.world.truth.plot;
        let of_events = plot.events.iter().map(|event| (&event.key, event.at));
        let since = |key: &ItemKey| {
            let found = plot.found_by_asking.iter().map(|(key, at)| (key, *at));
            of_events.clone().chain(found).filter(|(known, _)| *known == key).map(|(_, at)| at).min()
        };
        let mut found = Vec::new();
        let mut said = BTreeSet::new();
        for told in &self.published {
            if !["rightfoot#", "finbox#"].iter().any(|provider| told.entry.pk.starts_with(provider)) {
                continue;
            }
            let told_at = self.seen.told_at.get(&told.entry).map(|at| at.plus_secs(CLOCKS_APART_SECS));
            let true_by_then = |at: UnixMs| told_at.is_none_or(|told_at| told_at >= at);
            let is_true = match since(&told.entry) {
                Some(at) => true_by_then(at),
                None if told.entry.sk.starts_with(ALERT) => self.confirmed(&told.entry).is_some_and(true_by_then),
                None => false,
            };
            if !is_true {
                found.push(("nothing is told that the API did not say", told.detail.clone()));
            }
            if told.detail.contains(BOGUS) {
                found.push(("nothing posted is told", told.detail.clone()));
            }
            let is_completion = told.entry.sk.starts_with("event#BALANCE_BATCH_COMPLETED");
            if is_completion && !told.detail.contains(r#""occurred_at":null"#) {
                found.push(("nothing posted is told", told.detail.clone()));
            }
            said.insert(&told.entry);
        }
        self.violations.extend(found);
    }

    /// Since when Rightfoot's API names the balances of an alert's batch.
    fn confirmed(&self, alert: &ItemKey) -> Option<UnixMs> {
        let of = |id: &str| alert.pk == format!("rightfoot#batch#{id}");
        self.world.truth.rightfoot.batches.iter().find(|batch| of(&batch.id))?.shown_from()
    }

    /// Nobody is waited for but whom an application announced, or a delivery named that can't be read.
    fn expected(&mut self) {
        let announced: BTreeSet<&str> =
            self.world.truth.plot.announced.iter().map(|announced| announced.reference.as_str()).collect();
        let mut found = Vec::new();
        for row in self.world.memory().expectations() {
            if row.reference.starts_with("link:") && !announced.contains(row.reference.as_str()) {
                found.push(("no post announces a link", format!("{} is watched", row.reference)));
            }
        }
        self.violations.extend(found);
    }

    /// Where nothing else goes wrong, nothing is late, nothing is given up, and no circuit opens.
    fn gentle(&mut self) {
        if !self.world.mood.gentle {
            return;
        }
        let mut found = Vec::new();
        for provider in self.world.providers.iter() {
            let circuit = self.world.memory().circuit_of(provider.id());
            if circuit.version > 0 {
                found.push(("no post opens a circuit", format!("{}'s moved {} times", provider.id(), circuit.version)));
            }
        }
        for (event, taken_at) in &self.seen.taken_at {
            let happens = &self.world.truth.plot.events[*event];
            let Some(entry) = self.world.kept(happens).map(|stored| stored.entry) else { continue };
            let signed = ["fynapse", "runpayments"].contains(&happens.provider);
            let wanted = matches!(happens.effect, Effect::Own | Effect::Status(_) | Effect::Alike(_));
            let wanted = wanted && !is_other(&happens.key, &entry.key);
            let is_deadly = happens.key.pk.ends_with("#deadly");
            if !wanted || is_deadly {
                continue;
            }
            if entry.state != State::Done {
                let what = format!("event {event}, {}, is {:?}: {:?}", happens.key, entry.state, entry.reason);
                found.push(("nothing genuine is given up", what));
                continue;
            }
            let Some(told_at) = self.seen.told_at.get(&entry.key) else { continue };
            let claimed = self.is_claimed(happens);
            let within = if signed { SIGNED_WITHIN_SECS } else { UNSIGNED_WITHIN_SECS };
            if !claimed && *told_at > taken_at.plus_secs(within) {
                let late = told_at.since_ms(*taken_at) / 1000;
                found.push(("nothing genuine waits for it", format!("{} was told after {late} s", entry.key)));
            }
        }
        self.violations.extend(found);
    }

    /// Whether somebody claimed it before it was sent.
    fn is_claimed(&self, happens: &TrueEvent) -> bool {
        let sent_at = happens.at.plus_ms(happens.delay_ms);
        self.world.kept(happens).is_some_and(|stored| stored.entry.received_at < sent_at)
    }
}
