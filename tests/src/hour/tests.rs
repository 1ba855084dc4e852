//! The comparison itself: a ledger that equals the truth passes, and each single difference is seen.

mod odd;

use std::collections::BTreeMap;

use hookledger_core::model::identity::ItemKey;
use serde_json::{Value, json};

use super::held::{Entry, Held, Row};
use super::judge::{Judgement, Tally, judge};
use super::truth::Told;
use super::wanted::SortKey;
use super::wanted::facts::wanted;
use crate::samples::event_of;

/// One event of each kind, all acknowledged but for the last three.
fn truth() -> Vec<Told> {
    let status = |status: &str, taken: bool| {
        let key = format!("k-{status}");
        (
            "runpayments",
            json!({ "kind": "status", "merchant_id": "7", "status": status, "idempotency_key": key, "ahead": false }),
            taken,
        )
    };
    let attempt = |link: Option<&str>, taken: bool| {
        ("finbox", json!({ "kind": "attempt", "entity_id": "e1", "link_id": link, "reason": "TIMEOUT" }), taken)
    };
    let told = [
        (
            "rightfoot",
            json!({
                "kind": "batch", "batch_id": "b",
                "balances": [{ "authorizer": "a0", "amount": "12.50" }, { "authorizer": "a1", "amount": null }],
            }),
            true,
        ),
        ("fynapse", json!({ "kind": "extract", "event_id": "x1", "data": "{}" }), true),
        (
            "finbox",
            json!({ "kind": "statement", "entity_id": "e2", "link_id": "l", "statement_id": "s", "progress": "completed", "overtaken": false }),
            true,
        ),
        attempt(Some("l"), true),
        ("finbox", json!({ "kind": "session", "session_id": "n", "accounts": 1, "failed_accounts": 0 }), false),
        (
            "runpayments",
            json!({
                "kind": "movement", "event_type": "funding.entered", "source_id": "f", "amount": "-3.10",
                "idempotency_key": "k-f",
            }),
            true,
        ),
        status("new", true),
        // Looks as the first one did: only the link's list tells of it.
        attempt(Some("l"), false),
        ("fynapse", json!({ "kind": "extract", "event_id": "x2", "data": "{}" }), false),
        status("signed", false),
        status("live", false),
    ];
    let told = told.map(|(provider, fact, acknowledged)| {
        let delivery_id = format!("d-{}", fact["event_id"].as_str().unwrap_or_default());
        json!({
            "provider": provider, "delivery_id": delivery_id, "fact": fact, "answers": [200],
            "acknowledged": acknowledged,
        })
    });
    serde_json::from_value(json!(told)).unwrap()
}

fn key(pk: &str, sk: &str) -> ItemKey {
    ItemKey { pk: pk.into(), sk: sk.into() }
}

fn entry(state: &str, origin: &str, event_type: &str) -> Entry {
    let (reason, body) = (String::new(), None);
    Entry { state: state.into(), event_type: event_type.into(), origin: origin.into(), reason, body }
}

/// What is published about each of them says.
fn detail(subject: &str, id: &str) -> Value {
    let summary = match subject.split_once('#') {
        Some(("rightfoot", _)) => json!({ "balances": 2 }),
        Some(("fynapse", _)) => json!({ "data_bytes": 2 }),
        Some(("finbox", "session#n")) => json!({ "session_id": "n", "accounts": 1, "failed_accounts": 0 }),
        Some(("finbox", "entity#e2")) => json!({ "progress": "completed" }),
        Some(("finbox", _)) => json!({ "progress": "failed" }),
        Some((_, "funding#f")) => json!({ "looked_up": true, "rows": 1 }),
        _ if id == key("runpayments#merchant#7", "fact#new#000001").stable_id() => json!({ "status": "new" }),
        _ => json!({ "status": "live" }),
    };
    json!({ "subject": subject, "id": id, "summary": summary })
}

