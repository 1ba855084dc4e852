//! FinBox, from its delivery or from its absence to the published event.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use hookledger_core::flows::expectations;
use hookledger_core::model::debt::ExpectationState;
use hookledger_core::model::entry::{Entry, Origin, State};
use hookledger_core::model::job::Job;
use hookledger_core::model::provider_call::{ApiError, ApiResponse};
use hookledger_core::ports::{Metric, WorkQueue};
use hookledger_tests::memory::{answer, run};
use hookledger_tests::town::{Town, id};

use super::{asked, details};

fn attempt(entity: &str, statement: &str, link: &str, progress: &str, reason: &str) -> String {
    format!(
        r#"{{"entity_id":"{entity}","statement_id":{statement},"link_id":{link},"progress":"{progress}","reason":{reason}}}"#
    )
}

/// The row of the payload list for this body.
fn dated(body: &str, at: &str) -> String {
    body.replacen('{', &format!(r#"{{"date_time":"2039-12-31 {at}","#), 1)
}

/// FinBox as its API shows it: a link's payloads, its entities, and each entity's statements.
#[derive(Clone, Default)]
struct Shown {
    payloads: Vec<String>,
    entities: Vec<(String, String)>,
    /// A part of a URL and the status it is answered with, before anything else is looked at.
    failing: Option<(&'static str, u16)>,
}

impl Shown {
    fn payload(mut self, row: String) -> Self {
        self.payloads.insert(0, row);
        self
    }

    fn entity(mut self, entity: &str, progress: &str) -> Self {
        self.entities.push((entity.into(), progress.into()));
        self
    }

    fn failing(mut self, part: &'static str, status: u16) -> Self {
        self.failing = Some((part, status));
        self
    }

    fn in_town(self) -> Town {
        let town = Town::new();
        town.inbox.api.answer_with(move |url| self.answer(url));
        town
    }

    fn answer(&self, url: &str) -> Result<ApiResponse, ApiError> {
        if let Some((_, status)) = self.failing.filter(|(part, _)| url.contains(part)) {
            return answer(status, r#"{"detail":"out of order"}"#);
        }
        // The reconciler also walks Run Payments' list.
        let Some((_, path)) = url.split_once("/bank-connect/v1/") else { return answer(404, "") };
        if path.starts_with("entity/webhook_payloads/") {
            return answer(200, format!(r#"{{"payloads":[{}]}}"#, self.payloads.join(",")));
        }
        if let Some((_, page)) = path.split_once("&page=") {
            let page: usize = page.parse().unwrap();
            let rows = self.entities.chunks(10).nth(page - 1).unwrap_or_default();
            let rows: Vec<String> =
                rows.iter().map(|(id, _)| format!(r#"{{"entity_id":"{id}","link_id":"l1"}}"#)).collect();
            let next = if self.entities.len() > page * 10 { r#""https://…?page=""# } else { "null" };
            return answer(200, format!(r#"{{"next":{next},"results":[{}]}}"#, rows.join(",")));
        }
        let mut parts = path.split('/').skip(1);
        let (entity, view) = (parts.next().unwrap(), parts.next().unwrap());
        match (self.entities.iter().find(|(known, _)| known == entity), view) {
            (Some(_), "accounts") => answer(200, r#"{"accounts":[{"balance":"1.10"}]}"#),
            (Some((_, progress)), "transactions") => {
                answer(200, format!(r#"{{"progress":[{progress}],"transactions":[{{"amount":-1.10}}]}}"#))
            }
            _ => answer(404, "{}"),
        }
    }
}

fn statement(id: &str, status: &str) -> String {
    format!(r#"{{"status":"{status}","statement_id":"{id}","source":"pdf","message":"a message"}}"#)
}

fn watch(town: &Town) {
    run(expectations::announce(&town.inbox, town.provider("finbox"), "link:l1")).unwrap();
}

fn identities(town: &Town) -> Vec<String> {
    let mut keys: Vec<String> = town.inbox.ledger.entries().into_iter().map(|entry| entry.key.to_string()).collect();
    keys.sort();
    keys
}

fn rows(town: &Town, entry: &Entry) -> Vec<String> {
    let rows = town.inbox.ledger.rows(&entry.key.subject());
    rows.into_iter().map(|row| row.sk).collect()
}

#[test]
fn the_entity_flow_is_confirmed_kept_and_published() {
    let login = attempt("e1", r#""""#, r#""l1""#, "failed", r#""wrong login""#);
    let rows_of = [
        (
            "a statement",
            attempt("e1", r#""s1""#, r#""l1""#, "completed", r#""""#),
            "statement",
            &["accounts", "transactions"][..],
        ),
        (
            "uploaded by hand, without a link",
            attempt("e1", r#""s1""#, "null", "completed", "null"),
            "statement",
            &["accounts", "transactions"],
        ),
        (
            "a statement that failed",
            attempt("e1", r#""s2""#, r#""l1""#, "failed", r#""no pages""#),
            "statement",
            &["failure#s2"],
        ),
        ("nothing was uploaded", login.clone(), "link", &["failure#none#8f8f5a26b2b5bde4cd9df96aebdd6193"]),
        (
            "neither statement nor link",
            attempt("e2", "null", "null", "failed", r#""x""#),
            "entity",
            &["failure#none#2d711642b726b04401627ca9fbac32f5"],
        ),
    ];
    for (name, body, confirmed_by, expected) in rows_of {
        let progress = [statement("s1", "completed"), statement("s2", "failed")].join(",");
        let shown = Shown::default().payload(dated(&login, "10:00:00")).entity("e1", &progress);
        let town = shown.entity("e2", r#"{"status":"failed","statement_id":null,"message":"x"}"#).in_town();
        assert_eq!(town.deliver("finbox", &body).status, 200, "{name}");
        town.work();
        let entry = town.only_entry();
        assert_eq!((entry.state, entry.origin), (State::Done, Origin::Push), "{name}: {:?}", entry.reason);
        assert_eq!(rows(&town, &entry), expected, "{name}");
        let details = details(&town);
        assert_eq!((details.len(), &details[0]["summary"]["confirmed_by"]), (1, &confirmed_by.into()), "{name}");
    }
}

#[test]
fn the_session_flow_tells_states_of_accounts_apart() {
    let body =
        |name: &str, accounts: &str| format!(r#"{{"event_name":"{name}","session_id":"x1","accounts":{accounts}}}"#);
    let town = Town::new();
    let upload = Rc::new(Cell::new("COMPLETED"));
    let status = upload.clone();
    // What the API shows by then decides how often it is told.
    let accounts = Rc::new(RefCell::new("[]".to_string()));
    let shown = accounts.clone();
    town.inbox.api.answer_with(move |url| match url.split("/v1/session_data/x1/").nth(1) {
        Some("progress/") => {
            answer(200, format!(r#"{{"session_progress":"completed","accounts":{}}}"#, shown.borrow()))
        }
        Some("session_upload_status/") => answer(200, format!(r#"{{"upload_status":"{}"}}"#, status.get())),
        _ => answer(404, ""),
    });
    let (one, other) = (r#"[{"account_id":"a","status":"STARTED"}]"#, r#"[{"account_id":"a","status":"COMPLETED"}]"#);
    let bodies = [
        body("ENRICHMENT_NOTIFICATION", one),
        body("ENRICHMENT_NOTIFICATION", other),
        body("SESSION_REQUIREMENT_COMPLETION_NOTIFICATION", other),
        body("SESSION_EXPIRY_NOTIFICATION", "null"),
    ];
    for body in bodies.iter().chain(&bodies) {
        *accounts.borrow_mut() = (if body.contains(one) { one } else { other }).to_string();
        upload.set(if body.contains("EXPIRY") { "EXPIRED" } else { "COMPLETED" });
        assert_eq!(town.deliver("finbox", body).status, 200);
        town.work();
    }
    town.pass_minutes(3);
    assert_eq!(town.inbox.ledger.entries_in(State::Done).len(), 4);
    assert_eq!(town.effects().len(), 4);
    assert!(details(&town).iter().all(|detail| detail["summary"]["session_id"] == "x1"));
    // A name that is not known yet is kept, and nothing is done about it.
    town.deliver("finbox", &body("SESSION_DISSOLVED_NOTIFICATION", "[]"));
    assert_eq!(town.inbox.ledger.entries_in(State::Ignored).len(), 1);
}

/// Works and reconciles in steps of half an hour.
fn pass_hours(town: &Town, hours: u64) {
    for _ in 0..hours * 2 {
        town.inbox.clock.advance_secs(1800);
        town.reconcile();
        town.work();
    }
}

#[test]
fn a_watch_ends_at_its_deadline_or_when_it_is_closed() {
    let served = Shown::default().payload(dated(&attempt("e1", r#""s1""#, r#""l1""#, "completed", "null"), "10:00:00"));
    let served = served.entity("e1", &statement("s1", "completed"));
    for (shown, ended, expired) in
        [(served.clone(), ExpectationState::Closed, 0), (Shown::default(), ExpectationState::Expired, 1)]
    {
        let town = shown.in_town();
        watch(&town);
        pass_hours(&town, 7 * 24 - 1);
        assert_eq!(town.inbox.ledger.expectations()[0].state, ExpectationState::Waiting, "to the last hour");
        pass_hours(&town, 2);
        assert_eq!(town.inbox.ledger.expectations()[0].state, ended);
        assert_eq!(town.inbox.meter.total(Metric::ExpectationsExpired), expired);
        let polls = asked(&town, "webhook_payloads");
        pass_hours(&town, 24);
        assert_eq!(asked(&town, "webhook_payloads"), polls, "what has ended is not asked about");
    }
    let town = served.in_town();
    watch(&town);
    town.pass_minutes(2);
    assert!(run(expectations::close(&town.inbox, town.provider("finbox"), "link:l1")).unwrap());
    assert!(
        !run(expectations::close(&town.inbox, town.provider("finbox"), "link:l1")).unwrap(),
        "it is closed already"
    );
    let polls = asked(&town, "webhook_payloads");
    pass_hours(&town, 24);
    let watched = &town.inbox.ledger.expectations()[0];
    assert_eq!((watched.state, asked(&town, "webhook_payloads")), (ExpectationState::Closed, polls));
    assert_eq!(town.inbox.meter.total(Metric::ExpectationsExpired), 0);
}

#[test]
fn one_of_table_and_queue_is_enough_for_a_delivery() {
    let body = attempt("e1", r#""s1""#, r#""l1""#, "completed", "null");
    for (name, table_down, queue_down, status) in [
        ("both are up", false, false, 200),
        ("the table is down: the delivery is on the queue", true, false, 200),
        ("the queue is down: the entry owes", false, true, 200),
        ("both are down: the one answer that is neither 200 nor a refusal", true, true, 503),
    ] {
        let town = Shown::default().entity("e1", &statement("s1", "completed")).in_town();
        town.inbox.ledger.faults.down(table_down);
        town.inbox.queue.faults.down(queue_down);
        let answered = town.deliver("finbox", &body);
        assert_eq!(answered.status, status, "{name}");
        assert_eq!(answered.retry_after_secs.is_some(), status == 503, "{name}");
        let (entries, jobs) = (town.inbox.ledger.entries(), town.inbox.queue.jobs());
        assert_eq!((entries.len(), jobs.len()), (usize::from(!table_down), usize::from(!queue_down)), "{name}");
        let rescued = jobs.iter().any(|job| matches!(job, Job::Rescue { .. }));
        assert_eq!(rescued, table_down && !queue_down, "{name}");
        assert_eq!(town.inbox.meter.total(Metric::Rescued), u64::from(rescued), "{name}");
        // Nobody sends it again. Both come back.
        town.inbox.ledger.faults.clear();
        town.inbox.queue.faults.clear();
        town.work();
        town.pass_minutes(6);
        if status == 200 {
            let entry = town.only_entry();
            assert_eq!((entry.state, entry.origin), (State::Done, Origin::Push), "{name}");
            assert_eq!(town.effects().len(), 1, "{name}");
        } else {
            assert!(town.inbox.ledger.entries().is_empty(), "{name}");
        }
    }
    // A refusal needs neither.
    let town = Town::new();
    town.inbox.ledger.faults.down(true);
    town.inbox.queue.faults.down(true);
    let mut forged = town.delivery("finbox", &body);
    forged.path_token = None;
    assert_eq!(town.deliver_this(forged).status, 403);
}

/// Three days without a table: the delivery waits in the one message that it came in, and nobody sends it again.
#[test]
fn a_rescued_delivery_waits_in_its_one_message_however_long_the_table_is_down() {
    let town = Shown::default().entity("e1", &statement("s1", "completed")).in_town();
    town.inbox.ledger.faults.down(true);
    assert_eq!(town.deliver("finbox", &attempt("e1", r#""s1""#, r#""l1""#, "completed", "null")).status, 200);
    let sent = town.inbox.queue.messages();
    let tries = 3 * 24 * 3600 / 360;
    for _ in 0..tries {
        assert_eq!(town.work(), 0, "it is failed, not finished with");
        town.inbox.clock.advance_secs(360);
    }
    let waiting = town.inbox.queue.messages();
    let seen: Vec<_> = waiting.iter().map(|message| (message.id, message.receives)).collect();
    assert_eq!(seen, [(sent[0].id, tries)]);
    assert_eq!(run(town.inbox.queue.depth(id("finbox"))).unwrap(), 0, "it is no work of FinBox's queue");
    town.inbox.ledger.faults.clear();
    town.work();
    town.pass_minutes(1);
    assert_eq!((town.only_entry().state, town.effects().len()), (State::Done, 1));
    assert_eq!(town.inbox.queue.messages(), []);
}

#[test]
fn a_statement_without_a_payload_is_found_through_the_links_entities() {
    // The list tells of one statement of the first entity; the mapping leads to two more, of which one still processes.
    let listed = attempt("e1", r#""s1""#, r#""l1""#, "completed", "null");
    let shown = Shown::default().payload(dated(&listed, "10:00:00"));
    let shown = shown.entity("e1", &[statement("s1", "completed"), statement("s2", "failed")].join(","));
    let town = shown.entity("e2", &[statement("s3", "completed"), statement("s4", "processing")].join(",")).in_town();
    watch(&town);
    town.pass_minutes(5);
    let expected = [
        "finbox#entity#e1 event#statement#s1#completed",
        "finbox#entity#e1 event#statement#s2#failed",
        "finbox#entity#e2 event#statement#s3#completed",
    ];
    assert_eq!(identities(&town), expected, "found both ways is found once");
    assert!(town.inbox.ledger.entries().iter().all(|entry| (entry.state, entry.origin) == (State::Done, Origin::Poll)));
    // A push that comes after all is the same event.
    for body in [listed, attempt("e2", r#""s3""#, r#""l1""#, "completed", r#""""#)] {
        assert_eq!(town.deliver("finbox", &body).status, 200);
    }
    town.pass_minutes(5);
    assert_eq!((town.inbox.ledger.entries().len(), town.effects().len()), (3, 3));
    let keep = town.inbox.ledger.expectations()[0].state;
    assert_eq!(keep, ExpectationState::Waiting, "a link may bring more");
}

#[test]
fn what_the_list_said_counts_although_the_mapping_fails() {
    let body = attempt("e1", r#""""#, r#""l1""#, "failed", r#""wrong login""#);
    for failing in [("entity/?link_id", 500), ("entity/?link_id", 403), ("entity/?link_id", 404), ("/entity/e1/", 500)]
    {
        let shown = Shown::default().payload(dated(&body, "10:00:00")).entity("e1", "").failing(failing.0, failing.1);
        let town = shown.in_town();
        watch(&town);
        town.pass_minutes(3);
        assert_eq!(town.only_entry().state, State::Done, "{failing:?}");
        pass_hours(&town, 7 * 24);
        let state = town.inbox.ledger.expectations()[0].state;
        assert_eq!(state, ExpectationState::Closed, "{failing:?}: the watch was not in vain");
        let counted = town.inbox.meter.of(Metric::WorkFailed, id("finbox")) > 0;
        assert_eq!(counted, failing.1 != 404, "{failing:?}: an absent mapping is no failure, a broken one is counted");
    }
    // A list that fails is asked again; a list that knows nothing of the link does not hide its entities.
    for (status, found) in [(500, 0), (404, 1)] {
        let shown = Shown::default().entity("e1", &statement("s1", "completed"));
        let town = shown.failing("webhook_payloads", status).in_town();
        watch(&town);
        town.pass_minutes(3);
        assert_eq!(town.inbox.ledger.entries().len(), found, "{status}");
    }
}

#[test]
fn an_entity_that_fails_does_not_hide_its_neighbours() {
    let mut shown = Shown::default().failing("/entity/e3/", 500);
    for n in 0..25 {
        shown = shown.entity(&format!("e{n}"), &statement(&format!("s{n}"), "completed"));
    }
    let town = shown.in_town();
    watch(&town);
    pass_hours(&town, 48);
    assert_eq!(town.inbox.ledger.entries_in(State::Done).len(), 24);
    assert!(town.inbox.meter.of(Metric::WorkFailed, id("finbox")) > 0);
}

#[test]
fn a_link_of_many_entities_is_asked_about_in_a_hundred_requests() {
    let mut shown = Shown::default();
    for n in 0..400 {
        shown = shown.entity(&format!("e{n}"), &statement(&format!("s{n}"), "processing"));
    }
    let town = shown.in_town();
    watch(&town);
    town.inbox.clock.advance_secs(30);
    town.work();
    assert_eq!(town.inbox.ledger.expectations()[0].polls, 1);
    assert_eq!(town.inbox.api.urls().len(), 100);
    let entities: std::collections::BTreeSet<String> =
        town.inbox.api.urls().into_iter().filter(|url| url.contains("transactions")).collect();
    assert_eq!(entities.len(), 89, "none of them twice");
}

#[test]
fn rows_older_than_what_is_held_are_let_in_once() {
    // Held: one statement, and the later of two failures that look the same. The list begins before both.
    let done = attempt("e1", r#""s1""#, r#""l1""#, "completed", "null");
    let login = attempt("e1", r#""""#, r#""l1""#, "failed", r#""wrong login""#);
    let earlier = attempt("e1", r#""s0""#, r#""l1""#, "failed", r#""password""#);
    let shown = Shown::default()
        .payload(dated(&earlier, "08:00:00"))
        .payload(dated(&login, "09:00:00"))
        .payload(dated(&login, "09:30:00"))
        .payload(dated(&done, "10:00:00"));
    let town = shown.entity("e1", &[statement("s1", "completed"), statement("s0", "failed")].join(",")).in_town();
    for body in [&login, &done] {
        town.deliver("finbox", body);
        town.work();
    }
    let held = town.effects();
    assert_eq!(held.len(), 2);
    watch(&town);
    town.pass_minutes(10);
    let expected = [
        "finbox#entity#e1 event#attempt#l1#failed#8f8f5a26b2b5bde4cd9df96aebdd6193#1",
        "finbox#entity#e1 event#attempt#l1#failed#8f8f5a26b2b5bde4cd9df96aebdd6193#2",
        "finbox#entity#e1 event#statement#s0#failed",
        "finbox#entity#e1 event#statement#s1#completed",
    ];
    assert_eq!(identities(&town), expected);
    assert_eq!((town.effects().len(), &town.effects()[..2]), (4, &held[..]), "what was held is not told again");
    let s0 = town.inbox.ledger.entries().into_iter().find(|entry| entry.key.sk.contains("s0")).unwrap();
    assert_eq!(s0.occurred_at.unwrap().to_string(), "2039-12-31T08:00:00.000Z", "it happened when the list says");
}
