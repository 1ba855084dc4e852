//! What providers really send, row by row: inputs that people who run such systems have met.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Waker};

use hookledger_core::model::debt::{ExpectationState, Wanted};
use hookledger_core::model::entry::{Entry, Origin, State};
use hookledger_core::model::secret::Secret;
use hookledger_core::ports::{Clock, Debts, Metric};
use hookledger_tests::memory::{answer, run};
use hookledger_tests::town::{Town, id};
use serde_json::{Value, json};

use super::{BATCH, STATEMENT, details, types_published};

/// The sort keys of the entry's subject that start so, in their order.
fn rows_under(town: &Town, entry: &Entry, prefix: &str) -> Vec<String> {
    let rows = town.inbox.ledger.rows(&entry.key.subject());
    rows.into_iter().map(|row| row.sk).filter(|sk| sk.starts_with(prefix)).collect()
}

fn balance(authorizer: &str) -> Value {
    json!({ "authorizer_unique_id": authorizer, "balance": 1.10, "balance_status_code": 0 })
}

fn merchant_at(status: &str, key: &str, at: &str) -> String {
    json!({
        "event_type": format!("merchant.{status}"), "source_id": 7, "timestamp": at,
        "payload": { "merchant_id": 7, "status": status },
        "metadata": { "attempt": 1, "idempotency_key": key },
    })
    .to_string()
}

fn listed(town: &Town, items: Value) {
    town.inbox.api.answer_with(move |_| answer(200, json!({ "items": items, "hasMore": false }).to_string()));
}

fn status_of(town: &Town) -> String {
    town.inbox.ledger.statuses().into_iter().map(|(_, status)| status.status).collect()
}

