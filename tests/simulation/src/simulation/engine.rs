//! The scheduler: one thread, many invocations in flight, each polled in random order and some of them killed.
//!
//! Time is simulated. While something is in flight it creeps; when nothing is, it jumps to the next thing that happens.

mod attacked;
mod end;
mod outage;
mod start;
mod time;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use hookledger_core::flows::receive::Answer;
use hookledger_core::model::debt::Listing;
use hookledger_core::model::identity::{ItemKey, ProviderId};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::Clock as _;

use super::dice::Dice;
use super::send::PROVIDERS;
use super::stopped::Stopped;
use super::world::{Glass, World};
use crate::memory::Message;
pub(super) use attacked::Awaited;
use outage::Line;
use watch::{Held, Known};

/// The clocks of two invocations are at most twice this apart.
const MAX_SKEW_MS: u64 = 2_400;
/// More than two clocks are ever apart.
pub(super) const CLOCKS_APART_SECS: u64 = 5;
/// When everything is healed, all must be quiet within a day: the longest wait left is a provider's next attempt.
const QUIET_WITHIN_SECS: u64 = 24 * 3600;
/// How long a worker or a reconciler lives.
const WORKER_LIMIT_MS: u64 = 60_000;
/// More turns than any seed needs.
const MAX_TURNS: u64 = 2_000_000;

/// A thing that is to happen at a certain time.
enum Act {
    Attempt { event: usize, made: u32 },
    Forge(usize),
    Post(usize),
    Announce(usize),
    Close(usize),
    Rotate(&'static str),
    ExpireCaches,
    AllowReread,
    Heal,
    Replay(usize),
}

/// Whose future it is, and what its end means.
enum Role {
    Receiver { event: usize, made: u32, first_copy: bool },
    Replayed,
    Closer,
    Forged(usize),
    Posted,
    Worker(Vec<Message>),
    Reconciler,
    Announcer(usize),
}

enum Ending {
    Answered(Answer),
    Worked(Vec<bool>),
    Reconciled,
    Announced(bool),
    Closed(bool),
}

struct Invocation<'w> {
    id: u32,
    name: String,
    role: Role,
    future: Pin<Box<dyn Future<Output = Ending> + 'w>>,
    started_at: UnixMs,
    limit_ms: u64,
    turns_left: Option<u32>,
}

/// What is known of an invocation that has ended.
#[derive(Clone, Copy)]
struct Past {
    id: u32,
    started_at: UnixMs,
}

/// What the run itself saw go wrong, by the name of the invariant.
pub(super) type Violations = Vec<(&'static str, String)>;

/// What is known at the end beyond the ledger itself.
#[derive(Default)]
pub(super) struct Seen {
    /// The true events that were answered 2xx, by index, with how often.
    pub(super) acknowledged: BTreeMap<usize, u32>,
    /// When each was answered so first.
    pub(super) taken_at: BTreeMap<usize, UnixMs>,
    /// Those whose entry was there already, and had waited: somebody had posted it before it was true.
    pub(super) awaited: BTreeMap<usize, Awaited>,
    /// Messages that were shown once more while somebody had them.
    pub(super) doubled: u64,
    /// When each entry was told of first.
    pub(super) told_at: BTreeMap<ItemKey, UnixMs>,
    /// The announcements that were taken, by index.
    pub(super) announced: Vec<usize>,
    /// What the application no longer waits for, by reference.
    pub(super) closed: BTreeSet<String>,
    /// Forged deliveries that were answered 403.
    pub(super) refused: u64,
    /// When a merchant's webhook had an effect last: its fact, or a status that is its own.
    pub(super) effects: BTreeMap<ItemKey, UnixMs>,
    /// The expectations that waited, with a while to go, when everything healed.
    pub(super) waiting_at_heal: Vec<ItemKey>,
    pub(super) healed_at: Option<UnixMs>,
    pub(super) violations: Violations,
}

/// The run of one seed.
pub(super) struct Engine<'w, L> {
    world: &'w World<L>,
    dice: Dice,
    agenda: BTreeMap<(UnixMs, u64), Act>,
    planned: u64,
    invocations: Vec<Invocation<'w>>,
    started: u32,
    next_minute: UnixMs,
    ranges: u8,
    heal_at: UnixMs,
    quiet_by: UnixMs,
    /// Until then secrets are not read again, however much a signature asks for it.
    stubborn_until: UnixMs,
    /// The status of each merchant, by its subject.
    held: BTreeMap<String, Held>,
    /// The status facts.
    facts: BTreeMap<ItemKey, Known>,
    /// When each result row was asked for.
    rows: BTreeMap<ItemKey, UnixMs>,
    /// What is known of the providers' circuits.
    lines: BTreeMap<ProviderId, Line>,
    /// The invocations that a provider told that it may not be asked for now, and those that it told anything else.
    throttled: BTreeSet<(u32, ProviderId)>,
    answered: BTreeSet<(u32, ProviderId)>,
    /// The expectations that expired, each with the time it was announced.
    expired: BTreeSet<(ItemKey, UnixMs)>,
    /// When somebody died of a provider's answer last.
    deadly_at: Option<UnixMs>,
    /// How the lists' cursors stood last.
    cursors: BTreeMap<ItemKey, Listing>,
    /// When a webhook moved a status last.
    moved_at: Option<UnixMs>,
    /// When the walks of the lists began that are under way, and those that came to their end last.
    begun: BTreeMap<ItemKey, UnixMs>,
    walked: BTreeMap<ItemKey, UnixMs>,
    /// How many published events were looked at.
    told: usize,
    /// Turns in a row in which no port was called.
    idle: u64,
    /// The port calls at the last turn.
    calls: u64,
    pub(super) seen: Seen,
}

