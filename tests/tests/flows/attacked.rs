//! Somebody holds a live URL token of a provider that signs nothing, and posts before the genuine deliveries come.

use std::cell::Cell;
use std::rc::Rc;

use hookledger_core::model::entry::{Entry, State};
use hookledger_tests::memory::answer;
use hookledger_tests::town::Town;

use super::{BATCH, details};

fn column(town: &Town, entry: &Entry, sk: &str, name: &str) -> Option<String> {
    let rows = town.inbox.ledger.rows(&entry.key.subject());
    let row = rows.into_iter().find(|row| row.sk.starts_with(sk)).unwrap_or_else(|| panic!("no row {sk}"));
    row.columns.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
}

const BALANCES: &str =
    r#"{"batch_id":"b1","balances":[{"authorizer_unique_id":"a1","balance":90.10}],"has_more":false}"#;

/// The waits of the poll cadence add up to an hour; somebody has posted nearly as long before.
#[test]
fn what_was_posted_before_it_was_true_has_its_whole_time_when_it_comes() {
    let town = Town::new();
    let readable = Rc::new(Cell::new(false));
    let shown = readable.clone();
    town.inbox.api.answer_with(move |_| if shown.get() { answer(200, BALANCES) } else { answer(404, "{}") });
    town.deliver("rightfoot", BATCH);
    town.pass_minutes(61);
    let early = town.only_entry();
    assert_eq!(early.state, State::Open, "nearly at its end: {:?}", early.reason);
    assert!(early.waits > 10);
    assert_eq!(town.deliver("rightfoot", BATCH).status, 200);
    assert_eq!(
        (town.only_entry().waits, town.only_entry().due_at),
        (0, early.due_at),
        "not sooner, but from the start"
    );
    town.pass_minutes(20);
    assert_eq!(town.only_entry().state, State::Open, "the API takes its time");
    readable.set(true);
    town.pass_minutes(10);
    assert_eq!((town.only_entry().state, town.effects().len()), (State::Done, 1));
}

#[test]
fn a_completion_has_no_time_that_only_a_delivery_names() {
    let posted =
        r#"{"event_uuid":"u0","type":"BALANCE_BATCH_COMPLETED","batch_id":"b1","timestamp":"2001-01-01T00:00:00Z"}"#;
    let town = Town::new();
    town.inbox.api.answer_with(|_| answer(200, BALANCES));
    for body in [posted, BATCH] {
        assert_eq!(town.deliver("rightfoot", body).status, 200);
        town.work();
    }
    let told = details(&town);
    assert_eq!((told.len(), &told[0]["occurred_at"]), (1, &serde_json::Value::Null));
}

#[test]
fn an_alert_with_other_claims_takes_nothing_from_the_genuine_one() {
    let alert = |authorizer: &str, balance: &str| {
        format!(
            r#"{{"event_uuid":"u1","type":"BALANCE_THRESHOLD_ALERT","schedule_id":"s1","batch_id":"b1","alerts":[{{"authorizer_unique_id":"{authorizer}","balance":{balance},"threshold_amount":100}}]}}"#
        )
    };
    for posted in [alert("nobody", "1"), alert("a1", "-5")] {
        let town = Town::new();
        town.inbox.api.answer_with(|_| answer(200, BALANCES));
        let genuine = alert("a1", "90.1");
        for body in [&posted, &genuine, &genuine, &posted] {
            assert_eq!(town.deliver("rightfoot", body).status, 200);
            town.work();
        }
        town.pass_minutes(3);
        let entries = town.inbox.ledger.entries();
        assert_eq!(entries.len(), 2, "the genuine one is an event of its own, once");
        let genuine = &entries[1];
        assert_eq!(genuine.state, State::Done, "{:?}", genuine.reason);
        assert_eq!(genuine.key.sk.strip_prefix(&entries[0].key.sk).map(|mark| mark.len()), Some(33));
        let mark = &genuine.key.sk[entries[0].key.sk.len()..];
        let row = format!("alert#s1#u1#a1{mark}");
        assert_eq!(column(&town, genuine, &row, "claimed_balance").as_deref(), Some("90.1"));
        assert_eq!(column(&town, genuine, &row, "balance").as_deref(), Some("90.10"));
    }
}

#[test]
fn an_attempts_reason_is_the_lists_and_not_the_posts() {
    let town = Town::new();
    let listed = r#"{"payloads":[{"entity_id":"e1","statement_id":"","link_id":"l1","progress":"failed","reason":"wrong login","date_time":"2039-12-31 10:00:00"}]}"#;
    town.inbox.api.answer_with(move |_| answer(200, listed));
    let posted = r#"{"entity_id":"e1","statement_id":"","link_id":"l1","progress":"failed","reason":"  wrong login "}"#;
    town.deliver("finbox", posted);
    town.work();
    let entry = town.only_entry();
    assert_eq!(entry.state, State::Done);
    assert_eq!(column(&town, &entry, "failure#none#", "reason").as_deref(), Some("wrong login"));
}

#[test]
fn what_the_api_says_of_a_session_is_told_once_whatever_accounts_are_posted() {
    let town = Town::new();
    town.inbox.api.answer_with(|url| match url.rsplit('/').nth(1) {
        Some("progress") => {
            answer(200, r#"{"session_progress":"completed","accounts":[{"account_id":"a","status":"completed"}]}"#)
        }
        _ => answer(200, r#"{"upload_status":"COMPLETED","accounts":[]}"#),
    });
    let names = ["ENRICHMENT_NOTIFICATION", "SESSION_REQUIREMENT_COMPLETION_NOTIFICATION"];
    let accounts = ["[]", "null", r#"[{"account_id":"x"}]"#, r#"[{"account_id":"a","status":"completed"}]"#];
    for name in names {
        for accounts in accounts {
            let body = format!(r#"{{"event_name":"{name}","session_id":"x1","accounts":{accounts}}}"#);
            assert_eq!(town.deliver("finbox", &body).status, 200);
            town.work();
        }
    }
    assert_eq!(town.inbox.ledger.entries_in(State::Done).len(), 8);
    let told: Vec<String> = details(&town).iter().map(|told| told["type"].as_str().unwrap().to_string()).collect();
    assert_eq!(told, names);
}

#[test]
fn a_failure_without_a_name_is_told_as_often_as_its_entity_tells_of_one() {
    for tells_of in [1, 2] {
        let town = Town::new();
        let row = r#"{"status":"failed","statement_id":null,"message":"no such bank"}"#;
        let progress = vec![row; tells_of].join(",");
        town.inbox.api.answer_with(move |_| answer(200, format!(r#"{{"progress":[{progress}]}}"#)));
        for reason in ["x", "y", "no such bank", "z"] {
            let body = format!(
                r#"{{"entity_id":"e1","statement_id":"","link_id":null,"progress":"failed","reason":"{reason}"}}"#
            );
            town.deliver("finbox", &body);
            town.work();
        }
        assert_eq!(town.inbox.ledger.entries_in(State::Done).len(), 4);
        assert_eq!(details(&town).len(), tells_of);
        let rows = town.inbox.ledger.rows(&town.inbox.ledger.entries()[0].key.subject());
        assert_eq!(rows.len(), 1, "in the API's words: {rows:?}");
    }
}
