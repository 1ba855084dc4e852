//! What was first seen by asking, and whether its webhook came after all: written down for each way to find an event.

use hookledger_core::flows::expectations::announce;
use hookledger_core::model::entry::Origin;
use hookledger_core::ports::{Clock as _, Metric};
use hookledger_tests::memory::{answer, run};
use hookledger_tests::town::{Town, id};

use super::fynapse::{audited, extract, row, start};
use super::{BALANCES, BATCH, STATEMENT, merchant};

/// A way to find an event by asking.
struct Way {
    name: &'static str,
    provider: &'static str,
    /// What is announced, where it takes that.
    reference: Option<&'static str>,
    /// A town whose provider shows the event.
    town: fn() -> Town,
    webhook: String,
}

impl Way {
    /// Asks until it must have been found.
    fn find(&self, town: &Town) {
        if let Some(reference) = self.reference {
            run(announce(&town.inbox, town.provider(self.provider), reference)).unwrap();
        }
        town.pass_minutes(16);
    }
}

fn ways() -> Vec<Way> {
    let way = |name, provider, reference, town, webhook| Way { name, provider, reference, town, webhook };
    let without_link = STATEMENT.replace(r#""link_id":"l1""#, r#""link_id":null"#);
    vec![
        way("an announced batch", "rightfoot", Some("b1"), batch, BATCH.to_string()),
        way("a link's list", "finbox", Some("link:l1"), link, STATEMENT.to_string()),
        way("an entity", "finbox", Some("entity:e1"), entity, without_link),
        way("a merchant's status", "runpayments", None, merchants, merchant("live", "10:00")),
        way("a loss that the audit shows", "fynapse", None, audit, extract("dead")),
    ]
}

fn batch() -> Town {
    let town = Town::new();
    town.inbox.api.answer_with(|_| answer(200, BALANCES));
    town
}

fn link() -> Town {
    let town = Town::new();
    let payload = STATEMENT.replace('}', r#","date_time":"2039-12-31 10:00:00"}"#);
    town.inbox.api.answer_with(move |url| match url.contains("webhook_payloads") {
        true => answer(200, format!(r#"{{"payloads":[{payload}]}}"#)),
        false => {
            answer(200, r#"{"progress":[{"status":"completed","statement_id":"s1"}],"accounts":[],"transactions":[]}"#)
        }
    });
    town
}

fn entity() -> Town {
    let town = Town::new();
    town.inbox.api.answer_with(|_| {
        answer(200, r#"{"progress":[{"status":"completed","statement_id":"s1"}],"accounts":[],"transactions":[]}"#)
    });
    town
}

fn merchants() -> Town {
    let town = Town::new();
    town.inbox.api.answer_with(|url| match url.contains("/merchants?") {
        true => answer(200, r#"{"items":[{"merchant_id":7,"merchant_status":"live"}],"hasMore":false}"#),
        false => answer(404, ""),
    });
    town
}

fn audit() -> Town {
    audited(vec![vec![row("dead", "DEAD_LETTER", start())]]).0
}

#[test]
fn a_webhook_that_comes_after_all_makes_a_lost_event_a_late_one() {
    for way in ways() {
        let (provider, name) = (way.provider, way.name);
        let town = (way.town)();
        way.find(&town);
        let count = |metric| town.inbox.meter.of(metric, id(provider));
        assert_eq!((count(Metric::EventsFound), count(Metric::EventsLate)), (1, 0), "{name}");
        let polled = || town.inbox.ledger.entries().into_iter().find(|entry| entry.origin == Origin::Poll).unwrap();
        assert_eq!(polled().pushed_at, None, "{name}: it is lost, as far as anybody knows");

        let came_at = town.inbox.clock.now();
        assert_eq!(town.deliver(provider, &way.webhook).status, 200, "{name}");
        town.work();
        town.pass_minutes(40);
        assert_eq!((count(Metric::EventsFound), count(Metric::EventsLate)), (1, 1), "{name}");
        assert_eq!(polled().pushed_at, Some(came_at), "{name}");

        // Once more: it is late once.
        town.inbox.clock.advance_secs(60);
        town.deliver(provider, &way.webhook);
        town.work();
        town.pass_minutes(40);
        assert_eq!((count(Metric::EventsLate), polled().pushed_at), (1, Some(came_at)), "{name}");
    }
}

#[test]
fn what_is_pushed_first_is_neither_found_nor_late() {
    for way in ways() {
        let (provider, name) = (way.provider, way.name);
        let town = (way.town)();
        for _ in 0..2 {
            town.deliver(provider, &way.webhook);
            town.work();
        }
        town.inbox.clock.advance_secs(120);
        way.find(&town);
        let count = |metric| town.inbox.meter.of(metric, id(provider));
        assert_eq!((count(Metric::EventsFound), count(Metric::EventsLate)), (0, 0), "{name}");
    }
}

/// The list's walk comes between a webhook and its work: both have the status, and whichever entry is worked first, no webhook is
/// missing.
#[test]
fn what_a_walk_finds_beside_its_webhook_is_not_lost() {
    for webhook_first in [true, false] {
        let town = merchants();
        assert_eq!(town.deliver("runpayments", &merchant("live", "10:00")).status, 200);
        let pushed = town.inbox.ledger.entries().remove(0);
        town.reconcile();
        let found = || town.inbox.ledger.entries().into_iter().find(|entry| entry.origin == Origin::Poll);
        assert!(found().is_some(), "the walk saw no new status");
        let jobs = [town.job(&pushed.key), town.job(&found().unwrap().key)];
        let order = if webhook_first { [0, 1] } else { [1, 0] };
        for index in order {
            town.work_on(jobs[index].clone()).unwrap();
        }
        town.pass_minutes(40);
        let count = |metric| town.inbox.meter.of(metric, id("runpayments"));
        assert_eq!((count(Metric::EventsFound), count(Metric::EventsLate)), (1, 1), "webhook first: {webhook_first}");
        assert_eq!(found().unwrap().pushed_at, Some(pushed.received_at), "webhook first: {webhook_first}");
    }
}

/// A session's webhooks name accounts that no answer has, and no webhook tells of a schedule's run: what is found there is an
/// event of its own, and tells of no lost one.
#[test]
fn what_only_asking_brings_is_no_lost_webhook() {
    let rows = [
        ("finbox", "session:x1", r#"{"session_progress":"completed","accounts":[]}"#.to_string()),
        (
            "rightfoot",
            "schedule:s1",
            format!(r#"{{"schedule_id":"s1","last_run_at":"{}","total_authorizers":1}}"#, start()),
        ),
    ];
    for (provider, reference, shown) in rows {
        let town = Town::new();
        town.inbox.api.answer_with(move |_| answer(200, shown.clone()));
        run(announce(&town.inbox, town.provider(provider), reference)).unwrap();
        town.pass_minutes(16);
        let count = town.inbox.meter.total(Metric::EventsFound);
        assert_eq!((town.only_entry().origin, count), (Origin::Poll, 0), "{provider}");
    }
}
