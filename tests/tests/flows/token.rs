//! Who holds a URL token, and posts what they like: what it costs, and what it can't do.

use std::cell::Cell;
use std::rc::Rc;

use hookledger_core::flows::circuits::Circuits;
use hookledger_core::flows::expectations;
use hookledger_core::model::circuit::{Gate, MAX_DOWN_IN_A_ROW};
use hookledger_core::model::debt::ExpectationState;
use hookledger_core::model::entry::State;
use hookledger_core::model::job::Job;
use hookledger_core::model::provider_call::ApiError;
use hookledger_core::model::refused::{MAX_QUARANTINED_PER_SOURCE, MAX_UNREADABLE_BYTES};
use hookledger_core::ports::{Metric, WorkQueue};
use hookledger_kit as kit;
use hookledger_tests::memory::{answer, run};
use hookledger_tests::town::{Town, confirmed, id};
use serde_json::json;

use super::{BATCH, WRONG_LOGIN, asked, gate};

fn batch(id: &str) -> String {
    kit::event("rightfoot", id)
}

#[test]
fn an_id_that_no_provider_gives_out_is_unreadable_and_asked_for_by_nobody() {
    let town = Town::new();
    let bad = ["\u{0}", "a\u{1b}[2J", "a\nb", "\u{7f}", "..", ".", "a\u{85}b", &"x".repeat(4_001)];
    for bad in bad {
        let of_rightfoot = [
            json!({ "event_uuid": "u", "type": "BALANCE_BATCH_COMPLETED", "batch_id": bad }),
            json!({ "event_uuid": bad, "type": "BALANCE_BATCH_COMPLETED", "batch_id": "b" }),
            json!({ "event_uuid": "u", "type": "BALANCE_THRESHOLD_ALERT", "batch_id": "b", "schedule_id": bad }),
        ];
        let of_finbox = [
            json!({ "entity_id": bad, "statement_id": "s", "progress": "completed" }),
            json!({ "entity_id": "e", "statement_id": bad, "progress": "completed" }),
            json!({ "entity_id": "e", "link_id": bad, "progress": "failed" }),
            json!({ "event_name": "ENRICHMENT_NOTIFICATION", "session_id": bad }),
        ];
        for body in of_rightfoot {
            assert_eq!(town.deliver("rightfoot", &body.to_string()).status, 400, "{body}");
        }
        for body in of_finbox {
            assert!([200, 503].contains(&town.deliver("finbox", &body.to_string()).status), "{body}");
        }
        town.inbox.clock.advance_secs(60);
    }
    assert_eq!(town.inbox.meter.total(Metric::DeliveriesUnreadable), 8 * 7);
    assert_eq!(town.inbox.ledger.entries(), []);
    let references = town.inbox.ledger.expectations().into_iter().map(|expectation| expectation.reference);
    assert!(references.clone().all(|reference| !reference.chars().any(char::is_control)), "{references:?}");
}

/// Ids on which the provider's API breaks, while it answers for all others.
fn breaking() -> Town {
    let town = Town::new();
    town.inbox.api.answer_with(|url| if url.contains("batchId=bad") { answer(500, "") } else { confirmed(url) });
    town
}

#[test]
fn ids_that_break_the_providers_api_hold_up_nobody() {
    // Known by an answer before: the circuit never opens.
    let town = breaking();
    town.deliver("rightfoot", BATCH);
    town.work();
    for n in 0..50 {
        town.deliver("rightfoot", &batch(&format!("bad{n}")));
    }
    town.work();
    assert_eq!(gate(&town, "rightfoot"), Gate::Closed);
    for n in 0..6 {
        town.deliver("rightfoot", &batch(&format!("good{n}")));
        town.work();
    }
    assert_eq!(town.inbox.ledger.entries_in(State::Done).len(), 7);
    // Five forgeries cost one call more than they are.
    assert!(asked(&town, "batchId=") <= 50 + 50 / MAX_DOWN_IN_A_ROW as usize + 7, "{}", asked(&town, "batchId="));
}

