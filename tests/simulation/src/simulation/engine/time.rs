//! How time goes on, when everything heals, and when all is quiet.

use hookledger_core::model::debt::{Expectation, Listing};
use hookledger_core::model::entry::State;
use hookledger_core::model::time::UnixMs;

use super::super::world::Glass;
use super::Engine;

impl<L: Glass> Engine<'_, L> {
    pub(super) fn heal(&mut self) {
        self.world.chaos.tell(|| "everything heals".into());
        self.world.chaos.heal();
        self.world.secrets.expire();
        self.world.secrets.reread_too_recent(false);
        self.seen.healed_at = Some(self.now());
        let soon = self.now().plus_secs(60);
        let waits = |expectation: &Expectation| expectation.due_at.is_some() && expectation.deadline > soon;
        let waiting = self.world.memory().expectations().into_iter().filter(waits);
        self.seen.waiting_at_heal = waiting.map(|expectation| expectation.key).collect();
        // Nobody is killed any more: what is in flight ends well.
        for invocation in &mut self.invocations {
            invocation.turns_left = None;
        }
    }

    /// Nothing is in flight: on to the next thing that happens.
    pub(super) fn jump(&mut self) {
        let now = self.now();
        let due = self.world.memory().next_due_at().map(|due_at| due_at.max(self.next_minute));
        let agenda = self.agenda.keys().next().map(|(at, _)| *at);
        let next = [due, agenda, self.world.queue.next_visible_at()].into_iter().flatten().min();
        // A visible message that nobody took, or a debt that a slow clock did not see: a moment later.
        self.world.clock.set(next.map_or(now.plus_secs(60), |next| next.max(now.plus_ms(1))));
    }

    /// Something is in flight: time goes on by what a call takes.
    pub(super) fn creep(&mut self) {
        let all_wait = self.idle > 2 * self.invocations.len() as u64;
        if let Some(at) = self.world.api.next_answer_at().filter(|_| all_wait) {
            // Everybody waits for an answer: on to the first of them.
            return self.world.clock.set(at.max(self.now()));
        }
        let ms = match self.dice.below(1000) {
            0 if !self.calm() => self.dice.between(500, 6_000),
            1..=300 => 0,
            _ => self.dice.below(8),
        };
        self.world.clock.advance_ms(ms);
    }

    pub(super) fn quiet(&self) -> bool {
        let memory = self.world.memory();
        // The lists are walked once more after the last that they could tell.
        let told = self.world.truth.sides.fynapse.deliveries().into_iter().map(|delivery| delivery.changed_at).max();
        let last = [told, self.moved_at].into_iter().flatten().fold(self.heal_at, UnixMs::max);
        let interval_secs = self.world.timing.listing_interval_secs;
        let since = |walks: u64| last.plus_secs(walks * interval_secs);
        // A list that was in trouble may have been put off for longer.
        let walked = |listing: &Listing| self.walked.get(&listing.key).is_some_and(|at| *at > since(1));
        self.calm()
            && self.agenda.is_empty()
            && self.now() > since(3)
            && memory.listings().iter().all(walked)
            && self.world.queue.next_visible_at().is_none()
            && memory.entries_in(State::Open).is_empty()
            && memory.expectations().iter().all(|expectation| expectation.due_at.is_none())
    }

    pub(super) fn restless(&mut self) {
        let owed: Vec<String> =
            self.world.memory().owed().iter().map(|due| format!("{} at {}", due.key, due.due_at)).collect();
        let messages: Vec<String> = self.world.queue.messages().into_iter().map(|message| message.body).collect();
        let what = format!("a day after all was well: owed {owed:?}, on the queue {messages:?}");
        self.violated("quiescence", what);
    }
}
