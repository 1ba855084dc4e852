//! The three flows as they ship, in a world in memory that fails and kills where it is told to.

use hookledger_core::desk::replay::Replayed;
use hookledger_core::flows::expectations;
use hookledger_core::flows::receive::receive;
use hookledger_core::model::circuit::Gate;
use hookledger_core::model::debt::ExpectationState;
use hookledger_core::model::entry::{Origin, State};
use hookledger_core::model::job::Job;
use hookledger_core::model::provider_call::{ApiError, ApiResponse};
use hookledger_core::model::secret::Secret;
use hookledger_core::ports::{Clock, Expectations, Metric, Results};
use hookledger_kit as kit;
use hookledger_tests::memory::{Side, answer, killed_after, run};
use hookledger_tests::town::{Town, id};

mod attacked;
mod believed;
mod believed_absent;
mod believed_kinds;
mod believed_more;
mod desk;
mod every_provider;
mod fifth;
mod finbox;
mod fynapse;
mod ids;
mod late;
mod operations;
mod owners;
mod rightfoot;
mod rules;
mod runpayments;
mod security;
mod token;
mod unused;
mod volumes;

const BATCH: &str = r#"{"event_uuid":"u1","type":"BALANCE_BATCH_COMPLETED","batch_id":"b1"}"#;
const BALANCES: &str = r#"{"batch_id":"b1","balances":[{"authorizer_unique_id":"a1","balance":10.50,"balance_status_code":0}],"has_more":false}"#;
const STATEMENT: &str = r#"{"entity_id":"e1","statement_id":"s1","link_id":"l1","progress":"completed","reason":""}"#;
const WRONG_LOGIN: &str =
    r#"{"entity_id":"e1","statement_id":"","link_id":"l1","progress":"failed","reason":"wrong login"}"#;

fn merchant(status: &str, at: &str) -> String {
    format!(
        r#"{{"event_type":"merchant.{status}","source_id":7,"timestamp":"2039-12-31T{at}:00.000Z","payload":{{"merchant_id":7}},"metadata":{{"attempt":1,"idempotency_key":"{status}-{at}"}}}}"#
    )
}

fn transaction(key: &str) -> String {
    format!(
        r#"{{"event_type":"transaction.entered","source_id":9,"timestamp":"2039-12-31T10:00:00Z","payload":{{}},"metadata":{{"idempotency_key":"{key}"}}}}"#
    )
}

/// What is published, in its order.
fn details(town: &Town) -> Vec<serde_json::Value> {
    town.inbox.publisher.published().iter().map(|told| serde_json::from_str(&told.detail).unwrap()).collect()
}

fn types_published(town: &Town) -> Vec<String> {
    town.inbox.publisher.published().into_iter().map(|told| told.detail_type).collect()
}

/// How many URLs with this part were asked for.
fn asked(town: &Town, part: &str) -> usize {
    town.inbox.api.urls().iter().filter(|url| url.contains(part)).count()
}

fn gate(town: &Town, provider: &'static str) -> Gate {
    town.inbox.ledger.circuit_of(id(provider)).gate(town.inbox.clock.now())
}

/// The providers that have lists, where each does all it can.
fn with_lists() -> Vec<&'static str> {
    let town = Town::full();
    kit::names().filter(|name| town.provider(name).lists().offered().is_some()).collect()
}

/// How many lists are walked in this town.
fn lists_of(town: &Town) -> usize {
    let lists = town.providers.iter().filter_map(|provider| provider.lists().offered());
    lists.map(|lists| lists.names().len()).sum()
}

/// A town where the batch is complete.
fn complete_batch() -> Town {
    let town = Town::new();
    town.inbox.api.answer_with(|_| answer(200, BALANCES));
    town
}

