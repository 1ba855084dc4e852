//! Operational trouble under load: a table that throttles, a queue that is out of reach, a reconciler that was switched
//! off. What providers are answered, what is kept, and how soon all is well again. The figures are printed.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use hookledger_core::flows::call::Asker;
use hookledger_core::flows::expectations::announce;
use hookledger_core::flows::receive::RETRY_AFTER_SECS;
use hookledger_core::flows::reconcile::Run;
use hookledger_core::model::debt::{DUE_SHARDS, ExpectationState};
use hookledger_core::model::entry::State;
use hookledger_core::model::identity::ProviderId;
use hookledger_core::model::provider_call::{ApiError, ApiRequest, ApiResponse};
use hookledger_core::ports::{Clock, Metric, ProviderApi};
use hookledger_kit::{self as kit, Kit};
use hookledger_tests::memory::{Fate, FixedClock, Side, run};
use hookledger_tests::town::{Town, confirmed, id};

/// The `n`th event of a provider.
fn event(provider: &str, n: usize) -> String {
    kit::event(provider, &format!("{n}"))
}

fn town() -> Town {
    let town = Town::new();
    town.confirm();
    town
}

/// While it is on, so many calls in a hundred are refused, evenly: what throttling looks like to its callers.
#[derive(Debug, Default)]
struct Throttle {
    percent: Cell<u32>,
    calls: Cell<u32>,
    refused: Cell<u32>,
}

impl Fate for Throttle {
    fn strikes(&self, _port: &'static str, _call: &'static str) -> Option<Side> {
        let n = self.calls.replace(self.calls.get() + 1);
        // 37 and 100 have no common factor, so the share is exact and no kind of call is always the one refused.
        let refused = n.wrapping_mul(37) % 100 < self.percent.get();
        self.refused.set(self.refused.get() + u32::from(refused));
        refused.then_some(Side::Before)
    }