#[test]
fn in_a_function_that_has_seen_no_answer_the_probe_is_left_to_others() {
    let town = breaking();
    for n in 0..MAX_DOWN_IN_A_ROW {
        town.deliver("rightfoot", &batch(&format!("bad{n}")));
    }
    town.deliver("rightfoot", BATCH);
    town.work();
    // Nobody could know better yet.
    assert!(matches!(gate(&town, "rightfoot"), Gate::Open(_)));
    for _ in 0..24 {
        town.inbox.clock.advance_secs(5);
        town.reconcile();
        town.work();
    }
    let done = town.inbox.ledger.entries_in(State::Done);
    assert_eq!(done.iter().map(|entry| entry.key.pk.as_str()).collect::<Vec<_>>(), ["rightfoot#batch#b1"]);
    // From then on it is known.
    town.pass_minutes(30);
    assert_eq!(gate(&town, "rightfoot"), Gate::Closed);
    town.deliver("rightfoot", &batch("good"));
    town.work();
    assert_eq!(town.inbox.ledger.entries_in(State::Done).len(), 2);
}

#[test]
fn a_new_function_measures_by_what_others_were_answered() {
    let town = breaking();
    town.deliver("rightfoot", BATCH);
    town.work();
    let forge = |town: &Town, from: u32| {
        for n in from..from + 50 {
            town.deliver("rightfoot", &batch(&format!("bad{n}")));
        }
        town.work();
    };
    forge(&town, 0);
    let town = Town { circuits: Circuits::default(), ..town };
    forge(&town, 50);
    assert_eq!(gate(&town, "rightfoot"), Gate::Closed);
    town.deliver("rightfoot", &batch("good"));
    town.work();
    assert_eq!(town.inbox.ledger.entries_in(State::Done).len(), 2);
}

#[test]
fn one_request_that_fails_again_and_again_counts_once() {
    let town = Town::new();
    town.inbox
        .api
        .answer_with(|url| if url.contains("batchId=bad") { Err(ApiError::TimedOut) } else { confirmed(url) });
    town.deliver("rightfoot", &batch("bad"));
    for _ in 0..20 {
        town.work();
        let key = town.only_entry().key;
        town.work_on(Job::entry(key)).unwrap();
        town.inbox.clock.advance_secs(1);
    }
    assert_eq!(gate(&town, "rightfoot"), Gate::Closed);
}

