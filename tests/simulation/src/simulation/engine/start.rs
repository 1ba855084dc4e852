//! What starts an invocation: a delivery, an announcement, messages on the queue, the schedule.

use futures_util::future::join_all;
use hookledger_core::flows::call::Asker;
use hookledger_core::flows::circuits::Circuits;
use hookledger_core::flows::expectations::{announce, close};
use hookledger_core::flows::receive::{receive, stopped};
use hookledger_core::flows::reconcile::Run;
use hookledger_core::flows::work::Worker;
use hookledger_core::model::debt::DUE_SHARDS;
use hookledger_core::model::delivery::Delivery;
use hookledger_core::model::identity::ItemKey;
use hookledger_core::ports::Clock as _;
use hookledger_core::providers::definition;

use super::super::plot::Forging;
use super::super::send::{FYNAPSE, Sent};
use super::super::world::{Glass, Sight};
use super::Engine;
use super::invocation::{Ending, Invocation, Role};
use super::limits::{MAX_SKEW_MS, WORKER_LIMIT_MS};
use crate::memory::Message;

/// As in the template.
const VISIBILITY_MS: u64 = 360_000;
const MAX_RECEIVES: u32 = 5;
const MAX_RESCUE_RECEIVES: u32 = 1_000;
/// AWS lets a function follow itself, through a queue, so often.
const MAX_LINKS: u32 = 16;
const BATCH: u64 = 10;
const MAX_WORKERS: usize = 4;
const RECEIVER_LIMIT_MS: u64 = 10_000;
const RECONCILER_LIMIT_MS: u64 = 55_000;
/// How long before its limit a reconciler takes no new debt.
const MARGIN_MS: u64 = 10_000;

impl<'w, L: Glass> Engine<'w, L> {
    pub(super) fn start(&mut self, name: String, role: Role, limit_ms: u64, future: impl Future<Output = Ending> + 'w) {
        self.started += 1;
        let id = self.started;
        let doomed = !self.calm() && self.dice.percent(8);
        let turns_left = doomed.then(|| u32::try_from(self.dice.below(50)).unwrap());
        self.world.chaos.tell(|| format!("#{id:<4} starts: {name}"));
        let started_at = self.now();
        self.invocations.push(Invocation {
            id,
            name,
            role,
            future: Box::pin(future),
            started_at,
            limit_ms,
            turns_left,
        });
    }

