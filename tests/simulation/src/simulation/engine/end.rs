//! What an invocation's end means to whoever waits for it, and the invariants that must hold at that very moment.

use hookledger_core::flows::receive::Answer;
use hookledger_core::model::debt::Expectation;
use hookledger_core::model::refused::Refused;
use hookledger_core::model::time::UnixMs;

use super::super::plot::{Effect, Forging};
use super::super::send::{FYNAPSE, Next, next};
use super::super::world::Glass;
use super::Engine;
use super::invocation::{Act, Ending, Past, Role};
use super::limits::CLOCKS_APART_SECS;

impl<L: Glass> Engine<'_, L> {
    /// What an ending, or none, means to whoever waits for it.
    pub(super) fn ended(&mut self, past: Past, role: Role, ending: Option<Ending>) {
        match (role, ending) {
            (Role::Receiver { event, made, first_copy }, ending) => {
                let answer = if let Some(Ending::Answered(answer)) = ending { Some(answer) } else { None };
                self.answered(past, event, answer.as_ref());
                if first_copy {
                    // An answer may get lost on its way back.
                    let heard = answer.filter(|_| self.calm() || !self.dice.percent(4));
                    self.after_attempt(event, made, heard);
                }
            }
            (Role::Forged(index), Some(Ending::Answered(answer))) => self.forged_answered(index, &answer),
            (Role::Worker(messages), Some(Ending::Worked(done))) => {
                for (message, _) in messages.iter().zip(done).filter(|(_, done)| *done) {
                    self.world.queue.delete(message.id);
                }
            }
            (Role::Announcer(index), Some(Ending::Announced(true))) => {
                self.seen.announced.push(index);
                if !self.expects(index) {
                    self.violated(
                        "announced is kept",
                        format!("announcement {index} was taken, and nothing waits for it"),
                    );
                }
            }
            (Role::Reconciler, _) => self.world.truth.forget_pages(),
            // The application tries until it is told yes.
            (Role::Announcer(index), _) => self.plan(self.now().plus_secs(60), Act::Announce(index)),
            _ => {}
        }
    }

    pub(super) fn expects(&self, index: usize) -> bool {
        let reference = &self.world.truth.plot.announced[index].reference;
        self.world.memory().expectations().iter().any(|expectation| expectation.reference == *reference)
    }

    /// A true delivery was answered: a 2xx must be true at this very moment.
    pub(super) fn answered(&mut self, past: Past, event: usize, answer: Option<&Answer>) {
        let happens = &self.world.truth.plot.events[event];
        let Some(answer) = answer else { return };
        if (200..300).contains(&answer.status) {
            *self.seen.acknowledged.entry(event).or_default() += 1;
            self.watch_taken(event);
            if self.world.kept(happens).is_none() && !self.rescued() {
                let what =
                    format!("event {event} was answered {} and is kept nowhere ({})", answer.status, happens.key);
                self.violated("acknowledged is kept", what);
            }
            self.watch_parked(past, event);
        } else if happens.effect == Effect::Quarantined {
            self.watch_hint(past, event);
        } else if self.was_well(past, happens.provider) {
            let what = format!("event {event} was answered {} although all is well", answer.status);
            self.violated("genuine is taken", what);
        }
    }

    /// Whether nothing was in the way of a delivery: no fault, and a secret that could be read.
    fn was_well(&self, past: Past, provider: &str) -> bool {
        let stubborn = past.started_at <= self.stubborn_until;
        let set_up =
            self.world.keys.set_up(provider, past.started_at) && !self.world.was_stopped(provider, past.started_at);
        self.calm() && !self.world.mood.gentle || !self.world.chaos.struck(past.id) && !stubborn && set_up
    }

    /// What a genuine delivery names that can't be read is asked for.
    fn watch_hint(&mut self, past: Past, event: usize) {
        let happens = &self.world.truth.plot.events[event];
        let batches = &self.world.truth.sides.rightfoot.batches;
        let named = batches.iter().find(|batch| happens.key.pk.ends_with(&format!("#{}", batch.id)));
        // An attacker may have filled its minute of the quarantine: then its provider comes again.
        let is_kept = || {
            // By this delivery: an earlier one may have been kept and not known it.
            let since = past.started_at.minus_secs(2 * CLOCKS_APART_SECS);
            let by_it = |kept: &Refused| kept.body == happens.body.as_bytes() && kept.at >= since;
            !self.world.mood.attacked || self.world.memory().refusals().iter().any(by_it)
        };
        let Some(batch) = named.filter(|_| self.was_well(past, happens.provider) && is_kept()) else { return };
        let asked = |expectation: &Expectation| expectation.reference == batch.id;
        if !self.world.memory().expectations().iter().any(asked) {
            let what = format!("event {event} names {}, and nobody asks for it", batch.id);
            self.violated("what can't be read is asked for", what);
        }
    }

    /// A genuine delivery takes its event out of a person's hands, however often: it may have been parked because somebody
    /// else claimed it before it was true.
    fn watch_parked(&mut self, past: Past, event: usize) {
        let happens = &self.world.truth.plot.events[event];
        let Some(stored) = self.world.kept(happens) else { return };
        let wanted = matches!(happens.effect, Effect::Own | Effect::Status(_) | Effect::Alike(_));
        let before = |parked_at: UnixMs| parked_at.plus_secs(2 * CLOCKS_APART_SECS) < past.started_at;
        let left_so = stored.parked_at.is_some_and(before);
        // One whose provider is stopped waits on the rescue queue.
        let waits = self.world.was_stopped(happens.provider, past.started_at);
        if wanted && left_so && !waits && !self.world.chaos.struck(past.id) {
            let what = format!("event {event} was delivered, and {} stays parked", happens.key);
            self.violated("a genuine delivery reopens", what);
        }
    }

    /// Whether a delivery waits on the rescue queue.
    pub(super) fn rescued(&self) -> bool {
        self.world.queue.messages().iter().any(|message| message.rescue)
    }

    pub(super) fn after_attempt(&mut self, event: usize, made: u32, heard: Option<Answer>) {
        let happens = &self.world.truth.plot.events[event];
        let status = heard.as_ref().map(|answer| answer.status);
        let retry_after_secs = heard.and_then(|answer| answer.retry_after_secs);
        match next(happens.provider, made, status, retry_after_secs, &self.dice) {
            Next::Content if happens.provider == FYNAPSE => {
                self.world.truth.sides.fynapse.delivered(event, happens, self.now());
            }
            Next::Content | Next::Exhausted => {}
            Next::GivesUp => {
                let what = format!("{} was answered {status:?} for event {event}", happens.provider);
                self.violated("nobody is made to give up", what);
            }
            Next::Again { after_ms } => self.plan(self.now().plus_ms(after_ms), Act::Attempt { event, made }),
        }
    }

    pub(super) fn forged_answered(&mut self, index: usize, answer: &Answer) {
        let forgery = &self.world.truth.plot.forgeries[index];
        self.seen.refused += u64::from(answer.status == 403);
        let harmless = matches!(forgery.how, Forging::Leaked | Forging::Replayed(_));
        let taken = (200..300).contains(&answer.status) && !harmless;
        // Unproved deliveries wait on the queue while the secrets are out of reach; the worker refuses them.
        if taken && (!hookledger_kit::of(forgery.provider).sends_once() || self.calm()) {
            self.violated("nothing forged gets in", format!("forgery {index} was answered {}", answer.status));
        }
    }
}
