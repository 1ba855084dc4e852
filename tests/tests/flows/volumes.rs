//! Many debts, and providers that are down or slow: circuits, fairness between providers, and runs that overlap or end.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::task::Poll;

use futures_util::future::{join, join_all};
use hookledger_core::flows::call::Asker;
use hookledger_core::flows::circuits::Circuits;
use hookledger_core::flows::expectations::announce;
use hookledger_core::flows::reconcile::Run;
use hookledger_core::flows::work::Worker;
use hookledger_core::model::circuit::{Answered, Circuit, Gate, MAX_DOWN_IN_A_ROW};
use hookledger_core::model::debt::{DUE_SHARDS, ExpectationState};
use hookledger_core::model::entry::{Entry, State};
use hookledger_core::model::identity::{ProviderId, Subject};
use hookledger_core::model::job::Job;
use hookledger_core::model::provider_call::{ApiError, ApiRequest, ApiResponse};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{CircuitStore, Clock, Metric, ProviderApi};
use hookledger_kit as kit;
use hookledger_tests::memory::{Side, answer, killed_after, run};
use hookledger_tests::town::{Town, confirmed, id};

use super::{asked, gate, lists_of};

/// The body that announces a complete batch.
fn batch(n: usize) -> String {
    kit::event("rightfoot", &format!("b{n}"))
}

/// A town whose Rightfoot is down while the switch is set, and whose other providers answer.
fn with_an_outage() -> (Town, Rc<Cell<bool>>) {
    let (town, down) = (Town::new(), Rc::new(Cell::new(true)));
    let switch = down.clone();
    town.inbox.api.answer_with(move |url| match url.contains("/v1/balances") && switch.get() {
        true => Err(ApiError::TimedOut),
        false => confirmed(url),
    });
    (town, down)
}

fn expect_batches(town: &Town, count: usize) {
    for n in 0..count {
        run(announce(&town.inbox, town.provider("rightfoot"), &format!("b{n}"))).unwrap();
    }
}

fn met(town: &Town) -> usize {
    town.inbox.ledger.expectations().iter().filter(|expected| expected.state == ExpectationState::Met).count()
}

#[test]
fn an_outage_costs_few_calls_nobodys_attempts_and_no_neighbour() {
    let (town, down) = with_an_outage();
    for n in 0..10 {
        town.deliver("rightfoot", &batch(n));
    }
    town.deliver("finbox", &kit::event("finbox", "e1"));
    town.work();
    assert_eq!(asked(&town, "/v1/balances"), MAX_DOWN_IN_A_ROW as usize, "then the circuit was open");
    assert!(matches!(gate(&town, "rightfoot"), Gate::Open(_)));
    assert_eq!(gate(&town, "finbox"), Gate::Closed);
    let done = town.inbox.ledger.entries_in(State::Done);
    assert_eq!(done.iter().map(|entry| entry.provider.as_str()).collect::<Vec<_>>(), ["finbox"]);
    let reasons = town.inbox.ledger.entries_in(State::Open).into_iter().filter_map(|entry| entry.reason);
    assert_eq!(reasons.filter(|reason| reason.contains("circuit is open")).count(), 6);
    // Five hours. A probe comes every few minutes at most, although ten entries are owed.
    town.pass_minutes(300);
    assert_eq!(town.inbox.meter.last(Metric::CircuitsOpen), Some(1));
    let calls = asked(&town, "/v1/balances");
    assert!((20..250).contains(&calls), "{calls} calls");
    let attempts = |entry: &Entry| entry.attempts;
    assert!(town.inbox.ledger.entries_in(State::Open).iter().map(attempts).all(|attempts| attempts <= 1));
    assert_eq!(town.inbox.ledger.entries_in(State::Parked), []);
    down.set(false);
    town.pass_minutes(15);
    assert_eq!(town.inbox.ledger.entries_in(State::Done).len(), 11);
    assert_eq!(town.effects().len(), 11);
    assert_eq!((gate(&town, "rightfoot"), town.inbox.meter.last(Metric::CircuitsOpen)), (Gate::Closed, Some(0)));
}

