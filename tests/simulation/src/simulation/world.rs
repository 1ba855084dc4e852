//! The world an invocation lives in: the ports of the memory world, its own clock, and what they all share.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use hookledger_core::flows::circuits::Circuits;
use hookledger_core::model::circuit::Circuit;
use hookledger_core::model::debt::Listing;
use hookledger_core::model::entry::Entry;
use hookledger_core::model::identity::{ItemKey, ProviderId};
use hookledger_core::model::job::{Job, RescuedDelivery};
use hookledger_core::model::settings::Timing;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Clock, Inbox, Ledger, QueueError, WorkQueue};
use hookledger_core::providers::Providers;

use super::chaos::Chaos;
use super::dice::Dice;
use super::mood::Mood;
use super::plot::{TrueEvent, Twin, beside, is_other};
use super::send::Keys;
use super::side::{Drawn, Held};
use super::stopped::Stopped;
use super::truth::Truth;
use crate::memory::{
    FixedClock, MemoryLedger, MemoryQueue, MemorySecrets, Message, RecordingMeter, RecordingPublisher, ScriptedApi,
    StoredEntry,
};

/// In the subject of what can't be read, before its day.
const UNREADABLE: &str = "#unreadable#";
/// Small enough that the larger bodies take three.
const PIECE_BYTES: usize = 120;

/// A ledger whose every row the simulation can see. A test wraps the memory ledger in one that breaks a rule.
pub trait Glass: Ledger {
    /// The memory ledger underneath.
    fn memory(&self) -> &MemoryLedger;
}

impl Glass for MemoryLedger {
    fn memory(&self) -> &MemoryLedger {
        self
    }
}

/// All there is.
pub(super) struct World<L> {
    pub(super) ledger: L,
    pub(super) queue: MemoryQueue,
    pub(super) clock: Rc<FixedClock>,
    pub(super) meter: RecordingMeter,
    pub(super) publisher: RecordingPublisher,
    pub(super) secrets: MemorySecrets,
    pub(super) api: ScriptedApi,
    pub(super) timing: Timing,
    pub(super) providers: Providers,
    /// A time in which one of them is stopped by a setting of its own.
    pub(super) stopped: Option<Stopped>,
    pub(super) chaos: Rc<Chaos>,
    pub(super) truth: Rc<Truth>,
    pub(super) keys: Keys,
    /// The processes that stay warm between two invocations, by what they know of the circuits.
    pub(super) warm: RefCell<Vec<Circuits>>,
    /// Messages that were received too often.
    pub(super) dead_letters: RefCell<Vec<Message>>,
    /// Whether AWS cuts the chain of a worker's own messages, as it does where the setting is missing.
    pub(super) cuts_chains: bool,
    /// How often it did.
    pub(super) cut: Cell<u64>,
    pub(super) start: UnixMs,
    pub(super) mood: Mood,
}