#[test]
fn an_event_is_received_worked_and_settled() {
    let town = complete_batch();
    let answered = town.deliver("rightfoot", BATCH);
    assert_eq!((answered.status, answered.body.as_str()), (200, r#"{"status":"received"}"#));
    assert_eq!(town.work(), 1);
    let entry = town.only_entry();
    assert_eq!((entry.state, entry.origin, entry.due_at), (State::Done, Origin::Push, None));
    let rows = town.inbox.ledger.rows(&entry.key.subject());
    assert_eq!(rows[0].columns[0], ("balance", "10.50".to_string()));
    let published = town.inbox.publisher.published();
    assert_eq!((published.len(), published[0].source.as_str()), (1, "hookledger.rightfoot"));
    assert!(!published[0].detail.contains("10.50"), "no result is published, only where it stands");
    assert!(town.inbox.ledger.owed().iter().all(|due| due.key != entry.key));
    // The happy path writes what it must: put, rows, freeze, settle.
    let calls = town.inbox.ledger.faults.calls();
    assert_eq!(calls, ["admit", "entry", "circuit", "put_rows", "freeze", "settle"]);
    // How the provider's circuit stands is read once for a while, not for each call.
    town.deliver("rightfoot", &BATCH.replace("b1", "b2"));
    town.inbox.api.answer_with(|_| answer(200, BALANCES.replace("b1", "b2")));
    assert_eq!(town.work(), 1);
    assert_eq!(town.inbox.ledger.faults.calls()[6..], ["admit", "entry", "put_rows", "freeze", "settle"]);
}

#[test]
fn an_event_without_results_is_one_put_and_one_update() {
    let town = Town::new();
    town.deliver("runpayments", &transaction("k1"));
    town.work();
    assert_eq!(town.only_entry().state, State::Done);
    assert_eq!(town.inbox.ledger.faults.calls(), ["admit", "entry", "settle"]);
}

#[test]
fn a_2xx_means_durable() {
    // Whatever single call fails, on either side of its effect: after a 200 the event is stored or on the queue, and
    // what is open is owed.
    for (provider, body) in
        [("rightfoot", BATCH), ("finbox", STATEMENT), ("runpayments", &transaction("k")), ("finbox", "nonsense")]
    {
        for call in ["admit", "refuse", "send", "get", "reread"] {
            for side in [Side::Before, Side::After] {
                let town = Town::new();
                town.inbox.ledger.faults.next_of(call, side, 1);
                town.inbox.queue.faults.next_of(call, side, 1);
                town.inbox.secrets.faults.next_of(call, side, 1);
                let answered = town.deliver(provider, body);
                let kept = town.inbox.ledger.entries().len()
                    + town.inbox.ledger.refusals().len()
                    + town.inbox.queue.messages().len();
                if answered.status == 200 {
                    assert!(kept > 0, "{provider}: {call} failed {side:?}: 200, but nothing is kept");
                } else {
                    assert_eq!((answered.status, answered.retry_after_secs), (503, Some(30)), "{provider}: {call}");
                }
                for entry in town.inbox.ledger.entries_in(State::Open) {
                    assert!(town.inbox.ledger.owed().iter().any(|due| due.key == entry.key), "{provider}: {call}");
                }
            }
        }
    }
}

#[test]
fn a_kill_anywhere_loses_nothing_and_doubles_nothing() {
    // The receiver is killed at every turn and the provider delivers again; the worker is killed at every turn and the
    // message comes back. In the end: one entry, one effect.
    for receiver_turns in 0..12 {
        for worker_turns in 0..24 {
            let town = complete_batch();
            let provider = town.provider("rightfoot");
            let first = receive(&town.inbox, &town.inbox.secrets, provider, town.delivery("rightfoot", BATCH));
            let answered = killed_after(receiver_turns, first);
            if answered.is_none() {
                town.deliver("rightfoot", BATCH);
            }
            let key = town.only_entry().key;
            let _ = killed_after(worker_turns, town.worker().work(Job::entry(key)));
            town.pass_minutes(30);
            let name = format!("receiver killed after {receiver_turns} turns, worker after {worker_turns}");
            assert_eq!(town.only_entry().state, State::Done, "{name}");
            assert_eq!(town.effects().len(), 1, "{name}");
        }
    }
}

#[test]
fn five_deliveries_at_once_are_one_event() {
    let town = complete_batch();
    for _ in 0..5 {
        assert_eq!(town.deliver("rightfoot", BATCH).status, 200);
    }
    town.work();
    town.inbox.clock.advance_secs(60);
    town.work();
    assert_eq!(town.only_entry().state, State::Done);
    assert_eq!(town.inbox.publisher.published().len(), 1);
    assert_eq!(town.inbox.meter.of(Metric::DeliveriesDuplicate, id("rightfoot")), 4);
}

#[test]
fn forged_deliveries_leave_no_event() {
    let town = Town::new();
    let mut wrong_token = town.delivery("rightfoot", BATCH);
    wrong_token.path_token = Some(Secret::new("guessed"));
    let mut wrong_signature = town.delivery("runpayments", &transaction("k"));
    wrong_signature.headers = town.delivery("runpayments", &transaction("other")).headers;
    for delivery in [wrong_token, wrong_signature] {
        let answered = town.deliver_this(delivery);
        assert_eq!((answered.status, answered.body.as_str()), (403, r#"{"error":"refused"}"#));
    }
    assert!(town.inbox.ledger.entries().is_empty() && town.inbox.queue.messages().is_empty());
    let codes: Vec<String> = town.inbox.ledger.refusals().into_iter().map(|refused| refused.code).collect();
    assert_eq!(codes, ["wrong_token", "wrong_signature"]);
    assert_eq!(town.inbox.meter.total(Metric::DeliveriesRefused), 2);
}

#[test]
fn a_rotation_needs_no_deploy() {
    let town = Town::new();
    town.inbox.secrets.rotate(id("rightfoot"), r#"{"url_tokens":[{"id":"t2","value":"the-new-token-of-the-tests"}]}"#);
    let mut delivery = town.delivery("rightfoot", BATCH);
    delivery.path_token = Some(Secret::new("the-new-token-of-the-tests"));
    assert_eq!(town.deliver_this(delivery).status, 200);
    assert_eq!(town.deliver("rightfoot", BATCH).status, 403, "the old token is over");
}

#[test]
fn without_secrets_nothing_is_accepted_and_nobody_gives_up() {
    let town = Town::new();
    for provider in kit::names() {
        town.inbox.secrets.set(id(provider), "{}");
        let answered = town.deliver(provider, BATCH);
        assert_eq!((answered.status, answered.retry_after_secs), (503, Some(30)), "{provider}");
    }
    assert!(town.inbox.ledger.entries().is_empty());
    assert_eq!(town.inbox.meter.total(Metric::Unconfigured), kit::ALL.len() as u64);
}

#[test]
fn no_answer_makes_a_provider_give_up() {
    type Breakage = (&'static str, fn(&Town, &'static str));
    let breakages: [Breakage; 5] = [
        ("ledger down", |town, _| town.inbox.ledger.faults.down(true)),
        ("queue down", |town, _| town.inbox.queue.faults.down(true)),
        ("secrets down", |town, _| town.inbox.secrets.faults.down(true)),
        ("no secret", |town, provider| town.inbox.secrets.set(id(provider), "{}")),
        ("another secret", |town, provider| {
            town.inbox.secrets.set(id(provider), r#"{"signing_secrets":[{"id":"x","value":"another-secret-yet"}]}"#);
        }),
    ];
    for kit in kit::ALL {
        for (name, break_it) in breakages {
            for body in [&*(kit.event)("e"), "nonsense", r#"{"type":"other"}"#, ""] {
                let town = Town::new();
                let delivery = town.delivery(kit.name, body);
                break_it(&town, kit.name);
                let answered = town.deliver_this(delivery);
                let given_up = kit.retries.gives_up_at.contains(&answered.status);
                assert!(!given_up, "{}, {name}: {body} was answered {}", kit.name, answered.status);
            }
        }
    }
    // FinBox never sends again: with the secrets out of reach, nobody can tell whether it is genuine. The worker will.
    for genuine in [true, false] {
        let town = Town::new();
        let mut delivery = town.delivery("finbox", STATEMENT);
        if !genuine {
            delivery.path_token = Some(Secret::new("guessed"));
        }
        town.inbox.secrets.faults.down(true);
        assert_eq!(town.deliver_this(delivery).status, 200);
        town.work();
        assert!(town.inbox.ledger.entries().is_empty(), "the secrets are still out of reach");
        town.inbox.secrets.faults.clear();
        town.inbox.clock.advance_secs(360);
        town.work();
        assert_eq!(town.inbox.ledger.entries().len(), usize::from(genuine));
        assert_eq!(town.inbox.ledger.refusals().len(), usize::from(!genuine));
    }
    // With the store down, the delivery goes onto the queue and is admitted later.
    let town = Town::new();
    town.inbox.ledger.faults.down(true);
    assert_eq!(town.deliver("finbox", STATEMENT).status, 200);
    assert!(town.inbox.ledger.entries().is_empty());
    town.work();
    assert_eq!(town.inbox.queue.jobs().len(), 1, "the store is still down: the delivery comes back");
    assert_eq!(town.work(), 0, "but not at once");
    town.inbox.ledger.faults.clear();
    town.inbox.clock.advance_secs(360);
    assert_eq!(town.work(), 1);
    assert_eq!(town.only_entry().origin, Origin::Push);
}

#[test]
fn what_is_not_handled_is_counted_and_kept() {
    let town = Town::new();
    // An unknown type: admitted, ignored, 200.
    let unknown = transaction("k").replace("transaction.entered", "payout.entered");
    assert_eq!(town.deliver("runpayments", &unknown).status, 200);
    assert_eq!(town.inbox.ledger.entries_in(State::Ignored).len(), 1);
    // Verified and unreadable: parked under its digest, once however often it comes.
    for _ in 0..2 {
        assert_eq!(town.deliver("fynapse", "nonsense").status, 200);
    }
    let parked = town.inbox.ledger.entries_in(State::Parked);
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].reason.as_deref(), Some("the body is not a JSON object"));
    assert!(parked[0].key.pk.starts_with("fynapse#unreadable#2040-01-01"));
    // Rightfoot's missing field: 400 as its page shows, and quarantined.
    let answered = town.deliver("rightfoot", r#"{"event_uuid":"u","type":"T"}"#);
    assert_eq!(answered.status, 400);
    assert!(answered.body.contains("batch_id"), "{}", answered.body);
    assert_eq!(town.inbox.ledger.refusals()[0].code, "unreadable");
    // Too old to be sure that its identity is still remembered.
    let old = transaction("old").replace("2039-12-31", "2038-01-01");
    assert_eq!(town.deliver("runpayments", &old).status, 200);
    assert_eq!(town.inbox.ledger.entries_in(State::Parked).len(), 2);
    assert_eq!(town.deliver("runpayments", &old).status, 200);
    assert_eq!(town.inbox.ledger.entries_in(State::Parked).len(), 2, "its own copy does not open it");
    assert_eq!(town.inbox.meter.total(Metric::DeliveriesUnreadable), 3);
    assert_eq!(town.inbox.meter.total(Metric::EntriesParked), 2);
    // What came is told once, what waits at each run.
    for counted in 1..4 {
        town.pass_minutes(5);
        assert_eq!(town.inbox.meter.last(Metric::EntriesWaiting), Some(2));
        assert_eq!(town.inbox.meter.total(Metric::EntriesWaiting), 2 * counted, "once in five minutes");
    }
}

#[test]
fn a_lost_send_is_made_good_by_the_reconciler() {
    let town = complete_batch();
    town.inbox.queue.faults.next(Side::Before, 1);
    assert_eq!(town.deliver("rightfoot", BATCH).status, 200);
    assert!(town.inbox.queue.messages().is_empty());
    town.inbox.clock.advance_secs(119);
    assert_eq!(town.reconcile().carried_out, lists_of(&town), "only the lists' first walks are due");
    town.inbox.clock.advance_secs(1);
    town.reconcile();
    town.work();
    assert_eq!(town.only_entry().state, State::Done);
}

#[test]
fn failing_work_is_retried_and_then_settled() {
    let town = Town::new();
    town.inbox.api.answer_with(|_| answer(503, ""));
    town.deliver("rightfoot", BATCH);
    town.work();
    let entry = town.only_entry();
    assert_eq!((entry.state, entry.reason.as_deref()), (State::Open, Some("the provider's API answered 503")));
    assert!(entry.due_at.is_some());
    town.inbox.api.answer_with(|_| answer(200, BALANCES));
    town.pass_minutes(5);
    assert_eq!(town.only_entry().state, State::Done);
    assert_eq!(town.effects().len(), 1);
}

#[test]
fn a_duplicate_does_not_hurry_work_that_was_put_off() {
    let town = Town::new();
    town.inbox.api.answer_with(|_| Ok(ApiResponse { status: 429, retry_after_secs: Some(600), body: Vec::new() }));
    town.deliver("rightfoot", BATCH);
    town.work();
    town.deliver("rightfoot", BATCH);
    town.inbox.clock.advance_secs(60);
    town.work();
    assert_eq!(town.inbox.api.requests().len(), 1);
    town.inbox.api.answer_with(|_| answer(200, BALANCES));
    town.pass_minutes(12);
    assert_eq!(town.only_entry().state, State::Done);
}

#[test]
fn an_unreadable_delivery_can_be_replayed() {
    let town = Town::new();
    town.deliver("fynapse", "nonsense");
    let key = town.only_entry().key;
    assert_eq!(town.replay(&key), Replayed::OnItsWay);
    town.work();
    assert_eq!(town.only_entry().state, State::Parked, "this version can't read it either");
    assert!(town.inbox.publisher.published().is_empty());
    // A version that can: the same row with a body that this one reads.
    let body = r#"{"event_id":"e1","type":"balance.extracted","data":1}"#;
    town.inbox.ledger.replace_body(&key, body.as_bytes());
    assert_eq!(town.replay(&key), Replayed::OnItsWay);
    town.work();
    town.work();
    assert_eq!(town.inbox.ledger.entries_in(State::Done).len(), 2);
    let published = town.inbox.publisher.published();
    assert_eq!((published.len(), published[0].detail_type.as_str()), (1, "balance.extracted"));
}

#[test]
fn a_push_overtakes_a_status_that_was_only_listed() {
    // The list is asked at 00:00:00 and still shows "signed"; "boarded" happened a second before.
    let town = Town::new();
    town.inbox.api.answer_with(|url| match url.contains("/merchants?") {
        true => answer(200, r#"{"items":[{"merchant_id":7,"merchant_status":"signed"}],"hasMore":false}"#),
        false => answer(404, ""),
    });
    town.reconcile();
    town.work();
    town.deliver("runpayments", &merchant("boarded", "23:59"));
    town.work();
    let subject = town.inbox.ledger.entries()[0].key.subject();
    assert_eq!(run(town.inbox.ledger.status(&subject)).unwrap().unwrap().status, "boarded");
    town.inbox
        .api
        .answer_with(|_| answer(200, r#"{"items":[{"merchant_id":7,"merchant_status":"boarded"}],"hasMore":false}"#));
    town.pass_minutes(40);
    assert_eq!(town.effects().len(), 2, "signed and boarded, each once");
}

#[test]
fn retry_after_is_obeyed() {
    // The API says so, or the endpoint of its tokens.
    let answers: [fn() -> Result<ApiResponse, ApiError>; 2] = [
        || Ok(ApiResponse { status: 429, retry_after_secs: Some(3000), body: Vec::new() }),
        || Err(ApiError::Throttled { after_secs: Some(3000) }),
    ];
    for answer in answers {
        let town = Town::new();
        town.inbox.api.answer_with(move |_| answer());
        town.deliver("rightfoot", BATCH);
        town.work();
        let due_at = town.only_entry().due_at.unwrap();
        assert!(due_at >= town.inbox.clock.now().plus_secs(3000));
    }
}

#[test]
fn hopeless_work_is_parked() {
    // A permanent answer parks at once; a passing one after eight attempts; work that kills its function too.
    let town = Town::new();
    town.inbox.api.answer_with(|_| answer(422, ""));
    town.deliver("rightfoot", BATCH);
    town.work();
    assert_eq!(town.only_entry().state, State::Parked);

    let town = Town::new();
    town.inbox.api.answer_with(|url| answer(if url.contains("balances") { 403 } else { 404 }, ""));
    town.deliver("rightfoot", BATCH);
    town.work();
    town.pass_minutes(600);
    let entry = town.only_entry();
    assert_eq!(entry.state, State::Parked);
    assert_eq!(entry.reason.as_deref(), Some("tried 8 times: the provider's API answered 403"));
    let asked = town.inbox.api.urls().iter().filter(|url| url.contains("/v1/balances")).count();
    assert_eq!(asked, 8);

    let town = complete_batch();
    town.deliver("rightfoot", BATCH);
    for _ in 0..1000 {
        town.inbox.clock.advance_secs(60);
        town.reconcile();
        for message in town.inbox.queue.receive(usize::MAX, 360) {
            // Killed right after the entry was read, every time.
            let _ = killed_after(3, town.worker().work(message.job().unwrap()));
        }
    }
    let entry = town.only_entry();
    assert_eq!((entry.state, entry.reason.as_deref()), (State::Parked, Some("taken up 8 times without an answer")));
}

#[test]
fn a_parked_event_is_opened_by_every_genuine_redelivery() {
    let town = Town::new();
    town.inbox.api.answer_with(|_| answer(422, ""));
    for round in 0..4 {
        assert_eq!(town.deliver("rightfoot", BATCH).status, 200);
        town.work();
        let entry = town.only_entry();
        assert_eq!((entry.state, entry.reopened), (State::Parked, round));
    }
    // However often somebody made it fail before: the genuine one may be the next. It is asked for once in an hour.
    let asked = || town.inbox.api.urls().iter().filter(|url| url.contains("/v1/balances")).count();
    for reopened in [4, 5] {
        let calls = asked();
        for _ in 0..20 {
            assert_eq!(town.deliver("rightfoot", BATCH).status, 200);
            town.work();
        }
        town.pass_minutes(58);
        assert_eq!((town.only_entry().state, asked()), (State::Open, calls));
        if reopened == 5 {
            town.inbox.api.answer_with(|_| answer(200, BALANCES));
        }
        town.pass_minutes(5);
        assert_eq!((town.only_entry().reopened, asked()), (reopened, calls + 1));
    }
    assert_eq!((town.only_entry().state, town.effects().len()), (State::Done, 1));
}

#[test]
fn a_persons_replay_forgets_how_often_deliveries_reopened() {
    let town = Town::new();
    town.inbox.api.answer_with(|_| answer(422, ""));
    for _ in 0..4 {
        town.deliver("rightfoot", BATCH);
        town.work();
    }
    let key = town.only_entry().key;
    assert_eq!(town.replay(&key), Replayed::OnItsWay);
    town.work();
    assert_eq!((town.only_entry().state, town.only_entry().reopened), (State::Parked, 0));
    town.inbox.api.answer_with(|_| answer(200, BALANCES));
    town.deliver("rightfoot", BATCH);
    town.work();
    assert_eq!(town.only_entry().state, State::Done);
}

#[test]
fn not_yet_waits_by_the_cadence_until_its_deadline() {
    let town = Town::new();
    town.inbox.api.answer_with(|_| answer(404, ""));
    town.deliver("rightfoot", BATCH);
    town.work();
    town.pass_minutes(30);
    let entry = town.only_entry();
    assert_eq!((entry.state, entry.attempts), (State::Open, 0), "waiting is no failure");
    assert!(entry.waits > 5);
    town.pass_minutes(60);
    assert_eq!(town.only_entry().state, State::Parked);
    assert!(town.only_entry().reason.unwrap().starts_with("never confirmed"));
}

#[test]
fn an_announced_batch_is_found_without_its_webhook() {
    let town = Town::new();
    let ready = std::rc::Rc::new(std::cell::Cell::new(false));
    let seen = ready.clone();
    town.inbox.api.answer_with(move |_| if seen.get() { answer(200, BALANCES) } else { answer(404, "") });
    let rightfoot = town.provider("rightfoot");
    let (expectation, created) = run(expectations::announce(&town.inbox, rightfoot, "b1")).unwrap();
    assert!(created);
    assert!(!run(expectations::announce(&town.inbox, rightfoot, "b1")).unwrap().1, "announcing twice waits once");
    town.pass_minutes(2);
    assert!(town.inbox.ledger.entries().is_empty());
    ready.set(true);
    town.pass_minutes(6);
    let entry = town.only_entry();
    assert_eq!((entry.state, entry.origin), (State::Done, Origin::Poll));
    let state = run(town.inbox.ledger.expectation(&expectation.key)).unwrap().unwrap().state;
    assert_eq!(state, ExpectationState::Met);
    // The late webhook is a duplicate of what was found.
    assert_eq!(town.deliver("rightfoot", BATCH).status, 200);
    town.pass_minutes(10);
    assert_eq!(town.effects().len(), 1);
    assert_eq!(town.only_entry().origin, Origin::Poll);
}

#[test]
fn message_and_schedule_never_poll_twice() {
    let town = Town::new();
    town.inbox.api.answer_with(|_| answer(404, ""));
    run(expectations::announce(&town.inbox, town.provider("rightfoot"), "b1")).unwrap();
    let mut polls = 0;
    for _ in 0..240 {
        town.inbox.clock.advance_secs(15);
        let before = town.inbox.ledger.expectations()[0].polls;
        // Both the delayed message and the schedule come for the same due time.
        town.reconcile();
        town.work();
        let expectation = &town.inbox.ledger.expectations()[0];
        assert!(expectation.polls <= before + 1);
        polls = expectation.polls;
    }
    let asked = town.inbox.api.urls().iter().filter(|url| url.contains("balances")).count();
    assert_eq!(asked, polls as usize);
    // 30 s × 1.5 up to 300 s reaches the hour with these many polls, give or take the clock's steps.
    assert!((13..=17).contains(&polls), "{polls}");
    assert_eq!(town.inbox.ledger.expectations()[0].state, ExpectationState::Expired);
    assert_eq!(town.inbox.meter.total(Metric::ExpectationsExpired), 1);
}

#[test]
fn a_lost_finbox_event_is_found_in_the_links_list() {
    let town = Town::new();
    let payload = STATEMENT.replace('}', r#","date_time":"2039-12-31 10:00:00"}"#);
    town.inbox.api.answer_with(move |url| {
        if url.contains("webhook_payloads") {
            return answer(200, format!(r#"{{"payloads":[{payload}]}}"#));
        }
        answer(200, r#"{"progress":[{"status":"completed","statement_id":"s1"}],"accounts":[],"transactions":[]}"#)
    });
    run(expectations::announce(&town.inbox, town.provider("finbox"), "link:l1")).unwrap();
    town.pass_minutes(2);
    let entry = town.only_entry();
    assert_eq!((entry.state, entry.origin), (State::Done, Origin::Poll));
    assert_eq!(town.inbox.ledger.expectations()[0].state, ExpectationState::Waiting, "a link stays watched");
    town.deliver("finbox", STATEMENT);
    town.pass_minutes(5);
    assert_eq!(town.effects().len(), 1);
}

#[test]
fn an_entity_and_a_session_are_asked_for_by_themselves() {
    let town = Town::new();
    town.inbox.api.answer_with(|url| match url {
        url if url.contains("session_data") => answer(200, r#"{"session_progress":"completed"}"#),
        url if url.contains("/entity/e1/") => answer(
            200,
            r#"{"progress":[{"status":"completed","statement_id":"s1"},{"status":"failed","statement_id":"s2","message":"no page"}]}"#,
        ),
        _ => answer(404, ""),
    });
    let finbox = town.provider("finbox");
    for reference in ["entity:e1", "session:x1"] {
        run(expectations::announce(&town.inbox, finbox, reference)).unwrap();
    }
    town.pass_minutes(4);
    let mut done: Vec<String> = town.inbox.ledger.entries_in(State::Done).into_iter().map(|e| e.event_type).collect();
    done.sort();
    assert_eq!(done, ["SESSION_PROGRESS_COMPLETED", "statement.completed", "statement.failed"]);
    assert!(town.inbox.ledger.expectations().iter().all(|expectation| expectation.state == ExpectationState::Met));
    // The pushed copy of what the entity's poll found is known.
    town.deliver("finbox", &STATEMENT.replace(r#""link_id":"l1""#, r#""link_id":null"#));
    town.pass_minutes(4);
    assert_eq!(town.effects().len(), 3);
}

#[test]
fn repeated_failures_are_counted_by_the_links_list() {
    let town = Town::new();
    let row = |at: &str| WRONG_LOGIN.replace('}', &format!(r#","date_time":"2039-12-31 10:00:0{at}"}}"#));
    let list = format!(r#"{{"payloads":[{},{}]}}"#, row("2"), row("1"));
    town.inbox.api.answer_with(move |url| answer(if url.contains("payloads") { 200 } else { 404 }, list.clone()));
    run(expectations::announce(&town.inbox, town.provider("finbox"), "link:l1")).unwrap();
    town.deliver("finbox", WRONG_LOGIN);
    town.work();
    assert_eq!(town.inbox.ledger.entries().len(), 1);
    // The second looks the same: it is answered as known, and the link's list is owed a look.
    assert_eq!(town.deliver("finbox", WRONG_LOGIN).status, 200);
    town.pass_minutes(2);
    assert_eq!(town.inbox.ledger.entries_in(State::Done).len(), 2);
    assert_eq!(town.effects().len(), 2);
}

#[test]
fn push_and_poll_have_one_effect() {
    let merchants = |status: &'static str| {
        move |url: &str| match url.contains("/merchants?") {
            true => answer(
                200,
                format!(r#"{{"items":[{{"merchant_id":7,"merchant_status":"{status}"}}],"hasMore":false}}"#),
            ),
            false => answer(404, ""),
        }
    };
    // Found in the list first, pushed afterwards.
    let town = Town::new();
    town.inbox.api.answer_with(merchants("live"));
    town.pass_minutes(2);
    assert_eq!(town.effects().len(), 1);
    town.deliver("runpayments", &merchant("live", "10:00"));
    town.work();
    assert_eq!(town.inbox.ledger.entries_in(State::Done).len(), 2);
    assert_eq!(town.effects().len(), 1);
    // Pushed first, listed afterwards: the list shows what is held already.
    let town = Town::new();
    town.inbox.api.answer_with(merchants("live"));
    town.deliver("runpayments", &merchant("live", "10:00"));
    town.work();
    town.inbox.clock.advance_secs(60);
    town.pass_minutes(40);
    assert_eq!(town.inbox.ledger.entries().len(), 1);
    assert_eq!(town.effects().len(), 1);
    // An older page never moves a status back.
    town.inbox.api.answer_with(merchants("signed"));
    town.pass_minutes(40);
    assert_eq!(town.effects().len(), 1);
}

#[test]
fn a_status_moves_only_forward() {
    let town = Town::new();
    for (status, at) in [("signed", "10:02"), ("sent_for_signature", "10:01"), ("live", "10:05"), ("boarded", "10:05")]
    {
        town.deliver("runpayments", &merchant(status, at));
        town.work();
    }
    let subject = town.inbox.ledger.entries()[0].key.subject();
    assert_eq!(run(town.inbox.ledger.status(&subject)).unwrap().unwrap().status, "live");
    assert_eq!(town.inbox.ledger.entries_in(State::Done).len(), 4);
    let applied: Vec<bool> = town
        .inbox
        .publisher
        .published()
        .iter()
        .map(|announcement| serde_json::from_str::<serde_json::Value>(&announcement.detail).unwrap()["applied"] == true)
        .collect();
    assert_eq!(applied, [true, false, true, false]);
}

#[test]
fn handling_twice_equals_handling_once() {
    // The worker is killed at every turn, then the same message is handled again, twice over.
    for body in [merchant("live", "10:00"), transaction("k")] {
        for turns in 0..40 {
            let town = Town::new();
            town.deliver("runpayments", &body);
            let key = town.only_entry().key;
            let _ = killed_after(turns, town.worker().work(Job::entry(key.clone())));
            for _ in 0..2 {
                town.work_on(Job::entry(key.clone())).unwrap();
            }
            assert_eq!(town.only_entry().state, State::Done);
            let details: Vec<String> = town.inbox.publisher.published().into_iter().map(|a| a.detail).collect();
            assert!(!details.is_empty());
            assert!(details.iter().all(|detail| *detail == details[0]), "killed after {turns} turns: {details:#?}");
        }
    }
}

#[test]
fn a_failed_publish_is_a_failure() {
    let town = Town::new();
    town.inbox.publisher.faults.next(Side::Before, 1);
    town.deliver("runpayments", &transaction("k"));
    town.work();
    assert_eq!(town.only_entry().state, State::Open);
    town.pass_minutes(3);
    assert_eq!(town.only_entry().state, State::Done);
    assert_eq!(town.inbox.publisher.published().len(), 1);
}

#[test]
fn a_cursor_moves_only_after_its_page() {
    // Two pages of one merchant each; the walk is killed at every turn, and the next run goes on.
    for turns in 0..60 {
        let town = Town::new();
        town.inbox.api.answer_with(|url| {
            let first = url.ends_with("offset=0");
            let (merchant, more) = if first { (1, true) } else { (2, false) };
            answer(
                200,
                format!(r#"{{"items":[{{"merchant_id":{merchant},"merchant_status":"live"}}],"hasMore":{more}}}"#),
            )
        });
        let _ = killed_after(turns, town.asker().reconcile(&town.full_run()));
        town.pass_minutes(20);
        assert_eq!(town.inbox.ledger.entries_in(State::Done).len(), 2, "killed after {turns} turns");
        assert_eq!(town.effects().len(), 2, "killed after {turns} turns");
    }
}

#[test]
fn overlapping_runs_send_each_debt_once() {
    let town = Town::new();
    for n in 0..20 {
        town.inbox.queue.faults.next(Side::Before, 1);
        town.deliver("runpayments", &transaction(&format!("k{n}")));
    }
    town.inbox.clock.advance_secs(300);
    let run_of = town.full_run();
    let asker = town.asker();
    let both = futures_util::future::join(asker.reconcile(&run_of), asker.reconcile(&run_of));
    let (first, second) = run(both);
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(town.inbox.queue.jobs().len(), 20);
}

#[test]
fn a_deep_queue_is_not_made_deeper() {
    let town = Town::new();
    town.inbox.queue.faults.next(Side::Before, 1);
    town.deliver("runpayments", &transaction("k"));
    for _ in 0..=hookledger_core::flows::plan::MAX_QUEUE_DEPTH {
        town.inbox.queue.push_for("runpayments", "x", 0);
    }
    town.inbox.clock.advance_secs(300);
    let report = town.reconcile();
    assert_eq!((report.left, town.inbox.queue.jobs().len()), (1, 0));
    assert_eq!(town.inbox.meter.last(Metric::OldestDebtSecs), Some(180), "held back, but seen");
}