#[test]
fn an_answer_however_unkind_keeps_the_circuit_closed() {
    for status in [401, 404, 422, 429] {
        let town = Town::new();
        town.inbox.api.answer_with(move |_| answer(status, ""));
        for n in 0..20 {
            town.deliver("rightfoot", &batch(n));
        }
        town.work();
        assert_eq!((gate(&town, "rightfoot"), asked(&town, "/v1/balances")), (Gate::Closed, 20), "{status}");
    }
    // A single answer between failures begins the count again.
    let town = Town::new();
    let calls = Cell::new(0_u32);
    town.inbox.api.answer_with(move |_| {
        calls.set(calls.get() + 1);
        if calls.get().is_multiple_of(MAX_DOWN_IN_A_ROW) { answer(404, "") } else { answer(503, "") }
    });
    for n in 0..20 {
        town.deliver("rightfoot", &batch(n));
    }
    town.work();
    assert_eq!((gate(&town, "rightfoot"), asked(&town, "/v1/balances")), (Gate::Closed, 20));
}

#[test]
fn one_of_many_processes_probes() {
    let (town, down) = with_an_outage();
    for n in 0..8 {
        town.deliver("rightfoot", &batch(n));
    }
    town.work();
    for (still_down, calls_after) in [(true, 1), (false, 2)] {
        let Gate::Open(until) = gate(&town, "rightfoot") else { panic!("the circuit is not open") };
        town.inbox.clock.set(until.plus_secs(1));
        down.set(still_down);
        let before = asked(&town, "/v1/balances");
        // Each process knows nothing but the row.
        let processes: Vec<Circuits> = (0..8).map(|_| Circuits::default()).collect();
        let keys: Vec<_> = town.inbox.ledger.entries_in(State::Open).into_iter().map(|entry| entry.key).collect();
        let all = processes.iter().zip(&keys).map(|(circuits, key)| {
            let asker = Asker { circuits, ..town.asker() };
            let worker = Worker { asker, publisher: &town.inbox.publisher, secrets: &town.inbox.secrets };
            let due_at = town.inbox.ledger.stored(key).unwrap().entry.due_at.unwrap();
            async move { worker.work(Job::retry(key.clone(), due_at)).await }
        });
        assert!(run(join_all(all)).iter().all(Result::is_ok));
        let calls = asked(&town, "/v1/balances") - before;
        assert!((1..=calls_after).contains(&calls), "down: {still_down}, {calls} calls");
        if still_down {
            assert_eq!(town.inbox.ledger.circuit_of(id("rightfoot")).trips, 2);
        }
    }
    assert_eq!(gate(&town, "rightfoot"), Gate::Closed);
    town.pass_minutes(10);
    assert_eq!(town.inbox.ledger.entries_in(State::Done).len(), 8);
}

#[test]
fn no_kill_leaves_a_circuit_open_or_loses_a_debt() {
    // A worker dies at every turn: of the call that opens the circuit, of the probe that fails, and of the one that
    // closes it.
    for part in 0..3 {
        for turns in 0..24 {
            let (town, down) = with_an_outage();
            for n in 0..5 {
                town.deliver("rightfoot", &batch(n));
            }
            let jobs: Vec<Job> = town.inbox.ledger.entries().iter().map(|entry| town.job(&entry.key)).collect();
            for job in &jobs[..4] {
                town.work_on(job.clone()).unwrap();
            }
            if part > 0 {
                town.work_on(jobs[4].clone()).unwrap();
                let Gate::Open(until) = gate(&town, "rightfoot") else { panic!("the circuit is not open") };
                town.inbox.clock.set(until.plus_secs(6));
                down.set(part == 1);
            }
            let due_at = town.inbox.ledger.stored(&town.inbox.ledger.entries()[4].key).unwrap().entry.due_at.unwrap();
            let job =
                if part > 0 { Job::retry(town.inbox.ledger.entries()[4].key.clone(), due_at) } else { jobs[4].clone() };
            let _ = killed_after(turns, town.worker().work(job));
            // The process is gone, and with it what it knew.
            let town = Town { circuits: Circuits::default(), ..town };
            down.set(false);
            town.pass_minutes(20);
            let name = format!("part {part}, killed after {turns} turns");
            assert_eq!(town.inbox.ledger.entries_in(State::Done).len(), 5, "{name}");
            assert_eq!(gate(&town, "rightfoot"), Gate::Closed, "{name}");
            assert_eq!(town.effects().len(), 5, "{name}");
        }
    }
}