impl<L: Glass> World<L> {
    pub(super) fn new(seed: u64, ledger: L, span_secs: u64, keep_history: bool) -> Self {
        let clock = Rc::new(FixedClock::new(seed));
        // Not at midnight: no clock that lags behind shall write the day before.
        clock.advance_secs(3600);
        let chaos = Rc::new(Chaos::new(seed, clock.clone(), span_secs, keep_history));
        let dice = Dice::new(seed, 4);
        let held = dice.percent(30);
        let (interval, page_limit) = (dice.pick(&["900", "1800", "3600"]), dice.pick(&["1", "2", "3", "200"]));
        // Long enough for every watch to outlive the troubles, short enough to wait for its end.
        let poll_deadline = dice.pick(&["600", "1800", "3600"]);
        let secs = (span_secs, poll_deadline.parse().unwrap());
        let truth = Rc::new(Truth::new(seed, clock.clone(), chaos.clone(), secs, held));
        let mood = Mood::of(seed);
        if mood.gentle {
            chaos.heal();
        }
        let settings = [
            ("POLL_DEADLINE_SECS", poll_deadline),
            ("WATCH_DEADLINE_SECS", "14400"),
            ("LISTING_INTERVAL_SECS", interval),
        ];
        let drawn = Drawn { held, page_limit };
        let of_providers = truth.sides.all().flat_map(|side| side.settings(&drawn));
        let settings: Vec<_> = settings.into_iter().chain(of_providers).collect();
        let lookup = |name: &str| settings.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string());
        let world = Self {
            ledger,
            queue: MemoryQueue::new(clock.clone()),
            meter: RecordingMeter::default(),
            publisher: RecordingPublisher::default(),
            secrets: MemorySecrets::default(),
            api: ScriptedApi::default(),
            timing: Timing::read(&lookup).unwrap(),
            providers: Providers::read(&lookup),
            // Where an attacker alone is to be seen, nothing else goes wrong.
            stopped: if mood.gentle { None } else { Stopped::of(seed, clock.now(), span_secs, &lookup) },
            keys: Keys::new(&dice, clock.now(), span_secs),
            dead_letters: RefCell::default(),
            // Of a dice of its own, so that the rest of a seed is the same with and without.
            cuts_chains: Dice::new(seed, 6).percent(50),
            cut: Cell::default(),
            warm: RefCell::default(),
            start: clock.now(),
            mood,
            clock,
            chaos,
            truth,
        };
        let answers = world.truth.clone();
        world.api.answer_with(move |url| answers.answer(url));
        world.api.go_by(&world.secrets);
        let answers = world.truth.clone();
        world.api.answer_after(world.clock.clone(), move || answers.answer_takes_ms());
        if dice.percent(50) {
            world.ledger.memory().keep_in_pieces(PIECE_BYTES);
        }
        world.ledger.memory().faults.leave_to("ledger", world.chaos.clone());
        world.queue.faults.leave_to("queue", world.chaos.clone());
        world.publisher.faults.leave_to("bus", world.chaos.clone());
        world.secrets.faults.leave_to("secrets", world.chaos.clone());
        world.api.faults.leave_to("api", world.chaos.clone());
        world
    }

    pub(super) fn memory(&self) -> &MemoryLedger {
        self.ledger.memory()
    }

    /// What is kept of an event, under its own key or, if it has a twin that came first, beside that one.
    pub(super) fn kept(&self, event: &TrueEvent) -> Option<StoredEntry> {
        let memory = self.memory();
        let first = memory.stored(&event.key);
        match event.twin {
            Twin::None if first.is_none() && event.key.pk.contains(UNREADABLE) => {
                let entries = memory.entries().into_iter();
                let found = entries.map(|entry| entry.key).find(|key| self.on_the_first_day(key) == event.key);
                found.and_then(|key| memory.stored(&key))
            }
            Twin::None => first,
            Twin::Type(event_type) => {
                let of_type = |stored: &StoredEntry| stored.entry.event_type == event_type;
                first.filter(of_type).or_else(|| memory.stored(&beside(&event.key, event_type)))
            }
            Twin::Claims => {
                let same = |stored: &StoredEntry| stored.body == event.body.as_bytes();
                let beside = |entry: &Entry| entry.key.pk == event.key.pk && entry.key.sk.starts_with(&event.key.sk);
                let entries = || memory.entries().into_iter().filter(beside);
                first.filter(same).or_else(|| entries().filter_map(|entry| memory.stored(&entry.key)).find(same))
            }
            Twin::Content => {
                let same = |stored: &StoredEntry| stored.body == event.body.as_bytes();
                let others = memory.entries().into_iter().filter(|entry| is_other(&event.key, &entry.key));
                first.filter(same).or_else(|| others.filter_map(|entry| memory.stored(&entry.key)).find(same))
            }
        }
    }

    /// What is held, as the providers' sides look at it.
    pub(super) fn held<'a>(&'a self, kept: &'a dyn Fn(&TrueEvent) -> Option<StoredEntry>) -> Held<'a> {
        Held { memory: self.memory(), now: self.clock.now(), plot: &self.truth.plot, kept }
    }

    /// The key that an unreadable delivery would have had at the start: its day is that of its receipt, and where the table
    /// is gone for days it is received on another. Every other key is the same on all days.
    pub(super) fn on_the_first_day(&self, key: &ItemKey) -> ItemKey {
        let Some((provider, _)) = key.pk.split_once(UNREADABLE) else { return key.clone() };
        ItemKey { pk: format!("{provider}{UNREADABLE}{}", self.start.day()), sk: key.sk.clone() }
    }

    /// The providers as whoever starts now has them.
    pub(super) fn deployed(&self) -> &Providers {
        self.stopped.as_ref().and_then(|stopped| stopped.at(self.clock.now())).unwrap_or(&self.providers)
    }

    /// Whether a provider was stopped at this time.
    pub(super) fn was_stopped(&self, provider: &str, at: UnixMs) -> bool {
        let there = self.stopped.as_ref().and_then(|stopped| stopped.at(at));
        there.is_some_and(|providers| providers.stopped(provider).is_some())
    }

    /// The lists that nobody has begun to walk.
    pub(super) fn lists_to_begin(&self) -> Vec<ItemKey> {
        let known = self.memory().listings();
        let offered = self.providers.iter().filter_map(|provider| Some((provider.id(), provider.lists().offered()?)));
        let keys = offered.flat_map(|(id, lists)| lists.names().iter().map(move |list| Listing::key(id, list)));
        keys.filter(|key| known.iter().all(|listing| listing.key != *key)).collect()
    }

    /// How the providers' circuits stand.
    pub(super) fn circuits(&self) -> impl Iterator<Item = Circuit> {
        self.providers.iter().map(|provider| self.memory().circuit_of(provider.id()))
    }

    /// Runs an invocation in a process that is warm or new. One that is killed takes its process with it.
    pub(super) async fn in_a_process<T>(&self, invocation: impl AsyncFnOnce(&Circuits) -> T) -> T {
        let circuits = self.warm.borrow_mut().pop().unwrap_or_default();
        let outcome = invocation(&circuits).await;
        self.warm.borrow_mut().push(circuits);
        outcome
    }
}