/// A ledger that equals it: extract `x2` is lost and reported, the status `signed` is lost, the rest is held.
fn held() -> Held {
    let mut held = Held::default();
    let mut hold = |pk: &str, sk: &str, origin: &str, effect: Option<&str>| {
        held.entries.insert(key(pk, sk), entry("done", origin, ""));
        let effect = key(pk, effect.unwrap_or(sk));
        if effect.sk.starts_with("fact#") {
            held.facts.push(effect.clone());
        }
        held.published.insert(effect.stable_id(), vec![detail(pk, &effect.stable_id())]);
    };
    hold("rightfoot#batch#b", "event#BALANCE_BATCH_COMPLETED#b", "push", None);
    hold("fynapse#event#x1", "event#x1", "push", None);
    hold("finbox#entity#e2", "event#statement#s#completed", "poll", None);
    hold("finbox#entity#e1", "event#attempt#l#failed#ab5b50c3846ccfef52997e6e153b1870#1", "push", None);
    hold("finbox#entity#e1", "event#attempt#l#failed#ab5b50c3846ccfef52997e6e153b1870#2", "poll", None);
    hold("finbox#session#n", "event#SESSION_PROGRESS_COMPLETED#n", "poll", None);
    hold("runpayments#funding#f", "event#k-f", "push", None);
    hold("runpayments#merchant#7", "event#k-new", "push", Some("fact#new#000001"));
    hold("runpayments#merchant#7", "event#listing#7#live#1", "poll", Some("fact#live#000001"));
    held.statuses.insert("runpayments#merchant#7".into(), "live".into());
    held.entries.insert(key("fynapse#event#x2", "event#lost#d-x2"), entry("parked", "poll", "delivery.lost"));
    let rows = [
        ("rightfoot#batch#b", "balance#a0", Some(("balance", "12.50"))),
        ("rightfoot#batch#b", "balance#a1", None),
        ("fynapse#event#x1", "data", None),
        ("finbox#entity#e2", "transactions", None),
        ("finbox#entity#e2", "accounts", None),
        ("finbox#entity#e1", "failure#none#ab5b50c3846ccfef52997e6e153b1870", Some(("reason", "TIMEOUT"))),
        ("finbox#session#n", "upload", Some(("upload_status", "COMPLETED"))),
        ("runpayments#funding#f", "deposits#0000", Some(("amount", "-3.10"))),
    ];
    for (pk, sk, column) in rows {
        let columns = column.into_iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
        let shown = r#"{"progress":[{"statement_id":"s","status":"completed"}]}"#;
        let document = if sk == "transactions" { shown } else { "{}" };
        held.rows.insert(key(pk, sk), Row { columns, document: Some(document.into()) });
    }
    held
}

fn sum(judgement: &Judgement, of: fn(&Tally) -> usize) -> usize {
    judgement.tallies.values().map(of).sum()
}

#[test]
fn an_equal_ledger_is_equal() {
    let judgement = judge(&truth(), &held());
    assert!(judgement.missing.is_empty() && judgement.extra.is_empty(), "{judgement:#?}");
    let sums: [usize; 5] = [
        |t: &Tally| t.happened,
        |t: &Tally| t.delivered,
        |t: &Tally| t.recovered,
        |t: &Tally| t.reported,
        |t: &Tally| t.declared,
    ]
    .map(|of| sum(&judgement, of));
    assert_eq!(sums, [11, 6, 3, 1, 1]);
    let declared: BTreeMap<_, _> = judgement.declared.iter().map(|(what, (count, _))| (*what, *count)).collect();
    assert_eq!(declared.values().copied().collect::<Vec<_>>(), [1], "{declared:?}");
}

#[test]
fn every_event_that_is_held_is_looked_for() {
    for entry in held().entries.keys() {
        let mut less = held();
        less.entries.remove(entry);
        assert_eq!(judge(&truth(), &less).missing.len(), 1, "{entry}");
    }
    for row in held().rows.keys() {
        let mut less = held();
        less.rows.remove(row);
        assert!(!judge(&truth(), &less).missing.is_empty(), "{row}");
    }
    for (id, details) in held().published {
        let mut less = held();
        less.published.remove(&id);
        assert_eq!(judge(&truth(), &less).missing.len(), 1, "{details:?}");
    }
}

fn loss<'a>(held: &'a mut Held, subject: &str) -> &'a mut Entry {
    held.entries.iter_mut().find(|(key, _)| key.pk == subject).map(|(_, entry)| entry).unwrap()
}

#[test]
fn a_loss_that_is_over_is_no_difference() {
    let mut held = held();
    held.entries.insert(key("fynapse#event#x1", "event#lost#d-x1"), entry("done", "poll", "delivery.lost"));
    let judgement = judge(&truth(), &held);
    assert!(judgement.missing.is_empty() && judgement.extra.is_empty(), "{judgement:#?}");
    assert_eq!(sum(&judgement, |tally| tally.reported), 1);
}

