//! Fynapse: what its audit shows of deliveries that never arrived, and what it is answered whatever goes wrong.

use std::cell::RefCell;
use std::rc::Rc;

use hookledger_aws::enter::gateway::{Request, Response};
use hookledger_core::desk::replay::Replayed;
use hookledger_core::flows::losses::{ARRIVED, LOST};
use hookledger_core::flows::receive::Answer;
use hookledger_core::model::delivery::Delivery;
use hookledger_core::model::entry::{Entry, Origin, State};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Clock, Metric};
use hookledger_core::providers::Providers;
use hookledger_tests::memory::{Side, answer, killed_after};
use hookledger_tests::town::{Town, id};
use serde_json::value::RawValue;

/// The audit as it stands, pages of rows; a test may change it.
pub(super) type Audit = Rc<RefCell<Vec<Vec<String>>>>;

/// A town whose Fynapse has an audit of these pages.
pub(super) fn audited(pages: Vec<Vec<String>>) -> (Town, Audit) {
    let mut town = Town::new();
    let base = |name: &str| (name == "FYNAPSE_API_BASE_URL").then(|| "https://f.example".to_string());
    town.providers = Providers::read(&base);
    let audit: Audit = Rc::new(RefCell::new(pages));
    let shown = audit.clone();
    town.inbox.api.answer_with(move |url| {
        let Some((_, page)) = url.split_once("/deliveries?page=") else { return answer(404, "") };
        let page: usize = page.split('&').next().unwrap().parse().unwrap();
        let pages = shown.borrow();
        let rows = pages[page - 1].join(",");
        answer(200, format!(r#"{{"data":[{rows}],"page":{page},"totalPages":{}}}"#, pages.len()))
    });
    (town, audit)
}

/// A row of the audit that changed last at this instant.
pub(super) fn row(event: &str, status: &str, at: UnixMs) -> String {
    format!(r#"{{"id":"d-{event}","eventId":"{event}","status":"{status}","createdAt":"{at}","updatedAt":"{at}"}}"#)
}

pub(super) fn extract(event: &str) -> String {
    format!(r#"{{"event_id":"{event}","type":"balance.extracted","data":{{"a":1}}}}"#)
}

/// The start of every town's time.
pub(super) fn start() -> UnixMs {
    Town::new().inbox.clock.now()
}

fn of_type(town: &Town, event_type: &str) -> Vec<Entry> {
    town.inbox.ledger.entries().into_iter().filter(|entry| entry.event_type == event_type).collect()
}

fn losses(town: &Town) -> Vec<Entry> {
    of_type(town, LOST)
}

fn counted(town: &Town) -> u64 {
    town.inbox.meter.of(Metric::DeliveriesLost, id("fynapse"))
}

#[test]
fn a_loss_is_seen_by_a_person_and_counted_once() {
    let at = start();
    let rows = [
        ("dead", "DEAD_LETTER"),
        ("called-off", "CANCELLED"),
        ("never-seen", "DELIVERED"),
        ("waiting", "PENDING"),
        ("unheard-of", "A_NEW_STATE"),
        ("held", "DELIVERED"),
        ("held-late", "DEAD_LETTER"),
    ];
    let (town, _) = audited(vec![rows.map(|(event, status)| row(event, status, at)).to_vec()]);
    for held in ["held", "held-late"] {
        assert_eq!(town.deliver("fynapse", &extract(held)).status, 200);
    }
    // Two walks and more: each loss is one row and one count.
    town.pass_minutes(60);
    let keys: Vec<String> = losses(&town).iter().map(|loss| loss.key.to_string()).collect();
    assert_eq!(
        keys,
        [
            "fynapse#event#called-off event#lost#d-called-off",
            "fynapse#event#dead event#lost#d-dead",
            "fynapse#event#never-seen event#lost#d-never-seen",
        ]
    );
    for loss in losses(&town) {
        assert_eq!((loss.state, loss.origin), (State::Parked, Origin::Poll));
        let reason = loss.reason.unwrap();
        assert!(reason.contains("deliver it again"), "{reason}");
    }
    assert_eq!(town.inbox.ledger.parked().len(), 3, "`hookledger parked` lists them");
    assert_eq!((counted(&town), town.inbox.meter.total(Metric::EntriesParked)), (3, 3));
    assert_eq!(town.inbox.meter.total(Metric::DeliveriesReceived), 2);
    assert_eq!(town.effects().len(), 2, "a loss is not published");
    // The audit's own words are kept with the loss.
    let kept = town.inbox.ledger.stored(&losses(&town)[1].key).unwrap();
    assert_eq!(kept.body, row("dead", "DEAD_LETTER", at).as_bytes());
}

#[test]
fn a_loss_whose_event_is_not_named_is_shown_too() {
    let nameless = |delivery: &str, status: &str| {
        format!(r#"{{"id":"{delivery}","status":"{status}","createdAt":"2039-12-31T20:00:00Z"}}"#)
    };
    let (town, _) = audited(vec![vec![nameless("n1", "DEAD_LETTER"), nameless("n2", "DELIVERED")]]);
    town.pass_minutes(2);
    let loss = town.only_entry();
    assert_eq!((loss.key.to_string().as_str(), loss.state), ("fynapse#delivery#n1 event#lost#n1", State::Parked));
    assert!(loss.reason.unwrap().contains("compare by hand"));
}

#[test]
fn a_replayed_loss_is_not_done_without_its_event() {
    let (town, _) = audited(vec![vec![row("e1", "DEAD_LETTER", start())]]);
    town.pass_minutes(16);
    let loss = losses(&town).remove(0);
    for _ in 0..5 {
        assert_eq!(town.replay(&loss.key), Replayed::OnItsWay);
        town.work();
        let again = losses(&town).remove(0);
        assert_eq!((again.state, &again.reason), (State::Parked, &loss.reason));
    }
    assert_eq!((counted(&town), town.effects().len()), (1, 0));
    // With the audit turned off meanwhile, nobody can tell: it stays with the person.
    let town = Town { providers: Providers::read(&|_| None), ..town };
    assert_eq!(town.replay(&loss.key), Replayed::OnItsWay);
    town.work();
    assert_eq!(losses(&town)[0].state, State::Parked);
}

#[test]
fn the_event_itself_closes_its_loss() {
    for by_replay in [false, true] {
        let (town, audit) = audited(vec![vec![row("e1", "DEAD_LETTER", start())]]);
        town.pass_minutes(16);
        let loss = losses(&town).remove(0);
        assert_eq!(loss.state, State::Parked);
        // Fynapse was made to deliver again. The loss does not stand in the event's way.
        assert_eq!(town.deliver("fynapse", &extract("e1")).status, 200);
        town.work();
        let event = of_type(&town, "balance.extracted").remove(0);
        assert_eq!((event.state, event.key.to_string().as_str()), (State::Done, "fynapse#event#e1 event#e1"));
        if by_replay {
            // A person need not wait for the walk, and may replay what the audit does not show any more.
            *audit.borrow_mut() = vec![vec![]];
            assert_eq!(town.replay(&loss.key), Replayed::OnItsWay);
            town.work();
        } else {
            town.pass_minutes(16);
        }
        let closed = losses(&town).remove(0);
        assert_eq!((closed.state, closed.reason.as_deref(), closed.due_at), (State::Done, Some(ARRIVED), None));
        town.pass_minutes(40);
        assert_eq!((losses(&town), counted(&town), town.effects().len()), (vec![closed], 1, 1));
    }
}

#[test]
fn what_is_under_way_is_not_lost() {
    // The audit says DELIVERED, by a clock that is ahead of ours and before our own put can be seen.
    let ahead = start().plus_secs(20);
    let (town, _) = audited(vec![vec![row("e1", "DELIVERED", ahead), row("e2", "DEAD_LETTER", ahead)]]);
    town.reconcile();
    assert!(losses(&town).is_empty(), "younger than the grace");
    town.deliver("fynapse", &extract("e1"));
    town.pass_minutes(40);
    let keys: Vec<_> = losses(&town).into_iter().map(|loss| loss.key.pk).collect();
    assert_eq!(keys, ["fynapse#event#e2"], "older than the grace: what is missing now is missing");
}

#[test]
fn a_walk_that_dies_goes_on_and_reports_each_loss_once() {
    // Two pages of two losses; the run is killed at every turn, and the next ones go on.
    let pages = [["a", "b"], ["c", "d"]].map(|page| page.map(|event| row(event, "DEAD_LETTER", start())).to_vec());
    for turns in 0..70 {
        let (town, _) = audited(pages.to_vec());
        town.inbox.clock.advance_secs(3600);
        let _ = killed_after(turns, town.asker().reconcile(&town.full_run()));
        let reported = losses(&town).len();
        let cursor = town.inbox.ledger.listings().into_iter().find(|listing| listing.list == "deliveries");
        if cursor.is_some_and(|cursor| cursor.position.is_some()) {
            assert!(reported >= 2, "the cursor moved although its page was not handled; killed after {turns} turns");
        }
        town.pass_minutes(20);
        assert_eq!(losses(&town).len(), 4, "killed after {turns} turns");
        assert!(counted(&town) <= 4);
    }
}

#[test]
fn a_failure_in_mid_page_leaves_the_page_to_be_walked_again() {
    let rows = ["a", "b", "c"].map(|event| row(event, "DEAD_LETTER", start())).to_vec();
    let (town, _) = audited(vec![rows]);
    town.inbox.clock.advance_secs(3600);
    town.inbox.ledger.faults.next_of("admit", Side::After, 1);
    assert_eq!(town.reconcile().failed, 1);
    assert_eq!(losses(&town).len(), 1, "the first row is written, although nobody could say so");
    town.pass_minutes(5);
    assert_eq!(losses(&town).len(), 3);
    assert!(losses(&town).iter().all(|loss| loss.state == State::Parked));
}

#[test]
fn closing_a_loss_survives_a_kill_at_every_turn() {
    for turns in 0..30 {
        let (town, _) = audited(vec![vec![row("e1", "DEAD_LETTER", start())]]);
        town.pass_minutes(16);
        town.deliver("fynapse", &extract("e1"));
        town.work();
        town.inbox.clock.advance_secs(900);
        let _ = killed_after(turns, town.asker().reconcile(&town.full_run()));
        town.pass_minutes(20);
        let loss = losses(&town).remove(0);
        assert_eq!((loss.state, loss.reason.as_deref()), (State::Done, Some(ARRIVED)), "killed after {turns} turns");
    }
}

#[test]
fn nobody_can_push_a_loss() {
    // An event that calls itself one is an event of an unknown type, old or not.
    let (town, _) = audited(vec![vec![]]);
    let body = format!(r#"{{"event_id":"e1","type":"{LOST}"}}"#);
    assert_eq!(town.deliver("fynapse", &body).status, 200);
    assert_eq!((town.only_entry().state, counted(&town)), (State::Ignored, 0));
}

#[test]
fn without_a_base_url_nothing_is_asked() {
    let town = Town::new();
    town.pass_minutes(20);
    assert!(town.inbox.api.urls().iter().all(|url| !url.contains("deliveries")));
}

/// Fynapse dead-letters an event for good on any of these.
const PERMANENT: [u16; 7] = [400, 401, 402, 405, 406, 410, 413];

/// What breaks: the world, or the delivery; and what Fynapse is answered then.
type Breakage = (&'static str, fn(&Town), fn(&mut Delivery), u16);

#[test]
fn no_error_path_makes_fynapse_give_up() {
    fn nothing(_: &Town) {}
    fn genuine(_: &mut Delivery) {}
    fn unsigned(delivery: &mut Delivery) {
        delivery.headers.clear();
    }
    fn signature(delivery: &mut Delivery, text: &str) {
        delivery.headers = vec![("webhook-signature".into(), text.into())];
    }
    let rows: [Breakage; 18] = [
        ("nothing", nothing, genuine, 200),
        ("no signature", nothing, unsigned, 403),
        ("an empty signature", nothing, |delivery| signature(delivery, ""), 403),
        ("a malformed signature", nothing, |delivery| signature(delivery, "t=now,v1=zz"), 403),
        ("no tag", nothing, |delivery| signature(delivery, "t=2208988800"), 403),
        ("a short tag", nothing, |delivery| signature(delivery, "t=2208988800,v1=00"), 403),
        ("several wrong tags", nothing, |delivery| signature(delivery, &wrong_tags(3)), 403),
        (
            "a stale signature",
            nothing,
            |delivery| delivery.received_at = delivery.received_at.plus_secs(74 * 3600),
            403,
        ),
        ("a future signature", nothing, |delivery| delivery.received_at = delivery.received_at.minus_secs(301), 403),
        ("a late one, still in time", nothing, |d| d.received_at = d.received_at.plus_secs(72 * 3600), 200),
        (
            "another secret",
            |town| set_secret(town, r#"{"signing_secrets":[{"id":"x","value":"another-secret-yet"}]}"#),
            genuine,
            403,
        ),
        ("no secrets", |town| set_secret(town, "{}"), genuine, 503),
        (
            "a secret that is over",
            |town| {
                let ended = r#"{"signing_secrets":[{"id":"x","value":"another-secret-yet","not_after":"2020-01-01T00:00:00Z"}]}"#;
                set_secret(town, ended);
            },
            genuine,
            503,
        ),
        ("secrets unreadable", |town| town.inbox.secrets.faults.down(true), genuine, 503),
        ("store down", |town| town.inbox.ledger.faults.down(true), genuine, 503),
        ("store down and no signature", |town| town.inbox.ledger.faults.down(true), unsigned, 403),
        (
            "store slow: the put is done, its answer lost",
            |town| town.inbox.ledger.faults.next(Side::After, 1),
            genuine,
            503,
        ),
        ("queue down", |town| town.inbox.queue.faults.down(true), genuine, 200),
    ];
    let large = format!(r#"{{"event_id":"e","type":"balance.extracted","data":"{}"}}"#, "x".repeat(5_900_000));
    let small = [extract("e"), "nonsense".into(), String::new(), "[]".into(), r#"{"event_id":"e"}"#.into()];
    for (name, break_it, change, expected) in rows {
        // Hashing the largest body takes its time.
        let largest = matches!(name, "nothing" | "store down").then_some(&large);
        for body in small.iter().chain(largest) {
            let town = Town::new();
            let mut delivery = town.delivery("fynapse", body);
            change(&mut delivery);
            break_it(&town);
            let answered = town.deliver_this(delivery);
            let shown: String = body.chars().take(40).collect();
            assert_eq!(answered.status, expected, "{name}: {shown}");
            assert!(!PERMANENT.contains(&answered.status), "{name}: {shown}");
            assert_eq!(answered.retry_after_secs.is_some(), answered.status == 503, "{name}: {shown}");
        }
    }
}

/// What the gateway hands over and we can't take out of its envelope is our trouble or the gateway's.
#[test]
fn no_envelope_makes_fynapse_give_up() {
    let http = r#""requestContext":{"http":{"method":"POST"}}"#;
    for envelope in [
        "null".to_string(),
        "{}".to_string(),
        format!(r#"{{{http},"body":"%%%","isBase64Encoded":true}}"#),
        format!(r#"{{{http},"body":{{"a":1}}}}"#),
        r#"{"version":"1.0","httpMethod":"POST"}"#.to_string(),
    ] {
        let event = RawValue::from_string(envelope.clone()).unwrap();
        assert!(Request::parse(&event).is_err(), "{envelope}");
    }
    assert_eq!(Response::unreadable_envelope().status(), 503);
    // A flow that panics, and whatever else the receiver can't finish.
    assert_eq!(Response::from(Answer::unavailable()).status(), 503);
    // A method or a path that is no delivery's: 404, which Fynapse tries again, and never 405.
    for method in ["GET", "PUT", "DELETE"] {
        let event = format!(r#"{{"requestContext":{{"http":{{"method":"{method}"}}}}}}"#);
        let request = Request::parse(&RawValue::from_string(event).unwrap()).unwrap();
        let town = Town::new();
        assert!(
            request.into_delivery(town.provider("fynapse").id(), false, town.inbox.clock.now()).is_err(),
            "{method}"
        );
    }
    assert_eq!(Response::unrouted().status(), 404);
}

fn set_secret(town: &Town, document: &str) {
    town.inbox.secrets.set(id("fynapse"), document);
}

fn wrong_tags(count: usize) -> String {
    format!("t=2208988800{}", format!(",v1={}", "00".repeat(32)).repeat(count))
}
