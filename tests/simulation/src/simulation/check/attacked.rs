//! What an attacker with a live token may bring about, when all is quiet: nothing but that we ask, so and so often.

use std::collections::BTreeSet;

use hookledger_core::flows::work::MAX_ATTEMPTS;
use hookledger_core::model::entry::State;
use hookledger_core::model::entry::UNREADABLE;

use super::super::engine::CLOCKS_APART_SECS;
use super::super::plot::{Effect, TrueEvent, is_other};
use super::super::world::{Glass, World};
use super::Check;
use super::calls::asked;

/// In a world where nothing else goes wrong, what is signed is told so soon after it was taken.
const SIGNED_WITHIN_SECS: u64 = 30;
/// And what is not, so soon after the provider's API says it. Where no process has had an answer yet, ids over which the
/// API fails may open its circuit all the same, for five minutes at most, and twice before the genuine one has its turn.
const UNSIGNED_WITHIN_SECS: u64 = 900;
/// An announcement, and what its poll has found.
const OTHER_CAUSES: u64 = 2;

/// The most calls that one post may cause, for each page of the answer: an entry is asked for once, and once more after
/// each wait of the poll cadence until the waits add up to the deadline; between two waits there may be so many attempts
/// that meet trouble, and one less than a person is called at. What a post names that can't be read is polled by the same
/// cadence, and at its deadline once in a second until the deadline is past by the clock of whoever asks.
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
        let asks = u64::from((0..).find(over).unwrap_or_default()) + 1;
        Self { answered: asks + CLOCKS_APART_SECS, calls: asks * u64::from(MAX_ATTEMPTS) }
    }
}

impl<L: Glass> Check<'_, L> {
    pub(super) fn attacked(&mut self) {
        self.calls();
        self.genuine();
        self.told();
        self.told_once();
        self.expected();
        self.unread();
        self.gentle();
    }

    /// One post causes so many calls and no more. Whoever dies, or is told nothing, between a call and the write that says
    /// so, makes it once more; so does a message that comes twice.
    fn calls(&mut self) {
        let bound = Bound::of(self.world);
        let chaos = &self.world.chaos;
        let again = chaos.kills() + chaos.times_struck() + self.seen.doubled;
        let mut found = Vec::new();
        for (id, calls, posts) in asked(self.world) {
            let sum = calls.answered + calls.troubled;
            if calls.answered > posts * bound.answered + again || sum > posts * bound.calls + again {
                let what = format!(
                    "{posts} posts of {id} caused {} calls that were answered, and {} that met trouble; bound {}",
                    calls.answered, calls.troubled, bound.answered
                );
                found.push(("one post, so many calls", what));
            }
        }
        // Of a batch that there is, for each page: whoever names it makes us ask, the genuine deliveries among them.
        for batch in &self.world.truth.sides.rightfoot.batches {
            let (name, pk) = (format!("\"{}\"", batch.id), format!("rightfoot#batch#{}", batch.id));
            let posts = self.world.truth.attack.posts.iter().filter(|post| post.body.contains(&name)).count() as u64;
            let genuine = self.seen.acknowledged.iter().filter(|(event, _)| self.is_about(**event, &pk));
            let causes = posts + genuine.map(|(_, times)| u64::from(*times)).sum::<u64>() + OTHER_CAUSES;
            let answered = self.world.truth.asked_about(&format!("batchId={}&", batch.id)).answered;
            if answered > batch.pages() * (causes * bound.answered + again) {
                let what =
                    format!("{causes} causes to ask for {} led to {answered} calls that were answered", batch.id);
                found.push(("one post, so many calls", what));
            }
        }
        self.violations.extend(found);
    }

    fn is_about(&self, event: usize, pk: &str) -> bool {
        self.world.truth.plot.events[event].key.pk == pk
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

    /// A post whose event has no name that is a text is of neither flow: nobody works on it.
    fn unread(&mut self) {
        let memory = self.world.memory();
        let nameless = [r#""event_name":{}"#, r#""event_name":[]"#, r#""event_name":true"#];
        let mut found = Vec::new();
        for entry in self.entries.values().filter(|entry| entry.provider == "finbox" && entry.event_type != UNREADABLE)
        {
            let body = memory.stored(&entry.key).map(|stored| stored.body).unwrap_or_default();
            let body = String::from_utf8_lossy(&body);
            if nameless.iter().any(|name| body.contains(name)) {
                found.push(("what can't be read is no event", format!("{} has the body {body}", entry.key)));
            }
        }
        self.violations.extend(found);
    }

    /// Where nothing else goes wrong, nothing is late, and nothing is given up.
    fn gentle(&mut self) {
        if !self.world.mood.gentle {
            return;
        }
        let mut found = Vec::new();
        for (event, taken_at) in &self.seen.taken_at {
            let happens = &self.world.truth.plot.events[*event];
            let Some(entry) = self.world.kept(happens).map(|stored| stored.entry) else { continue };
            let signed = hookledger_kit::of(happens.provider).is_signed();
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