#[test]
fn each_difference_is_seen() {
    type Change = fn(&mut Held);
    let missing: [(&str, Change); 11] = [
        ("an older answer came last", |held| {
            let row = held.rows.get_mut(&key("finbox#entity#e2", "transactions")).unwrap();
            row.document = Some(r#"{"progress":[{"statement_id":"s","status":"processing"}]}"#.into());
        }),
        ("an entry is open", |held| held.entries.values_mut().next().unwrap().state = "open".into()),
        ("an entry is parked", |held| held.entries.values_mut().last().unwrap().state = "parked".into()),
        ("an amount has lost a digit", |held| {
            let row = held.rows.get_mut(&key("rightfoot#batch#b", "balance#a0")).unwrap();
            row.columns.insert("balance".into(), "12.5".into());
        }),
        ("a null balance has an amount", |held| {
            let row = held.rows.get_mut(&key("rightfoot#batch#b", "balance#a1")).unwrap();
            row.columns.insert("balance".into(), "0".into());
        }),
        ("the status stands still", |held| {
            held.statuses.insert("runpayments#merchant#7".into(), "new".into());
        }),
        ("a loss is done without its event", |held| loss(held, "fynapse#event#x2").state = "done".into()),
        ("a loss is no loss", |held| loss(held, "fynapse#event#x2").event_type = "balance.extracted".into()),
        ("the loss of what is held", |held| {
            held.entries.insert(key("fynapse#event#x1", "event#lost#d-x1"), entry("parked", "poll", "delivery.lost"));
        }),
        ("nothing was looked up", |held| {
            let id = key("runpayments#funding#f", "event#k-f").stable_id();
            held.published.get_mut(&id).unwrap()[0]["summary"]["looked_up"] = json!(false);
        }),
        ("one id, two details", |held| {
            held.published.values_mut().next().unwrap().push(json!({ "subject": "another" }));
        }),
    ];
    for (name, change) in missing {
        let mut changed = held();
        change(&mut changed);
        let judgement = judge(&truth(), &changed);
        assert_eq!((judgement.missing.len(), sum(&judgement, |tally| tally.missing)), (1, 1), "{name}: {judgement:#?}");
    }
    let extra: [(&str, Change); 6] = [
        ("an attempt that never happened", |held| {
            let entry = held.entries.values().next().unwrap().clone();
            held.entries
                .insert(key("finbox#entity#e1", "event#attempt#l#failed#ab5b50c3846ccfef52997e6e153b1870#3"), entry);
        }),
        ("a loss reported twice", |held| {
            held.entries.insert(key("fynapse#event#x2", "event#lost#d-x9"), entry("parked", "poll", "delivery.lost"));
        }),
        ("an event of nobody", |held| {
            let entry = held.entries.values().next().unwrap().clone();
            held.entries.insert(key("fynapse#event#x9", "event#x9"), entry);
        }),
        ("a status twice", |held| held.facts.push(key("runpayments#merchant#7", "fact#live#000002"))),
        ("a balance of nobody", |held| {
            let row = held.rows.values().next().unwrap().clone();
            held.rows.insert(key("rightfoot#batch#b", "balance#a2"), row);
        }),
        ("a publication of nothing", |held| {
            held.published.insert("0".into(), vec![json!({ "subject": "finbox#entity#e1" })]);
        }),
    ];
    for (name, change) in extra {
        let mut changed = held();
        change(&mut changed);
        let judgement = judge(&truth(), &changed);
        assert_eq!((judgement.extra.len(), sum(&judgement, |tally| tally.extra)), (1, 1), "{name}: {judgement:#?}");
        assert!(judgement.missing.is_empty(), "{name}: {judgement:#?}");
    }
}

#[test]
fn nothing_that_was_answered_2xx_is_declared() {
    let mut truth = truth();
    for told in &mut truth {
        told.acknowledged = true;
    }
    let judgement = judge(&truth, &Held::default());
    assert_eq!((sum(&judgement, |tally| tally.declared), judgement.declared.len()), (0, 0));
    // Each event, and the one merchant's status.
    assert_eq!(judgement.missing.len(), truth.len() + 1);
    assert_eq!(wanted(&truth).len(), truth.len());
}

#[test]
fn a_plain_event_is_wanted_under_its_keys() {
    let fact = json!({ "kind": "plain", "subject": "x#y#1", "entry": "event#1", "rows": ["z"] });
    let fact = serde_json::from_value(fact).unwrap();
    let (provider, delivery_id) = ("x".to_string(), "none".to_string());
    let told = Told { provider, delivery_id, fact, answers: Vec::new(), acknowledged: true };
    let wanted = wanted(&[told]).remove(0);
    assert_eq!((wanted.subject.as_str(), wanted.rows[0].0.as_str()), ("x#y#1", "z"));
    assert!(matches!(&wanted.pushed, SortKey::Whole(sk) if sk == "event#1"), "{:?}", wanted.pushed);
}

#[test]
fn the_kits_events_are_told_as_they_are_read() {
    for kit in hookledger_kit::ALL {
        let fact = serde_json::from_value((kit.told)("x")).unwrap();
        let (provider, delivery_id) = (kit.name.to_string(), "none".to_string());
        let told = Told { provider, delivery_id, fact, answers: Vec::new(), acknowledged: true };
        let (wanted, key) = (wanted(&[told]).remove(0), event_of(kit.name, (kit.event)("x")).key());
        assert_eq!(wanted.subject, key.pk);
        assert!(matches!(&wanted.pushed, SortKey::Whole(sk) if *sk == key.sk), "{:?}, {key}", wanted.pushed);
    }
}
