//! What an invocation's end means to whoever waits for it, and the invariants that must hold at that very moment.

use hookledger_core::receive::Answer;

use super::super::runpayments::place;
use super::super::send::{Next, next};
use super::super::truth::{Effect, Forging};
use super::super::world::Glass;
use super::{Act, Ending, Engine, Role};
use crate::memory::Message;

impl<L: Glass> Engine<'_, L> {
    /// What an ending, or none, means to whoever waits for it.
    pub(super) fn ended(&mut self, role: Role, ending: Option<Ending>) {
        match (role, ending) {
            (Role::Receiver { event, made, first_copy }, ending) => {
                let answer = if let Some(Ending::Answered(answer)) = ending { Some(answer) } else { None };
                self.answered(event, answer.as_ref());
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
    pub(super) fn answered(&mut self, event: usize, answer: Option<&Answer>) {
        let happens = &self.world.truth.plot.events[event];
        let Some(answer) = answer else { return };
        if (200..300).contains(&answer.status) {
            *self.seen.acknowledged.entry(event).or_default() += 1;
            if !self.world.memory().holds(&happens.key) && !self.rescued() {
                let what =
                    format!("event {event} was answered {} and is kept nowhere ({})", answer.status, happens.key);
                self.violated("acknowledged is kept", what);
            }
        } else if self.calm() && happens.effect != Effect::Quarantined {
            let what = format!("event {event} was answered {} although all is well", answer.status);
            self.violated("genuine is taken", what);
        }
    }

    /// Whether a delivery waits on the queue, dead or alive.
    pub(super) fn rescued(&self) -> bool {
        let is_rescue = |message: &Message| message.body.contains(r#""job":"rescue""#);
        self.world.queue.messages().iter().any(is_rescue) || self.world.dead_letters.borrow().iter().any(is_rescue)
    }

    pub(super) fn after_attempt(&mut self, event: usize, made: u32, heard: Option<Answer>) {
        let happens = &self.world.truth.plot.events[event];
        let status = heard.as_ref().map(|answer| answer.status);
        let retry_after_secs = heard.and_then(|answer| answer.retry_after_secs);
        match next(happens.provider, made, status, retry_after_secs, &self.dice) {
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
        let taken = (200..300).contains(&answer.status) && forgery.how != Forging::Leaked;
        // Unproved deliveries wait on the queue while the secrets are out of reach; the worker refuses them.
        if taken && (forgery.provider != "finbox" || self.calm()) {
            self.violated("nothing forged gets in", format!("forgery {index} was answered {}", answer.status));
        }
    }

    /// A status moves forward only, and never ahead of the truth.
    pub(super) fn watch_statuses(&mut self) {
        for (subject, status) in self.world.memory().statuses() {
            let place = place(&status.status);
            let before = self.ranks.insert(subject.to_string(), place);
            if before.is_some_and(|before| before > place) {
                self.violated("statuses move forward", format!("{subject} went back to {}", status.status));
            }
        }
    }
}