/// A clock that is a little fast or slow.
pub(super) struct SkewedClock {
    clock: Rc<FixedClock>,
    skew_ms: i64,
}

impl Clock for SkewedClock {
    fn now(&self) -> UnixMs {
        UnixMs(self.clock.now().0 + self.skew_ms)
    }

    fn random(&self) -> u64 {
        self.clock.random()
    }
}

/// The queues as one invocation sees them: what it sends is one link further than what it was started by.
pub(super) struct Linked<'w> {
    queue: &'w MemoryQueue,
    links: u32,
}

impl WorkQueue for Linked<'_> {
    async fn send(&self, provider: ProviderId, job: &Job, delay_secs: u32) -> Result<(), QueueError> {
        self.queue.send_linked(provider, job, delay_secs, self.links).await
    }

    async fn rescue(&self, delivery: &RescuedDelivery) -> Result<(), QueueError> {
        self.queue.rescue_linked(delivery, self.links).await
    }

    async fn depth(&self, provider: ProviderId) -> Result<u64, QueueError> {
        self.queue.depth(provider).await
    }
}

/// What one invocation sees of the world.
pub(super) struct Sight<'w, L> {
    pub(super) world: &'w World<L>,
    pub(super) clock: SkewedClock,
    queue: Linked<'w>,
}

impl<'w, L> Sight<'w, L> {
    /// Of an invocation that no message has started: what it sends begins a chain.
    pub(super) fn new(world: &'w World<L>, skew_ms: i64) -> Self {
        let queue = Linked { queue: &world.queue, links: 0 };
        Self { world, clock: SkewedClock { clock: world.clock.clone(), skew_ms }, queue }
    }

    /// The same of one that was started by these messages. Which of them led to what it sends, AWS can't tell either: the
    /// longest chain counts.
    pub(super) fn started_by(mut self, messages: &[Message]) -> Self {
        self.queue.links = messages.iter().map(|message| message.links + 1).max().unwrap_or(0);
        self
    }
}

impl<'w, L: Glass> Inbox for Sight<'w, L> {
    type Ledger = L;
    type Queue = Linked<'w>;
    type Clock = SkewedClock;
    type Meter = RecordingMeter;

    fn ledger(&self) -> &L {
        &self.world.ledger
    }

    fn queue(&self) -> &Linked<'w> {
        &self.queue
    }

    fn clock(&self) -> &SkewedClock {
        &self.clock
    }

    fn meter(&self) -> &RecordingMeter {
        &self.world.meter
    }

    fn timing(&self) -> &Timing {
        &self.world.timing
    }
}