#[test]
fn a_circuit_that_cannot_be_written_or_read_is_no_hindrance() {
    for call in ["circuit", "move_circuit"] {
        let (town, down) = with_an_outage();
        town.inbox.ledger.faults.next_of(call, Side::Before, 30);
        town.inbox.ledger.faults.next_of(call, Side::After, 30);
        for n in 0..10 {
            town.deliver("rightfoot", &batch(n));
        }
        town.pass_minutes(3);
        down.set(false);
        town.pass_minutes(60);
        assert_eq!(town.inbox.ledger.entries_in(State::Done).len(), 10, "{call}");
    }
}

#[test]
fn nothing_expires_because_nobody_could_be_asked() {
    let (town, down) = with_an_outage();
    expect_batches(&town, 10);
    town.pass_minutes(120);
    let waiting = town.inbox.ledger.expectations();
    assert!(waiting.iter().all(|expected| expected.state == ExpectationState::Waiting), "{waiting:#?}");
    assert_eq!(town.inbox.meter.total(Metric::ExpectationsExpired), 0);
    // The polls that were not made are not counted, so the cadence does not slow down for them.
    assert!(waiting.iter().all(|expected| expected.polls <= 5), "{waiting:#?}");
    down.set(false);
    town.pass_minutes(10);
    assert_eq!(met(&town), 10);
}

#[test]
fn an_outage_beyond_all_reason_is_shown_to_a_person() {
    let (town, _down) = with_an_outage();
    for n in 0..MAX_DOWN_IN_A_ROW as usize {
        town.deliver("rightfoot", &batch(n));
    }
    town.work();
    run(announce(&town.inbox, town.provider("rightfoot"), "b9")).unwrap();
    let pass_hours = |hours: u32| {
        for _ in 0..hours {
            town.inbox.clock.advance_secs(3600);
            town.reconcile();
            town.work();
        }
    };
    pass_hours(6 * 24);
    assert_eq!(town.inbox.ledger.entries_in(State::Open).len(), 5);
    assert_eq!(town.inbox.ledger.expectations()[0].state, ExpectationState::Waiting);
    pass_hours(3 * 24);
    assert_eq!(town.inbox.ledger.entries_in(State::Parked).len(), 5);
    assert_eq!(town.inbox.ledger.expectations()[0].state, ExpectationState::Expired);
    assert_eq!(town.inbox.meter.total(Metric::ExpectationsExpired), 1);
}

#[test]
fn polls_and_walks_obey_retry_after() {
    obeyed(|_| Ok(ApiResponse { status: 429, retry_after_secs: Some(3_600), body: Vec::new() }));
    obeyed(|_| Err(ApiError::Throttled { after_secs: Some(3_600) }));
}

/// An answer that asks for an hour's rest gets it.
fn obeyed(answer: fn(&str) -> Result<ApiResponse, ApiError>) {
    let town = Town::new();
    town.inbox.api.answer_with(answer);
    expect_batches(&town, 1);
    town.inbox.clock.advance_secs(60);
    town.reconcile();
    let late = town.inbox.clock.now().plus_secs(3_600);
    assert!(town.inbox.ledger.expectations()[0].due_at.unwrap() >= late);
    assert!(town.inbox.ledger.listings()[0].due_at >= late);
    // An hour is beyond the deadline: the last look is still to come.
    town.pass_minutes(55);
    assert_eq!(town.inbox.ledger.expectations()[0].state, ExpectationState::Waiting);
    assert_eq!(asked(&town, "/v1/balances"), 1);
    town.confirm();
    town.pass_minutes(15);
    assert_eq!(met(&town), 1);
}