    pub(super) fn sight(&self) -> Sight<'w, L> {
        let skew = i64::try_from(self.dice.below(2 * MAX_SKEW_MS)).unwrap() - i64::try_from(MAX_SKEW_MS).unwrap();
        Sight::new(self.world, if self.dice.percent(50) { skew } else { 0 })
    }

    pub(super) fn attempt(&mut self, event: usize, made: u32) {
        let happens = &self.world.truth.plot.events[event];
        if happens.provider == FYNAPSE {
            self.world.truth.sides.fynapse.tries(event, happens, self.now());
        }
        if !self.calm() && self.dice.percent(6) {
            self.world.chaos.tell(|| format!("{}: attempt {made} of event {event} gets lost", happens.provider));
            return self.after_attempt(event, made, None);
        }
        let copies = if !self.calm() && self.dice.percent(10) { self.dice.between(2, 4) } else { 1 };
        for copy in 0..copies {
            let sight = self.sight();
            let received_at = sight.clock.now();
            // What is sent twice at once may come from two senders, that count for themselves.
            let body_made = made + u32::try_from(copy).unwrap();
            let first_at = happens.at.plus_ms(happens.delay_ms);
            let sent = Sent { first_at, at: self.now(), received_at };
            let delivery = self.world.keys.genuine(happens.provider, &happens.body, body_made, sent);
            let name =
                format!("{} delivers event {event} (attempt {made}, copy {copy}): {}", happens.provider, happens.body);
            self.receive(name, Role::Receiver { event, made, first_copy: copy == 0 }, delivery, sight);
        }
    }

    pub(super) fn forge(&mut self, index: usize) {
        let forgery = &self.world.truth.plot.forgeries[index];
        let captured = match forgery.how {
            Forging::Altered(event) | Forging::Replayed(event) => self.world.truth.plot.events[event].body.as_str(),
            _ => "",
        };
        let sight = self.sight();
        let mut delivery = self.world.keys.forged(forgery.provider, &forgery.body, forgery.how, captured, self.now());
        delivery.received_at = sight.clock.now();
        let name = format!("{} is forged ({:?}): {}", forgery.provider, forgery.how, forgery.body);
        self.receive(name, Role::Forged(index), delivery, sight);
    }

    /// A capture of a true delivery, sent again as it was.
    pub(super) fn replay(&mut self, event: usize) {
        let happens = &self.world.truth.plot.events[event];
        let sight = self.sight();
        let sent = Sent { first_at: happens.at, at: happens.at, received_at: sight.clock.now() };
        let delivery = self.world.keys.genuine(happens.provider, &happens.body, 1, sent);
        self.receive(format!("event {event} is replayed"), Role::Replayed, delivery, sight);
    }

    pub(super) fn receive(&mut self, name: String, role: Role, delivery: Delivery, sight: Sight<'w, L>) {
        let (world, providers) = (self.world, self.world.deployed());
        self.start(name, role, RECEIVER_LIMIT_MS, async move {
            let answer = match providers.get(delivery.provider.0) {
                Some(provider) => receive(&sight, &world.secrets, provider, delivery).await,
                None => stopped(&sight, definition(delivery.provider.0).unwrap(), &delivery).await,
            };
            Ending::Answered(answer)
        });
    }

    pub(super) fn announce(&mut self, index: usize) {
        let (world, sight, providers) = (self.world, self.sight(), self.world.deployed());
        let announced = &world.truth.plot.announced[index];
        let name = format!("the application announces {} {}", announced.provider, announced.reference);
        self.start(name, Role::Announcer(index), RECEIVER_LIMIT_MS, async move {
            let Some(provider) = providers.get(announced.provider) else { return Ending::Announced(false) };
            Ending::Announced(announce(&sight, provider, &announced.reference).await.is_ok())
        });
    }

    /// The application thinks better of what it announced.
    pub(super) fn close(&mut self, index: usize) {
        let (world, sight, providers) = (self.world, self.sight(), self.world.deployed());
        let announced = &world.truth.plot.announced[index];
        self.seen.closed.insert(announced.reference.clone());
        let name = format!("the application closes {} {}", announced.provider, announced.reference);
        self.start(name, Role::Closer, RECEIVER_LIMIT_MS, async move {
            let Some(provider) = providers.get(announced.provider) else { return Ending::Closed(false) };
            Ending::Closed(close(&sight, provider, &announced.reference).await.is_ok())
        });
    }

    /// Hands visible messages to workers: in any order, some twice, some late.
    pub(super) fn deliver_messages(&mut self) {
        let workers = self.invocations.iter().filter(|invocation| matches!(invocation.role, Role::Worker(_))).count();
        let visible = self.world.queue.next_visible_at().is_some_and(|at| at <= self.now());
        if !visible || workers >= MAX_WORKERS || (!self.invocations.is_empty() && !self.dice.percent(25)) {
            return;
        }
        let most = |message: &Message| if message.rescue { MAX_RESCUE_RECEIVES } else { MAX_RECEIVES };
        for dead in self.world.queue.take_dead(most) {
            self.world.chaos.tell(|| format!("dead letter after {} receives: {}", dead.receives, dead.body));
            self.world.dead_letters.borrow_mut().push(dead);
        }
        let (dice, calm, most) = (&self.dice, self.calm(), self.dice.between(1, BATCH));
        let mut taken = 0;
        let mut doubled = 0;
        let mut batch = self.world.queue.receive_some(|_| {
            if taken >= most || (!calm && dice.percent(30)) {
                return None;
            }
            taken += 1;
            let again = !calm && dice.percent(4);
            doubled += u64::from(again);
            Some(if again { dice.below(2_000) } else { VISIBILITY_MS })
        });
        self.seen.doubled += doubled;
        if self.world.cuts_chains {
            // Received, and never handed over: it comes back until it is a dead letter.
            let received = batch.len();
            batch.retain(|message| message.links <= MAX_LINKS);
            self.world.cut.set(self.world.cut.get() + (received - batch.len()) as u64);
        }
        if batch.is_empty() {
            return;
        }
        let (world, sight) = (self.world, self.sight().started_by(&batch));
        let jobs: Vec<_> = batch.iter().map(|message| message.job().unwrap()).collect();
        let bodies: Vec<&str> = batch.iter().map(|message| message.body.as_str()).collect();
        let name = format!("worker on {}", bodies.join(" "));
        let providers = world.deployed();
        self.start(name, Role::Worker(batch), WORKER_LIMIT_MS, async move {
            let work = async |circuits: &Circuits| {
                let asker = Asker { inbox: &sight, providers, api: &world.api, circuits };
                let worker = Worker { asker, publisher: &world.publisher, secrets: &world.secrets };
                join_all(jobs.into_iter().map(|job| worker.work(job))).await
            };
            let done = world.in_a_process(work).await;
            Ending::Worked(done.iter().map(Result::is_ok).collect())
        });
    }

    /// The schedule: each minute, one reconciler for each range of shards. Those with nothing to find are left out.
    pub(super) fn tick(&mut self) {
        if self.now() < self.next_minute {
            return;
        }
        self.world.memory().expire(self.now());
        // A run also sees to it that the lists in its shards are walked at all.
        let to_begin = self.world.lists_to_begin();
        self.next_minute =
            self.now().plus_ms(60_000 - u64::try_from((self.now().0 - self.world.start.0) % 60_000).unwrap());
        let due = self.world.memory().owed_by(self.now().plus_ms(MAX_SKEW_MS));
        let width = DUE_SHARDS / self.ranges;
        for range in 0..self.ranges {
            let shards = range * width..=range * width + width - 1;
            let within = |key: &ItemKey| shards.contains(&key.shard(DUE_SHARDS));
            let found = due.iter().map(|due| &due.key).chain(&to_begin).any(within);
            let missed = if self.world.chaos.table_is_long_gone() { 90 } else { 10 };
            if !found || (!self.calm() && self.dice.percent(missed)) {
                continue;
            }
            let (world, sight, providers) = (self.world, self.sight(), self.world.deployed());
            let deadline = sight.clock.now().plus_ms(RECONCILER_LIMIT_MS - MARGIN_MS);
            let run = Run { shards, deadline };
            self.start(
                format!("reconciler of shards {:?}", run.shards),
                Role::Reconciler,
                RECONCILER_LIMIT_MS,
                async move {
                    let reconcile = async |circuits: &Circuits| {
                        let asker = Asker { inbox: &sight, providers, api: &world.api, circuits };
                        asker.reconcile(&run).await
                    };
                    let _ = world.in_a_process(reconcile).await;
                    Ending::Reconciled
                },
            );
        }
    }
}