    fn went(&self, _port: &'static str, _call: &'static str, _how: &'static str) {}
}

/// By provider and status, how many deliveries.
type Answers = BTreeMap<(&'static str, u16), usize>;

/// Providers that deliver, and come again a minute after an answer that is no 2xx, unless they send once.
struct Load {
    town: Town,
    sent: usize,
    unheard: usize,
    again: Vec<(&'static str, usize)>,
    taken: Vec<(&'static str, usize)>,
    answers: Answers,
}

impl Load {
    fn on(town: Town) -> Self {
        Self { town, sent: 0, unheard: 0, again: Vec::new(), taken: Vec::new(), answers: Answers::new() }
    }

    /// One minute: so many new events of each provider, what comes again, the reconciler, the worker.
    fn minute(&mut self, new: usize) {
        self.town.inbox.clock.advance_secs(60);
        let mut due = std::mem::take(&mut self.again);
        for _ in 0..new {
            due.extend(kit::names().map(|provider| (provider, self.sent)));
            self.sent += 1;
        }
        for (provider, n) in due {
            let answered = self.town.deliver(provider, &event(provider, n));
            *self.answers.entry((provider, answered.status)).or_default() += 1;
            match answered.status {
                200 => self.taken.push((provider, n)),
                status => {
                    assert_eq!((status, answered.retry_after_secs), (503, Some(RETRY_AFTER_SECS)), "{provider}");
                    match kit::of(provider).sends_once() {
                        true => self.unheard += 1,
                        false => self.again.push((provider, n)),
                    }
                }
            }
        }
        // A run that can't read fails as a whole, and the schedule makes the next.
        let _ = run(self.town.asker().reconcile(&self.town.full_run()));
        self.town.work();
    }

    /// Minutes without new events until nobody is owed anything.
    fn drain(&mut self, limit: u32) -> u32 {
        for minute in 0..limit {
            let open = self.town.inbox.ledger.entries_in(State::Open).len();
            if self.again.is_empty() && open == 0 && self.town.inbox.queue.messages().is_empty() {
                return minute;
            }
            self.minute(0);
        }
        panic!("not drained after {limit} minutes: {:#?}", self.town.inbox.ledger.entries_in(State::Open));
    }

    fn assert_all_is_well(&self) {
        let events = self.sent * kit::ALL.len() - self.unheard;
        assert_eq!(self.taken.len(), events, "each was answered 2xx once");
        assert_eq!(self.town.inbox.ledger.entries_in(State::Parked), []);
        assert_eq!(self.town.inbox.ledger.entries_in(State::Done).len(), events);
        assert_eq!(self.town.effects().len(), events);
    }

    fn answered(&self, provider: &'static str, status: u16) -> usize {
        self.answers.get(&(provider, status)).copied().unwrap_or_default()
    }
}

#[test]
fn a_throttled_table_is_answered_503_and_drains_within_minutes() {
    let mut load = Load::on(town());
    let throttle = Rc::new(Throttle::default());
    load.town.inbox.ledger.faults.leave_to("ledger", throttle.clone());
    for minute in 0..30 {
        throttle.percent.set(if (5..25).contains(&minute) { 50 } else { 0 });
        load.minute(5);
    }
    let waiting = load.again.len();
    let open = load.town.inbox.ledger.entries_in(State::Open).len();
    let drained = load.drain(90);
    println!(
        "20 minutes with half of the table's calls refused ({} of them): answered {:?}; afterwards {waiting} were still \
         to come again and {open} were open; drained after {drained} minutes",
        throttle.refused.get(),
        load.answers
    );
    load.assert_all_is_well();
    // What is sent once is taken by the queue while the table refuses it.
    assert!(load.town.inbox.meter.total(Metric::Rescued) > 0);
    for kit in kit::ALL {
        let expected = if kit.sends_once() { 0..1 } else { 20..200 };
        assert!(expected.contains(&load.answered(kit.name, 503)), "{:?}", load.answers);
    }
    assert!(drained <= 30, "{drained} minutes");
}

#[test]
fn hours_without_a_queue_cost_no_provider_anything_and_park_nothing() {
    let mut load = Load::on(town());
    load.town.inbox.queue.faults.down(true);
    for minute in 0..4 * 60 {
        load.minute(usize::from(minute % 10 == 0));
    }
    let open = load.town.inbox.ledger.entries_in(State::Open).len();
    assert_eq!(open, load.sent * kit::ALL.len(), "nothing is lost, nothing parked, nothing worked on");
    assert!(kit::names().all(|provider| load.answered(provider, 200) == load.sent), "{:?}", load.answers);
    load.town.inbox.queue.faults.down(false);
    let drained = load.drain(60);
    println!("4 hours without a queue: answered {:?}; {open} owed; drained after {drained} minutes", load.answers);
    load.assert_all_is_well();
    assert!(drained <= 10, "{drained} minutes");
}

/// `WorkFailingAlarm` looks at quarters of an hour.
#[test]
fn an_outage_of_the_queue_is_counted_in_each_quarter_of_an_hour() {
    let town = town();
    town.inbox.queue.faults.down(true);
    for provider in kit::names() {
        assert_eq!(town.deliver(provider, &event(provider, 1)).status, 200);
    }
    for quarter in 0..8 {
        town.inbox.meter.clear();
        for _ in 0..15 {
            town.inbox.clock.advance_secs(60);
            town.reconcile();
        }
        for provider in kit::names() {
            assert!(town.inbox.meter.of(Metric::WorkFailed, id(provider)) > 0, "{provider}, quarter {quarter}");
        }
    }
}

#[test]
fn hours_without_a_worker_park_nothing() {
    let town = town();
    for minute in 0..4 * 60 {
        town.inbox.clock.advance_secs(60);
        if minute % 10 == 0 {
            for provider in kit::names() {
                assert_eq!(town.deliver(provider, &event(provider, minute)).status, 200);
            }
        }
        town.reconcile();
    }
    let (open, waiting) = (town.inbox.ledger.entries_in(State::Open).len(), town.inbox.queue.messages().len());
    let all = 24 * kit::ALL.len();
    assert_eq!((open, town.inbox.ledger.entries_in(State::Parked).len()), (all, 0));
    // A batch a minute: slow enough for the reconciler to look on while the queue runs empty.
    let mut minutes = 0;
    while !town.inbox.ledger.entries_in(State::Open).is_empty() {
        minutes += 1;
        assert!(minutes < 600, "{:#?}", town.inbox.ledger.entries_in(State::Open));
        town.inbox.clock.advance_secs(60);
        for message in town.inbox.queue.receive(10, 360) {
            town.work_on(message.job().unwrap()).unwrap();
            town.inbox.queue.delete(message.id);
        }
        town.reconcile();
    }
    println!("4 hours without a worker: {open} open, {waiting} messages; worked off after {minutes} minutes");
    assert_eq!(town.inbox.ledger.entries_in(State::Parked), []);
    assert_eq!((town.inbox.ledger.entries_in(State::Done).len(), town.effects().len()), (all, all));
}

#[test]
fn what_nobody_works_on_is_a_persons_after_a_week_on_the_busiest_queue() {
    let town = town();
    assert_eq!(town.deliver("fynapse", &event("fynapse", 1)).status, 200);
    let parked_by_day: Vec<usize> = (0..9)
        .map(|_| {
            for _ in 0..24 * 6 {
                town.inbox.clock.advance_secs(600);
                town.reconcile();
            }
            town.inbox.ledger.entries_in(State::Parked).len()
        })
        .collect();
    assert!(town.inbox.queue.messages().len() >= 8, "the queue was never empty");
    assert_eq!(parked_by_day, [0, 0, 0, 0, 0, 0, 0, 1, 1]);
}

#[test]
fn with_neither_table_nor_queue_nobody_is_told_that_it_was_taken() {
    let mut load = Load::on(town());
    load.town.inbox.ledger.faults.down(true);
    load.town.inbox.queue.faults.down(true);
    for _ in 0..10 {
        load.minute(3);
    }
    assert!(load.answers.keys().all(|(_, status)| *status == 503), "{:?}", load.answers);
    assert_eq!(load.town.inbox.ledger.entries(), []);
    load.town.inbox.ledger.faults.down(false);
    load.town.inbox.queue.faults.down(false);
    let drained = load.drain(60);
    println!("10 minutes with neither: answered {:?}; drained after {drained} minutes", load.answers);
    load.assert_all_is_well();
    // Nothing but its API brings these: no 2xx was given for them.
    let once = kit::ALL.iter().filter(|kit| kit.sends_once());
    assert!(once.clone().all(|kit| load.answered(kit.name, 503) == 30), "{:?}", load.answers);
    assert_eq!(load.unheard, 30 * once.count());
    assert!(drained <= 10, "{drained} minutes");
}

/// Answers after a second, many at a time; counts who is asked, and how many calls are in flight.
struct Slow {
    clock: Rc<FixedClock>,
    in_flight: RefCell<BTreeMap<&'static str, usize>>,
    most: RefCell<BTreeMap<&'static str, usize>>,
    calls: Cell<usize>,
}

/// Turns that a call stays in flight.
const TURNS: u32 = 8;
/// The calls that one provider has in flight, as reconcile.rs limits them.
const IN_FLIGHT: usize = 32;
const CALL_MS: u64 = 1_000;

impl ProviderApi for Slow {
    async fn is_used(&self, _: ProviderId) -> bool {
        true
    }

    async fn call(&self, provider: ProviderId, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
        self.calls.set(self.calls.get() + 1);
        let now = {
            let mut in_flight = self.in_flight.borrow_mut();
            let now = in_flight.entry(provider.0).or_default();
            *now += 1;
            *now
        };
        let mut turns = TURNS;
        poll_fn(|context| {
            turns -= 1;
            context.waker().wake_by_ref();
            if turns == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        // Those that are polled have all their calls in flight at once here, and these take their second together.
        self.clock.advance_ms(CALL_MS / u64::try_from(polled().len() * IN_FLIGHT).unwrap());
        *self.in_flight.borrow_mut().get_mut(provider.0).unwrap() -= 1;
        let mut most = self.most.borrow_mut();
        let most = most.entry(provider.0).or_default();
        *most = (*most).max(now);
        confirmed(&request.url)
    }
}

/// The providers that can be asked about one event.
fn polled() -> Vec<&'static Kit> {
    kit::ALL.iter().copied().filter(|kit| !kit.references.is_empty()).collect()
}

#[test]
fn a_day_without_the_reconciler_is_caught_up_with_evenly() {
    let town = town();
    let expected = polled();
    // A day in which nothing polls, and the queue brings nothing to anybody.
    town.inbox.queue.faults.down(true);
    const DEBTS_AN_HOUR: usize = 80;
    for hour in 0..24 {
        for n in 0..DEBTS_AN_HOUR {
            let n = hour * DEBTS_AN_HOUR + n;
            town.deliver("fynapse", &event("fynapse", n));
            for kit in &expected {
                let reference = kit.reference(&format!("{n}")).unwrap();
                run(announce(&town.inbox, town.provider(kit.name), &reference)).unwrap();
            }
        }
        town.inbox.clock.advance_secs(3600);
    }
    town.inbox.queue.faults.down(false);
    let all = 24 * DEBTS_AN_HOUR;
    let owed = town.inbox.ledger.owed_by(town.inbox.clock.now()).len();
    assert_eq!(owed, all * (1 + expected.len()), "all of them, since the first run makes the lists' debts");

    let clock = town.inbox.clock.clone();
    let api =
        Slow { clock: clock.clone(), in_flight: RefCell::default(), most: RefCell::default(), calls: Cell::new(0) };
    let mut calls_by_run = Vec::new();
    let mut sent_by_run = Vec::new();
    while !town.inbox.ledger.owed_by(clock.now()).is_empty() {
        assert!(calls_by_run.len() < 30, "{calls_by_run:?}");
        // As the schedule does it: a run a minute, which takes up nothing in the last 22 of its 55 seconds.
        let started = clock.now();
        let asker = Asker { inbox: &town.inbox, providers: &town.providers, api: &api, circuits: &town.circuits };
        let before = api.calls.get();
        let this = Run { shards: 0..=DUE_SHARDS - 1, deadline: started.plus_secs(33) };
        let report = run(asker.reconcile(&this)).unwrap();
        assert_eq!(report.failed, 0);
        assert!(clock.now() <= started.plus_secs(55), "a run ends in its function's time: {report:?}");
        calls_by_run.push(api.calls.get() - before);
        sent_by_run.push(town.inbox.queue.messages().len());
        town.work();
        clock.set(clock.now().max(started.plus_secs(60)));
    }
    let most = api.most.borrow().clone();
    println!(
        "a day of {owed} debts: {} runs, calls of providers by run {calls_by_run:?}, messages by run {sent_by_run:?}, at \
         most in flight {most:?}",
        calls_by_run.len()
    );
    assert!(expected.iter().all(|kit| most[kit.name] == IN_FLIGHT), "as many as are allowed, and no more: {most:?}");
    assert!(most.values().all(|most| *most <= IN_FLIGHT), "{most:?}");
    // What fits into a run's 33 seconds, what was in flight at their end, and a little for rounded milliseconds.
    let fits = expected.len() * IN_FLIGHT * 36;
    assert!(calls_by_run.len() > 1 && calls_by_run.iter().all(|calls| *calls <= fits), "{calls_by_run:?}");
    let calls: usize = calls_by_run.iter().sum();
    let polls = expected.len() * all;
    assert!((polls..polls + 10).contains(&calls), "each was asked about once, and the lists walked: {calls}");
    let met = town.inbox.ledger.expectations().iter().filter(|e| e.state == ExpectationState::Met).count();
    assert_eq!(met, polls, "not one expired, although all were past their deadline");
    town.pass_minutes(20);
    assert_eq!(town.inbox.ledger.entries_in(State::Open), []);
    assert_eq!(town.inbox.ledger.entries_in(State::Parked), []);
}