#[test]
fn a_duplicate_recounts_what_is_watched_and_no_more_often_than_the_cadence() {
    let row = |at: &str| WRONG_LOGIN.replace('}', &format!(r#","date_time":"2039-12-31 10:00:0{at}"}}"#));
    let list = format!(r#"{{"payloads":[{},{}]}}"#, row("2"), row("1"));
    for watched in [false, true] {
        let (town, list) = (Town::new(), list.clone());
        town.inbox.api.answer_with(move |url| answer(if url.contains("payloads") { 200 } else { 404 }, list.clone()));
        if watched {
            run(expectations::announce(&town.inbox, town.provider("finbox"), "link:l1")).unwrap();
            // Slow by now: it has been watched for a day.
            town.pass_minutes(24 * 60);
        }
        town.deliver("finbox", WRONG_LOGIN);
        town.work();
        let before = asked(&town, "payloads");
        for _ in 0..100 {
            assert_eq!(town.deliver("finbox", WRONG_LOGIN).status, 200);
            town.work();
        }
        assert_eq!(asked(&town, "payloads"), before, "not at once");
        town.pass_minutes(1);
        assert_eq!(asked(&town, "payloads"), before + usize::from(watched));
        assert_eq!(town.inbox.ledger.expectations().len(), usize::from(watched), "nobody announced it");
    }
}

#[test]
fn an_attempt_with_neither_statement_nor_link_is_believed_as_the_entity_tells_it() {
    let failed = |id: &str| json!({ "entity_id": id, "progress": "failed", "reason": "forged \u{1b}[2J" }).to_string();
    let town = Town::new();
    let told = Rc::new(Cell::new(false));
    let switch = told.clone();
    town.inbox.api.answer_with(move |url| match url {
        url if url.contains("/entity/e1/") && switch.get() => {
            answer(200, r#"{"progress":[{"status":"failed","statement_id":"","message":"wrong login"}]}"#)
        }
        url if url.contains("/entity/") => answer(200, r#"{"progress":[{"status":"completed","statement_id":"s1"}]}"#),
        _ => answer(404, ""),
    });
    town.deliver("finbox", &failed("e1"));
    town.deliver("finbox", &failed("e2"));
    town.deliver("finbox", &json!({ "entity_id": "e1", "progress": "completed" }).to_string());
    town.work();
    assert_eq!((town.effects().len(), town.inbox.ledger.entries_in(State::Open).len()), (0, 2), "it waits");
    told.set(true);
    town.pass_minutes(90);
    let done = town.inbox.ledger.entries_in(State::Done);
    assert_eq!(done.iter().map(|entry| entry.key.pk.as_str()).collect::<Vec<_>>(), ["finbox#entity#e1"]);
    let rows = town.inbox.ledger.rows(&done[0].key.subject());
    let reasons: Vec<_> = rows.iter().flat_map(|row| &row.columns).filter(|(name, _)| *name == "reason").collect();
    assert_eq!(reasons, [&("reason", "wrong login".to_string())], "the API's own words");
    assert_eq!(town.inbox.ledger.entries_in(State::Parked).len(), 2, "for a person");
}

#[test]
fn what_nobody_can_read_is_small_capped_and_asked_for_within_the_cap() {
    let town = Town::new();
    let large = format!(r#"{{"x":"{}"#, "y".repeat(4 * 1024 * 1024));
    for n in 0..100 {
        let body = if n == 0 { large.clone() } else { format!(r#"{{"entity_id":"e{n}","progress":[]}}"#) };
        let kept = n < usize::from(MAX_QUARANTINED_PER_SOURCE);
        assert_eq!(town.deliver("finbox", &body).status, if kept { 200 } else { 503 }, "{n}");
        let body = format!(r#"{{"type":"BALANCE_BATCH_COMPLETED","batch_id":"b{n}"}}"#);
        assert_eq!(town.deliver("rightfoot", &body).status, 400, "{n}");
    }
    assert_eq!(town.inbox.ledger.entries(), []);
    let kept = town.inbox.ledger.refusals();
    assert_eq!(kept.len(), 2 * usize::from(MAX_QUARANTINED_PER_SOURCE));
    assert!(kept.iter().all(|refused| refused.body.len() <= MAX_UNREADABLE_BYTES));
    // One of FinBox's names nothing.
    assert_eq!(town.inbox.ledger.expectations().len(), 2 * usize::from(MAX_QUARANTINED_PER_SOURCE) - 1);
}

#[test]
fn when_the_store_is_down_an_unreadable_finbox_delivery_is_not_lost() {
    let town = Town::new();
    town.inbox.ledger.faults.down(true);
    assert_eq!(town.deliver("finbox", r#"{"entity_id":"e1"}"#).status, 200);
    town.inbox.ledger.faults.down(false);
    town.pass_minutes(3);
    assert_eq!(town.inbox.ledger.refusals().len(), 1);
    assert!(!town.inbox.queue.jobs().iter().any(|job| matches!(job, Job::Rescue { .. })));
}

#[test]
fn one_providers_deep_queue_holds_back_its_own_entries_alone() {
    let town = Town::new();
    town.confirm();
    for n in 0..11_000 {
        town.deliver("finbox", &kit::event("finbox", &format!("e{n}")));
    }
    assert_eq!(run(town.inbox.queue.depth(id("rightfoot"))), Ok(0));
    town.deliver("rightfoot", BATCH);
    for (kit, reference) in kit::ALL.iter().filter_map(|kit| Some((kit, kit.reference("watched")?))) {
        run(expectations::announce(&town.inbox, town.provider(kit.name), &reference)).unwrap();
    }
    // Nobody works; every entry falls due, and is older than the polls.
    town.inbox.clock.advance_secs(600);
    let report = town.reconcile();
    assert_eq!(report.left, 11_000);
    let expectations = town.inbox.ledger.expectations();
    assert!(expectations.iter().all(|expectation| expectation.state == ExpectationState::Met), "{expectations:?}");
    let claimed = |pk: &str| town.inbox.ledger.entries().iter().any(|entry| entry.key.pk == pk && entry.attempts == 1);
    assert!(claimed("rightfoot#batch#b1"), "another provider's entry is sent again");
    assert!(!claimed("finbox#entity#e1"), "what waits is not");
}