/// Rightfoot takes very long for every answer; all others are quick. Remembers whose answers came when.
#[derive(Default)]
struct OneHangs {
    answered: RefCell<Vec<ProviderId>>,
}

impl ProviderApi for OneHangs {
    async fn is_used(&self, _: ProviderId) -> bool {
        true
    }

    async fn call(&self, provider: ProviderId, _request: &ApiRequest) -> Result<ApiResponse, ApiError> {
        let mut turns = if provider == id("rightfoot") { 5_000 } else { 1 };
        poll_fn(|context| {
            turns -= 1;
            context.waker().wake_by_ref();
            if turns == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        self.answered.borrow_mut().push(provider);
        answer(404, "")
    }
}

#[test]
fn a_provider_that_hangs_holds_up_no_other() {
    let town = Town::new();
    // Far more than are in flight at once, and all of them due first.
    expect_batches(&town, 100);
    town.inbox.clock.advance_secs(5);
    for n in 0..100 {
        run(announce(&town.inbox, town.provider("finbox"), &format!("entity:e{n}"))).unwrap();
    }
    town.inbox.clock.advance_secs(60);
    let api = OneHangs::default();
    let asker = Asker { inbox: &town.inbox, providers: &town.providers, api: &api, circuits: &town.circuits };
    let report = run(asker.reconcile(&town.full_run())).unwrap();
    assert_eq!(report.carried_out, 200 + lists_of(&town), "and the lists");
    let answered = api.answered.borrow();
    let first_slow = answered.iter().position(|provider| *provider == id("rightfoot")).unwrap();
    let quick = answered[..first_slow].iter().filter(|provider| **provider == id("finbox")).count();
    assert_eq!((quick, answered.len()), (100, report.carried_out), "finbox is done before rightfoot's first answer");
}

#[test]
fn runs_may_overlap_and_share_the_shards_out() {
    let town = Town::new();
    town.confirm();
    expect_batches(&town, 60);
    town.inbox.clock.advance_secs(60);
    let deadline = town.inbox.clock.now().plus_secs(3600);
    // Eight runs of eight shards each, one over all of them, and one that comes twice.
    let runs: Vec<Run> = (0..8)
        .map(|n| n * 8..=n * 8 + 7)
        .chain([0..=DUE_SHARDS - 1, 8..=15])
        .map(|shards| Run { shards, deadline })
        .collect();
    let asker = town.asker();
    let reports = run(join_all(runs.iter().map(|run| asker.reconcile(run))));
    assert!(reports.iter().all(|report| report.as_ref().is_ok_and(|report| report.failed == 0)), "{reports:?}");
    assert_eq!((met(&town), asked(&town, "/v1/balances")), (60, 60), "each was asked for once");
}

#[test]
fn a_run_ends_in_time_and_the_next_one_goes_on() {
    let town = Town::new();
    let clock = town.inbox.clock.clone();
    // Every answer takes a second, and the list has 40 pages.
    town.inbox.api.answer_with(move |url| {
        clock.advance_secs(1);
        let Some((_, offset)) = url.split_once("offset=") else { return confirmed(url) };
        let more = offset != "39";
        answer(200, format!(r#"{{"items":[{{"merchant_id":{offset},"merchant_status":"live"}}],"hasMore":{more}}}"#))
    });
    expect_batches(&town, 100);
    town.inbox.clock.advance_secs(60);
    let mut runs = 0;
    while met(&town) < 100 || asked(&town, "/merchants?") < 40 {
        runs += 1;
        assert!(runs < 20, "{} met, {} pages", met(&town), asked(&town, "/merchants?"));
        let deadline = town.inbox.clock.now().plus_secs(20);
        let report = run(town.asker().reconcile(&Run { shards: 0..=DUE_SHARDS - 1, deadline })).unwrap();
        assert!(report.carried_out > 0 && report.failed == 0, "{report:?}");
        // What was in flight at the deadline is brought to its end, and nothing is begun after it.
        assert!(town.inbox.clock.now() < deadline.plus_secs(70), "{report:?}");
        town.inbox.clock.advance_secs(30);
    }
    assert!(runs > 1, "one run did it all: its deadline means nothing");
    let mut pages: Vec<String> = town.inbox.api.urls().into_iter().filter(|url| url.contains("/merchants?")).collect();
    let walked = pages.len();
    pages.sort();
    pages.dedup();
    assert_eq!((pages.len(), asked(&town, "/v1/balances")), (walked, 100), "nothing was asked for twice");
}

#[test]
fn a_known_outage_costs_one_write_for_each_poll() {
    let (town, _down) = with_an_outage();
    for n in 0..5 {
        town.deliver("rightfoot", &batch(n));
    }
    town.work();
    run(announce(&town.inbox, town.provider("rightfoot"), "b9")).unwrap();
    let key = town.inbox.ledger.expectations()[0].key.clone();
    let due_at = town.inbox.ledger.expectations()[0].due_at.unwrap();
    let before = town.inbox.ledger.faults.calls().len();
    let (first, second) = run(join(town.asker().poll(&key, due_at), town.asker().poll(&key, due_at)));
    assert!(first.is_ok() && second.is_ok());
    let calls = &town.inbox.ledger.faults.calls()[before..];
    assert_eq!(calls.iter().filter(|call| **call == "delay_poll").count(), 2, "{calls:?}");
    assert!(!calls.contains(&"claim"), "{calls:?}");
    let jobs = town.inbox.queue.jobs();
    let polls = jobs.iter().filter(|job| matches!(job, Job::Poll { due_at: again, .. } if *again != due_at)).count();
    assert_eq!(polls, 1, "one of the two moved it: {jobs:?}");
}

#[test]
fn runs_that_share_the_shards_take_more_from_each() {
    // Otherwise more runs would find no more debts than one does, and could not catch up any sooner.
    let shard = |batch: &String| Subject::new(id("rightfoot"), "batch", batch).item("expectation").shard(DUE_SHARDS);
    let batches = (0..).map(|n| format!("b{n}")).filter(|batch| shard(batch) == 7).take(600);
    let batches: Vec<String> = batches.collect();
    let paid = |shards: RangeInclusive<u8>| {
        let town = Town::new();
        town.confirm();
        for batch in &batches {
            run(announce(&town.inbox, town.provider("rightfoot"), batch)).unwrap();
        }
        town.inbox.clock.advance_secs(60);
        let deadline = town.inbox.clock.now().plus_secs(30);
        let report = run(town.asker().reconcile(&Run { shards, deadline })).unwrap();
        (report.carried_out, report.left)
    };
    // The lists lie in other shards, and are due as well.
    let lists = lists_of(&Town::new());
    assert_eq!((paid(7..=7), paid(0..=7), paid(0..=63)), ((600, 0), (600, 0), (500 + lists, 100)));
}

/// Its answer uses up the function's memory: whoever asks for it dies before anything is written.
const DEADLY: &str = "batchId=deadly&";

/// Runs one function to its end or its death, which takes what it knew with it.
fn one_process(town: Town, invocation: impl FnOnce(&Town)) -> Town {
    let town = Town { circuits: Circuits::default(), ..town };
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| invocation(&town)));
    town
}

/// A provider that is well again, and a request that was answered before and kills by its answer now.
fn town_with_a_deadly_request(open_until: Option<UnixMs>, trips: u32) -> Town {
    let town = Town::new();
    let url = format!("https://api.rightfoot.com/v1/balances?{DEADLY}limit=100");
    let answered = [("balances".to_string(), Answered { url, at: town.inbox.clock.now() })].into();
    let circuit = Circuit { open_until, trips, version: 1, answered };
    assert!(run(town.inbox.ledger.move_circuit(id("rightfoot"), None, &circuit)).unwrap());
    town
}

#[test]
fn a_probe_that_kills_its_function_does_so_once() {
    let now = Town::new().inbox.clock.now();
    let mut town = town_with_a_deadly_request(Some(now), 1);
    town.inbox.api.answer_with(|url| {
        assert!(!url.contains(DEADLY), "out of memory");
        answer(404, "")
    });
    run(announce(&town.inbox, town.provider("rightfoot"), "b1")).unwrap();
    let deadly = |town: &Town| town.inbox.api.urls().iter().filter(|url| url.contains(DEADLY)).count();
    for _ in 0..20 {
        town.inbox.clock.advance_secs(60);
        town = one_process(town, |town| {
            let _ = town.reconcile();
            town.work();
        });
    }
    assert_eq!(gate(&town, "rightfoot"), Gate::Closed, "asked in vain {} times", deadly(&town));
    assert_eq!(deadly(&town), 1);
}

#[test]
fn a_check_that_kills_its_function_does_so_once() {
    let mut town = town_with_a_deadly_request(None, 0);
    town.inbox.api.answer_with(|url| {
        assert!(!url.contains(DEADLY), "out of memory");
        answer(503, "")
    });
    for n in 0..40 {
        town.deliver(
            "rightfoot",
            &format!(r#"{{"event_uuid":"u{n}","type":"BALANCE_BATCH_COMPLETED","batch_id":"b{n}"}}"#),
        );
    }
    for _ in 0..20 {
        town.inbox.clock.advance_secs(60);
        town = one_process(town, |town| {
            let _ = town.reconcile();
            town.work();
        });
    }
    assert_eq!(town.inbox.api.urls().iter().filter(|url| url.contains(DEADLY)).count(), 1);
    assert!(matches!(gate(&town, "rightfoot"), Gate::Open(_)), "it is down, and nobody says so");
}

/// Six hours of a town where somebody waits for a batch, and a list is walked that is answered like this.
fn six_hours(list: fn() -> Result<ApiResponse, ApiError>) -> Town {
    let mut town = Town::new();
    town.inbox.api.answer_with(move |url| if url.contains("/merchants?") { list() } else { answer(404, "") });
    run(announce(&town.inbox, town.provider("rightfoot"), "b1")).unwrap();
    for _ in 0..6 * 60 {
        town.inbox.clock.advance_secs(60);
        town = one_process(town, |town| {
            let _ = town.reconcile();
            town.work();
        });
    }
    town
}

#[test]
fn a_page_that_kills_its_reader_holds_nothing_else_up_for_long() {
    let no_merchants = || answer(200, r#"{"items":[],"hasMore":false}"#);
    let well = six_hours(no_merchants);
    let ill = six_hours(|| panic!("out of memory"));
    // It is asked for again, since what ended its readers may be over, but not at every lease.
    let pages = |town: &Town| asked(town, "/merchants?");
    assert!((6..=12).contains(&pages(&ill)), "asked for {} times in six hours", pages(&ill));
    let polls = |town: &Town| town.inbox.ledger.expectations()[0].polls;
    assert!(polls(&ill) + 3 >= polls(&well), "another provider was asked {} times of {}", polls(&ill), polls(&well));
    let told = (Metric::WorkFailed, Some(id("runpayments")), 1);
    assert!(ill.inbox.meter.counts().iter().filter(|count| **count == told).count() >= 3, "nobody is told");

    // Once it is answered, all is as before.
    ill.inbox.api.answer_with(move |_| no_merchants());
    ill.pass_minutes(60);
    let before = pages(&ill);
    ill.pass_minutes(60);
    let walks = |town: &Town| pages(town) / 6;
    assert_eq!(pages(&ill) - before, walks(&well), "walks in an hour");
}
