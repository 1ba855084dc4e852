//! The scheduler: one thread, many invocations in flight, each polled in random order and some of them killed.
//!
//! Time is simulated. While something is in flight it creeps; when nothing is, it jumps to the next thing that happens.

mod attacked;
mod end;
mod invocation;
mod known;
pub(super) mod limits;
mod outage;
pub(super) mod seen;
mod start;
mod time;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::task::{Context, Poll, Waker};

use hookledger_core::model::debt::Listing;
use hookledger_core::model::identity::{ItemKey, ProviderId};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::Clock as _;

use super::dice::Dice;
use super::stopped::Stopped;
use super::world::{Glass, World};
use invocation::{Act, Invocation, Past, told};
use known::{Held, Known, Line};
pub(super) use limits::CLOCKS_APART_SECS;
pub(super) use seen::{Seen, Violations};

/// When everything is healed, all must be quiet within a day: the longest wait left is a provider's next attempt.
const QUIET_WITHIN_SECS: u64 = 24 * 3600;
/// More turns than any seed needs.
const MAX_TURNS: u64 = 2_000_000;

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
        for provider in hookledger_kit::names() {
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
        for (event, at) in self.world.truth.sides.fynapse.again.iter().copied() {
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
            if hookledger_kit::of(self.world.truth.plot.events[event].provider).is_signed() {
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
