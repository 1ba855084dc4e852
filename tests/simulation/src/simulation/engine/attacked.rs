//! Posts of somebody who has a live token, and what is noted of the genuine deliveries that come among them.

use hookledger_core::model::entry::State;
use hookledger_core::model::identity::ItemKey;
use hookledger_core::ports::Clock as _;

use super::super::world::Glass;
use super::Engine;
use super::invocation::Role;
use super::limits::CLOCKS_APART_SECS;
use super::seen::Awaited;

impl<L: Glass> Engine<'_, L> {
    pub(super) fn post(&mut self, index: usize) {
        let post = &self.world.truth.attack.posts[index];
        let sight = self.sight();
        let delivery = self.world.keys.posted(post.provider, &post.body, self.now(), sight.clock.now());
        let name = format!("somebody posts to {}: {}", post.provider, post.body);
        self.receive(name, Role::Posted, delivery, sight);
    }

    /// A genuine delivery was taken.
    pub(super) fn watch_taken(&mut self, event: usize) {
        let now = self.now();
        if *self.seen.taken_at.entry(event).or_insert(now) < now {
            return;
        }
        let happens = &self.world.truth.plot.events[event];
        let sent_at = happens.at.plus_ms(happens.delay_ms);
        let Some(entry) = self.world.kept(happens).map(|stored| stored.entry) else { return };
        let before = entry.received_at.plus_secs(2 * CLOCKS_APART_SECS) < sent_at;
        // A worker may have counted one since the delivery came.
        // What waits on the queue is let in later.
        if before && !self.rescued() && entry.state == State::Open && entry.waits.max(entry.attempts) > 1 {
            let awaited = Awaited { reopened: entry.reopened, waits: entry.waits, attempts: entry.attempts };
            self.seen.awaited.insert(event, awaited);
        }
    }

    /// When an entry was told of first. Only an attack makes it worth to know.
    pub(super) fn watch_told(&mut self) {
        let count = self.world.publisher.count();
        if count == self.told || !(self.world.mood.attacked || self.world.mood.gentle) {
            return;
        }
        let now = self.now();
        for announcement in self.world.publisher.published().into_iter().skip(self.told) {
            self.seen.told_at.entry(entry_of(&announcement.detail)).or_insert(now);
        }
        self.told = count;
    }
}

/// The entry that a published detail is of.
fn entry_of(detail: &str) -> ItemKey {
    let value: serde_json::Value = serde_json::from_str(detail).unwrap();
    let text = |name: &str| value["entry"][name].as_str().unwrap_or_default().to_string();
    ItemKey { pk: text("pk"), sk: text("sk") }
}