impl<'w, L: Glass> Engine<'w, L> {
    pub(super) fn new(seed: u64, world: &'w World<L>, span_secs: u64) -> Self {
        let dice = Dice::new(seed, 5);
        let ranges = dice.pick(&[1, 4, 16, 16, 16, 16, 16, 16]);
        let heal_at = world
            .start
            .plus_secs(span_secs + dice.between(600, 1200))
            .max(world.truth.well_from())
            .max(world.chaos.table_back_at())
            .max(world.stopped.as_ref().map_or(world.start, Stopped::until));
        let mut engine = Self {
            world,
            dice,
            agenda: BTreeMap::new(),
            planned: 0,
            invocations: Vec::new(),
            started: 0,
            next_minute: world.start,
            ranges,
            heal_at,
            quiet_by: heal_at.plus_secs(QUIET_WITHIN_SECS),
            stubborn_until: world.start,
            held: BTreeMap::new(),
            facts: BTreeMap::new(),
            rows: BTreeMap::new(),
            lines: BTreeMap::new(),
            throttled: BTreeSet::new(),
            answered: BTreeSet::new(),
            expired: BTreeSet::new(),
            deadly_at: None,
            cursors: BTreeMap::new(),
            moved_at: None,
            begun: BTreeMap::new(),
            walked: BTreeMap::new(),
            told: 0,
            idle: 0,
            calls: 0,
            seen: Seen::default(),
        };
        for provider in PROVIDERS {
            world.keys.store(provider, world.start, &world.secrets);
        }
        world.secrets.expire();
        engine.plan_all(span_secs);
        engine
    }

    fn plan_all(&mut self, span_secs: u64) {
        let plot = &self.world.truth.plot;
        for (event, happens) in plot.events.iter().enumerate().filter(|(_, happens)| !happens.lost) {
            self.plan(happens.at.plus_ms(happens.delay_ms), Act::Attempt { event, made: 0 });
        }
        for (event, at) in self.world.truth.fynapse.again.iter().copied() {
            self.plan(at, Act::Attempt { event, made: 0 });
        }
        for (index, forgery) in plot.forgeries.iter().enumerate() {
            self.plan(forgery.at, Act::Forge(index));
        }
        for (index, post) in self.world.truth.attack.posts.iter().enumerate() {
            self.plan(post.at, Act::Post(index));
        }
        for (index, announced) in plot.announced.iter().enumerate() {
            self.plan(announced.at, Act::Announce(index));
            if let Some(at) = announced.closed_at {
                self.plan(at, Act::Close(index));
            }
        }
        for (provider, at) in self.world.keys.changes() {
            self.plan(at, Act::Rotate(provider));
        }
        for minute in (0..span_secs / 60 + 40).step_by(5) {
            self.plan(self.world.start.plus_secs(minute * 60), Act::ExpireCaches);
        }
        self.plan(self.heal_at, Act::Heal);
    }

    fn plan(&mut self, at: UnixMs, act: Act) {
        self.planned += 1;
        self.agenda.insert((at, self.planned), act);
    }

    fn now(&self) -> UnixMs {
        self.world.clock.now()
    }

    fn calm(&self) -> bool {
        self.world.chaos.healed()
    }

    fn violated(&mut self, invariant: &'static str, what: String) {
        self.world.chaos.tell(|| format!("VIOLATION {invariant}: {what}"));
        self.seen.violations.push((invariant, what));
    }