#[test]
fn an_empty_event_name_is_no_event_name() {
    for name in [r#""""#, r#""  ""#, "null"] {
        let town = Town::new();
        town.inbox
            .api
            .answer_with(|_| answer(200, r#"{"progress":[{"statement_id":"s1","status":"failed","message":"x"}]}"#));
        let body = STATEMENT.replacen('{', &format!(r#"{{"event_name":{name},"#), 1);
        assert_eq!(town.deliver("finbox", &body).status, 200);
        town.work();
        assert!(town.only_entry().reason.unwrap().contains("contradicts"), "{name}");
        town.pass_minutes(120);
        assert_eq!(town.only_entry().state, State::Parked, "{name}");
        assert!(town.inbox.publisher.published().is_empty(), "{name}");
    }
}

#[test]
fn a_status_from_the_future_is_ordered_as_of_its_receipt() {
    let town = Town::new();
    listed(&town, json!([{ "merchant_id": 7, "merchant_status": "Cancelled" }]));
    // Local time that is marked as UTC: five and a half hours ahead.
    town.deliver("runpayments", &merchant_at("live", "k1", "2040-01-01T05:30:00Z"));
    town.work();
    town.inbox.clock.advance_secs(60);
    town.deliver("runpayments", &merchant_at("cancelled", "k2", "2040-01-01T00:01:00Z"));
    town.work();
    town.pass_minutes(120);
    assert_eq!((status_of(&town), types_published(&town).len()), ("cancelled".into(), 2));
    let sent = details(&town)[0]["occurred_at"].clone();
    assert_eq!(sent, "2040-01-01T05:30:00.000Z", "what was sent is kept");
}

#[test]
fn a_list_that_keeps_saying_the_same_makes_one_event() {
    // Only the one from the future is pushed; that the merchant is cancelled is told by the list alone.
    let town = Town::new();
    listed(&town, json!([{ "merchant_id": 7, "merchant_status": "Cancelled" }]));
    town.deliver("runpayments", &merchant_at("live", "k1", "2040-01-01T05:30:00Z"));
    town.work();
    town.pass_minutes(12 * 60);
    assert_eq!(
        (status_of(&town), types_published(&town)),
        ("cancelled".into(), vec!["merchant.live".into(), "merchant.cancelled".into()])
    );
}

#[test]
fn a_list_puts_a_status_right_that_two_clocks_of_the_provider_have_turned_round() {
    let town = Town::new();
    listed(&town, json!([{ "merchant_id": 7, "merchant_status": "Cancelled" }]));
    // Ahead by less than a clock may be, so its time is believed, and says that it came last.
    town.deliver("runpayments", &merchant_at("live", "k1", "2040-01-01T00:04:00Z"));
    town.work();
    town.inbox.clock.advance_secs(60);
    town.deliver("runpayments", &merchant_at("cancelled", "k2", "2040-01-01T00:01:00Z"));
    town.work();
    assert_eq!(status_of(&town), "live");
    town.pass_minutes(120);
    assert_eq!((status_of(&town), types_published(&town).len()), ("cancelled".into(), 2));
}

#[test]
fn work_that_is_done_late_makes_no_news_of_what_a_list_shows() {
    let town = Town::new();
    listed(&town, json!([{ "merchant_id": 7, "merchant_status": "Cancelled" }]));
    // It is received first, said to be later, and worked last.
    town.inbox.queue.lose_next(1);
    town.deliver("runpayments", &merchant_at("live", "k1", "2040-01-01T00:04:00Z"));
    town.inbox.clock.advance_secs(60);
    town.deliver("runpayments", &merchant_at("cancelled", "k2", "2040-01-01T00:01:00Z"));
    town.work();
    town.pass_minutes(120);
    assert_eq!((status_of(&town), types_published(&town).len()), ("cancelled".into(), 2));
}

#[test]
fn a_return_is_seen_in_the_list_although_our_clock_was_behind() {
    let town = Town::new();
    // Three statuses within a second, received by a clock that is two seconds behind the provider's.
    for (key, status, at) in [("k1", "cancelled", "02.000"), ("k2", "new", "02.001"), ("k3", "signed", "02.002")] {
        town.deliver("runpayments", &merchant_at(status, key, &format!("2040-01-01T00:00:{at}Z")));
        town.work();
    }
    assert_eq!(status_of(&town), "signed");
    // That it was cancelled again is told by the list alone.
    listed(&town, json!([{ "merchant_id": 7, "merchant_status": "Cancelled" }]));
    town.pass_minutes(120);
    assert_eq!((status_of(&town), types_published(&town).len()), ("cancelled".into(), 4));
}

#[test]
fn an_older_answer_that_comes_last_replaces_nothing() {
    let town = Town::new();
    let asked = Rc::new(Cell::new(0));
    let count = asked.clone();
    town.inbox.api.answer_with(move |url| match url.ends_with("/transactions/") {
        true => {
            count.set(count.get() + 1);
            let progress = json!([{ "statement_id": "s1", "status": "completed" }, { "statement_id": "s2", "status": "completed" }]);
            answer(200, json!({ "progress": progress, "snapshot": count.get() }).to_string())
        }
        false => answer(200, "{}"),
    });
    town.deliver("finbox", STATEMENT);
    town.deliver("finbox", &STATEMENT.replace("s1", "s2"));
    let jobs: Vec<_> = town.inbox.ledger.entries().iter().map(|entry| town.job(&entry.key)).collect();
    let worker = town.worker();
    let mut first = pin!(worker.work(jobs[0].clone()));
    let mut context = Context::from_waker(Waker::noop());
    while asked.get() == 0 {
        assert!(first.as_mut().poll(&mut context).is_pending());
    }
    // It was asked first, and its answer is on its way while the other one is asked, answered and written.
    town.inbox.clock.advance_secs(2);
    town.work_on(jobs[1].clone()).unwrap();
    while first.as_mut().poll(&mut context).is_pending() {}
    let subject = town.inbox.ledger.entries()[0].key.subject();
    let rows = town.inbox.ledger.rows(&subject);
    let transactions = rows.iter().find(|row| row.sk == "transactions").unwrap();
    let document: Value = serde_json::from_slice(&transactions.document).unwrap();
    assert_eq!(document["snapshot"], 2, "the later snapshot stands");
    assert_eq!(town.inbox.ledger.entries_in(State::Done).len(), 2);
}

#[test]
fn a_token_without_a_flag_leads_to_the_next_page() {
    for (more, token) in [("none", "next_page_token"), ("none", "nextPageToken"), ("hasMore", "nextPageToken")] {
        let town = Town::new();
        town.inbox.api.answer_with(move |url| {
            let page = if url.contains("p2") { ["a3", "a4"] } else { ["a1", "a2"] };
            let mut body = json!({ "batch_id": "b1", "total_processed": 4, "balances": page.map(balance) });
            if !url.contains("p2") {
                body[token] = "p2".into();
                body[more] = true.into();
            }
            answer(200, body.to_string())
        });
        town.deliver("rightfoot", BATCH);
        town.work();
        let entry = town.only_entry();
        assert_eq!(entry.state, State::Done, "{more} {token}");
        assert_eq!(rows_under(&town, &entry, "balance#").len(), 4, "{more} {token}");
    }
    // And where neither leads on, the total says that something is missing.
    let town = Town::new();
    town.inbox
        .api
        .answer_with(|_| answer(200, json!({ "total_processed": 4, "balances": [balance("a1")] }).to_string()));
    town.deliver("rightfoot", BATCH);
    town.work();
    let entry = town.only_entry();
    assert_eq!((entry.state, town.effects().len()), (State::Open, 0));
    assert!(entry.reason.unwrap().contains("1 of the 4"));
}

#[test]
fn an_empty_first_answer_is_not_yet_the_answer() {
    let town = Town::new();
    let full = Rc::new(Cell::new(false));
    let is_full = full.clone();
    town.inbox.api.answer_with(move |_| {
        let balances = if is_full.get() { vec![balance("a1"), balance("a2"), balance("a3")] } else { Vec::new() };
        answer(200, json!({ "total_processed": 3, "balances": balances }).to_string())
    });
    town.deliver("rightfoot", BATCH);
    town.work();
    assert_eq!((town.only_entry().state, town.effects().len()), (State::Open, 0));
    full.set(true);
    town.pass_minutes(2);
    assert_eq!(details(&town)[0]["summary"], json!({ "balances": 3 }));
    // Never filled, it is a person's.
    let town = Town::new();
    town.inbox.api.answer_with(|_| answer(200, r#"{"balances":[],"total_processed":3}"#));
    town.deliver("rightfoot", BATCH);
    town.pass_minutes(120);
    assert_eq!((town.only_entry().state, town.effects().len()), (State::Parked, 0));
}

#[test]
fn statuses_are_known_in_any_spelling_and_others_are_kept() {
    let town = Town::new();
    let rows = [(1, "Canceled"), (2, "In  Underwriting"), (3, "Suspended"), (4, "LIVE")];
    let rows = rows.map(|(id, status)| json!({ "merchant_id": id, "merchant_status": status }));
    listed(&town, json!(rows));
    town.pass_minutes(60);
    let mut published = types_published(&town);
    published.sort();
    assert_eq!(published, ["merchant.cancelled", "merchant.in_underwriting", "merchant.live"]);
    let unknown = town.inbox.ledger.entries_in(State::Ignored);
    assert_eq!((unknown.len(), unknown[0].event_type.as_str()), (1, "merchant.suspended"));
    assert_eq!(town.inbox.meter.total(Metric::DeliveriesIgnored), 1, "once, however often it is listed");
    // A page on which nothing can be read is trouble; one row that can't is counted.
    let nothing = json!([{ "merchant_id": 1, "status": "Live" }]);
    for (items, failed, unreadable) in
        [(nothing.clone(), true, 0), (json!([nothing[0], { "merchant_id": 2, "merchant_status": "Live" }]), false, 1)]
    {
        let town = Town::new();
        listed(&town, items);
        town.reconcile();
        assert_eq!(town.inbox.meter.of(Metric::WorkFailed, id("runpayments")) > 0, failed);
        assert_eq!(town.inbox.meter.total(Metric::RowsUnreadable), unreadable);
    }
}

#[test]
fn a_walk_that_came_further_goes_on_from_there() {
    let town = Town::new();
    let clock = town.inbox.clock.clone();
    town.inbox.api.answer_with(move |url| {
        clock.advance_secs(3);
        clock.advance_secs(u64::from(url.len() % 2 == 0));
        let page: u32 = url.split("next_page_token=").nth(1).map_or(1, |page| page.parse().unwrap());
        let next = (page < 12).then(|| (page + 1).to_string());
        let body = json!({ "balances": [balance(&format!("a{page}"))], "total_processed": 12, "has_more": page < 12, "next_page_token": next });
        answer(200, body.to_string())
    });
    town.deliver("rightfoot", BATCH);
    town.pass_minutes(30);
    let entry = town.only_entry();
    assert_eq!((entry.state, rows_under(&town, &entry, "balance#").len()), (State::Done, 12));
    let asked = town.inbox.api.urls().iter().filter(|url| url.contains("/v1/balances")).count();
    assert_eq!(asked, 12, "no page is asked for twice");
    assert_eq!(details(&town)[0]["summary"], json!({ "balances": 12 }));
}

#[test]
fn a_maintenance_page_and_a_byte_order_mark_park_nothing() {
    let balances = json!({ "balances": [balance("a1")] }).to_string();
    let town = Town::new();
    town.inbox.api.answer_with(|_| answer(200, "<!doctype html><title>back soon</title>"));
    town.deliver("rightfoot", BATCH);
    town.pass_minutes(3);
    let entry = town.only_entry();
    assert_eq!(entry.state, State::Open, "{:?}", entry.reason);
    assert!(entry.reason.unwrap().contains("HTML"));
    let whole = balances.clone();
    town.inbox.api.answer_with(move |_| answer(200, whole.clone()));
    town.pass_minutes(60);
    assert_eq!(town.only_entry().state, State::Done);
    let town = Town::new();
    town.inbox.api.answer_with(move |_| answer(200, format!("\u{feff}{balances}")));
    town.deliver("rightfoot", &format!("\u{feff}{BATCH}"));
    town.work();
    assert_eq!(town.only_entry().state, State::Done);
}

#[test]
fn a_refused_page_token_starts_the_walk_over() {
    let town = Town::new();
    let refusals = Cell::new(1);
    town.inbox.api.answer_with(move |url| {
        if url.contains("p2") && refusals.get() > 0 {
            refusals.set(0);
            return answer(400, r#"{"error":{"code":"INVALID_PAGE_TOKEN"}}"#);
        }
        let (authorizer, more) = if url.contains("p2") { ("a2", false) } else { ("a1", true) };
        let next = more.then_some("p2");
        answer(200, json!({ "balances": [balance(authorizer)], "has_more": more, "next_page_token": next }).to_string())
    });
    town.deliver("rightfoot", BATCH);
    town.work();
    assert_eq!(town.only_entry().state, State::Open);
    town.pass_minutes(5);
    let entry = town.only_entry();
    assert_eq!((entry.state, rows_under(&town, &entry, "balance#").len()), (State::Done, 2));
    // One that is refused for ever is a person's.
    let town = Town::new();
    town.inbox.api.answer_with(|url| match url.contains("p2") {
        true => answer(400, "{}"),
        false => answer(200, json!({ "balances": [balance("a1")], "next_page_token": "p2" }).to_string()),
    });
    town.deliver("rightfoot", BATCH);
    town.pass_minutes(600);
    assert_eq!(town.only_entry().state, State::Parked);
}

#[test]
fn two_rows_under_one_key_are_both_kept() {
    // On one page, and on two.
    for pages in [vec![vec!["a1", "a1"]], vec![vec!["a1"], vec!["a1"]]] {
        let town = Town::new();
        town.inbox.api.answer_with(move |url| {
            let page = usize::from(url.contains("p2"));
            let balances: Vec<Value> = pages[page]
                .iter()
                .map(|id| balance(id))
                .enumerate()
                .map(|(n, mut row)| {
                    row["account"] = json!([page, n]);
                    row
                })
                .collect();
            let next = (page + 1 < pages.len()).then_some("p2");
            answer(
                200,
                json!({ "balances": balances, "has_more": next.is_some(), "next_page_token": next }).to_string(),
            )
        });
        town.deliver("rightfoot", BATCH);
        town.work();
        let entry = town.only_entry();
        assert_eq!(entry.state, State::Done);
        assert_eq!(rows_under(&town, &entry, "balance#"), ["balance#a1", "balance#a1#2"]);
    }
    let town = Town::new();
    town.inbox.api.answer_with(|_| answer(200, json!({ "balances": [balance("a1")] }).to_string()));
    let alert = json!({ "authorizer_unique_id": "a1", "balance": 1 });
    let body =
        json!({ "event_uuid": "u", "type": "BALANCE_THRESHOLD_ALERT", "batch_id": "b1", "alerts": [alert, alert] });
    town.deliver("rightfoot", &body.to_string());
    town.work();
    assert_eq!(rows_under(&town, &town.only_entry(), "alert#").len(), 2);
}

#[test]
fn a_failure_that_the_provider_has_overtaken_is_settled_and_the_completion_told() {
    let town = Town::new();
    let progress = r#"{"progress":[{"statement_id":"s1","status":"completed"}]}"#;
    town.inbox.api.answer_with(move |_| answer(200, progress));
    town.deliver("finbox", &STATEMENT.replace("completed", "failed"));
    town.pass_minutes(2);
    let entries = town.inbox.ledger.entries();
    let failed = entries.iter().find(|entry| entry.event_type == "statement.failed").unwrap();
    assert_eq!(failed.state, State::Done);
    assert!(failed.reason.as_ref().unwrap().starts_with("overtaken"), "{:?}", failed.reason);
    let completed = entries.iter().find(|entry| entry.event_type == "statement.completed").unwrap();
    assert_eq!((completed.state, completed.origin), (State::Done, Origin::Poll));
    assert_eq!(types_published(&town), ["statement.completed"]);
}

#[test]
fn another_content_under_a_known_identity_is_kept_beside_the_first() {
    let extract =
        |amount: &str| format!(r#"{{"event_id":"e1","type":"balance.extracted","data":{{"amount":{amount},"x":1}}}}"#);
    let payment = |amount: &str, attempt: u32| {
        format!(
            r#"{{"event_type":"transaction.entered","source_id":9,"timestamp":"2039-12-31T10:00:00Z","payload":{{"amount":{amount}}},"metadata":{{"attempt":{attempt},"idempotency_key":"k"}}}}"#
        )
    };
    let rows = [
        (
            "fynapse",
            extract("100.10"),
            r#"{"event_id":"e1","type":"balance.extracted","data": {"x":1, "amount": 100.10}}"#.to_string(),
            extract("90.10"),
        ),
        ("runpayments", payment("100.10", 1), payment("100.10", 2), payment("90.10", 3)),
    ];
    for (provider, first, same, other) in rows {
        let town = Town::new();
        for body in [&first, &same, &other, &other, &first] {
            assert_eq!(town.deliver(provider, body).status, 200, "{provider}");
            town.work();
        }
        town.pass_minutes(10);
        assert_eq!(types_published(&town).len(), 1, "{provider}: the first stands");
        let kept = town.inbox.ledger.entries_in(State::Ignored);
        assert_eq!(kept.len(), 1, "{provider}: once, however often it comes");
        assert!(kept[0].key.sk.contains("#other#") && kept[0].reason.as_ref().unwrap().contains("another content"));
        let stored = town.inbox.ledger.stored(&kept[0].key).unwrap();
        assert_eq!(stored.body, other.as_bytes(), "{provider}: byte for byte");
        let first_entry = &town.inbox.ledger.entries_in(State::Done)[0];
        assert_eq!(first_entry.key.subject(), kept[0].key.subject(), "{provider}: in the same story");
        assert_eq!(town.inbox.meter.of(Metric::DeliveriesConflicting, id(provider)), 1, "{provider}");
    }
}

#[test]
fn one_key_for_two_types_is_two_events() {
    let town = Town::new();
    let signed = merchant_at("signed", "k1", "2039-12-31T10:00:00Z");
    let underwriting = merchant_at("in_underwriting", "k1", "2039-12-31T11:00:00Z");
    for body in [&signed, &underwriting, &signed, &underwriting] {
        assert_eq!(town.deliver("runpayments", body).status, 200);
        town.work();
    }
    town.pass_minutes(5);
    assert_eq!(types_published(&town), ["merchant.signed", "merchant.in_underwriting"]);
    assert_eq!(status_of(&town), "in_underwriting");
    let keys: Vec<String> = town.inbox.ledger.entries().into_iter().map(|entry| entry.key.sk).collect();
    assert_eq!(keys, ["event#k1", "event#k1#merchant.in_underwriting"], "what was stored first keeps its key");
}

#[test]
fn a_tag_that_cannot_be_read_does_not_spoil_the_good_one() {
    let town = Town::new();
    for place in ["before", "behind"] {
        let body = format!(r#"{{"event_id":"{place}","type":"balance.extracted","data":1}}"#);
        let mut delivery = town.delivery("fynapse", &body);
        let (t, tag) = delivery.headers[0].1.split_once(',').map(|(t, tag)| (t.to_string(), tag.to_string())).unwrap();
        delivery.headers[0].1 =
            if place == "before" { format!("{t},v1=not hex,{tag}") } else { format!("{t},{tag},v1=not hex") };
        assert_eq!(town.deliver_this(delivery).status, 200, "{place}");
    }
    let mut forged = town.delivery("fynapse", r#"{"event_id":"f","type":"balance.extracted","data":1}"#);
    let t = forged.headers[0].1.split_once(',').unwrap().0.to_string();
    forged.headers[0].1 = format!("{t},v1=not hex");
    assert_eq!(town.deliver_this(forged).status, 403);
}

#[test]
fn an_upload_is_confirmed_before_anybody_asks_for_processing() {
    let town = Town::new();
    let status = Rc::new(RefCell::new("PENDING"));
    let shown = status.clone();
    town.inbox.api.answer_with(move |url| match url.ends_with("/v1/session_data/x1/session_upload_status/") {
        true => answer(
            200,
            json!({
                "session_id": "x1", "session_date_range": { "from_date": "2039-01-01", "to_date": "2039-12-31" },
                "upload_status": *shown.borrow(), "session_expiry_timestamp": "2040-01-02 00:00:00",
                "accounts": [{ "account_id": "a", "account_number": "123", "statements": [] }],
            })
            .to_string(),
        ),
        false => answer(400, r#"{"error":{"code":"PROCESSING_NOT_REQUESTED"}}"#),
    });
    let body =
        json!({ "event_name": "SESSION_REQUIREMENT_COMPLETION_NOTIFICATION", "session_id": "x1", "accounts": [] });
    town.deliver("finbox", &body.to_string());
    town.pass_minutes(3);
    assert_eq!((town.only_entry().state, town.effects().len()), (State::Open, 0), "not uploaded yet");
    *status.borrow_mut() = "COMPLETED";
    town.pass_minutes(6);
    assert_eq!(town.only_entry().state, State::Done);
    let detail = &details(&town)[0];
    let summary = &detail["summary"];
    assert_eq!((&summary["session_id"], &summary["upload_status"]), (&json!("x1"), &json!("COMPLETED")));
    assert_eq!(summary["session_expires_at"], "2040-01-02T00:00:00.000Z");
    assert!(!detail.to_string().contains("123"), "no account number is published");
}

#[test]
fn what_is_proved_and_unreadable_has_its_own_room_and_is_asked_for() {
    let town = Town::new();
    for n in 0..30 {
        let mut forged = town.delivery("rightfoot", &format!(r#"{{"n":{n}}}"#));
        forged.path_token = Some(Secret::new("guessed"));
        assert_eq!(town.deliver_this(forged).status, 403);
    }
    for n in 0..3 {
        let body = format!(r#"{{"type":"BALANCE_BATCH_COMPLETED","batch_id":"b{n}"}}"#);
        assert_eq!(town.deliver("rightfoot", &body).status, 400);
    }
    let kept = town.inbox.ledger.refusals();
    assert_eq!(kept.iter().filter(|refused| refused.code == "unreadable").count(), 3);
    town.inbox.api.answer_with(|url| {
        let id = url.split(['=', '&']).nth(1).unwrap_or_default().to_string();
        answer(200, json!({ "batch_id": id, "balances": [balance("a1")] }).to_string())
    });
    town.pass_minutes(3);
    let expectations = town.inbox.ledger.expectations();
    assert!(expectations.iter().all(|expectation| expectation.state == ExpectationState::Met));
    let found = town.inbox.ledger.entries_in(State::Done);
    assert_eq!((expectations.len(), found.len()), (3, 3));
    assert!(found.iter().all(|entry| entry.origin == Origin::Poll));
    assert!(run(town.inbox.ledger.due(0, town.inbox.clock.now(), &Wanted::ALL)).is_ok());
}
