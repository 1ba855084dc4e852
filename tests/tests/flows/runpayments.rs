//! Run Payments: merchants found by walking their list, and events that are looked up in its reports.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;

use hookledger_core::model::entry::{Entry, Origin, State};
use hookledger_core::model::provider_call::{ApiError, ApiResponse};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Clock, Metric, Results};
use hookledger_tests::memory::{Side, answer, killed_after, run};
use hookledger_tests::town::{Town, id};
use serde_json::Value;

use super::details;

fn merchant(status: &str, at: &str) -> String {
    format!(
        r#"{{"event_type":"merchant.{status}","source_id":7,"timestamp":"2039-12-31T{at}:00.000Z","payload":{{"merchant_id":7}},"metadata":{{"attempt":1,"idempotency_key":"{status}-{at}"}}}}"#
    )
}

/// The list as it stands: merchants by id, with their statuses. It honours limit and offset.
type Listing = Rc<RefCell<Vec<(u64, &'static str)>>>;

fn listing(town: &Town, merchants: &[(u64, &'static str)]) -> Listing {
    let listing: Listing = Rc::new(RefCell::new(merchants.to_vec()));
    let shown = listing.clone();
    town.inbox.api.answer_with(move |url| {
        let Some((_, query)) = url.split_once("/relay/api/boarding/v1/merchants?") else { return answer(404, "") };
        let number = |name: &str| -> usize {
            let pair = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            pair.unwrap().parse().unwrap()
        };
        let merchants = shown.borrow();
        let (limit, offset) = (number("limit"), number("offset"));
        let items: Vec<String> = merchants
            .iter()
            .skip(offset)
            .take(limit)
            .map(|(id, status)| format!(r#"{{"merchant_id":{id},"merchant_status":"{status}"}}"#))
            .collect();
        let has_more = merchants.len() > offset + limit;
        answer(200, format!(r#"{{"items":[{}],"hasMore":{has_more}}}"#, items.join(",")))
    });
    listing
}

fn status_of(town: &Town, merchant: u64) -> String {
    let key = format!("runpayments#merchant#{merchant}");
    let entry = town.inbox.ledger.entries().into_iter().find(|entry| entry.key.pk == key);
    let subject = entry.unwrap_or_else(|| panic!("nothing is known of {key}")).key.subject();
    run(town.inbox.ledger.status(&subject)).unwrap().unwrap().status
}

/// The pages of Run's list that were asked for.
fn merchant_pages(town: &Town) -> Vec<String> {
    town.inbox.api.urls().into_iter().filter(|url| url.contains("/merchants?")).collect()
}

#[test]
fn every_page_of_the_list_is_walked_once() {
    let town = Town::with(&[("RUNPAYMENTS_PAGE_LIMIT", "2")]);
    let merchants: Vec<(u64, &'static str)> = (1..=7).map(|id| (id, "live")).collect();
    listing(&town, &merchants);
    town.reconcile();
    town.work();
    let offsets: Vec<String> =
        merchant_pages(&town).iter().map(|url| url.rsplit('=').next().unwrap().to_string()).collect();
    assert_eq!(offsets, ["0", "2", "4", "6"]);
    assert_eq!(town.inbox.ledger.entries_in(State::Done).len(), 7);
    assert!((1..=7).all(|id| status_of(&town, id) == "live"));
    // The next walk finds what it found before.
    town.pass_minutes(20);
    assert!(town.inbox.api.urls().len() > 4);
    assert_eq!((town.inbox.ledger.entries().len(), town.effects().len()), (7, 7));
}

#[test]
fn the_list_brings_new_merchants_and_moved_statuses() {
    let town = Town::with(&[("RUNPAYMENTS_PAGE_LIMIT", "2")]);
    let listing = listing(&town, &[(1, "new"), (2, "signed"), (3, "live")]);
    town.pass_minutes(1);
    assert_eq!(town.effects().len(), 3);
    listing.borrow_mut().push((4, "new"));
    listing.borrow_mut()[0].1 = "signed";
    town.pass_minutes(20);
    assert_eq!((status_of(&town, 1), status_of(&town, 4)), ("signed".into(), "new".into()));
    assert_eq!(town.effects().len(), 5, "the new merchant and the moved status, and nothing twice");
    // A list that goes back is not believed: its pages may be older than what is known.
    listing.borrow_mut()[0].1 = "new";
    town.pass_minutes(40);
    assert_eq!((status_of(&town, 1), town.effects().len()), ("signed".into(), 5));
}

#[test]
fn a_page_and_a_webhook_at_once_have_one_effect() {
    // The webhook is worked on before, between and after the turns of a walk that sees the same status.
    for turns in 0..40 {
        let town = Town::new();
        listing(&town, &[(7, "live")]);
        let _ = killed_after(turns, town.asker().reconcile(&town.full_run()));
        town.deliver("runpayments", &merchant("live", "10:00"));
        town.work();
        town.pass_minutes(40);
        assert!(town.inbox.ledger.entries().iter().all(|entry| entry.state == State::Done), "{turns}");
        assert_eq!(town.effects().len(), 1, "the walk was stopped after {turns} turns");
    }
}

#[test]
fn a_merchant_may_come_back_to_an_earlier_status() {
    // By its webhooks, of which the last one in time counts, whatever order they come in.
    let way = [("live", "10:00"), ("in_underwriting", "11:00"), ("live", "12:00")];
    for order in [[0, 1, 2], [0, 2, 1], [2, 1, 0]] {
        let town = Town::new();
        for index in order {
            let (status, at) = way[index];
            town.deliver("runpayments", &merchant(status, at));
            town.work();
        }
        assert_eq!((status_of(&town, 7), town.effects().len()), ("live".into(), 3), "{order:?}");
        let facts: Vec<String> = facts(&town);
        assert_eq!(facts, ["in_underwriting#1", "live#1", "live#2"], "{order:?}");
    }
    // And by the list: it showed live, a webhook tells that it went back, the list shows live again.
    let town = Town::new();
    let listing = listing(&town, &[(7, "live")]);
    town.deliver("runpayments", &merchant("live", "10:00"));
    town.work();
    town.pass_minutes(20);
    town.deliver("runpayments", &merchant("in_underwriting", "11:00"));
    town.work();
    listing.borrow_mut()[0].1 = "in_underwriting";
    town.pass_minutes(20);
    assert_eq!((status_of(&town, 7), town.effects().len()), ("in_underwriting".into(), 2));
    listing.borrow_mut()[0].1 = "live";
    town.pass_minutes(20);
    assert_eq!((status_of(&town, 7), town.effects().len()), ("live".into(), 3));
    let found = town.inbox.ledger.entries().into_iter().find(|entry| entry.origin == Origin::Poll).unwrap();
    assert!(found.key.sk.ends_with("listing#7#live#2"), "{}", found.key);
}

/// Two days later than [`merchant`] has it, when the list was looked at long ago.
fn later(status: &str, at: &str) -> String {
    merchant(status, at).replace("2039-12-31", "2040-01-02")
}

/// A merchant that a list showed first. Then come its webhooks, one after the other.
fn listed_then_pushed(status: &'static str, pushes: &[String]) -> Town {
    let town = Town::new();
    listing(&town, &[(7, status)]);
    town.pass_minutes(1);
    assert_eq!(status_of(&town, 7), status);
    town.inbox.clock.advance_secs(3 * 24 * 3600);
    for push in pushes {
        town.deliver("runpayments", push);
        town.work();
    }
    town
}

#[test]
fn a_listed_status_is_followed_by_what_happened_after_it_and_by_nothing_else() {
    // It came back to what the list had shown; the step that it came back from is told last.
    let town = listed_then_pushed("live", &[later("live", "12:00"), later("declined", "11:00")]);
    assert_eq!((status_of(&town, 7), town.effects().len()), ("live".into(), 2));
    assert_eq!(details(&town)[1]["applied"], false);
    // It went back before the list was looked at; where it went back from is told last.
    let town = listed_then_pushed("signed", &[merchant("signed", "12:00"), merchant("live", "11:00")]);
    assert_eq!((status_of(&town, 7), town.effects().len()), ("signed".into(), 2));
    // The same, and the webhook of what the list shows got lost: another one is later, too.
    let town = listed_then_pushed("signed", &[merchant("new", "12:00"), merchant("live", "11:00")]);
    assert_eq!((status_of(&town, 7), town.effects().len()), ("signed".into(), 3));
    // Without any later one the provider's order decides: the page may have been older than it looked.
    let town = listed_then_pushed("signed", &[merchant("live", "11:00")]);
    assert_eq!(status_of(&town, 7), "live");
}

#[test]
fn two_webhooks_worked_side_by_side_end_at_the_later_one() {
    let (left, back) = (merchant("declined", "11:00"), merchant("new", "12:00"));
    for (slow, fast) in [(&left, &back), (&back, &left)] {
        // The slow one stands still after so many turns, and the other one overtakes it.
        for turns in 0.. {
            let town = listed_then_pushed("new", &[merchant("new", "10:00")]);
            let jobs = [slow, fast].map(|push| {
                town.deliver("runpayments", push);
                town.inbox.queue.receive(1, 360).remove(0).job().unwrap()
            });
            let [slow_job, fast_job] = jobs;
            let worker = town.worker();
            let mut slow_work = pin!(worker.work(slow_job));
            let ended = killed_after(turns, slow_work.as_mut()).is_some();
            run(worker.work(fast_job)).unwrap();
            if ended {
                assert!(turns > 10, "it takes more than {turns} turns");
                break;
            }
            run(slow_work).unwrap();
            assert_eq!((status_of(&town, 7), town.effects().len()), ("new".into(), 3), "after {turns} turns: {slow}");
        }
    }
}

#[test]
fn a_list_brings_back_a_status_that_was_left_by_a_matched_push() {
    let town = Town::new();
    let listing = listing(&town, &[(7, "new")]);
    town.pass_minutes(1);
    town.inbox.clock.advance_secs(3 * 24 * 3600);
    // One push is taken for what the list showed. The step before it is told last, and was left by it.
    for push in [later("new", "12:00"), later("declined", "11:00")] {
        town.deliver("runpayments", &push);
        town.work();
    }
    assert_eq!((status_of(&town, 7), facts(&town)), ("new".into(), vec!["declined#1".into(), "new#1".into()]));
    listing.borrow_mut()[0].1 = "declined";
    town.pass_minutes(20);
    assert_eq!((status_of(&town, 7), town.effects().len()), ("declined".into(), 3));
    assert_eq!(facts(&town), ["declined#1", "declined#2", "new#1"]);
}

#[test]
fn a_push_too_close_to_the_list_counts_once_another_one_shows_which_was_later() {
    // The list is looked at; four seconds later, by another clock, the merchant is boarded, and at once set back.
    let close = |status: &str, at: &str| merchant(status, "00:00").replace("2039-12-31T00:00:00.000Z", at);
    let (boarded, back) = (close("boarded", "2040-01-01T00:01:04.479Z"), close("new", "2040-01-01T00:01:04.480Z"));
    for pushes in [[&boarded, &back], [&back, &boarded]] {
        let town = Town::new();
        listing(&town, &[(7, "in_underwriting")]);
        town.pass_minutes(1);
        let looked_at = town.inbox.clock.now();
        let pushed_at = UnixMs::parse_rfc3339("2040-01-01T00:01:04.480Z").unwrap();
        assert!(looked_at < pushed_at && pushed_at < looked_at.plus_secs(5), "{looked_at}");
        town.inbox.clock.advance_secs(60);
        for push in pushes {
            town.deliver("runpayments", push);
            town.work();
        }
        assert_eq!((status_of(&town, 7), town.effects().len()), ("new".into(), 3), "{pushes:?}");
    }
}

#[test]
fn a_list_brings_back_a_status_that_late_pushes_led_away_from() {
    let town = Town::new();
    let listing = listing(&town, &[(7, "new")]);
    town.pass_minutes(1);
    listing.borrow_mut()[0].1 = "sent_for_signature";
    town.pass_minutes(20);
    assert_eq!(status_of(&town, 7), "sent_for_signature");
    // Both happened before the list was looked at. The first is a step further on and taken for news, the second led back
    // from there, and is what the list showed first. The webhook of what the list shows now is lost.
    for push in [merchant("signed", "11:00"), merchant("new", "12:00")] {
        town.deliver("runpayments", &push);
        town.work();
    }
    assert_ne!(status_of(&town, 7), "sent_for_signature");
    town.pass_minutes(20);
    assert_eq!(status_of(&town, 7), "sent_for_signature", "as the list shows it at each walk");
    assert_eq!(facts(&town), ["new#1", "sent_for_signature#1", "signed#1"]);
    assert_eq!(town.effects().len(), 3, "and nothing is told twice");
}

fn facts(town: &Town) -> Vec<String> {
    let subject = town.inbox.ledger.entries()[0].key.subject();
    let facts = run(town.inbox.ledger.facts(&subject)).unwrap();
    let mut facts: Vec<String> = facts.into_iter().map(|fact| format!("{}#{}", fact.status, fact.n)).collect();
    facts.sort();
    facts
}

#[test]
fn at_the_same_instant_the_status_that_ends_the_way_wins() {
    for terminal in ["cancelled", "declined", "deleted"] {
        for order in [["live", terminal], [terminal, "live"]] {
            let town = Town::new();
            for status in order {
                town.deliver("runpayments", &merchant(status, "10:00"));
                town.work();
            }
            assert_eq!(status_of(&town, 7), terminal, "{order:?}");
            let applied: Vec<bool> = details(&town).iter().map(|detail| detail["applied"] == true).collect();
            assert_eq!(applied, [true, order[1] == terminal], "{order:?}: the other one is kept, and told as it is");
            assert_eq!(town.inbox.ledger.entries_in(State::Done).len(), 2, "{order:?}");
        }
    }
}

const TRANSACTION: &str = r#"{"event_type":"transaction.entered","source_id":9,"timestamp":"2039-12-31T10:00:00Z","payload":{"x":1},"metadata":{"idempotency_key":"k"}}"#;
const FOUND: &str = r#"{"items":[{"id":9,"amount":12345678901234567.10,"mid":"m"}],"hasMore":false}"#;

/// A town in which events are looked up, and its reports answer like this.
fn reporting(mut answers: impl FnMut() -> Result<ApiResponse, ApiError> + 'static) -> Town {
    let town = Town::with(&[("RUNPAYMENTS_REPORTING", "on")]);
    town.inbox.api.answer_with(move |url| if url.contains("/sprint/api/3p/v1/") { answers() } else { answer(404, "") });
    town
}

fn looked_up(town: &Town) -> (Entry, Vec<String>, Value) {
    let entry = town.only_entry();
    let rows = town.inbox.ledger.rows(&entry.key.subject()).into_iter().map(|row| row.sk).collect();
    let details = details(town);
    (entry, rows, details.first().map_or(Value::Null, |detail| detail["summary"].clone()))
}

fn lookups(town: &Town) -> usize {
    town.inbox.api.urls().iter().filter(|url| url.contains("/sprint/")).count()
}

#[test]
fn a_transaction_is_looked_up_and_its_amount_kept_as_sent() {
    let town = reporting(|| answer(200, FOUND));
    town.deliver("runpayments", TRANSACTION);
    town.work();
    let (entry, rows, summary) = looked_up(&town);
    assert_eq!((entry.state, rows), (State::Done, vec!["transactions#0000".to_string()]));
    let row = &town.inbox.ledger.rows(&entry.key.subject())[0];
    assert_eq!(row.columns, [("amount", "12345678901234567.10".to_string())]);
    assert_eq!(summary, serde_json::json!({ "looked_up": true, "rows": 1 }));
    assert!(!town.inbox.publisher.published()[0].detail.contains("12345678901234567"), "no amount is published");
}

#[test]
fn a_transaction_that_is_not_reported_yet_is_waited_for() {
    let answers = RefCell::new(0);
    let town = reporting(move || {
        *answers.borrow_mut() += 1;
        answer(200, if *answers.borrow() > 3 { FOUND } else { r#"{"items":[]}"# })
    });
    town.deliver("runpayments", TRANSACTION);
    town.work();
    let (entry, _, summary) = looked_up(&town);
    assert_eq!((entry.state, entry.attempts, summary), (State::Open, 0, Value::Null), "waiting is no failure");
    town.pass_minutes(10);
    let (entry, rows, summary) = looked_up(&town);
    assert_eq!((entry.state, rows.len(), &summary["looked_up"]), (State::Done, 1, &true.into()));
    // Never reported: at the deadline the event is told as what it is.
    let town = reporting(|| answer(200, r#"{"items":[]}"#));
    town.deliver("runpayments", TRANSACTION);
    town.work();
    town.pass_minutes(90);
    let (entry, rows, summary) = looked_up(&town);
    assert_eq!((entry.state, rows.len(), &summary["looked_up"]), (State::Done, 0, &false.into()));
    assert_eq!(summary["why"], "never confirmed: the report does not show it yet");
}

#[test]
fn what_the_reports_cannot_answer_costs_no_event() {
    type Answers = fn() -> Result<ApiResponse, ApiError>;
    let rows: [(&str, Answers, &str); 5] = [
        ("not found", || answer(404, ""), "the provider's API answered 404"),
        (
            "a filter that is not obeyed",
            || answer(200, r#"{"items":[{"id":8,"amount":1}]}"#),
            "the report does not filter by the field asked for: see RUNPAYMENTS_REPORTING_ID_FIELD",
        ),
        (
            "no credentials",
            || Err(ApiError::NoCredentials),
            "the provider's secret holds no credential for its API: fill its `api` object",
        ),
        (
            "a wrong client",
            || Err(ApiError::TokenRefused),
            "the provider's token endpoint refused our client credentials",
        ),
        (
            "a wrong URL",
            || Err(ApiError::BadRequest),
            "the provider's API URL is not usable: check its base URL setting",
        ),
    ];
    for (name, answers, why) in rows {
        let town = reporting(answers);
        town.deliver("runpayments", TRANSACTION);
        town.work();
        let (entry, kept, summary) = looked_up(&town);
        assert_eq!((entry.state, kept.len(), lookups(&town)), (State::Done, 0, 1), "{name}: at once");
        assert_eq!(summary, serde_json::json!({ "looked_up": false, "why": why }), "{name}");
        assert_eq!(town.inbox.meter.of(Metric::WorkFailed, id("runpayments")), 1, "{name}: it is counted");
    }
}

#[test]
fn passing_trouble_with_the_reports_is_retried_first() {
    type Answers = fn() -> Result<ApiResponse, ApiError>;
    // Which of them are an outage of the provider's, for which its circuit opens.
    let rows: [(&str, Answers, bool); 4] = [
        ("down", || answer(503, ""), true),
        ("no token any more", || answer(401, ""), false),
        ("unreachable", || Err(ApiError::Unreachable), true),
        ("our secrets are out of reach", || Err(ApiError::SecretUnavailable), false),
    ];
    for (name, answers, outage) in rows {
        // It passes.
        let calls = RefCell::new(0);
        let town = reporting(move || {
            *calls.borrow_mut() += 1;
            if *calls.borrow() > 2 { answer(200, FOUND) } else { answers() }
        });
        town.deliver("runpayments", TRANSACTION);
        town.work();
        assert_eq!(town.only_entry().state, State::Open, "{name}");
        town.pass_minutes(30);
        let (entry, kept, summary) = looked_up(&town);
        assert_eq!((entry.state, kept.len(), &summary["looked_up"]), (State::Done, 1, &true.into()), "{name}");
        // It does not.
        let town = reporting(answers);
        town.deliver("runpayments", TRANSACTION);
        town.work();
        town.pass_minutes(600);
        let (entry, kept, summary) = looked_up(&town);
        assert_eq!((entry.state, kept.len()), (State::Done, 0), "{name}: {:?}", entry.reason);
        assert_eq!(summary["looked_up"], false, "{name}");
        assert!(if outage { lookups(&town) > 1 } else { lookups(&town) == 8 }, "{name}: {} look-ups", lookups(&town));
        assert_eq!(town.effects().len(), 1, "{name}");
    }
}

#[test]
fn an_outage_of_the_reports_holds_an_event_back_for_an_hour_and_no_longer() {
    // The circuit is open all the time: five events are enough for that.
    let town = reporting(|| answer(503, ""));
    let event = |n: u32| TRANSACTION.replace(":9,", &format!(":{n},")).replace(r#""k""#, &format!(r#""k{n}""#));
    for n in 0..5 {
        town.deliver("runpayments", &event(n));
        town.work();
    }
    town.pass_minutes(45);
    assert_eq!(town.inbox.ledger.entries_in(State::Parked).len(), 0);
    town.pass_minutes(120);
    assert_eq!(town.inbox.ledger.entries_in(State::Done).len(), 5);
    assert!(details(&town).iter().all(|detail| detail["summary"]["looked_up"] == false));
    assert_eq!(town.effects().len(), 5);
}

#[test]
fn an_event_told_without_its_report_is_not_told_otherwise_later() {
    // The publication fails, and meanwhile the report has the row: what was fixed first is what is told.
    let calls = RefCell::new(0);
    let town = reporting(move || {
        *calls.borrow_mut() += 1;
        if *calls.borrow() > 1 { answer(200, FOUND) } else { answer(404, "") }
    });
    town.inbox.publisher.faults.next(Side::After, 1);
    town.deliver("runpayments", TRANSACTION);
    town.work();
    assert_eq!(town.only_entry().state, State::Open);
    town.pass_minutes(10);
    let (entry, rows, _) = looked_up(&town);
    assert_eq!((entry.state, rows.len()), (State::Done, 1));
    let details = details(&town);
    assert!(details.len() > 1 && details.iter().all(|detail| *detail == details[0]), "{details:#?}");
    assert_eq!(details[0]["summary"]["looked_up"], false);
}

#[test]
fn nothing_is_looked_up_unless_it_is_turned_on_and_announced() {
    let statement = TRANSACTION.replace("transaction.entered", "statement.entered");
    let unknown = TRANSACTION.replace("transaction.entered", "transaction.entered_twice");
    let rows = [
        (Town::new(), TRANSACTION, State::Done),
        (reporting(|| answer(200, FOUND)), statement.as_str(), State::Done),
        (reporting(|| answer(200, FOUND)), unknown.as_str(), State::Ignored),
        (reporting(|| answer(200, FOUND)), &merchant("live", "10:00"), State::Done),
    ];
    for (town, body, state) in rows {
        town.deliver("runpayments", body);
        town.work();
        let (entry, _, summary) = looked_up(&town);
        assert_eq!((entry.state, lookups(&town)), (state, 0), "{body}");
        assert!(summary.get("looked_up").is_none(), "{body}");
    }
}

#[test]
fn a_slow_clock_does_not_hold_back_what_a_list_shows() {
    let town = Town::new();
    listing(&town, &[(7, "sent_for_signature")]);
    town.reconcile();
    // By the provider's clock the step before it was two seconds later than we asked. Its push is worked on first.
    let step_before = merchant("new", "00:00").replace("2039-12-31T00:00:00", "2040-01-01T00:00:02");
    town.deliver("runpayments", &step_before);
    let pushed = town.inbox.ledger.entries().into_iter().find(|entry| entry.origin == Origin::Push).unwrap();
    town.work_on(town.job(&pushed.key)).unwrap();
    assert_eq!(status_of(&town, 7), "new");
    town.work();
    assert_eq!(status_of(&town, 7), "sent_for_signature");
    // What was pushed clearly later than the page was asked for stays: the merchant is back there.
    let town = Town::new();
    listing(&town, &[(7, "sent_for_signature")]);
    town.reconcile();
    town.inbox.clock.advance_secs(20);
    town.deliver("runpayments", &step_before.replace("00:00:02", "00:00:20"));
    let pushed = town.inbox.ledger.entries().into_iter().find(|entry| entry.origin == Origin::Push).unwrap();
    town.work_on(town.job(&pushed.key)).unwrap();
    town.work();
    assert_eq!(status_of(&town, 7), "new");
}