    /// Runs until nothing is owed, or until it is clear that this never happens.
    pub(super) fn run(&mut self) {
        for _ in 0..MAX_TURNS {
            self.happen();
            self.deliver_messages();
            self.tick();
            if self.invocations.is_empty() {
                if self.quiet() {
                    return self.watch_closed();
                }
                if self.now() > self.quiet_by {
                    self.watch_closed();
                    return self.restless();
                }
                self.jump();
            } else {
                self.creep();
                self.poll_one();
            }
        }
        self.violated("quiescence", format!("still busy after {MAX_TURNS} turns"));
    }

    /// Everything that is to happen by now.
    fn happen(&mut self) {
        while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= self.world.clock.now()) {
            match entry.remove() {
                Act::Attempt { event, made } => self.attempt(event, made + 1),
                Act::Forge(index) => self.forge(index),
                Act::Post(index) => self.post(index),
                Act::Announce(index) => self.announce(index),
                Act::Rotate(provider) => {
                    self.world.chaos.tell(|| format!("{provider}: secrets are stored"));
                    self.world.keys.store(provider, self.now(), &self.world.secrets);
                }
                Act::ExpireCaches => {
                    self.world.secrets.expire();
                    // What was read just now is not read again for half a minute.
                    if !self.calm() && self.dice.percent(30) {
                        self.world.secrets.reread_too_recent(true);
                        self.stubborn_until = self.now().plus_secs(30);
                        self.plan(self.stubborn_until, Act::AllowReread);
                    }
                }
                Act::Close(index) => self.close(index),
                Act::Replay(event) => self.replay(event),
                Act::AllowReread => self.world.secrets.reread_too_recent(false),
                Act::Heal => self.heal(),
            }
        }
    }

    fn poll_one(&mut self) {
        let index = self.dice.index(self.invocations.len());
        let now = self.now();
        let invocation = &mut self.invocations[index];
        let late = now.since_ms(invocation.started_at) > invocation.limit_ms;
        let past = Past { id: invocation.id, started_at: invocation.started_at };
        let killed = invocation.turns_left.is_some_and(|turns| turns == 0);
        if killed || late {
            let ended = self.invocations.swap_remove(index);
            let how = if late { "times out" } else { "is killed" };
            self.world.chaos.tell(|| format!("#{:<4} {how}: {}", ended.id, ended.name));
            self.world.chaos.killed();
            // Dropped before anyone hears of it.
            drop(ended.future);
            return self.ended(past, ended.role, None);
        }
        invocation.turns_left = invocation.turns_left.map(|turns| turns - 1);
        self.world.chaos.polled(invocation.id);
        let polled = invocation.future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let calls = self.world.chaos.calls();
        self.idle = if calls == self.calls { self.idle + 1 } else { 0 };
        self.calls = calls;
        if let Poll::Ready(ending) = polled {
            let ended = self.invocations.swap_remove(index);
            self.world.chaos.tell(|| format!("#{:<4} ends{}", ended.id, told(&ending)));
            self.ended(past, ended.role, Some(ending));
        } else if self.world.truth.take_deadly() {
            // Out of memory: it dies at its next turn, now and whenever it comes back to this.
            self.invocations[index].turns_left = Some(0);
            self.deadly_at = Some(now);
        }
        self.watch(past);
    }

    /// Long after, when no identity is remembered any more, somebody sends captured deliveries again.
    pub(super) fn run_epilogue(&mut self) {
        if !self.dice.percent(25) {
            return;
        }
        let days = self.world.timing.retention_days + self.dice.between(1, 90);
        self.world.clock.advance_secs(days * 24 * 3600);
        self.world.memory().expire(self.now());
        self.next_minute = self.now();
        self.quiet_by = self.now().plus_secs(QUIET_WITHIN_SECS);
        self.world.chaos.tell(|| format!("{days} days later"));
        let told = self.world.publisher.count();
        for event in self.seen.acknowledged.keys().copied().collect::<Vec<_>>() {
            if ["runpayments", "fynapse"].contains(&self.world.truth.plot.events[event].provider) {
                self.plan(self.now().plus_ms(self.dice.below(60_000)), Act::Replay(event));
            }
        }
        self.run();
        let told_again = self.world.publisher.count() - told;
        if told_again > 0 {
            let what = format!("{told_again} events were published again {days} days after they were captured");
            self.violated("no capture outlives its identity", what);
        }
    }
}

fn told(ending: &Ending) -> String {
    match ending {
        Ending::Answered(answer) => format!(", answered {}", answer.status),
        Ending::Worked(done) => format!(", done {done:?}"),
        Ending::Reconciled => String::new(),
        Ending::Closed(taken) | Ending::Announced(taken) => format!(", taken: {taken}"),
    }
}
